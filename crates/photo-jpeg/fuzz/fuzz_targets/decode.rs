//! Any bytes at any scale: an answer, in bounded memory and time, and the same whatever the scale.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photo_jpeg::{Error, Jpeg, Scale, Scales};

fuzz_target!(|bytes: &[u8]| {
    // The last byte chooses, so that a seed stays a file.
    let Some((&choice, _)) = bytes.split_last() else { return };
    let Ok(jpeg) = Jpeg::parse(bytes) else { return };
    if jpeg.width() * jpeg.height() > 400_000 {
        return;
    }
    let scale = |bits: u8| Scale::ALL[usize::from(bits & 7)];
    let scales = Scales { luma: scale(choice), chroma: scale(choice >> 3) };
    assert!(jpeg.memory_bytes(scales) >= u64::from(scales.luma.of(jpeg.width())));
    let mut asked = 0_u32;
    let decoded = jpeg.decode(scales, &mut || {
        asked += 1;
        false
    });
    let other = jpeg.decode(Scales::same(Scale::FULL), &mut || false);
    match (decoded, other) {
        (Ok(picture), Ok(full)) => {
            assert!(asked > 0);
            assert_eq!(picture.width, scales.luma.of(full.width));
            for plane in &picture.planes {
                assert_eq!(plane.samples.len(), plane.width * plane.height);
            }
            let pixels = picture.width as usize * picture.height as usize;
            assert_eq!(picture.into_pixels().len() % pixels, 0);
        }
        // Damage does not depend on the scale.
        (decoded, other) => {
            assert_eq!(decoded.err(), other.as_ref().err().copied());
            assert_ne!(other.err(), Some(Error::Stopped));
        }
    }
});

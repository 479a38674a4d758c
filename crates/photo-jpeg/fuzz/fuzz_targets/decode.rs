//! Any bytes at any scale: an answer, in bounded memory and time, and the same at every scale. What is written of the coded
//! parts is the same picture.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photo_jpeg::{CodedPart, Error, Jpeg, Scale, Scales};

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
    let full = jpeg.decode(Scales::same(Scale::FULL), &mut || false);
    // Damage does not depend on the scale.
    let (decoded, full) = match (decoded, full) {
        (Ok(decoded), Ok(full)) => (decoded, full),
        (decoded, full) => {
            assert_eq!(decoded.err(), full.as_ref().err().copied());
            assert_ne!(full.err(), Some(Error::Stopped));
            return;
        }
    };
    assert!(asked > 0);
    assert_eq!(decoded.loss, full.loss);
    if let Some(loss) = full.loss {
        assert!(loss.received < loss.total && loss.total == 1000 * u64::from(jpeg.height()));
    }
    let picture = decoded.picture;
    assert_eq!(picture.width, scales.luma.of(full.picture.width));
    for plane in &picture.planes {
        assert_eq!(plane.samples.len(), plane.width * plane.height);
    }
    let pixels = picture.width as usize * picture.height as usize;
    assert_eq!(picture.into_pixels().len() % pixels, 0);
    if let Some(written) = rewritten(&jpeg) {
        assert_eq!(full.loss, None);
        let again = Jpeg::parse(&written).unwrap();
        let decoded = again.decode(Scales::same(Scale::FULL), &mut || false).unwrap();
        assert_eq!(decoded.loss, None);
        assert!(decoded.picture.planes == full.picture.planes);
        assert!(rewritten(&again).as_ref() == Some(&written));
    }
});

/// A file written anew of the coded parts of one that has them all.
fn rewritten(jpeg: &Jpeg<'_>) -> Option<Vec<u8>> {
    let mut out = vec![0xff, 0xd8];
    let mut intervals = 0_u32;
    let mut put = |part: CodedPart<'_>| match part {
        CodedPart::Segment { marker, body } => {
            intervals = 0;
            out.extend([0xff, marker]);
            out.extend(u16::try_from(body.len() + 2).unwrap().to_be_bytes());
            out.extend(body);
        }
        CodedPart::Data(data) => {
            if intervals > 0 {
                out.extend([0xff, 0xd0 | (intervals - 1 & 7) as u8]);
            }
            intervals += 1;
            out.extend(data);
        }
    };
    jpeg.coded_parts(&mut put, &mut || false).ok()?;
    out.extend([0xff, 0xd9]);
    Some(out)
}

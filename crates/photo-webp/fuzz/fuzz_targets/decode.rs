//! Any bytes as a frame: an error, or twice the same picture of the size that the header says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photo_webp::decode;

fuzz_target!(|frame: &[u8]| {
    // Sides of up to 255 px: what is larger is only slower.
    if frame.get(7).is_some_and(|&high| high & 0x3f != 0) || frame.get(9).is_some_and(|&high| high & 0x3f != 0) {
        return;
    }
    let Ok(picture) = decode(frame, &mut || false) else { return };
    let (width, height) = (picture.width as usize, picture.height as usize);
    let half = width.div_ceil(2) * height.div_ceil(2);
    assert_eq!((picture.y.len(), picture.u.len(), picture.v.len()), (width * height, half, half));
    let again = decode(frame, &mut || false).expect("twice the same");
    assert!(picture == again, "twice the same");
});

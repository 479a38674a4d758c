//! The sanitiser: no panic, little memory, hardly any growth, nothing but the same picture, and nothing left to take away the second time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photo_imaging::{Limits, probe};
use photo_imaging_fuzz::within;

/// What the sanitiser may hold in bytes beside copies of the file: a profile, as it was, read and written, and an inflater.
const BESIDE: u64 = 24 << 20;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let Ok(photo) = probe(bytes, &limits) else { return };
    // Block images and prefix codes of a lossless WebP.
    let memory = 4 * bytes.len() as u64 + BESIDE + photo.decoder_bytes();
    let Ok(clean) = within(memory, || photo.sanitize()) else { return };
    // A PNG's profile is compressed again, and its data may get a last block of plain bytes.
    let profile = if photo.has_icc_profile() { bytes.len() } else { 0 };
    assert!(clean.len() <= bytes.len() + profile + 512);
    let again = probe(&clean, &limits).expect("what was within limits is so without metadata");
    assert_eq!(photo.format(), again.format());
    assert_eq!((photo.width(), photo.height()), (again.width(), again.height()));
    assert_eq!(photo.orientation(), again.orientation());
    // An animation without a header in front its first frame.
    assert!(again.frames() <= photo.frames());
    assert_eq!(again.sanitize().expect("a whole file"), clean);
});

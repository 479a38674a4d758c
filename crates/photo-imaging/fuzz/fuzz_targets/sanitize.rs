//! The sanitiser: no panic, no growth, nothing but the same picture, and nothing left to take away the second time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photo_imaging::{Limits, probe};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let Ok(photo) = probe(bytes, &limits) else { return };
    let Ok(clean) = photo.sanitize() else { return };
    assert!(clean.len() <= bytes.len() + 64);
    let again = probe(&clean, &limits).expect("what was within limits is so without metadata");
    assert_eq!(photo.format(), again.format());
    assert_eq!((photo.width(), photo.height()), (again.width(), again.height()));
    assert_eq!((photo.frames(), photo.orientation()), (again.frames(), again.orientation()));
    assert_eq!(again.sanitize().expect("a whole file"), clean);
});

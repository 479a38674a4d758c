//! The header parsers: no panic, little memory, and what they let pass is within the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photo_imaging::{Limits, probe};
use photo_imaging_fuzz::within;

/// What the parsers may hold in bytes.
const MEMORY: u64 = 2 << 20;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let Ok(photo) = within(MEMORY, || probe(bytes, &limits)) else { return };
    let pixels = u64::from(photo.width()) * u64::from(photo.height());
    assert!(pixels > 0 && pixels <= limits.max_pixels);
    assert!(photo.width().max(photo.height()) <= limits.max_side);
    assert!(photo.frames() > 0);
    assert!((1..=8).contains(&photo.orientation()));
    assert!(photo.decoder_bytes() <= limits.max_decoder_bytes);
});

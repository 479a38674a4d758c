//! Any picture at any quality, with alpha or without, becomes a file that a decoder of others reads, the alpha unchanged.
#![no_main]

use std::io::Cursor;

use image_webp::WebPDecoder;
use libfuzzer_sys::fuzz_target;
use photo_webp::{Options, Planes, encode, encode_with_alpha};

fuzz_target!(|bytes: &[u8]| {
    let Some((&[width, height, quality], samples)) = bytes.split_first_chunk::<3>() else { return };
    let (width, height) = (u32::from(width % 70) + 1, u32::from(height % 70) + 1);
    let half = width.div_ceil(2) * height.div_ceil(2);
    // What is given is repeated until the planes are full.
    let mut samples = samples.iter().copied().chain([128]).collect::<Vec<_>>().into_iter().cycle();
    let mut plane = |count: u32| samples.by_ref().take(count as usize).collect::<Vec<u8>>();
    let (y, u, v) = (plane(width * height), plane(half), plane(half));
    let planes = Planes { width, height, y: &y, u: &u, v: &v };
    // The upper half of the byte's values has alpha.
    let options = Options { quality: f32::from(quality % 128) };
    let alpha: Option<Vec<u8>> = (quality >= 128).then(|| plane(width * height));
    let file = || match &alpha {
        Some(alpha) => encode_with_alpha(&planes, alpha, options),
        None => encode(&planes, options),
    };
    let (file, again) = (file().expect("a file"), file().expect("a file"));
    assert_eq!(file, again, "twice the same");

    let expected = alpha.filter(|alpha| alpha.iter().any(|&alpha| alpha != 255));
    let mut decoder = WebPDecoder::new(Cursor::new(&file)).expect("a WebP file");
    assert_eq!((decoder.dimensions(), decoder.has_alpha()), ((width, height), expected.is_some()));
    let mut pixels = vec![0; decoder.output_buffer_size().expect("a size")];
    decoder.read_image(&mut pixels).expect("a picture");
    if let Some(expected) = expected {
        let found: Vec<u8> = pixels.iter().skip(3).step_by(4).copied().collect();
        assert!(found == expected, "another alpha");
    }
});

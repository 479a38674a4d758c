//! Any picture at any quality becomes a file that a decoder of others reads.
#![no_main]

use std::io::Cursor;

use image_webp::WebPDecoder;
use libfuzzer_sys::fuzz_target;
use photo_webp::{Options, Planes, encode};

fuzz_target!(|bytes: &[u8]| {
    let Some((&[width, height, quality], samples)) = bytes.split_first_chunk::<3>() else { return };
    let (width, height) = (u32::from(width % 70) + 1, u32::from(height % 70) + 1);
    let half = width.div_ceil(2) * height.div_ceil(2);
    // What is given is repeated until the planes are full.
    let mut samples = samples.iter().copied().chain([128]).collect::<Vec<_>>().into_iter().cycle();
    let mut plane = |count: u32| samples.by_ref().take(count as usize).collect::<Vec<u8>>();
    let (y, u, v) = (plane(width * height), plane(half), plane(half));
    let planes = Planes { width, height, y: &y, u: &u, v: &v };
    let file = encode(&planes, Options { quality: f32::from(quality) }).expect("a file");
    assert_eq!(file, encode(&planes, Options { quality: f32::from(quality) }).expect("a file"), "twice the same");

    let mut decoder = WebPDecoder::new(Cursor::new(&file)).expect("a WebP file");
    assert_eq!((decoder.dimensions(), decoder.has_alpha()), ((width, height), false));
    let mut pixels = vec![0; decoder.output_buffer_size().expect("a size")];
    decoder.read_image(&mut pixels).expect("a picture");
});

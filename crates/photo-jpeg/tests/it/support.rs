//! Files and other decoders.

use std::path::PathBuf;

use photo_jpeg::{Error, Jpeg, Picture, Scale, Scales};

/// The JPEG files of the imaging crate.
fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "photo-imaging", "testdata"].iter().collect()
}

pub(crate) fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// All of the folder's that are whole, without those whose colours decoders tell in different ways.
pub(crate) fn right_files() -> Vec<String> {
    let wrong =
        ["truncated", "garbled", "bomb", "empty", "not-an", "no-end", "regression", "odd-cmyk", "odd-jfif"];
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".jpg") && !wrong.iter().any(|word| name.contains(word)))
        .collect();
    names.sort();
    assert!(names.len() > 20, "the folder is there");
    names
}

pub(crate) fn scale(eighths: u8) -> Scale {
    Scale::new(eighths).unwrap()
}

pub(crate) fn decode_at(bytes: &[u8], eighths: u8) -> Result<Picture, Error> {
    Jpeg::parse(bytes)?.decode(Scales::same(scale(eighths)), &mut || false)
}

/// By zune-jpeg, in the file's own channels, or RGB for YCbCr.
pub(crate) fn by_zune(bytes: &[u8]) -> Vec<u8> {
    use zune_core::bytestream::ZCursor;
    use zune_core::colorspace::ColorSpace;
    use zune_core::options::DecoderOptions;
    let options = DecoderOptions::default().set_strict_mode(true);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().unwrap();
    let wanted = match decoder.input_colorspace().unwrap() {
        ColorSpace::YCbCr => ColorSpace::RGB,
        other => other,
    };
    let options = options.jpeg_set_out_colorspace(wanted);
    zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options).decode().unwrap()
}

/// Largest difference, and peak signal-to-noise ratio in dB.
pub(crate) fn difference(a: &[u8], b: &[u8]) -> (u8, f64) {
    assert_eq!(a.len(), b.len());
    let most = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    let squares: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    (most, 10.0 * (255.0 * 255.0 * a.len() as f64 / squares.max(1) as f64).log10())
}

/// A smooth picture with edges, RGB.
pub(crate) fn painted(width: u16, height: u16) -> Vec<u8> {
    let (w, h) = (usize::from(width), usize::from(height));
    let mut pixels = Vec::with_capacity(w * h * 3);
    for y in 0..h {
        for x in 0..w {
            let wave = ((x as f64 / 9.0).sin() * (y as f64 / 7.0).cos() * 60.0 + 120.0) as u8;
            let edge = if (x / 23 + y / 17) % 2 == 0 { 40 } else { 0 };
            pixels.extend([wave + edge, (x * 200 / w) as u8, (y * 200 / h) as u8 + edge]);
        }
    }
    pixels
}

/// By jpeg-encoder.
pub(crate) fn encoded(
    size: (u16, u16),
    color: jpeg_encoder::ColorType,
    pixels: &[u8],
    set: impl FnOnce(&mut jpeg_encoder::Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 92);
    set(&mut encoder);
    encoder.encode(pixels, size.0, size.1, color).unwrap();
    bytes
}

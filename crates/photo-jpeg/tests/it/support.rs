//! Files and other decoders.

use std::path::PathBuf;

use photo_jpeg::{Error, Jpeg, Picture, Scale, Scales};

/// The JPEG files of the imaging crate.
pub(crate) fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "photo-imaging", "testdata"].iter().collect()
}

pub(crate) fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
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

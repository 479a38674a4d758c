//! Reading test pictures and looking at what came out.

use std::path::PathBuf;

use image::{DynamicImage, ImageFormat, RgbImage};
use photo_imaging::{
    Fit, ImagingError, Limits, OutputFormat, RenderOptions, Rendered, Variant, VariantSpec, probe,
};

pub(crate) fn testdata() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "testdata"].iter().collect()
}

pub(crate) fn read(name: &str) -> Vec<u8> {
    std::fs::read(testdata().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

pub(crate) fn inside(longest_side: u32, format: OutputFormat) -> VariantSpec {
    VariantSpec::new(format!("v{longest_side}"), Fit::Inside { longest_side }, format, 90).unwrap()
}

/// One lossy WebP of at most 320 px, which keeps alpha.
pub(crate) fn one_webp() -> RenderOptions {
    RenderOptions::new(vec![inside(320, OutputFormat::WebP)])
}

pub(crate) fn render_bytes(bytes: &[u8], options: &RenderOptions) -> Result<Rendered, ImagingError> {
    probe(bytes, &Limits::default())?.render(options)
}

pub(crate) fn render(name: &str, options: &RenderOptions) -> Rendered {
    render_bytes(&read(name), options).unwrap_or_else(|e| panic!("{name}: {e}"))
}

pub(crate) fn code(name: &str) -> Result<(), &'static str> {
    render_bytes(&read(name), &one_webp()).map(drop).map_err(|e| e.code())
}

/// Decodes an output, by other code than made it for WebP.
pub(crate) fn open(variant: &Variant) -> DynamicImage {
    let format = match variant.format {
        OutputFormat::Jpeg => return open_jpeg(&variant.bytes),
        OutputFormat::WebP => ImageFormat::WebP,
        OutputFormat::Avif => panic!("no decoder of AV1 is linked"),
    };
    image::load_from_memory_with_format(&variant.bytes, format).unwrap()
}

fn open_jpeg(bytes: &[u8]) -> DynamicImage {
    let options = zune_core::options::DecoderOptions::default().set_strict_mode(true);
    let mut decoder =
        zune_jpeg::JpegDecoder::new_with_options(zune_core::bytestream::ZCursor::new(bytes), options);
    let pixels = decoder.decode().unwrap();
    let (width, height) = decoder.dimensions().unwrap();
    let (width, height) = (u32::try_from(width).unwrap(), u32::try_from(height).unwrap());
    DynamicImage::ImageRgb8(RgbImage::from_raw(width, height, pixels).unwrap())
}

/// Mean distance of two pictures of the same size, in levels of a channel.
pub(crate) fn distance(a: &DynamicImage, b: &DynamicImage) -> f64 {
    let (a, b) = (a.to_rgba8(), b.to_rgba8());
    assert_eq!(a.dimensions(), b.dimensions());
    let sum: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(x, y)| u64::from(x.abs_diff(*y))).sum();
    let samples = u32::try_from(a.as_raw().len()).unwrap();
    f64::from(u32::try_from(sum).unwrap()) / f64::from(samples)
}

/// Every file of testdata that is a picture, right or wrong.
pub(crate) fn all_files() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(testdata())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !["py", "md", "txt", "toml"].iter().any(|end| name.ends_with(&format!(".{end}"))))
        .filter(|name| name.contains('.'))
        .collect();
    names.sort();
    assert!(names.len() > 70, "testdata is there");
    names
}

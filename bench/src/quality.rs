//! How near a file comes to the photo: SSIMULACRA2 against a neutral reduction of the full-resolution photo.
//!
//! The reference is made from the whole photo by Lanczos of three lobes in 32-bit floating point, on gamma-encoded
//! values as sharp and photodrop do it, in one step. 100 is the same picture; 90 cannot be told apart, 70 is high quality.

use std::io::Cursor;
use std::path::Path;

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};
use image::codecs::{png::PngDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, Rgb32FImage, RgbImage, RgbaImage};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::error::Error;

/// A photo at full resolution, upright, with alpha if it has any.
pub(crate) struct Source(DynamicImage);

/// The photo on white, reduced.
pub(crate) struct Reference(RgbImage);

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(Error::file(path))?;
        let (mut picture, orientation) =
            decode(&bytes).map_err(|e| Error::photo(&path.display().to_string(), &e))?;
        picture.apply_orientation(orientation);
        Ok(Self(picture))
    }

    pub(crate) fn size(&self) -> (u32, u32) {
        (self.0.width(), self.0.height())
    }

    /// The photo at this size, on white.
    pub(crate) fn reference(&self, width: u32, height: u32) -> Result<Reference, Error> {
        let failed = |e: &dyn std::fmt::Display| Error::photo("reference", e);
        let (channels, kind, samples) = if self.0.color().has_alpha() {
            (4, PixelType::F32x4, self.0.to_rgba32f().into_raw())
        } else {
            (3, PixelType::F32x3, self.0.to_rgb32f().into_raw())
        };
        let bytes = samples.iter().flat_map(|v| v.to_ne_bytes()).collect();
        drop(samples);
        let full =
            Image::from_vec_u8(self.0.width(), self.0.height(), bytes, kind).map_err(|e| failed(&e))?;
        let mut small = Image::new(width, height, kind);
        let lanczos = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
        Resizer::new().resize(&full, &mut small, &lanczos).map_err(|e| failed(&e))?;
        let (values, _) = small.buffer().as_chunks::<4>();
        let values: Vec<f32> = values.iter().map(|v| f32::from_ne_bytes(*v)).collect();
        let on_white = values.chunks_exact(channels).flat_map(|pixel| {
            let alpha = pixel.get(3).copied().unwrap_or(1.0);
            [0, 1, 2].map(|c| (pixel[c] * alpha + 1.0 - alpha).clamp(0.0, 1.0))
        });
        let reduced =
            Rgb32FImage::from_raw(width, height, on_white.collect()).ok_or_else(|| failed(&"wrong size"))?;
        Ok(Reference(DynamicImage::ImageRgb32F(reduced).to_rgb8()))
    }
}

impl Reference {
    /// The score of a file, decoded and laid on white.
    pub(crate) fn score(&self, file: &[u8]) -> Result<f64, Error> {
        let failed = |e: &dyn std::fmt::Display| Error::photo("scoring a variant", e);
        let (picture, _) = decode(file).map_err(|e| failed(&e))?;
        let found = on_white(&picture.to_rgba8());
        if found.dimensions() != self.0.dimensions() {
            return Err(failed(&"it has another size than the reference"));
        }
        let slice = |image: &RgbImage| -> Result<f64, Error> {
            let (width, height) = image.dimensions();
            let row = width as usize * 3;
            let view = |image| PixelSlice::new(image, width, height, row, PixelDescriptor::RGB8_SRGB);
            let reference = view(self.0.as_raw()).map_err(|e| failed(&e))?;
            let found = view(image.as_raw()).map_err(|e| failed(&e))?;
            compute_ssimulacra2(&reference, &found).map_err(|e| failed(&e))
        };
        slice(&found)
    }
}

/// Width and height of a file.
pub(crate) fn size(file: &[u8]) -> Result<(u32, u32), Error> {
    let (picture, _) = decode(file).map_err(|e| Error::photo("a variant", &e))?;
    Ok((picture.width(), picture.height()))
}

fn on_white(picture: &RgbaImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    RgbImage::from_fn(width, height, |x, y| {
        let [r, g, b, a] = picture.get_pixel(x, y).0;
        let mix = |v: u8| {
            let sum = u16::from(v) * u16::from(a) + 255 * u16::from(255 - a);
            u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
        };
        image::Rgb([mix(r), mix(g), mix(b)])
    })
}

/// The same decoders for both sides' files and for the reference.
fn decode(bytes: &[u8]) -> Result<(DynamicImage, Orientation), String> {
    if bytes.starts_with(&[0xff, 0xd8]) {
        return decode_jpeg(bytes);
    }
    let text = |e: image::ImageError| e.to_string();
    if bytes.starts_with(b"RIFF") {
        with_orientation(WebPDecoder::new(Cursor::new(bytes)).map_err(text)?)
    } else {
        with_orientation(PngDecoder::new(Cursor::new(bytes)).map_err(text)?)
    }
}

fn with_orientation(mut decoder: impl ImageDecoder) -> Result<(DynamicImage, Orientation), String> {
    let orientation = decoder.orientation().map_err(|e| e.to_string())?;
    Ok((DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())?, orientation))
}

fn decode_jpeg(bytes: &[u8]) -> Result<(DynamicImage, Orientation), String> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let data = decoder.decode().map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions().ok_or("no size")?;
    let side = |side: usize| u32::try_from(side).map_err(|e| e.to_string());
    let picture = RgbImage::from_raw(side(width)?, side(height)?, data).ok_or("wrong size")?;
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    Ok((picture.into(), orientation.unwrap_or(Orientation::NoTransforms)))
}

#[cfg(test)]
mod tests {
    use image::ImageEncoder;
    use image::codecs::png::PngEncoder;

    use super::*;

    fn testdata(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/photo-imaging/testdata").join(name)
    }

    fn png(picture: &RgbImage) -> Vec<u8> {
        let mut file = Vec::new();
        let (width, height) = picture.dimensions();
        PngEncoder::new(&mut file)
            .write_image(picture.as_raw(), width, height, image::ExtendedColorType::Rgb8)
            .unwrap();
        file
    }

    #[test]
    fn the_same_picture_scores_100_and_a_worse_one_less() {
        let reference = Source::open(&testdata("orientation-6.jpg")).unwrap().reference(150, 101).unwrap();
        let same = reference.score(&png(&reference.0)).unwrap();
        assert!((same - 100.0).abs() < 1e-6, "{same}");
        let blurred = image::imageops::blur(&reference.0, 1.5);
        let worse = reference.score(&png(&blurred)).unwrap();
        assert!(worse < 60.0, "{worse}");
        let other_size = image::imageops::crop_imm(&blurred, 0, 0, 149, 101).to_image();
        assert!(reference.score(&png(&other_size)).is_err());
    }

    #[test]
    fn a_turned_photo_is_compared_upright() {
        let upright = Source::open(&testdata("orientation-1.jpg")).unwrap();
        let turned = Source::open(&testdata("orientation-6.jpg")).unwrap();
        assert_eq!((upright.0.width(), upright.0.height()), (turned.0.width(), turned.0.height()));
        let score = upright.reference(150, 101).unwrap().score(&png(&turned.reference(150, 101).unwrap().0));
        assert!(score.unwrap() > 80.0);
    }

    #[test]
    fn transparency_is_laid_on_white() {
        let reference = Source::open(&testdata("hidden-colour.png")).unwrap().reference(32, 32).unwrap();
        // Where nothing covers it: white, not the green that is hidden there.
        assert!(reference.0.pixels().any(|p| p.0 == [255; 3]));
        assert!(reference.0.pixels().all(|p| p.0[1] < 40 || p.0[0] > 200), "green shows");
    }
}

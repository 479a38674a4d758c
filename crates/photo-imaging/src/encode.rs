//! Pixels to files. Nothing but pixels goes in, so no EXIF, XMP or profile can come out.

mod avif;
mod dct;
mod huffman;
mod jpeg;
mod planes;

use webpx::{EncoderConfig, Unstoppable, YuvPlanesRef};

use crate::error::ImagingError;
use crate::format::OutputFormat;
use crate::options::{RenderOptions, VariantSpec};
use crate::planar::Planar;
use crate::raster::{Channels, Raster};
use avif::avif;
use planes::{Planes, PlanesRef, Range};

/// A variant of pixels. For JPEG they must be opaque, see [`flatten`].
pub(crate) fn pixels(
    raster: &Raster,
    spec: &VariantSpec,
    options: &RenderOptions,
) -> Result<Vec<u8>, ImagingError> {
    match spec.format() {
        OutputFormat::Jpeg => jpeg(raster, spec.quality()),
        OutputFormat::WebP => webp(raster, spec.quality(), options.webp_method),
        OutputFormat::Avif => avif(raster, spec.quality(), options.avif_speed),
    }
}

/// A variant of planes that [`takes_planes`].
pub(crate) fn planar(
    picture: &Planar,
    spec: &VariantSpec,
    options: &RenderOptions,
) -> Result<Vec<u8>, ImagingError> {
    let (format, quality) = (spec.format(), spec.quality());
    let side = (picture.width, picture.height);
    match format {
        OutputFormat::Jpeg => {
            check_side(format, side)?;
            Ok(jpeg::encode(&PlanesRef::from(picture), quality))
        }
        OutputFormat::WebP => {
            check_side(format, side)?;
            webp_of_planes(&Planes::limited(picture), quality, options.webp_method)
        }
        OutputFormat::Avif => Err(refused(format)("planes".to_owned())),
    }
}

/// Whether a variant's file has chroma at half size in any case, so that no more of it is needed.
pub(crate) fn takes_planes(spec: &VariantSpec) -> bool {
    match spec.format() {
        OutputFormat::Jpeg => spec.quality() < FULL_CHROMA_QUALITY,
        OutputFormat::WebP => true,
        OutputFormat::Avif => false,
    }
}

/// Baseline JPEG. `raster` must be opaque, see [`flatten`].
fn jpeg(raster: &Raster, quality: u8) -> Result<Vec<u8>, ImagingError> {
    let format = OutputFormat::Jpeg;
    check_side(format, (raster.width(), raster.height()))?;
    // Who asks for much quality wants sharp coloured edges too.
    let full_chroma = quality >= FULL_CHROMA_QUALITY;
    let planes = Planes::of(raster, Range::Full, full_chroma).map_err(refused(format))?;
    Ok(jpeg::encode(&PlanesRef::from(&planes), quality))
}

/// Lossy WebP by libwebp. `method` is its effort, 0 (fast) to 6 (small); see [`tuned`].
pub(crate) fn webp(raster: &Raster, quality: u8, method: u8) -> Result<Vec<u8>, ImagingError> {
    let format = OutputFormat::WebP;
    let (width, height) = (raster.width(), raster.height());
    check_side(format, (width, height))?;
    if raster.channels() == Channels::Rgba {
        // libwebp itself sees to the colour under transparency.
        let config = tuned(u64::from(width) * u64::from(height), quality, method);
        let encoder = webpx::Encoder::new_rgba(raster.data(), width, height).config(config);
        return encoder.encode(Unstoppable).map_err(|e| refused(format)(e.to_string()));
    }
    // Converted here: libwebp's own way goes by a copy of four bytes a pixel and is not vectorised.
    let planes = Planes::of(raster, Range::Limited, false).map_err(refused(format))?;
    webp_of_planes(&planes, quality, method)
}

/// Lossy WebP of limited-range planes with chroma of half size.
fn webp_of_planes(planes: &Planes, quality: u8, method: u8) -> Result<Vec<u8>, ImagingError> {
    let half = planes.width.div_ceil(2);
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let (width, height) = (side(planes.width), side(planes.height));
    let view = YuvPlanesRef {
        y: &planes.y,
        y_stride: planes.width,
        u: &planes.cb,
        u_stride: half,
        v: &planes.cr,
        v_stride: half,
        a: None,
        a_stride: 0,
        width,
        height,
    };
    let config = tuned(u64::from(width) * u64::from(height), quality, method);
    let encoded = webpx::Encoder::new_yuv(view).config(config).encode(Unstoppable);
    encoded.map_err(|e| refused(OutputFormat::WebP)(e.to_string()))
}

fn refused(format: OutputFormat) -> impl Fn(String) -> ImagingError {
    move |reason| ImagingError::Encode { format, reason }
}

/// No file of this format can say longer sides.
fn check_side(format: OutputFormat, (width, height): (u32, u32)) -> Result<(), ImagingError> {
    if width.max(height) > format.max_side() {
        return Err(refused(format)(format!("{width} x {height} px")));
    }
    Ok(())
}

/// From this quality on JPEG keeps colour at full size.
const FULL_CHROMA_QUALITY: u8 = 90;
/// Up to this many pixels the usual effort costs a millisecond: 160 x 160.
const SMALL_PIXELS: u64 = 25_600;
/// From this many on, effort 2 is balanced below.
const LARGE_PIXELS: u64 = 500_000;

/// What libwebp is told, measured in docs/adr/012-encoders.md.
fn tuned(pixels: u64, quality: u8, method: u8) -> EncoderConfig {
    let (method, quality) = (method.min(6), f32::from(quality));
    let config = EncoderConfig::new();
    match (method, pixels) {
        (_, ..=SMALL_PIXELS) => config.quality(quality).method(method.max(4)),
        // Effort 2 makes larger files than 4. More bits for smooth parts and fewer for busy ones, where they are less
        // seen, and half a step of quality give that back: see docs/adr/012-encoders.md for what it costs.
        (2, LARGE_PIXELS..) => config.quality((quality - 0.5).max(0.0)).method(2).sns_strength(65),
        _ => config.quality(quality).method(method),
    }
}

/// The picture on a plain background, without alpha.
pub(crate) fn flatten(raster: &Raster, background: [u8; 3]) -> Raster {
    raster.map(Channels::Rgb, |[r, g, b, a]| {
        let mix = |over: u8, under: u8| {
            let sum = u16::from(over) * u16::from(a) + u16::from(under) * u16::from(255 - a);
            u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
        };
        [mix(r, background[0]), mix(g, background[1]), mix(b, background[2])]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_variants_get_the_usual_effort_and_large_ones_the_chosen() {
        for (pixels, method, expected) in [
            (25_600, 2, 4),
            (25_600, 6, 6),
            (25_601, 2, 2),
            (1_000_000, 2, 2),
            (1_000_000, 4, 4),
            (1_000_000, 9, 6),
        ] {
            assert_eq!(tuned(pixels, 80, method).get_method(), expected, "{pixels} px, method {method}");
        }
        for (pixels, method, expected) in [(1_000_000, 2, 79.5), (1_000_000, 4, 80.0), (100_000, 2, 80.0)] {
            assert!((tuned(pixels, 80, method).get_quality() - expected).abs() < 1e-6);
        }
        assert!(tuned(1_000_000, 1, 2).validate().is_ok());
    }

    #[test]
    fn flattening_mixes_by_alpha() {
        let raster =
            Raster::new(3, 1, Channels::Rgba, vec![10, 20, 30, 255, 10, 20, 30, 0, 255, 0, 0, 128]).unwrap();
        assert_eq!(flatten(&raster, [0, 0, 255]).data(), [10, 20, 30, 0, 0, 255, 128, 0, 127]);
    }

    #[test]
    fn a_side_beyond_the_file_format_is_an_error() {
        let wide = Raster::new(16_384, 1, Channels::Rgb, vec![0; 16_384 * 3]).unwrap();
        assert_eq!(webp(&wide, 80, 4).map_err(|e| e.code()), Err("PROCESSING_FAILED"));
        let wider = Raster::new(65_536, 1, Channels::Rgb, vec![0; 65_536 * 3]).unwrap();
        assert_eq!(jpeg(&wider, 80).map_err(|e| e.code()), Err("PROCESSING_FAILED"));
    }
}

//! WebP: by `photo-webp`, and where that has no answer by libwebp.

use photo_webp::Options;
use webpx::{EncoderConfig, Unstoppable, YuvPlanesRef};

use super::planes::{Planes, Range};
use super::{check_side, refused};
use crate::error::ImagingError;
use crate::format::OutputFormat;
use crate::raster::{Channels, Raster};

/// From this effort on opaque pictures are libwebp's too: `photo-webp` has one way only, which costs less than libwebp's
/// least effort and gives what its usual one does. See docs/adr/021-own-webp-encoder.md.
const LIBWEBP_METHOD: u8 = 4;
/// Up to this many pixels libwebp's usual effort costs a millisecond and saves some 3 % of bytes: 160 x 160.
const SMALL_PIXELS: u64 = 25_600;

/// Lossy WebP. `method` is the effort, 0 (fast) to 6 (small).
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
    of_planes(&planes, quality, method)
}

/// Lossy WebP of limited-range planes with chroma of half size.
pub(super) fn of_planes(planes: &Planes, quality: u8, method: u8) -> Result<Vec<u8>, ImagingError> {
    let pixels = planes.width as u64 * planes.height as u64;
    if method >= LIBWEBP_METHOD || pixels <= SMALL_PIXELS {
        return by_libwebp(planes, quality, method);
    }
    let picture = photo_webp::Planes {
        width: side(planes.width),
        height: side(planes.height),
        y: &planes.y,
        u: &planes.cb,
        v: &planes.cr,
    };
    // What is reduced here is sharper than what libvips reduces, so half a step less is still better, and brings its bytes back.
    let quality = f32::from(quality) - if pixels >= LARGE_PIXELS { 0.5 } else { 0.0 };
    photo_webp::encode(&picture, Options { quality }).map_err(|e| refused(OutputFormat::WebP)(e.to_string()))
}

fn by_libwebp(planes: &Planes, quality: u8, method: u8) -> Result<Vec<u8>, ImagingError> {
    let half = planes.width.div_ceil(2);
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

fn side(side: usize) -> u32 {
    u32::try_from(side).unwrap_or(u32::MAX)
}

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
}

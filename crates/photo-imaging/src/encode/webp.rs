//! WebP: by `photo-webp`, and where libwebp does better by that.

use photo_webp::{Cleaned, Options};
use webpx::{EncoderConfig, Unstoppable, YuvPlanesRef};

use super::planes::{Planes, Range};
use super::{check_side, refused};
use crate::error::ImagingError;
use crate::format::OutputFormat;
use crate::raster::{Channels, Raster};

/// From this effort on pictures are libwebp's: `photo-webp` has one way only, which costs less than libwebp's
/// least effort and gives what its usual one does. See docs/adr/021-own-webp-encoder.md.
const LIBWEBP_METHOD: u8 = 4;
/// 160 x 160.
const SMALL_PIXELS: u64 = 25_600;
const LARGE_PIXELS: u64 = 500_000;
/// Largest picture that is tried without loss, in pixels: a screenshot of 1920 × 1200 px. It bounds what the attempt takes, which is
/// 24 bytes a pixel and some 15 ms a megapixel.
pub(crate) const LOSSLESS_PIXELS: u64 = 2_500_000;
/// Steps of quality that small, middle and large pictures get more than is asked for: see docs/adr/033-quality-by-size.md.
const LIFTS: [f32; 3] = [3.5, 0.75, -0.1];

/// WebP of a still picture: lossy, or without loss if the picture has few colours and its file is smaller so. See
/// docs/adr/048-lossless-variants.md.
pub(super) fn still(raster: &Raster, quality: u8, method: u8) -> Result<Vec<u8>, ImagingError> {
    let size = (raster.width(), raster.height());
    check_side(OutputFormat::WebP, size)?;
    let lossless = if u64::from(size.0) * u64::from(size.1) > LOSSLESS_PIXELS {
        None
    } else {
        photo_webp::encode_palette(raster.data(), raster.channels().count(), size)
            .map_err(|e| refused(OutputFormat::WebP)(e.to_string()))?
    };
    let lossy = webp(raster, quality, method)?;
    Ok(lossless.filter(|lossless| lossless.len() <= lossy.len()).unwrap_or(lossy))
}

/// Lossy WebP. `method` is the effort, 0 (fast) to 6 (small).
pub(crate) fn webp(raster: &Raster, quality: u8, method: u8) -> Result<Vec<u8>, ImagingError> {
    let format = OutputFormat::WebP;
    let (width, height) = (raster.width(), raster.height());
    check_side(format, (width, height))?;
    if raster.channels() == Channels::Rgba {
        let (planes, alpha) = Planes::with_alpha(raster).map_err(refused(format))?;
        if is_libwebps(u64::from(width) * u64::from(height), method) {
            return by_libwebp(&planes, Some(&alpha), quality, method);
        }
        return by_photo_webp(&planes, Some(&alpha), quality);
    }
    // Converted here: libwebp's own way goes by a copy of four bytes a pixel and is not vectorised.
    let planes = Planes::of(raster, Range::Limited, false).map_err(refused(format))?;
    of_planes(&planes, quality, method)
}

/// Lossy WebP of limited-range planes with chroma of half size.
pub(super) fn of_planes(planes: &Planes, quality: u8, method: u8) -> Result<Vec<u8>, ImagingError> {
    if is_libwebps(planes.width as u64 * planes.height as u64, method) {
        return by_libwebp(planes, None, quality, method);
    }
    by_photo_webp(planes, None, quality)
}

/// Of small pictures at any effort, where its usual one costs a millisecond and saves some 3 % of bytes.
fn is_libwebps(pixels: u64, method: u8) -> bool {
    method >= LIBWEBP_METHOD || pixels <= SMALL_PIXELS
}

fn by_photo_webp(planes: &Planes, alpha: Option<&[u8]>, quality: u8) -> Result<Vec<u8>, ImagingError> {
    let pixels = planes.width as u64 * planes.height as u64;
    let picture = picture(planes);
    let lift = by_size(pixels, LIFTS);
    // Alpha is mostly smaller than libwebp's, so large pictures with it have no bytes to bring back.
    let lift = if alpha.is_some() { lift.max(0.0) } else { lift };
    let options = Options { quality: f32::from(quality) + lift };
    let encoded = match alpha {
        Some(alpha) => photo_webp::encode_with_alpha(&picture, alpha, options),
        None => photo_webp::encode(&picture, options),
    };
    encoded.map_err(|e| refused(OutputFormat::WebP)(e.to_string()))
}

fn picture(planes: &Planes) -> photo_webp::Planes<'_> {
    let (width, height) = (side(planes.width), side(planes.height));
    photo_webp::Planes { width, height, y: &planes.y, u: &planes.cb, v: &planes.cr }
}

fn by_libwebp(
    planes: &Planes,
    alpha: Option<&[u8]>,
    quality: u8,
    method: u8,
) -> Result<Vec<u8>, ImagingError> {
    let (stride, half) = (planes.width, planes.width.div_ceil(2));
    let picture = picture(planes);
    let (width, height) = (picture.width, picture.height);
    // libwebp leaves hidden chroma beside seen pixels as it is.
    let cleaned = alpha.and_then(|alpha| Cleaned::of(&picture, alpha));
    let picture = cleaned.as_ref().map_or(picture, |cleaned| cleaned.planes(width, height));
    let alpha = alpha.filter(|alpha| alpha.iter().any(|&alpha| alpha != 255));
    let view = YuvPlanesRef {
        y: picture.y,
        y_stride: stride,
        u: picture.u,
        u_stride: half,
        v: picture.v,
        v_stride: half,
        a: alpha,
        a_stride: alpha.map_or(0, |_| stride),
        width,
        height,
    };
    let config = tuned(u64::from(width) * u64::from(height), quality, method);
    let encoded = webpx::Encoder::new_yuv(view).config(config).encode(Unstoppable);
    encoded.map_err(|e| refused(OutputFormat::WebP)(e.to_string()))
}

/// What there is for pictures up to [`SMALL_PIXELS`], for those below [`LARGE_PIXELS`], and for the others.
fn by_size<T>(pixels: u64, [small, middle, large]: [T; 3]) -> T {
    if pixels <= SMALL_PIXELS {
        return small;
    }
    if pixels < LARGE_PIXELS { middle } else { large }
}

fn side(side: usize) -> u32 {
    u32::try_from(side).unwrap_or(u32::MAX)
}

/// What libwebp is told. Small pictures get its usual effort at least, and are lifted; others are what is asked for.
fn tuned(pixels: u64, quality: u8, method: u8) -> EncoderConfig {
    let lift = if pixels <= SMALL_PIXELS { by_size(pixels, LIFTS) } else { 0.0 };
    let quality = (f32::from(quality) + lift).min(100.0);
    EncoderConfig::new().quality(quality).method(method.clamp(LIBWEBP_METHOD, 6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_small_up_to_160_and_large_from_half_a_megapixel_on() {
        for (pixels, expected) in [(1, 's'), (25_600, 's'), (25_601, 'm'), (499_999, 'm'), (500_000, 'l')] {
            assert_eq!(by_size(pixels, ['s', 'm', 'l']), expected, "{pixels}");
        }
    }

    #[test]
    fn small_variants_get_the_usual_effort_and_large_ones_the_chosen() {
        for (pixels, method, expected) in [
            (25_600, 0, Some(4)),
            (25_600, 2, Some(4)),
            (25_600, 6, Some(6)),
            (25_601, 2, None),
            (25_601, 3, None),
            (1_000_000, 4, Some(4)),
            (1_000_000, 9, Some(6)),
        ] {
            let found = is_libwebps(pixels, method).then(|| tuned(pixels, 80, method).get_method());
            assert_eq!(found, expected, "{pixels} px, method {method}");
        }
        for (pixels, quality, expected) in [(25_600, 80, 83.5), (25_600, 100, 100.0), (25_601, 80, 80.0)] {
            let config = tuned(pixels, quality, 4);
            assert!((config.get_quality() - expected).abs() < 1e-6, "{pixels} px, quality {quality}");
            assert!(config.validate().is_ok());
        }
    }

    #[test]
    fn alpha_is_kept_whoever_encodes() {
        for (side, method) in [(160, 2), (161, 2), (161, 4)] {
            let pixel = |i: u32| [200, 100, 50, u8::try_from(i % 251).unwrap_or(0)];
            let pixels: Vec<u8> = (0..side * side).flat_map(pixel).collect();
            let raster = Raster::new(side, side, Channels::Rgba, pixels.clone()).unwrap();
            let file = webp(&raster, 80, method).unwrap();
            let found = image::load_from_memory(&file).unwrap().to_rgba8().into_raw();
            assert!(found.chunks(4).zip(pixels.chunks(4)).all(|(a, b)| a[3] == b[3]), "{side}, {method}");
        }
    }
}

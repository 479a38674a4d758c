//! Resizing by SIMD, Lanczos of three lobes, alpha premultiplied on the way.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::error::ImagingError;
use crate::raster::{Channels, Raster};

/// A part of a picture in px, not necessarily on whole pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Crop {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// Resizes the whole picture, or a part of it.
pub(crate) fn resize(
    source: &Raster,
    crop: Option<Crop>,
    width: u32,
    height: u32,
) -> Result<Raster, ImagingError> {
    let pixel_type = match source.channels() {
        Channels::Gray => PixelType::U8,
        Channels::GrayAlpha => PixelType::U8x2,
        Channels::Rgb => PixelType::U8x3,
        Channels::Rgba | Channels::Cmyk => PixelType::U8x4,
    };
    // Otherwise the fourth ink would be taken for alpha.
    let mut options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .use_alpha(source.channels().has_alpha());
    if let Some(crop) = crop {
        options = options.crop(crop.left, crop.top, crop.width, crop.height);
    }
    let view =
        ImageRef::new(source.width(), source.height(), source.data(), pixel_type).map_err(|e| unfit(&e))?;
    let mut target = Image::new(width, height, pixel_type);
    Resizer::new().resize(&view, &mut target, &options)?;
    Raster::new(width, height, source.channels(), target.into_vec()).ok_or_else(|| unfit(&"empty target"))
}

/// Resizes one channel, of which only the part `exact` from the upper left on is picture.
pub(crate) fn resize_plane(
    samples: &[u8],
    size: (u32, u32),
    exact: (f64, f64),
    target: (u32, u32),
) -> Result<Vec<u8>, ImagingError> {
    let view = ImageRef::new(size.0, size.1, samples, PixelType::U8).map_err(|e| unfit(&e))?;
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .use_alpha(false)
        .crop(0.0, 0.0, exact.0, exact.1);
    let mut out = Image::new(target.0, target.1, PixelType::U8);
    Resizer::new().resize(&view, &mut out, &options)?;
    Ok(out.into_vec())
}

/// Cannot happen with a [`Raster`], whose buffer fits its size; an error rather than a panic all the same.
fn unfit(reason: &impl std::fmt::Display) -> ImagingError {
    ImagingError::Internal(reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_under_transparency_does_not_bleed() {
        // Opaque red left, transparent green right.
        let row: Vec<u8> = [[255, 0, 0, 255]; 32].into_iter().chain([[0, 255, 0, 0]; 32]).flatten().collect();
        let source = Raster::new(64, 8, Channels::Rgba, row.repeat(8)).unwrap();
        let small = resize(&source, None, 9, 1).unwrap();
        for pixel in small.data().chunks(4) {
            assert!(pixel[3] == 0 || pixel[1] < 3, "{pixel:?}");
        }
    }

    #[test]
    fn the_fourth_ink_is_no_alpha() {
        let source = Raster::new(8, 8, Channels::Cmyk, [200, 100, 50, 0].repeat(64)).unwrap();
        assert_eq!(resize(&source, None, 3, 3).unwrap().data(), [200, 100, 50, 0].repeat(9));
    }
}

//! Pixels to files. Nothing but pixels goes in, so no EXIF, XMP or profile can come out.

mod avif;
mod dct;
mod huffman;
mod jpeg;
mod planes;
mod quantisation;
mod webp;

use crate::error::ImagingError;
use crate::format::OutputFormat;
use crate::options::{RenderOptions, VariantSpec};
use crate::planar::Planar;
use crate::raster::{Channels, Raster};
use avif::avif;
use planes::{Planes, PlanesRef, Range};
pub(crate) use webp::{LOSSLESS_PIXELS, webp};

/// A variant of pixels. For JPEG they must be opaque, see [`flatten`].
pub(crate) fn pixels(
    raster: &Raster,
    spec: &VariantSpec,
    options: &RenderOptions,
) -> Result<Vec<u8>, ImagingError> {
    match spec.format() {
        OutputFormat::Jpeg => jpeg(raster, spec.quality()),
        OutputFormat::WebP => webp::still(raster, spec.quality(), options.webp_method),
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
            webp::of_planes(&Planes::limited(picture), quality, options.webp_method)
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

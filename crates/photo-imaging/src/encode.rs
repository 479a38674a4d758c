//! Pixels to files. Nothing but pixels goes in, so no EXIF, XMP or profile can come out.

mod avif;

pub(crate) use avif::avif;

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder};
use webp::{PixelLayout, WebPConfig};

use crate::error::ImagingError;
use crate::format::OutputFormat;
use crate::raster::{Channels, Raster};

/// Baseline JPEG with the standard's Huffman tables. `raster` must be opaque, see [`flatten`].
///
/// Tables made for the picture would save 1 % at 1280 px and 6 % at 160 px, but the encoder then writes a scan for each component, which
/// `zune-jpeg`, and so every user of the `image` crate, decodes into wrong colours.
pub(crate) fn jpeg(raster: &Raster, quality: u8) -> Result<Vec<u8>, ImagingError> {
    let refused = |reason: String| ImagingError::Encode { format: OutputFormat::Jpeg, reason };
    let side = |side: u32| u16::try_from(side).map_err(|_| refused(format!("a side of {side} px")));
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    // Its default takes one pixel of four for the colour of all, which shows as jagged coloured edges.
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder
        .encode(raster.data(), side(raster.width())?, side(raster.height())?, ColorType::Rgb)
        .map_err(|e| refused(e.to_string()))?;
    Ok(bytes)
}

/// Lossy WebP by libwebp. `method` is its effort, 0 (fast) to 6 (small).
pub(crate) fn webp(raster: &Raster, quality: u8, method: u8) -> Result<Vec<u8>, ImagingError> {
    let refused = |reason: String| ImagingError::Encode { format: OutputFormat::WebP, reason };
    if raster.width().max(raster.height()) > OutputFormat::WebP.max_side() {
        return Err(refused(format!("{} x {} px", raster.width(), raster.height())));
    }
    let layout = match raster.channels() {
        Channels::Rgb => PixelLayout::Rgb,
        Channels::Rgba => PixelLayout::Rgba,
        other => return Err(refused(format!("{other:?} pixels"))),
    };
    let mut config = WebPConfig::new().map_err(|()| refused("no configuration".to_owned()))?;
    config.quality = f32::from(quality);
    config.method = i32::from(method);
    let encoder = webp::Encoder::new(raster.data(), layout, raster.width(), raster.height());
    let bytes = encoder.encode_advanced(&config).map_err(|e| refused(format!("{e:?}")))?;
    Ok(bytes.to_vec())
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

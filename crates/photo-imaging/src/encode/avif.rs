//! AVIF by rav1e: a third fewer bytes than WebP for some ten times its CPU.

use ravif::{AlphaColorMode, BitDepth, Encoder, Img, RGB8, RGBA8};

use crate::error::ImagingError;
use crate::format::OutputFormat;
use crate::raster::{Channels, Raster};

/// `speed` is rav1e's, 1 (small) to 10 (fast).
pub(crate) fn avif(raster: &Raster, quality: u8, speed: u8) -> Result<Vec<u8>, ImagingError> {
    let refused = |reason: String| ImagingError::Encode { format: OutputFormat::Avif, reason };
    let (width, height) = (raster.width() as usize, raster.height() as usize);
    if raster.width().max(raster.height()) > OutputFormat::Avif.max_side() {
        return Err(refused(format!("{width} x {height} px")));
    }
    let encoder = Encoder::new()
        .with_quality(f32::from(quality))
        .with_alpha_quality(f32::from(quality))
        .with_speed(speed.clamp(1, 10))
        // The pixels have 8 bits; ten would only cost time here and in every decoder.
        .with_bit_depth(BitDepth::Eight)
        // Colour under transparency is replaced by what costs least, so none that was hidden gets out.
        .with_alpha_color_mode(AlphaColorMode::UnassociatedClean)
        // The variants are encoded side by side already.
        .with_num_threads(Some(1));
    let encoded = match raster.channels() {
        Channels::Rgb => {
            let (pixels, _) = raster.data().as_chunks::<3>();
            let pixels: Vec<_> = pixels.iter().map(|&[r, g, b]| RGB8::new(r, g, b)).collect();
            encoder.encode_rgb(Img::new(pixels.as_slice(), width, height))
        }
        Channels::Rgba => {
            let (pixels, _) = raster.data().as_chunks::<4>();
            let pixels: Vec<_> = pixels.iter().map(|&[r, g, b, a]| RGBA8::new(r, g, b, a)).collect();
            encoder.encode_rgba(Img::new(pixels.as_slice(), width, height))
        }
        other => return Err(refused(format!("{other:?} pixels"))),
    };
    encoded.map(|image| image.avif_file).map_err(|e| refused(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_any_size_are_encoded() {
        for (width, height) in [(1, 1), (1, 300), (7, 5), (64, 64), (65, 33)] {
            for (channels, pixel) in [(Channels::Rgb, &[9, 99, 199][..]), (Channels::Rgba, &[9, 99, 199, 77])]
            {
                let data = pixel.repeat(width as usize * height as usize);
                let raster = Raster::new(width, height, channels, data).unwrap();
                let bytes = avif(&raster, 60, 10).unwrap();
                assert_eq!(&bytes[4..12], b"ftypavif", "{width} x {height}");
            }
        }
    }

    #[test]
    fn pixels_that_are_no_colours_are_an_error() {
        let ink = Raster::new(1, 1, Channels::Cmyk, vec![0; 4]).unwrap();
        assert_eq!(avif(&ink, 60, 10).map_err(|e| e.code()), Err("PROCESSING_FAILED"));
    }
}

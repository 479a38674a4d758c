//! AVIF by rav1e: a third fewer bytes than WebP for some ten times its CPU.

use crate::error::ImagingError;
use crate::format::OutputFormat;
#[cfg(feature = "avif")]
use crate::raster::Channels;
use crate::raster::Raster;

/// A build that has no rav1e in it.
#[cfg(not(feature = "avif"))]
pub(super) fn avif(_: &Raster, _: u8, _: u8) -> Result<Vec<u8>, ImagingError> {
    let reason = "built without the feature `avif`".to_owned();
    Err(ImagingError::Encode { format: OutputFormat::Avif, reason })
}

/// `speed` is rav1e's, 1 (small) to 10 (fast).
#[cfg(feature = "avif")]
pub(super) fn avif(raster: &Raster, quality: u8, speed: u8) -> Result<Vec<u8>, ImagingError> {
    use photo_avif::{Settings, encode_rgb, encode_rgba};

    let refused = |reason: String| ImagingError::Encode { format: OutputFormat::Avif, reason };
    let (width, height) = (raster.width() as usize, raster.height() as usize);
    if raster.width().max(raster.height()) > OutputFormat::Avif.max_side() {
        return Err(refused(format!("{width} x {height} px")));
    }
    let settings = Settings { width, height, quality, speed };
    match raster.channels() {
        Channels::Rgb => encode_rgb(raster.data().as_chunks::<3>().0, settings),
        Channels::Rgba => encode_rgba(raster.data().as_chunks::<4>().0, settings),
        other => Err(format!("{other:?} pixels")),
    }
    .map_err(refused)
}

#[cfg(all(test, feature = "avif"))]
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

//! Lossy WebP without alpha.

use photo_jpeg::{Color, Picture, Plane};
use photo_webp::DecodeError;

use super::Planes;
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;
use crate::probe::webp::Lossy;

/// Decodes to planes of the photo's size: the format cannot be scaled on the way.
pub(super) fn decode(photo: &Lossy<'_>, limits: &Limits) -> Result<Planes, ImagingError> {
    let mut should_stop = || limits.deadline_has_passed();
    let decoded = photo_webp::decode(photo.frame, &mut should_stop).map_err(|error| match error {
        DecodeError::Stopped => ImagingError::DeadlinePassed { step: "the end of decoding" },
        damage => ImagingError::corrupt(Format::WebP, damage.to_string()),
    })?;
    let (width, height) = (decoded.width, decoded.height);
    let (exact_width, exact_height) = (f64::from(width), f64::from(height));
    let luma = Plane {
        width: width as usize,
        height: height as usize,
        exact_width,
        exact_height,
        samples: decoded.y,
    };
    // As in JPEG, chroma lies in the middle of two by two pixels, and the last sample of an odd side half outside.
    let chroma = |samples| Plane {
        width: width.div_ceil(2) as usize,
        height: height.div_ceil(2) as usize,
        exact_width: exact_width / 2.0,
        exact_height: exact_height / 2.0,
        samples,
    };
    let planes = vec![luma, chroma(decoded.u), chroma(decoded.v)];
    let picture = Picture { color: Color::YCbCr, width, height, exact_width, exact_height, planes };
    Ok(Planes { picture, limited: true })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::probe::probe;

    /// 320 x 213 px: an odd side, whose last chroma lies half outside.
    const PHOTO: &[u8] = include_bytes!("../../testdata/lossy.webp");

    fn photo() -> Lossy<'static> {
        probe(PHOTO, &Limits::default()).unwrap().lossy.unwrap()
    }

    #[test]
    fn pixels_are_those_of_another_decoder_but_where_luma_overshoots() {
        let expected = image::load_from_memory(PHOTO).unwrap().to_rgb8();
        let planes = decode(&photo(), &Limits::default()).unwrap();
        // What is brighter than white or darker than black is cut off here before colours are made of it, there after.
        let beyond = planes.picture.planes[0].samples.iter().filter(|y| !(16..=235).contains(*y)).count();
        let found = planes.into_raster(expected.width(), expected.height()).unwrap();
        let pairs = found.data().as_chunks::<3>().0.iter().zip(expected.as_raw().as_chunks::<3>().0);
        let differences: Vec<u8> =
            pairs.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)).collect();
        assert!((1..100).contains(&beyond), "{beyond}");
        // Three: full range is rounded once more, and a step of chroma is nearly two of blue.
        let large = differences.iter().filter(|&&d| d > 3).count();
        assert!(large <= beyond, "{large} pixels, {beyond} of them beyond the range");
    }

    #[test]
    fn a_deadline_stops_it_on_the_way() {
        let limits = Limits::default().with_deadline(Instant::now());
        let refused = decode(&photo(), &limits).map(drop);
        assert_eq!(refused.map_err(|e| e.code()), Err("PROCESSING_TIMEOUT"));
    }

    #[test]
    fn it_takes_the_memory_of_planes_alone() {
        let probed = probe(PHOTO, &Limits::default()).unwrap();
        let pixels = u64::from(probed.width()) * u64::from(probed.height());
        let bytes = probed.decoder_bytes();
        assert!((pixels * 3 / 2..pixels * 3 / 2 + 40_000).contains(&bytes), "{bytes} for {pixels} pixels");
    }
}

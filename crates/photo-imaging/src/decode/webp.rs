//! WebP, by photo-webp: lossy frames to planes, everything with alpha to pixels.

mod canvas;

use photo_jpeg::{Color, Picture, Plane};
use photo_webp::{DecodeError, DecodeLimits};

use super::{Planes, Source};
use crate::damage::Loss;
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;
use crate::probe::webp::{Bitstream, Frame};
use crate::raster::{Channels, Raster};
pub(crate) use canvas::Canvas;

/// Decodes a still, or the first frame of an animation on its canvas, in the size that it has: the format cannot be scaled on
/// the way. What is missing is transparent if the picture has alpha, as browsers show it, and gray otherwise: variants without
/// alpha cannot show the page.
pub(super) fn decode(
    frame: &Frame<'_>,
    canvas: (u32, u32),
    limits: &Limits,
) -> Result<(Source, Option<Loss>), ImagingError> {
    if frame.covers(canvas) {
        return source(frame, limits);
    }
    let (raster, loss) = Canvas::new(canvas).show(frame, limits)?;
    Ok((Source::Pixels(raster), loss))
}

/// Memory in bytes that [`decode`] takes at most. Prefix codes and transforms of lossless bitstreams are read for it.
pub(crate) fn memory_bytes(
    frame: &Frame<'_>,
    canvas: (u32, u32),
    limits: &Limits,
) -> Result<u64, ImagingError> {
    let bytes = frame_bytes(frame, limits)?;
    // The canvas, and what is shown of it.
    Ok(if frame.covers(canvas) { bytes } else { bytes + 2 * 4 * u64::from(canvas.0) * u64::from(canvas.1) })
}

/// Memory in bytes that the pixels of a frame take by themselves.
pub(crate) fn frame_bytes(frame: &Frame<'_>, limits: &Limits) -> Result<u64, ImagingError> {
    let size = (frame.width, frame.height);
    let pixels = u64::from(frame.width) * u64::from(frame.height);
    within(limits, |limits| match frame.bitstream {
        Bitstream::Lossless(data) => photo_webp::lossless_memory_bytes(data, limits),
        Bitstream::Lossy { alpha, .. } => {
            let planes = photo_webp::decode_memory_bytes(frame.width, frame.height);
            let Some(alpha) = alpha else { return Ok(planes) };
            // Alpha first. Then there are alpha, planes and RGB, and then alpha and RGBA, which may be moved once.
            let together = (pixels + planes + 3 * pixels).max((1 + 4 + 3) * pixels);
            match photo_webp::alpha_memory_bytes(alpha, size, limits) {
                // It is not decoded, see `alpha_of`.
                Err(DecodeError::Corrupt(_)) => Ok(together),
                bytes => bytes.map(|bytes| bytes.max(together)),
            }
        }
    })
}

/// Decodes one frame, without the canvas.
fn source(frame: &Frame<'_>, limits: &Limits) -> Result<(Source, Option<Loss>), ImagingError> {
    let rows = frame.height;
    match frame.bitstream {
        Bitstream::Lossless(data) => {
            let picture = within(limits, |limits| photo_webp::decode_lossless(data, limits))?;
            let channels = if picture.has_alpha { Channels::Rgba } else { Channels::Rgb };
            let raster = raster((picture.width, picture.height), channels, picture.samples)?;
            Ok((Source::Pixels(raster), picture.loss.map(|loss| loss_of(loss, rows))))
        }
        Bitstream::Lossy { frame: data, alpha: None } => {
            let (planes, loss) = planes(data, limits)?;
            Ok((Source::Planes(planes), loss.map(|loss| loss_of(loss, rows))))
        }
        Bitstream::Lossy { frame: data, alpha: Some(alpha) } => {
            let size = (frame.width, frame.height);
            let (mut alpha, alpha_loss) = alpha_of(alpha, size, limits)?;
            let (planes, loss) = planes(data, limits)?;
            let loss = match (loss, alpha_loss) {
                (Some(loss), _) => {
                    // Browsers show the page where no colour is.
                    let received = loss.received_rows as usize * size.0 as usize;
                    alpha.iter_mut().skip(received).for_each(|alpha| *alpha = 0);
                    Some(loss_of(loss, rows))
                }
                // All colours are there: alpha is half of the picture.
                (None, Some(Loss { received, total, reason })) => {
                    Some(Loss { received: total + received, total: 2 * total, reason })
                }
                (None, None) => None,
            };
            let opaque = planes.into_raster(size.0, size.1)?;
            let raster = raster(size, Channels::Rgba, with_alpha(opaque.into_data(), &alpha))?;
            Ok((Source::Pixels(raster), loss))
        }
    }
}

fn loss_of(loss: photo_webp::Loss, rows: u32) -> Loss {
    Loss { received: loss.received_rows.into(), total: rows.into(), reason: loss.reason.to_string() }
}

/// Decodes the alpha of a lossy frame. Rows of it that are damaged are opaque: their colours are there, and are shown.
fn alpha_of(
    chunk: &[u8],
    size: (u32, u32),
    limits: &Limits,
) -> Result<(Vec<u8>, Option<Loss>), ImagingError> {
    // What is damaged in front of its samples was not counted as memory, so it is looked for before anything is kept.
    let decoded = within(limits, |limits| photo_webp::alpha_memory_bytes(chunk, size, limits))
        .and_then(|_| within(limits, |limits| photo_webp::decode_alpha(chunk, size, limits)));
    match decoded {
        Ok(alpha) => Ok((alpha.samples, alpha.loss.map(|loss| loss_of(loss, size.1)))),
        Err(ImagingError::Corrupt { reason, .. }) => {
            let opaque = vec![255; size.0 as usize * size.1 as usize];
            Ok((opaque, Some(Loss { received: 0, total: size.1.into(), reason })))
        }
        Err(error) => Err(error),
    }
}

/// RGB becomes RGBA in place, from the last pixel to the first.
fn with_alpha(mut samples: Vec<u8>, alpha: &[u8]) -> Vec<u8> {
    samples.resize(4 * alpha.len(), 0);
    for (i, &alpha) in alpha.iter().enumerate().rev() {
        samples.copy_within(3 * i..3 * i + 3, 4 * i);
        samples[4 * i + 3] = alpha;
    }
    samples
}

fn raster((width, height): (u32, u32), channels: Channels, samples: Vec<u8>) -> Result<Raster, ImagingError> {
    Raster::new(width, height, channels, samples)
        .ok_or_else(|| ImagingError::Internal("a picture of a wrong size".to_owned()))
}

/// Runs a decoder within the limits of the photo.
pub(crate) fn within<T>(
    limits: &Limits,
    decode: impl FnOnce(&mut DecodeLimits<'_>) -> Result<T, DecodeError>,
) -> Result<T, ImagingError> {
    let mut should_stop = || limits.deadline_has_passed();
    let limits =
        &mut DecodeLimits { max_memory_bytes: limits.max_decoder_bytes, should_stop: &mut should_stop };
    decode(limits).map_err(refusal)
}

fn refusal(error: DecodeError) -> ImagingError {
    match error {
        DecodeError::Stopped => ImagingError::DeadlinePassed { step: "the end of decoding" },
        DecodeError::TooMuchMemory { bytes, limit } => ImagingError::TooMuchMemory { bytes, limit },
        damage => ImagingError::corrupt(Format::WebP, damage.to_string()),
    }
}

/// Decodes a lossy frame.
fn planes(frame: &[u8], limits: &Limits) -> Result<(Planes, Option<photo_webp::Loss>), ImagingError> {
    let mut should_stop = || limits.deadline_has_passed();
    let decoded = photo_webp::decode(frame, &mut should_stop).map_err(refusal)?;
    let (width, height, loss) = (decoded.width, decoded.height, decoded.loss);
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
    Ok((Planes { picture, limited: true }, loss))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::probe::probe;

    /// 320 x 213 px: an odd side, whose last chroma lies half outside.
    const PHOTO: &[u8] = include_bytes!("../../testdata/lossy.webp");
    const WITH_ALPHA: &[u8] = include_bytes!("../../testdata/lossy-alpha.webp");
    const LOSSLESS: &[u8] = include_bytes!("../../testdata/lossless-alpha.webp");

    fn first(file: &'static [u8]) -> Frame<'static> {
        probe(file, &Limits::default()).unwrap().webp.unwrap()
    }

    fn pixels(file: &'static [u8]) -> Raster {
        let frame = first(file);
        match decode(&frame, (frame.width, frame.height), &Limits::default()).unwrap().0 {
            Source::Pixels(raster) => raster,
            Source::Planes(planes) => planes.into_raster(frame.width, frame.height).unwrap(),
        }
    }

    #[test]
    fn pixels_are_those_of_another_decoder_but_where_luma_overshoots() {
        let expected = image::load_from_memory(PHOTO).unwrap().to_rgb8();
        let (Source::Planes(planes), None) = decode(&first(PHOTO), (320, 213), &Limits::default()).unwrap()
        else {
            panic!("no planes")
        };
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
    fn alpha_is_that_of_another_decoder() {
        for (file, most) in [(LOSSLESS, 0), (WITH_ALPHA, 3)] {
            let expected = image::load_from_memory(file).unwrap().to_rgba8();
            let found = pixels(file);
            assert_eq!((found.channels(), found.width()), (Channels::Rgba, expected.width()));
            let pairs = found.data().as_chunks::<4>().0.iter().zip(expected.as_raw().as_chunks::<4>().0);
            let mut large = 0;
            for (found, expected) in pairs {
                assert_eq!(found[3], expected[3]);
                large += u32::from((0..3).any(|i| found[i].abs_diff(expected[i]) > most));
            }
            // As above, where luma overshoots.
            assert!(large * 200 <= expected.width() * expected.height(), "{large}");
            assert!(most > 0 || large == 0);
        }
    }

    #[test]
    fn a_deadline_stops_it_on_the_way() {
        for file in [PHOTO, WITH_ALPHA, LOSSLESS] {
            let frame = first(file);
            let limits = Limits::default().with_deadline(Instant::now());
            let refused = decode(&frame, (frame.width, frame.height), &limits).map(drop);
            assert_eq!(refused.map_err(|e| e.code()), Err("PROCESSING_TIMEOUT"));
        }
    }

    #[test]
    fn a_lossy_photo_takes_the_memory_of_planes_alone() {
        let probed = probe(PHOTO, &Limits::default()).unwrap();
        let pixels = u64::from(probed.width()) * u64::from(probed.height());
        let bytes = probed.decoder_bytes();
        assert!((pixels * 3 / 2..pixels * 3 / 2 + 40_000).contains(&bytes), "{bytes} for {pixels} pixels");
    }
}

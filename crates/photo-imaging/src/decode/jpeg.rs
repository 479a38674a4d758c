//! The scale at which a JPEG is decoded.

use photo_jpeg::{Jpeg, Scale, Scales};

use super::Planes;
use crate::damage::Loss;
use crate::error::ImagingError;
use crate::limits::Limits;
use crate::probe::jpeg::refused;

/// Decodes to planes of at least the target's size (stored width and height in px), if the photo is as large; chroma at
/// least half of it, if it will not be more. What has not arrived is gray.
pub(super) fn decode(
    photo: &Jpeg<'_>,
    target: (u32, u32),
    half_chroma: bool,
    limits: &Limits,
) -> Result<(Planes, Option<Loss>), ImagingError> {
    let scales = affordable(photo, target, half_chroma, limits)?;
    let decoded = photo.decode(scales, &mut || limits.deadline_has_passed()).map_err(refused)?;
    let loss = decoded.loss.map(|loss| Loss {
        received: loss.received,
        total: loss.total,
        reason: loss.reason.to_owned(),
    });
    Ok((Planes { picture: decoded.picture, limited: false }, loss))
}

/// Memory in bytes that [`decode`] takes at most.
pub(crate) fn decoder_bytes(photo: &Jpeg<'_>, target: (u32, u32), half_chroma: bool, limits: &Limits) -> u64 {
    let scales = affordable(photo, target, half_chroma, limits);
    photo.memory_bytes(scales.unwrap_or_else(|_| wanted(photo, target, half_chroma)))
}

/// The wanted scales or, if those take too much memory, the largest that do not and still cover the target.
fn affordable(
    photo: &Jpeg<'_>,
    target: (u32, u32),
    half_chroma: bool,
    limits: &Limits,
) -> Result<Scales, ImagingError> {
    let mut scales = wanted(photo, target, half_chroma);
    loop {
        let bytes = photo.memory_bytes(scales);
        let Err(refusal) = limits.check_memory(bytes) else { return Ok(scales) };
        let smaller = |scale: Scale| Scale::ALL.into_iter().rev().find(|&less| less < scale);
        scales = match (smaller(scales.chroma), smaller(scales.luma)) {
            (Some(chroma), _) if covers(photo, chroma, target, 0.5) => Scales { chroma, ..scales },
            (_, Some(luma)) if covers(photo, luma, target, 1.0) => Scales { luma, ..scales },
            _ => return Err(refusal),
        };
    }
}

/// Luma is decoded at no less than this many times the target's sides, and chroma that goes through pixels at no less
/// than once. Chroma that goes straight to half of the target keeps luma's distance from that.
///
/// Nearer to the target, cutting frequencies off shows: at 1.17 times, ssimulacra2 falls by 1 to 2 points of 95 before
/// an encoder, and above 1.5 nothing is gained. The figures are in `docs/adr/011-own-jpeg-decoder.md`.
const LUMA_MARGIN: f64 = 1.5;
const CHROMA_MARGIN: f64 = 1.0;
const HALF_CHROMA_MARGIN: f64 = 0.75;

fn wanted(photo: &Jpeg<'_>, target: (u32, u32), half_chroma: bool) -> Scales {
    let least = |margin| {
        let enough = |scale: &Scale| covers(photo, *scale, target, margin);
        Scale::ALL.into_iter().find(enough).unwrap_or(Scale::FULL)
    };
    let chroma = if half_chroma { HALF_CHROMA_MARGIN } else { CHROMA_MARGIN };
    Scales { luma: least(LUMA_MARGIN), chroma: least(chroma) }
}

fn covers(photo: &Jpeg<'_>, scale: Scale, (width, height): (u32, u32), margin: f64) -> bool {
    let enough =
        |side: u32, wanted: u32| f64::from(side * scale.eighths()) >= 8.0 * margin * f64::from(wanted);
    enough(photo.width(), width) && enough(photo.height(), height)
}

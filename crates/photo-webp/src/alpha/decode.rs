//! Decodes the `ALPH` chunk: RFC 9649, 2.7.1.2.

use super::{Filter, gradient};
use crate::lossless::decode::{self as lossless, DecodeLimits};
use crate::{DecodeError, Loss, MAX_SIDE};

const TRUNCATED: DecodeError = DecodeError::Corrupt("the alpha ends too early");

/// How the samples are stored.
enum Coding<'a> {
    Raw(&'a [u8]),
    /// A VP8L stream without its header.
    Lossless(&'a [u8]),
}

/// The alpha of a lossy picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alpha {
    /// `width * height` samples; 255 is opaque.
    pub samples: Vec<u8>,
    /// What is missing of it; those rows are opaque.
    pub loss: Option<Loss>,
}

/// Decodes the content of an `ALPH` chunk. The size is that of the frame beside it.
///
/// Alpha that ends too early, or is invalid among its samples, gives the whole rows in front of that place, and [`Alpha::loss`].
///
/// # Errors
/// Damage in front of the second row. What is over a limit.
pub fn decode_alpha(
    chunk: &[u8],
    (width, height): (u32, u32),
    limits: &mut DecodeLimits<'_>,
) -> Result<Alpha, DecodeError> {
    let (filter, coding) = parse(chunk, (width, height))?;
    let total = width as usize * height as usize;
    let (mut samples, loss) = match coding {
        Coding::Raw(data) => {
            limits.check_memory(alpha_bytes(width, height))?;
            // Whole rows; fewer than there are in all only if data are missing.
            let rows = (data.len() / width as usize).min(height as usize);
            let received_rows = u32::try_from(rows).ok().filter(|&rows| rows > 0).ok_or(TRUNCATED)?;
            let loss = (received_rows < height).then_some(Loss { received_rows, reason: TRUNCATED });
            let mut samples = Vec::with_capacity(total);
            samples.extend_from_slice(data.get(..rows * width as usize).ok_or(TRUNCATED)?);
            (samples, loss)
        }
        Coding::Lossless(data) => {
            let (pixels, loss) = lossless::decode(data, (width, height), limits, alpha_bytes(width, height))?;
            let mut samples = Vec::with_capacity(total);
            samples.extend(pixels.iter().map(|&[_, green, _, _]| green));
            (samples, loss)
        }
    };
    filter.undo(&mut samples, width as usize);
    samples.resize(total, 255);
    Ok(Alpha { samples, loss })
}

/// Memory in bytes that [`decode_alpha`] takes at most of this chunk, as [`crate::lossless_memory_bytes`].
///
/// # Errors
/// Damage in what stands before the samples. What is over a limit.
pub fn alpha_memory_bytes(
    chunk: &[u8],
    (width, height): (u32, u32),
    limits: &mut DecodeLimits<'_>,
) -> Result<u64, DecodeError> {
    let own = alpha_bytes(width, height);
    match parse(chunk, (width, height))?.1 {
        Coding::Raw(_) => limits.check_memory(own),
        Coding::Lossless(data) => lossless::memory_bytes(data, (width, height), limits, own),
    }
}

/// Returns how many bytes of an `ALPH` chunk a decoder reads, as [`crate::lossless_length`].
///
/// # Errors
/// Every damage, and what is over a limit.
pub fn alpha_length(
    chunk: &[u8],
    (width, height): (u32, u32),
    limits: &mut DecodeLimits<'_>,
) -> Result<usize, DecodeError> {
    let length = match parse(chunk, (width, height))?.1 {
        Coding::Raw(data) => {
            let samples = width as usize * height as usize;
            data.get(..samples).ok_or(TRUNCATED)?.len()
        }
        Coding::Lossless(data) => lossless::length(data, (width, height), limits)?,
    };
    Ok(1 + length)
}

/// What the samples themselves take.
fn alpha_bytes(width: u32, height: u32) -> u64 {
    u64::from(width) * u64::from(height)
}

fn parse(chunk: &[u8], (width, height): (u32, u32)) -> Result<(Filter, Coding<'_>), DecodeError> {
    if !(1..=MAX_SIDE + 1).contains(&width) || !(1..=MAX_SIDE + 1).contains(&height) {
        return Err(DecodeError::Corrupt("alpha without a size"));
    }
    let (&header, data) = chunk.split_first().ok_or(TRUNCATED)?;
    // Preprocessing, the two bits above the filter, changed samples before they were stored; what it was is of no use here.
    if header >> 4 & 3 > 1 {
        return Err(DecodeError::Corrupt("unknown preprocessing of alpha"));
    }
    let coding = match header & 3 {
        0 => Coding::Raw(data),
        1 => Coding::Lossless(data),
        _ => return Err(DecodeError::Corrupt("unknown compression of alpha")),
    };
    let filter = match header >> 2 & 3 {
        0 => Filter::None,
        1 => Filter::Horizontal,
        2 => Filter::Vertical,
        _ => Filter::Gradient,
    };
    Ok((filter, coding))
}

impl Filter {
    /// Undoes [`Self::apply`].
    pub(super) fn undo(self, alpha: &mut [u8], width: usize) {
        if self == Self::None {
            return;
        }
        let mut done = 0;
        while done < alpha.len() {
            let (before, rest) = alpha.split_at_mut(done);
            let above = &before[done.saturating_sub(width)..];
            let row = &mut rest[..width];
            let mut left = above.first().copied().unwrap_or(0);
            if above.is_empty() || self == Self::Horizontal {
                for sample in row {
                    left = sample.wrapping_add(left);
                    *sample = left;
                }
            } else if self == Self::Vertical {
                for (sample, &above) in row.iter_mut().zip(above) {
                    *sample = sample.wrapping_add(above);
                }
            } else {
                let mut corner = left;
                for (sample, &above) in row.iter_mut().zip(above) {
                    left = sample.wrapping_add(gradient(left, above, corner));
                    corner = above;
                    *sample = left;
                }
            }
            done += width;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn filters_are_undone(alpha in prop::collection::vec(any::<u8>(), 60..=60), width in prop::sample::select(vec![1_usize, 2, 5, 12, 60])) {
            for filter in [Filter::None, Filter::Horizontal, Filter::Vertical, Filter::Gradient] {
                let mut undone = filter.apply(&alpha, width);
                filter.undo(&mut undone, width);
                prop_assert_eq!(&undone, &alpha);
            }
        }
    }

    #[test]
    fn headers_that_say_what_cannot_be_are_errors() {
        let decode = |chunk: &[u8], size| {
            let limits = &mut DecodeLimits { max_memory_bytes: 1 << 20, should_stop: &mut || false };
            decode_alpha(chunk, size, limits).map(|alpha| alpha.samples).map_err(|error| error.to_string())
        };
        let error = |reason: &str| Err(reason.to_owned());
        assert_eq!(decode(&[0, 7, 8], (2, 1)), Ok(vec![7, 8]));
        assert_eq!(decode(&[0x10, 7, 8], (2, 1)), Ok(vec![7, 8]), "levels were reduced");
        assert_eq!(decode(&[0, 7, 8, 9], (2, 1)), Ok(vec![7, 8]), "a byte too much");
        assert_eq!(decode(&[0, 7], (2, 1)), error("the alpha ends too early"));
        assert_eq!(decode(&[], (2, 1)), error("the alpha ends too early"));
        assert_eq!(decode(&[1], (2, 1)), error("the VP8L stream ends too early"));
        assert_eq!(decode(&[2, 7, 8], (2, 1)), error("unknown compression of alpha"));
        assert_eq!(decode(&[0x20, 7, 8], (2, 1)), error("unknown preprocessing of alpha"));
        assert_eq!(decode(&[0, 7, 8], (0, 1)), error("alpha without a size"));
    }
}

//! Alpha beside a lossy picture: the `ALPH` chunk (RFC 9649, 2.7.1.2), without loss.

pub(crate) mod decode;

use crate::lossless;

/// Up to this many values share bytes in [`lossless`], which filters would put asunder.
const FEW_VALUES: usize = 16;
/// Filters are tried on this many rows at a time, and on one of so many groups of them.
const TRIED_ROWS: usize = 16;
const TRIED_SHARE: usize = 8;

/// What each sample is taken to be; what differs from it is stored. Numbered as in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
enum Filter {
    None = 0,
    /// The one on the left.
    Horizontal = 1,
    /// The one above.
    Vertical = 2,
    /// Left plus above less the one between them.
    Gradient = 3,
}

/// The chunk's data. `alpha` has whole rows of `width` samples and at least one.
pub(crate) fn encode(alpha: &[u8], width: usize) -> Vec<u8> {
    let filter = choose(alpha, width);
    let coded = lossless::encode(&filter.apply(alpha, width), width);
    // Noise does not become smaller.
    let (compression, filter, data) =
        if coded.len() < alpha.len() { (1, filter, coded.as_slice()) } else { (0, Filter::None, alpha) };
    let mut chunk = Vec::with_capacity(data.len() + 1);
    // No preprocessing: it would lose.
    chunk.push(compression | (filter as u8) << 2);
    chunk.extend_from_slice(data);
    chunk
}

/// The filter that makes the smallest file, by an eighth of the rows.
fn choose(alpha: &[u8], width: usize) -> Filter {
    let mut occurs = [false; 256];
    for &value in alpha {
        occurs[usize::from(value)] = true;
    }
    if occurs.iter().filter(|&&occurs| occurs).count() <= FEW_VALUES {
        return Filter::None;
    }
    let group = width * TRIED_ROWS;
    let tried: Vec<u8> = if alpha.len() <= group * TRIED_SHARE {
        alpha.to_vec()
    } else {
        alpha.chunks(group).skip(TRIED_SHARE / 2).step_by(TRIED_SHARE).flatten().copied().collect()
    };
    let cost = |filter: Filter| lossless::estimate(&filter.apply(&tried, width), width);
    let mut best = (f64::INFINITY, Filter::None);
    for filter in [Filter::None, Filter::Horizontal, Filter::Vertical, Filter::Gradient] {
        let cost = cost(filter);
        if cost < best.0 {
            best = (cost, filter);
        }
    }
    best.1
}

impl Filter {
    /// What each sample differs from what it is taken to be, modulo 256. The first row goes by what is on the left, the
    /// first column by what is above, whichever filter it is.
    fn apply(self, alpha: &[u8], width: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(alpha.len());
        if self == Self::None {
            out.extend_from_slice(alpha);
            return out;
        }
        let mut above: &[u8] = &[];
        for row in alpha.chunks(width.max(1)) {
            let first = row.first().copied().unwrap_or(0);
            out.push(first.wrapping_sub(above.first().copied().unwrap_or(0)));
            let pairs = row.iter().skip(1).zip(row);
            if above.is_empty() || self == Self::Horizontal {
                out.extend(pairs.map(|(&value, &left)| value.wrapping_sub(left)));
            } else if self == Self::Vertical {
                out.extend(row.iter().zip(above).skip(1).map(|(&value, &above)| value.wrapping_sub(above)));
            } else {
                let corners = above.iter().skip(1).zip(above);
                out.extend(pairs.zip(corners).map(|((&value, &left), (&above, &corner))| {
                    value.wrapping_sub(gradient(left, above, corner))
                }));
            }
            above = row;
        }
        out
    }
}

#[inline(always)]
fn gradient(left: u8, above: u8, corner: u8) -> u8 {
    let sum = i16::from(left) + i16::from(above) - i16::from(corner);
    u8::try_from(sum.clamp(0, 255)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_those_of_the_specification() {
        let alpha = [10, 20, 15, 12, 30, 28];
        assert_eq!(Filter::None.apply(&alpha, 3), alpha);
        assert_eq!(Filter::Horizontal.apply(&alpha, 3), [10, 10, 251, 2, 18, 254]);
        assert_eq!(Filter::Vertical.apply(&alpha, 3), [10, 10, 251, 2, 10, 13]);
        assert_eq!(Filter::Gradient.apply(&alpha, 3), [10, 10, 251, 2, 8, 3]);
        assert_eq!((gradient(200, 100, 10), gradient(10, 20, 200)), (255, 0));
    }

    #[test]
    fn noise_is_stored_as_it_is() {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        let noise: Vec<u8> = (0..100 * 100).map(|_| next()).collect();
        let chunk = encode(&noise, 100);
        assert_eq!((chunk[0], &chunk[1..]), (0, noise.as_slice()));
    }

    #[test]
    fn the_filter_suits_the_picture() {
        let side = 100;
        let mut state = 7_u32;
        // Each row goes its own way.
        let walk: Vec<u8> = (0..side * side)
            .scan(100_u8, |value, _| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *value = value.wrapping_add(state.to_be_bytes()[0] % 3).wrapping_sub(1);
                Some(*value)
            })
            .collect();
        assert_eq!(choose(&walk, side), Filter::Horizontal);
        let turned: Vec<u8> = (0..side * side).map(|i| walk[i % side * side + i / side]).collect();
        assert_eq!(choose(&turned, side), Filter::Vertical);
        let few: Vec<u8> = walk.iter().map(|value| value % 16).collect();
        assert_eq!(choose(&few, side), Filter::None);
    }
}

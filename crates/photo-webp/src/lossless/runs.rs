//! A picture as single pixels and runs of pixels that are there already.

/// How many literals there are.
pub(super) const LITERALS: usize = 256;
/// The longest run that a file can say.
const MAX_LENGTH: usize = 4096;
/// A shorter one costs more than its literals.
const MIN_LENGTH: usize = 4;
/// How far runs are looked for.
#[derive(Clone, Copy)]
pub(super) struct Effort {
    /// How many places that begin alike are looked at.
    tries: usize,
    /// How many rows back they are at most.
    rows_back: usize,
}

impl Effort {
    /// For alpha: libwebp's numbers at a low effort.
    pub(super) const LEAST: Self = Self { tries: 10, rows_back: 16 };
    /// For pictures of few colours, which repeat themselves from line to line of text.
    pub(super) const MORE: Self = Self { tries: 24, rows_back: 64 };
}

/// A run of this many is good enough.
const LONG: usize = 256;
/// Parts of a bit in which costs are counted.
const BIT: u32 = 16;

/// What is written for one pixel or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Run {
    Literal(u8),
    /// As many pixels as before, from where the distance's code says: [`Distances`].
    Copy {
        length: u32,
        code: u32,
    },
}

/// Codes of distances: near pixels in the plane have the first 120, the nearest the lowest (RFC 9649, 3.6.2.2).
struct Distances {
    width: usize,
    /// By rows up and columns from 8 on the left to 7 on the right.
    near: [[u32; 16]; 8],
}

/// How many near pixels have a code of their own.
pub(super) const NEAR: usize = 120;

/// Rows up and columns to the left of the near pixels, in the order of their codes, which begin at 1.
pub(super) fn near_pixels() -> [(usize, isize); NEAR] {
    let places = (0..8_usize).flat_map(|up| (-7..=8_isize).map(move |left| (up, left)));
    // In the row itself only what is on the left is there.
    let mut places: Vec<_> = places.filter(|&(up, left)| up > 0 || left > 0).collect();
    places.sort_by_key(|&(up, left)| {
        // Of those as far away, the higher comes first, then the one on the left.
        (up * up + left.unsigned_abs().pow(2), std::cmp::Reverse(up), std::cmp::Reverse(left))
    });
    std::array::from_fn(|i| places.get(i).copied().unwrap_or_default())
}

impl Distances {
    fn new(width: usize) -> Self {
        let mut near = [[0; 16]; 8];
        for (code, (up, left)) in (1..).zip(near_pixels()) {
            near[up][8_usize.wrapping_add_signed(-left) & 15] = code;
        }
        Self { width, near }
    }

    /// The code of so many pixels back.
    fn code(&self, back: usize) -> u32 {
        let (up, left) = (back / self.width, back % self.width);
        if left <= 8 && up < 8 {
            return self.near[up][8 - left];
        }
        let right = self.width - left;
        if right < 8 && up < 7 {
            return self.near[up + 1][8 + right];
        }
        u32::try_from(back + 120).unwrap_or(u32::MAX)
    }
}

/// Where pixels like the next ones were.
struct Chains {
    /// One more than the last place of each hash.
    heads: Vec<u32>,
    /// The same of the place before each, for the last `before.len()`, a power of two.
    before: Vec<u32>,
}

impl Chains {
    fn new(window: usize) -> Self {
        Self { heads: vec![0; 1 << 14], before: vec![0; window.next_power_of_two()] }
    }

    fn hash(pixels: &[u8]) -> Option<usize> {
        let first = u32::from_le_bytes(*pixels.first_chunk()?);
        Some((first.wrapping_mul(0x9e37_79b1) >> 18) as usize)
    }

    fn add(&mut self, pixels: &[u8], place: usize) {
        if let Some(hash) = Self::hash(&pixels[place..]) {
            let mask = self.before.len() - 1;
            self.before[place & mask] = self.heads[hash];
            self.heads[hash] = u32::try_from(place + 1).unwrap_or(0);
        }
    }
}

/// A run that could be taken.
#[derive(Clone, Copy, Default)]
struct Match {
    length: usize,
    code: u32,
    /// What it costs less than its pixels one by one.
    gain: u32,
}

struct Finder<'a> {
    pixels: &'a [u8],
    distances: Distances,
    chains: Chains,
    window: usize,
    tries: usize,
    /// What all pixels before each place cost one by one, modulo 2^32.
    costs: Vec<u32>,
}

impl<'a> Finder<'a> {
    fn new(pixels: &'a [u8], width: usize, effort: Effort) -> Self {
        let window = (width * effort.rows_back).max(256).min(pixels.len().max(1));
        let mut counts = [0_u32; 256];
        for &pixel in pixels {
            counts[usize::from(pixel)] += 1;
        }
        let total = f64::from(u32::try_from(pixels.len()).unwrap_or(u32::MAX));
        // At most 32 bits of 16 parts each.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let cost = counts.map(|n| ((total / f64::from(n.max(1))).log2().max(1.0) * f64::from(BIT)) as u32);
        let mut sum = 0_u32;
        let before = pixels.iter().map(|&pixel| {
            sum = sum.wrapping_add(cost[usize::from(pixel)]);
            sum
        });
        let costs = std::iter::once(0).chain(before).collect();
        let (distances, chains) = (Distances::new(width), Chains::new(window));
        Self { pixels, distances, chains, window, tries: effort.tries, costs }
    }

    /// What is best from this place on; of no length if literals are.
    fn best(&self, place: usize) -> Match {
        let rest = &self.pixels[place..];
        let mut best = Match { length: MIN_LENGTH - 1, ..Match::default() };
        let width = self.distances.width;
        for back in [width, 1, width + 1, width - usize::from(width > 1)] {
            self.consider(place, back, rest, &mut best);
        }
        let Some(hash) = Chains::hash(rest) else { return best };
        let mask = self.chains.before.len() - 1;
        let mut next = self.chains.heads[hash];
        for _ in 0..self.tries {
            if best.length >= LONG {
                break;
            }
            let Some(start) = next.checked_sub(1) else { break };
            let Some(back) =
                place.checked_sub(start as usize).filter(|&back| back > 0 && back <= self.window)
            else {
                break;
            };
            self.consider(place, back, rest, &mut best);
            next = self.chains.before[start as usize & mask];
        }
        best
    }

    #[inline(always)]
    fn consider(&self, place: usize, back: usize, rest: &[u8], best: &mut Match) {
        let Some(start) = place.checked_sub(back) else { return };
        let before = &self.pixels[start..];
        // Most are not as long as the one that is known: its last pixel says so at once.
        if before.get(best.length) != rest.get(best.length) {
            return;
        }
        let length = common(before, rest);
        if length <= best.length {
            return;
        }
        let code = self.distances.code(back);
        let literals = self.costs[place + length].wrapping_sub(self.costs[place]);
        let gain = literals.saturating_sub(cost(length, code));
        if gain > best.gain {
            *best = Match { length, code, gain };
        }
    }
}

/// About what a run costs: its two symbols and the bits behind them.
fn cost(length: usize, code: u32) -> u32 {
    let extra = |value: u32| (value.max(2).ilog2() - 1) * BIT;
    (if code > 4 { 9 } else { 6 }) * BIT + extra(u32::try_from(length).unwrap_or(0)) + extra(code)
}

/// The whole picture, `width` pixels a row.
pub(super) fn runs(pixels: &[u8], width: usize, effort: Effort) -> Vec<Run> {
    let mut finder = Finder::new(pixels, width, effort);
    let mut runs = Vec::with_capacity(pixels.len() / 4);
    let mut place = 0;
    let mut best = finder.best(place);
    while let Some(&pixel) = pixels.get(place) {
        finder.chains.add(pixels, place);
        let next = if place + 1 < pixels.len() && best.length < LONG {
            finder.best(place + 1)
        } else {
            Match::default()
        };
        if best.gain == 0 || next.gain > best.gain {
            runs.push(Run::Literal(pixel));
            place += 1;
            best = next;
            continue;
        }
        runs.push(Run::Copy { length: u32::try_from(best.length).unwrap_or(0), code: best.code });
        for place in place + 1..place + best.length {
            finder.chains.add(pixels, place);
        }
        place += best.length;
        if place < pixels.len() {
            best = finder.best(place);
        }
    }
    runs
}

/// How many pixels both begin with, up to the longest run.
#[inline(always)]
fn common(a: &[u8], b: &[u8]) -> usize {
    let limit = a.len().min(b.len()).min(MAX_LENGTH);
    let (a, b) = (&a[..limit], &b[..limit]);
    let mut length = 0;
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        let different = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if different != 0 {
            return length + different.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    length + a[length..].iter().zip(&b[length..]).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn near_distances_have_the_codes_of_the_specification() {
        let distances = Distances::new(100);
        for (code, (left, up)) in
            (1..).zip([(0, 1), (1, 0), (1, 1), (-1, 1), (0, 2), (2, 0), (1, 2), (-1, 2), (2, 1)])
        {
            assert_eq!(distances.code(usize::try_from(up * 100 + left).unwrap()), code, "{left}, {up}");
        }
        for (code, back) in [
            (35, 500),
            (36, 403),
            (37, 397),
            (40, 5),
            (97, 8),
            (112, 706),
            (118, 693),
            (119, 608),
            (120, 708),
        ] {
            assert_eq!(distances.code(back), code, "{back}");
        }
        assert_eq!((distances.code(9), distances.code(709)), (129, 829));
        assert_eq!(distances.code(800), 920);
    }

    proptest! {
        #[test]
        fn runs_give_the_pixels_back(
            pixels in proptest::collection::vec(0_u8..3, 1..400),
            width in 1_usize..40,
        ) {
            let near: Vec<(i32, i32)> = places();
            let mut out: Vec<u8> = Vec::new();
            for run in runs(&pixels, width, Effort::LEAST) {
                match run {
                    Run::Literal(value) => out.push(value),
                    Run::Copy { length, code } => {
                        prop_assert!((4..=4096).contains(&length));
                        let back = if code > 120 {
                            code as usize - 120
                        } else {
                            let (left, up) = near[code as usize - 1];
                            usize::try_from((left + up * i32::try_from(width).unwrap()).max(1)).unwrap()
                        };
                        for _ in 0..length {
                            out.push(out[out.len() - back]);
                        }
                    }
                }
            }
            prop_assert_eq!(out, pixels);
        }

        #[test]
        fn common_beginnings_are_counted(
            a in proptest::collection::vec(0_u8..2, 0..40),
            b in proptest::collection::vec(0_u8..2, 0..40),
        ) {
            prop_assert_eq!(common(&a, &b), a.iter().zip(&b).take_while(|(a, b)| a == b).count());
        }
    }

    fn places() -> Vec<(i32, i32)> {
        let mut places: Vec<(i32, i32)> = (0..8)
            .flat_map(|up| (-7..=8).map(move |left| (left, up)))
            .filter(|&(left, up)| up > 0 || left > 0)
            .collect();
        places.sort_by_key(|&(left, up)| (left * left + up * up, -up, -left));
        places
    }
}

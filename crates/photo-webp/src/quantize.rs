//! Coefficients to levels and back.

use bytemuck::cast;
use wide::{i16x8, u8x16, u16x8};

use crate::steps;
use crate::transform::{Eight, One};

/// Where the `n`th coefficient of the file is in a block, row by row: RFC 6386, section 13.
pub(crate) const ZIGZAG: [u8; 16] = [0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15];

/// The same in a block that is stored in columns.
pub(crate) const ZIGZAG_COLUMNS: [u8; 16] = {
    let mut turned = [0; 16];
    let mut n = 0;
    while n < 16 {
        turned[n] = ZIGZAG[n] % 4 * 4 + ZIGZAG[n] / 4;
        n += 1;
    }
    turned
};

/// The largest amount of a level that the file can say.
const MAX_LEVEL: i16 = 2047;

/// How much higher frequencies of luma are lifted before they are rounded, in 1/2048 of a step.
const SHARPENING: [i16; 16] = [0, 30, 60, 90, 30, 60, 90, 90, 60, 90, 90, 90, 90, 90, 90, 90];

/// What kind of coefficients a quantiser is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Luma,
    /// The first coefficients of the sixteen luma blocks, transformed again.
    Second,
    Chroma,
}

/// A block of levels, as the file orders them.
pub(crate) type Levels = [i16; 16];

/// How coefficients of one kind become levels in one segment.
#[derive(Clone, Debug)]
pub(crate) struct Quantizer {
    /// The step of each coefficient, 4 to 440.
    pub(crate) step: [i16; 16],
    /// 65536 / step.
    reciprocal: [i16; 16],
    /// Added to amounts before they are divided and cut: less than half a step, rounded down, for amounts are whole.
    round: [i16; 16],
}

impl Quantizer {
    /// Indices of the first step and the others, 0 to 127.
    pub(crate) fn new(kind: Kind, first: i32, others: i32) -> Self {
        let at =
            |table: &[i16; 128], index: i32, most: i32| table[index.clamp(0, most).unsigned_abs() as usize];
        // In 1/256 of a step.
        let (first, others, first_round, others_round) = match kind {
            Kind::Luma => (at(&steps::DC, first, 127), at(&steps::AC, others, 127), 96, 110),
            Kind::Second => (at(&steps::DC, first, 127) * 2, at(&steps::SECOND_AC, others, 127), 96, 108),
            Kind::Chroma => (at(&steps::DC, first, 117), at(&steps::AC, others, 127), 110, 115),
        };
        let mut quantizer = Self { step: [others; 16], reciprocal: [0; 16], round: [0; 16] };
        quantizer.step[0] = first;
        for (i, &sharpening) in SHARPENING.iter().enumerate() {
            let step = i32::from(quantizer.step[i]);
            let lift = if kind == Kind::Luma { i32::from(sharpening) * step / 2048 } else { 0 };
            let round = if i == 0 { first_round } else { others_round };
            // Steps are 4 to 440: both are at most 16 bits.
            #[expect(clippy::cast_possible_truncation, reason = "see above")]
            {
                quantizer.reciprocal[i] = (65_536 / step + 1) as i16;
                quantizer.round[i] = (round * step / 256 + lift) as i16;
            }
        }
        quantizer
    }

    /// The mean step.
    pub(crate) fn mean_step(&self) -> i32 {
        (self.step.iter().map(|&step| i32::from(step)).sum::<i32>() + 8) >> 4
    }

    /// Level and rounding error of a first coefficient alone.
    pub(crate) fn first(&self, value: i16) -> (i16, i16) {
        let amount = i32::from(value).abs();
        let level = ((amount + i32::from(self.round[0])) * i32::from(self.reciprocal[0])) >> 16;
        let error = amount - level * i32::from(self.step[0]);
        // Coefficients have 16 bits, and so has what is left of them.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        let (level, error) = (level as i16, error as i16);
        if value < 0 { (-level, -error) } else { (level, error) }
    }

    /// Eight blocks, from the coefficient `first` on; they become what decoders make of the levels.
    #[inline(always)]
    pub(crate) fn eight<const FIRST: usize>(&self, block: &mut Eight) -> [Levels; 8] {
        let mut levels = [i16x8::splat(0); 16];
        for (n, &i) in ZIGZAG.iter().enumerate().skip(FIRST) {
            let i = usize::from(i);
            let divided = divide(block[i], i16x8::splat(self.round[i]), i16x8::splat(self.reciprocal[i]));
            levels[n] = divided;
            block[i] = divided * i16x8::splat(self.step[i]);
        }
        let [lower, upper]: [[u16x8; 8]; 2] = cast(levels);
        let (lower, upper) = (u16x8::transpose(lower), u16x8::transpose(upper));
        std::array::from_fn(|block| cast([lower[block], upper[block]]))
    }

    /// One block in columns; it becomes what decoders make of the levels.
    #[inline(always)]
    pub(crate) fn one(&self, block: &mut One) -> Levels {
        // The tables are the same in rows and in columns.
        let round: One = cast(self.round);
        let reciprocal: One = cast(self.reciprocal);
        let step: One = cast(self.step);
        let levels = [0, 1].map(|half| divide(block[half], round[half], reciprocal[half]));
        *block = [levels[0] * step[0], levels[1] * step[1]];
        let levels: Levels = cast(levels);
        ZIGZAG_COLUMNS.map(|i| levels[usize::from(i)])
    }

    /// One block in rows; it becomes what decoders make of the levels.
    pub(crate) fn one_in_rows(&self, block: &mut [i16; 16]) -> Levels {
        let round: One = cast(self.round);
        let reciprocal: One = cast(self.reciprocal);
        let step: One = cast(self.step);
        let values: One = cast(*block);
        let levels = [0, 1].map(|half| divide(values[half], round[half], reciprocal[half]));
        *block = cast([levels[0] * step[0], levels[1] * step[1]]);
        let levels: Levels = cast(levels);
        ZIGZAG.map(|i| levels[usize::from(i)])
    }
}

#[inline(always)]
fn divide(value: i16x8, round: i16x8, reciprocal: i16x8) -> i16x8 {
    let sign = value >> 15_i32;
    let amount = (value ^ sign) - sign;
    let level = (amount + round).mul_keep_high(reciprocal).min(i16x8::splat(MAX_LEVEL));
    (level ^ sign) - sign
}

/// Amounts of levels; those beyond a byte count as its largest.
#[inline(always)]
pub(crate) fn amounts(levels: &Levels) -> u8x16 {
    let [lower, upper]: One = cast(*levels);
    u8x16::narrow_i16x8(lower.abs(), upper.abs())
}

/// How many levels there are up to the last that is not zero.
#[inline(always)]
pub(crate) fn used(levels: &Levels) -> usize {
    used_of(amounts(levels).simd_eq(u8x16::splat(0)))
}

/// The same, where levels that are zero are known.
#[inline(always)]
pub(crate) fn used_of(zeros: u8x16) -> usize {
    32 - (!zeros.to_bitmask() & 0xffff).leading_zeros() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::forward_one;

    #[test]
    fn the_last_level_that_is_not_zero_ends_a_block() {
        assert_eq!(used(&[0; 16]), 0);
        for last in 0..16 {
            for value in [1, -1, 2047, -2047, 256] {
                let mut levels = [0; 16];
                levels[last] = value;
                assert_eq!(used(&levels), last + 1);
            }
        }
    }

    #[test]
    fn levels_times_steps_are_within_a_step_of_the_coefficients() {
        for index in [0, 1, 30, 64, 127] {
            for kind in [Kind::Luma, Kind::Second, Kind::Chroma] {
                let quantizer = Quantizer::new(kind, index, index);
                for value in (-16_320..=16_320).step_by(7) {
                    let mut block = [value; 16];
                    let levels = quantizer.one_in_rows(&mut block);
                    let (first, error) = quantizer.first(value);
                    if first.abs() <= MAX_LEVEL {
                        assert_eq!((levels[0], value - error), (first, block[0]));
                    }
                    for (i, found) in block.into_iter().enumerate() {
                        let step = quantizer.step[i];
                        let most = step * MAX_LEVEL.min(i16::MAX / step);
                        if value.abs() < most {
                            assert!((found - value).abs() <= step, "{value} {found} by {step}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_block_alone_and_among_eight_gives_the_same_levels() {
        let quantizer = Quantizer::new(Kind::Luma, 20, 20);
        let pixels: [i16; 16] = std::array::from_fn(|i| i16::try_from(i * i * 37 % 255).unwrap() - 100);
        let mut one: One = forward_one(cast(pixels));
        let mut eight: Eight = std::array::from_fn(|i| {
            let columns: [i16; 16] = cast(one);
            i16x8::splat(columns[i % 4 * 4 + i / 4])
        });
        let levels = quantizer.one(&mut one);
        assert_eq!(quantizer.eight::<0>(&mut eight), [levels; 8]);
        let back: [i16; 16] = cast(one);
        for (i, lanes) in eight.into_iter().enumerate() {
            assert_eq!(lanes, i16x8::splat(back[i % 4 * 4 + i / 4]));
        }
    }
}

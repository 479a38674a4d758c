//! What the levels of a 4 x 4 block of luma take in the file, in 1/256 bit.

use bytemuck::cast;
use wide::u8x16;

use crate::cost;
use crate::quantize::{Levels, amounts, used_of};
use crate::tokens::{BANDS, Plane, Probabilities, write_level};
use crate::writer::Bits;

/// Amounts from here on count as this one: levels as large are rare, and differ little in what they take.
const LARGE: u8 = 61;
/// Behind the last level that is not zero nothing is written.
const NOTHING: u8 = 62;
/// The block ends.
const END: u8 = 63;
/// After a zero there is no question whether the block ends.
const AFTER_ZERO: u8 = 3;

/// By coefficient; then by what is before it in the two upper bits and what it is in the others. Before the first are none to two
/// filled neighbours, before another is a level, up to 2, or [`AFTER_ZERO`].
pub(crate) struct Rates(Box<[[u16; 256]; 16]>);

impl Rates {
    /// With these probabilities.
    pub(crate) fn new(probabilities: &Probabilities) -> Self {
        let bands = &probabilities[Plane::Luma as usize];
        let mut rates = Box::new([[0; 256]; 16]);
        for (rates, &band) in rates.iter_mut().zip(&BANDS) {
            for (context, rates) in (0..).zip(rates.as_chunks_mut::<64>().0) {
                let p = &bands[usize::from(band)][usize::from(context % AFTER_ZERO)];
                for (what, rate) in (0..).zip(rates) {
                    let mut sum = Sum(0);
                    if what != NOTHING && context != AFTER_ZERO {
                        sum.put(what != END, p[0]);
                    }
                    if what <= LARGE {
                        write_level(p, i16::from(what), &mut sum);
                    }
                    // A dozen bits of at most 7 bits each.
                    *rate = u16::try_from(sum.0).unwrap_or(u16::MAX);
                }
            }
        }
        Self(rates)
    }

    /// Of a block of which so many neighbours, above and on the left, have levels that are not zero.
    #[inline(always)]
    pub(crate) fn of(&self, before: u8, levels: &Levels) -> u32 {
        const PLACES: u8x16 = u8x16::new([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        let amounts = amounts(levels).min(u8x16::splat(LARGE));
        let zeros = amounts.simd_eq(u8x16::splat(0));
        #[expect(clippy::cast_possible_truncation, reason = "at most 16")]
        let end = u8x16::splat(used_of(zeros) as u8);
        let behind = PLACES.max(end).simd_eq(PLACES) & u8x16::splat(NOTHING);
        let ends = PLACES.simd_eq(end) & u8x16::splat(END);
        let contexts = amounts.min(u8x16::splat(2)) | (zeros & u8x16::splat(AFTER_ZERO));
        // Each goes to the next place.
        let contexts = u128::from_le(cast(contexts)) << 8 | u128::from(before);
        let contexts: u8x16 = cast((contexts << 6).to_le());
        let entries = (amounts | behind | ends | contexts).to_array();
        self.0.iter().zip(entries).map(|(rates, entry)| u32::from(rates[usize::from(entry)])).sum()
    }
}

/// Adds up what bits take.
struct Sum(u32);

impl Bits for Sum {
    fn put(&mut self, bit: bool, probability: u8) {
        self.0 += cost::of_bit(bit, probability);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::probabilities::DEFAULT;

    /// The way through the block that `tokens` writes, bit by bit.
    fn by_the_book(before: u8, levels: &Levels) -> u32 {
        let bands = &DEFAULT[Plane::Luma as usize];
        let end = levels.iter().rposition(|&level| level != 0).map_or(0, |last| last + 1);
        let (mut sum, mut context, mut after_zero) = (Sum(0), usize::from(before), false);
        for (n, &level) in levels.iter().enumerate().take(end) {
            let p = &bands[usize::from(BANDS[n])][context];
            if !after_zero {
                sum.put(true, p[0]);
            }
            write_level(p, level, &mut sum);
            (context, after_zero) = (usize::from(level.unsigned_abs().min(2)), level == 0);
        }
        if end < 16 {
            sum.put(false, bands[usize::from(BANDS[end])][context][0]);
        }
        sum.0
    }

    proptest! {
        #[test]
        fn a_block_takes_what_its_bits_take(
            before in 0_u8..3,
            end in 0_usize..=16,
            mut levels in prop::array::uniform16(prop_oneof![Just(0_i16), -3..=3_i16, -61..=61_i16]),
        ) {
            levels[end..].fill(0);
            prop_assert_eq!(Rates::new(&DEFAULT).of(before, &levels), by_the_book(before, &levels));
        }
    }

    #[test]
    fn levels_that_are_very_large_take_something_too() {
        let of = |level: i16| Rates::new(&DEFAULT).of(0, &[level; 16]);
        assert!(of(2047) >= of(61) && of(-2047) == of(2047) && of(61) > of(1));
    }
}

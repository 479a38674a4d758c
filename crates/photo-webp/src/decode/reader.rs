//! Reads the boolean entropy code of RFC 6386, section 7.

/// Reads booleans that are more or less likely. Behind the data it gives what zeros would, and says so.
///
/// Small and `Copy` on purpose: hot loops work on a copy that lives in registers.
#[derive(Clone, Copy)]
pub(super) struct BoolReader<'a> {
    /// Not yet in `value`.
    data: &'a [u8],
    /// The highest byte is compared with the split; below it are bits that wait.
    value: u64,
    /// The width of the interval less one, 127 to 254 once a bit is read.
    range: u32,
    /// How many bits wait; below zero there are too few for a comparison.
    bits: i32,
    past_end: bool,
}

/// By the size of an interval less one: how far it has to be shifted to have its eighth bit, and what it is then.
static SHIFTS: [u8; 256] = normalised().0;
static RANGES: [u8; 256] = normalised().1;

const fn normalised() -> ([u8; 256], [u8; 256]) {
    let (mut shifts, mut ranges) = ([0; 256], [0; 256]);
    let mut less_one = 0_u8;
    while less_one < 255 {
        let size = less_one as u16 + 1;
        let shift = size.leading_zeros() - 8;
        // At most 7, and at most 254.
        #[expect(clippy::cast_possible_truncation, reason = "no other way in const")]
        {
            shifts[less_one as usize] = shift as u8;
            ranges[less_one as usize] = ((size << shift) - 1) as u8;
        }
        less_one += 1;
    }
    ranges[255] = 255;
    (shifts, ranges)
}

impl<'a> BoolReader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, value: 0, range: 254, bits: -8, past_end: false }
    }

    /// Whether more was asked for than there is.
    pub(super) fn past_end(&self) -> bool {
        self.past_end
    }

    /// How many bytes of the data, which had `length`, were compared with a split, or would be with the next one, which can be
    /// one byte more. Whatever stands behind these changes no bit that was read.
    pub(super) fn bytes_read(&self, length: usize) -> usize {
        // Before the first bit.
        if self.bits == -8 {
            return 0;
        }
        // What is compared next may be waited for, and does not depend on how many bytes were filled in at once.
        let loaded = length - self.data.len() + usize::from(self.bits < 0);
        loaded.saturating_sub(self.bits.max(0).unsigned_abs() as usize / 8).min(length)
    }

    #[inline(always)]
    fn fill(&mut self) {
        if self.bits >= 0 {
            return;
        }
        // What is there has `8 + bits` bits.
        if let Some(word) = self.data.first_chunk::<8>() {
            // Seven bytes, which end where the next ones begin.
            self.value |= (u64::from_be_bytes(*word) & !0xff) >> ((8 + self.bits) & 7);
            self.bits += 56;
            self.data = self.data.get(7..).unwrap_or_default();
        } else if let Some((&byte, rest)) = self.data.split_first() {
            self.value |= u64::from(byte) << ((48 - self.bits) & 63);
            self.bits += 8;
            self.data = rest;
        } else {
            self.bits += 8;
            self.past_end = true;
        }
    }

    /// What is compared with the split.
    #[inline(always)]
    fn compared(&self) -> u32 {
        // Eight bits.
        (self.value >> 56) as u32
    }

    /// A bit that is false with a likelihood of `probability / 256`.
    #[inline(always)]
    pub(super) fn bit(&mut self, probability: u8) -> bool {
        self.fill();
        let split = (self.range * u32::from(probability)) >> 8;
        if self.compared() > split {
            self.value -= u64::from(split + 1) << 56;
            self.normalise(self.range - split - 1);
            true
        } else {
            self.normalise(split);
            false
        }
    }

    /// Takes a size less one as the interval's, and as many more bits as it needs.
    #[inline(always)]
    fn normalise(&mut self, less_one: u32) {
        let place = less_one as usize & 255;
        let shift = u32::from(SHIFTS[place]);
        self.range = u32::from(RANGES[place]);
        self.value <<= shift;
        self.bits -= shift.cast_signed();
    }

    /// `amount`, or its negative: the sign is as likely as not, so that a branch on it would be guessed wrong half of the time.
    ///
    /// Asked only after another bit: at first the interval is wider than it is ever after, and would not be halved.
    #[inline(always)]
    pub(super) fn signed(&mut self, amount: i32) -> i32 {
        self.fill();
        let split = self.range >> 1;
        // All ones if the sign is set. Both have less than ten bits.
        let mask = split.wrapping_sub(self.compared()).cast_signed() >> 31;
        self.value -= u64::from((split + 1) & mask.cast_unsigned()) << 56;
        self.value <<= 1;
        self.bits -= 1;
        self.range = self.range.wrapping_add_signed(mask) | 1;
        (amount ^ mask) - mask
    }

    /// A bit that is as likely as not.
    pub(super) fn even(&mut self) -> bool {
        self.bit(128)
    }

    /// A number of `count` bits, at most 8, the highest first.
    pub(super) fn number(&mut self, count: u32) -> u8 {
        (0..count).fold(0, |number, _| number << 1 | u8::from(self.even()))
    }

    /// If it is there: `count` bits, at most 7, and the sign. Otherwise zero.
    pub(super) fn optional_signed(&mut self, count: u32) -> i32 {
        if !self.even() {
            return 0;
        }
        let amount = i32::from(self.number(count));
        if self.even() { -amount } else { amount }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::writer::{Bits, BoolWriter};

    proptest! {
        #[test]
        fn what_was_written_is_read(bits: Vec<(bool, u8)>, tail: [u8; 3]) {
            let mut writer = BoolWriter::with_capacity(0);
            writer.put_even(true);
            for &(bit, probability) in &bits {
                writer.put(bit, probability.max(1));
            }
            let mut bytes = writer.finish();
            let written = bytes.len();
            bytes.extend_from_slice(&tail);
            for data in [&bytes[..written], &bytes] {
                let mut reader = BoolReader::new(data);
                prop_assert!(reader.even());
                for &(bit, probability) in &bits {
                    // Every other way to read an even bit is the same.
                    if probability == 128 {
                        prop_assert_eq!(reader.signed(5), if bit { -5 } else { 5 });
                    } else {
                        prop_assert_eq!(reader.bit(probability.max(1)), bit);
                    }
                }
                prop_assert!(!reader.past_end());
                prop_assert!(reader.bytes_read(data.len()) <= written);
            }
        }

        #[test]
        fn the_end_is_noticed_and_nothing_breaks(data in prop::collection::vec(any::<u8>(), 0..20), probability: u8) {
            let mut reader = BoolReader::new(&data);
            for _ in 0..3000 {
                reader.bit(probability);
                let _ = reader.signed(1);
            }
            // Each pair takes a bit and more.
            prop_assert!(reader.past_end());
        }
    }

    #[test]
    fn numbers_are_as_they_were_written() {
        let mut writer = BoolWriter::with_capacity(0);
        writer.put_bits(0b1011, 4);
        writer.put_signed(-9, 4);
        writer.put_signed(0, 4);
        writer.put_signed(63, 6);
        let bytes = writer.finish();
        let mut reader = BoolReader::new(&bytes);
        assert_eq!(reader.number(4), 0b1011);
        assert_eq!(
            (reader.optional_signed(4), reader.optional_signed(4), reader.optional_signed(6)),
            (-9, 0, 63)
        );
    }
}

//! The boolean entropy coder of RFC 6386, section 7.

/// How likely false is, in 1/256, of a bit that is as likely true.
pub(crate) const EVEN: u8 = 128;

/// What takes booleans that are more or less likely.
pub(crate) trait Bits {
    /// `probability / 256` says how likely the bit is false.
    fn put(&mut self, bit: bool, probability: u8);
}

/// Writes booleans that are more or less likely.
pub(crate) struct BoolWriter {
    bytes: Vec<u8>,
    /// The lower end of the interval: the lowest 8 bits go with `range`, `pending` ones above them wait to be written,
    /// and one above those may be a carry.
    low: u64,
    /// The width of the interval, 128 to 255.
    range: u32,
    pending: u32,
}

impl BoolWriter {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), low: 0, range: 255, pending: 0 }
    }

    /// A bit that is as likely true as false.
    #[inline(always)]
    pub(crate) fn put_even(&mut self, bit: bool) {
        self.put(bit, EVEN);
    }

    /// The lowest `count` bits, the highest first.
    pub(crate) fn put_bits(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            self.put_even((value >> shift) & 1 != 0);
        }
    }

    /// Whether it is zero, then `count` bits of the amount and the sign.
    pub(crate) fn put_signed(&mut self, value: i32, count: u32) {
        self.put_even(value != 0);
        if value != 0 {
            self.put_bits(value.unsigned_abs(), count);
            self.put_even(value < 0);
        }
    }

    /// Writes 32 of the bits that wait.
    #[cold]
    #[inline(never)]
    fn flush(&mut self) {
        let kept = self.pending - 24;
        let done = self.low >> kept;
        self.low &= (1 << kept) - 1;
        self.pending -= 32;
        let [_, _, _, carry, a, b, c, d] = done.to_be_bytes();
        if carry != 0 {
            self.carry();
        }
        self.bytes.extend_from_slice(&[a, b, c, d]);
    }

    /// Adds one to what is written.
    fn carry(&mut self) {
        for byte in self.bytes.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                return;
            }
        }
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        // All of `low` counts: at most 47 bits wait, and one may carry.
        let bits = self.pending + 8;
        let padding = bits.next_multiple_of(8) - bits;
        let done = self.low << padding;
        let count = (bits + padding) / 8;
        if done >> (8 * count) != 0 {
            self.carry();
        }
        let all = done.to_be_bytes();
        self.bytes.extend_from_slice(all.get(8 - count as usize..).unwrap_or(&all));
        self.bytes
    }
}

impl Bits for BoolWriter {
    #[inline(always)]
    fn put(&mut self, bit: bool, probability: u8) {
        let split = 1 + (((self.range - 1) * u32::from(probability)) >> 8);
        let (skipped, range) = if bit { (split, self.range - split) } else { (0, split) };
        self.low += u64::from(skipped);
        // `range` is 1 to 254.
        let shift = range.leading_zeros() - 24;
        self.range = range << shift;
        self.low <<= shift;
        self.pending += shift;
        if self.pending >= 40 {
            self.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The decoder of RFC 6386, 7.3, as it stands there.
    struct BoolReader<'a> {
        input: std::slice::Iter<'a, u8>,
        value: u32,
        range: u32,
        bit_count: u32,
    }

    impl<'a> BoolReader<'a> {
        fn new(input: &'a [u8]) -> Self {
            let mut input = input.iter();
            let mut next = || u32::from(input.next().copied().unwrap_or(0));
            let value = next() << 8 | next();
            Self { input, value, range: 255, bit_count: 0 }
        }

        fn get(&mut self, probability: u8) -> bool {
            let split = 1 + (((self.range - 1) * u32::from(probability)) >> 8);
            let bit = self.value >= split << 8;
            if bit {
                self.range -= split;
                self.value -= split << 8;
            } else {
                self.range = split;
            }
            while self.range < 128 {
                self.value <<= 1;
                self.range <<= 1;
                self.bit_count += 1;
                if self.bit_count == 8 {
                    self.bit_count = 0;
                    self.value |= u32::from(self.input.next().copied().unwrap_or(0));
                }
            }
            bit
        }
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(bits in proptest::collection::vec((any::<bool>(), any::<u8>()), 0..3000)) {
            let mut writer = BoolWriter::with_capacity(0);
            for &(bit, probability) in &bits {
                writer.put(bit, probability);
            }
            let bytes = writer.finish();
            let mut reader = BoolReader::new(&bytes);
            for &(bit, probability) in &bits {
                prop_assert_eq!(reader.get(probability), bit);
            }
        }
    }

    #[test]
    fn a_carry_goes_through_bytes_of_ones() {
        // Nearly all of the interval is skipped again and again, so that `low` is all ones before it overflows.
        let mut bits = vec![(true, 255_u8), (true, 1)];
        bits.extend(std::iter::repeat_n((true, 1), 2000));
        bits.extend(std::iter::repeat_n((true, 128), 100));
        let mut writer = BoolWriter::with_capacity(0);
        for &(bit, probability) in &bits {
            writer.put(bit, probability);
        }
        let bytes = writer.finish();
        let mut reader = BoolReader::new(&bytes);
        assert!(bits.iter().all(|&(bit, probability)| reader.get(probability) == bit));
    }
}

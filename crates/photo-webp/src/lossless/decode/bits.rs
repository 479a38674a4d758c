//! Reads bits, the lowest first (RFC 9649, 3.2).

/// Behind the data it gives zeros, and [`BitReader::past_end`] says so.
pub(super) struct BitReader<'a> {
    /// Bytes of which not every bit is in `value`.
    data: &'a [u8],
    /// The next bits, the first one lowest.
    value: u64,
    /// How many bits of `value` are read; what is above them is read again.
    count: u32,
    /// How many zeros were read in place of data.
    missing: u64,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, value: 0, count: 0, missing: 0 }
    }

    /// Whether more was consumed than there is.
    pub(super) fn past_end(&self) -> bool {
        self.missing > u64::from(self.count)
    }

    /// How many bytes of the data, which had `length`, have a bit that was consumed.
    pub(super) fn bytes_read(&self, length: usize) -> usize {
        let filled = 8 * (length - self.data.len()) as u64 + self.missing;
        let read = filled.saturating_sub(self.count.into()).div_ceil(8);
        usize::try_from(read).map_or(length, |read| read.min(length))
    }

    /// Makes at least 56 bits ready.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        if let Some(word) = self.data.first_chunk::<8>() {
            self.value |= u64::from_le_bytes(*word) << (self.count & 63);
            let bytes = (63 - self.count) / 8;
            self.count += 8 * bytes;
            self.data = self.data.get(bytes as usize..).unwrap_or_default();
        } else {
            self.fill_at_the_end();
        }
    }

    #[cold]
    fn fill_at_the_end(&mut self) {
        while self.count < 56 {
            if let Some((&byte, rest)) = self.data.split_first() {
                self.value |= u64::from(byte) << self.count;
                self.data = rest;
            } else {
                self.missing += 8;
            }
            self.count += 8;
        }
    }

    /// Makes at least `count` bits ready, at most 56.
    #[inline(always)]
    pub(super) fn need(&mut self, count: u32) {
        if self.count < count {
            self.fill();
        }
    }

    /// The lowest bits of what is ready, by a mask.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    pub(super) fn peek(&self, mask: u32) -> usize {
        (self.value as u32 & mask) as usize
    }

    /// Passes over bits that are ready.
    #[inline(always)]
    pub(super) fn consume(&mut self, count: u32) {
        debug_assert!(count <= self.count);
        self.value >>= count & 63;
        self.count = self.count.wrapping_sub(count);
    }

    /// A number of `count` bits, at most 31.
    #[inline(always)]
    pub(super) fn number(&mut self, count: u32) -> usize {
        self.need(count);
        let number = self.peek((1 << count) - 1);
        self.consume(count);
        number
    }

    pub(super) fn flag(&mut self) -> bool {
        self.number(1) == 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::bits::BitWriter;
    use super::*;

    proptest! {
        #[test]
        fn numbers_are_read_as_written(numbers in prop::collection::vec((any::<u32>(), 0_u32..=31), 0..200)) {
            let mut writer = BitWriter::with_capacity(0);
            for &(number, count) in &numbers {
                writer.put(number & ((1 << count) - 1), count);
            }
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for &(number, count) in &numbers {
                prop_assert_eq!(reader.number(count), (number & ((1 << count) - 1)) as usize);
            }
            prop_assert!(!reader.past_end());
            prop_assert_eq!(reader.bytes_read(bytes.len()), bytes.len());
            // The last byte is filled up with zeros.
            prop_assert_eq!(reader.number(8), 0);
            prop_assert!(reader.past_end());
        }
    }
}

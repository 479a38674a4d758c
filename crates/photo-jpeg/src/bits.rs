//! Entropy-coded bits: stuffed zeros taken out, markers respected.

use crate::markers::{ends_scan, find_marker};

/// Reads the data of one scan, most significant bit first. Behind the data it gives zeros and counts them.
///
/// It is small and `Copy` on purpose: hot loops work on a copy that lives in registers.
#[derive(Clone, Copy)]
pub(crate) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, from the top. Below `count` bits there may be the beginning of the next byte.
    buffer: u64,
    count: u32,
    /// How many bits of all put into the buffer are not of the file.
    made_up: u32,
}

const ONES: u64 = 0x0101_0101_0101_0101;

impl<'a> Bits<'a> {
    /// From the first byte behind a scan's header.
    pub(crate) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, buffer: 0, count: 0, made_up: 0 }
    }

    /// Whether at least 32 bits are there: enough for the longest code and its value.
    #[inline(always)]
    pub(crate) fn is_filled(&self) -> bool {
        self.count >= 32
    }

    /// At least 32 bits are there afterwards.
    #[inline(always)]
    pub(crate) fn refill(self) -> Self {
        if self.is_filled() { self } else { self.refill_now() }
    }

    #[inline(always)]
    fn refill_now(mut self) -> Self {
        if let Some(chunk) = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_be_bytes(*chunk);
            // A byte of ones, looked for in all eight at once: it starts a marker or a stuffed pair.
            if (!word).wrapping_sub(ONES) & word & (ONES << 7) == 0 {
                self.buffer |= word >> self.count;
                self.at += ((63 - self.count) >> 3) as usize;
                // Whole bytes more, 56 to 63 bits in all.
                self.count |= 0x38;
                return self;
            }
        }
        // One by one: a whole struct would go through memory, and stay there.
        let (buffer, at, count, made_up) = refill_slowly(self.data, self.at, self.buffer, self.count);
        self.buffer = buffer;
        self.at = at;
        self.count = count;
        self.made_up = self.made_up.saturating_add(made_up);
        self
    }

    /// The next `BITS` bits, for a table of as many entries.
    #[inline(always)]
    pub(crate) fn peek<const BITS: u32>(self) -> usize {
        // Shifted into range.
        #[expect(clippy::cast_possible_truncation)]
        let index = (self.buffer >> (64 - BITS)) as usize;
        index
    }

    /// Bits that were refilled before; at most 63 at once.
    #[inline(always)]
    pub(crate) fn skip(&mut self, bits: u32) {
        self.buffer <<= bits & 63;
        // A refill before every use keeps this from going below zero.
        self.count = self.count.wrapping_sub(bits);
    }

    /// The next `bits` bits, 1 to 32, refilled before.
    #[inline(always)]
    pub(crate) fn take(&mut self, bits: u32) -> u32 {
        // At most 32 bits are left after the shift.
        #[expect(clippy::cast_possible_truncation)]
        let value = (self.buffer >> ((64 - bits) & 63)) as u32;
        self.skip(bits);
        value
    }

    /// A value of `size` bits, 1 to 16, as JPEG writes signed numbers: the first bit says that it is positive.
    #[inline(always)]
    pub(crate) fn take_signed(&mut self, size: u32) -> i32 {
        let positive = self.buffer >> 63 == 1;
        let value = self.take(size).cast_signed();
        if positive { value } else { value - ((1 << size) - 1) }
    }

    /// Whether bits were used that the file does not have.
    pub(crate) fn ran_out(&self) -> bool {
        self.made_up > self.count
    }

    /// The place behind all bytes that were read. No marker is before it that has not been passed.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The place behind the last byte of which a bit was used.
    pub(crate) fn used_until(&self) -> usize {
        let mut at = self.at;
        for _ in 0..self.count.saturating_sub(self.made_up) / 8 {
            let is_stuffed = at >= 2 && self.data.get(at - 2..at) == Some(&[0xff, 0]);
            at = at.saturating_sub(if is_stuffed { 2 } else { 1 });
        }
        at
    }

    /// Whether nothing but the padding of the last byte is left, and the marker that ends the scan follows.
    pub(crate) fn is_at_end(self) -> bool {
        let filled = self.refill();
        let left = filled.count.saturating_sub(filled.made_up);
        if left >= 8
            || !matches!(find_marker(self.data, filled.at), Some((at, code)) if at == filled.at && ends_scan(code))
        {
            return false;
        }
        let padding = filled.buffer.checked_shr(64 - left).unwrap_or(0);
        padding == 0 || padding + 1 == 1 << left
    }
}

/// Byte by byte: buffer, place and count afterwards, and how many bits had to be made up.
#[cold]
#[inline(never)]
fn refill_slowly(data: &[u8], mut at: usize, mut buffer: u64, mut count: u32) -> (u64, usize, u32, u32) {
    let mut made_up = 0;
    while count <= 56 {
        let byte = match (data.get(at), data.get(at + 1)) {
            (Some(0xff), Some(0)) => {
                at += 2;
                0xff
            }
            (Some(0xff) | None, _) => {
                made_up += 8;
                0
            }
            (Some(&byte), _) => {
                at += 1;
                byte
            }
        };
        buffer |= u64::from(byte) << (56 - count);
        count += 8;
    }
    (buffer, at, count, made_up)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(data: &[u8]) -> Bits<'_> {
        Bits::new(data, 0)
    }

    #[test]
    fn stuffed_zeros_are_no_data_wherever_they_stand() {
        for at in 0..24 {
            let mut data = vec![0x5a; 24];
            data.splice(at..=at, [0xff, 0]);
            data.extend([0xff, 0xd9]);
            let mut reader = bits(&data);
            for i in 0..24 {
                reader = reader.refill();
                assert_eq!(reader.take(8), if i == at { 0xff } else { 0x5a }, "byte {i}, stuffed at {at}");
            }
            assert!(!reader.ran_out());
            assert_eq!((reader.at(), reader.used_until()), (25, 25), "stuffed at {at}");
        }
    }

    #[test]
    fn using_more_bits_than_there_are_is_seen() {
        let data = [0x12, 0x34, 0xff, 0xd9];
        let mut reader = bits(&data).refill();
        reader.skip(16);
        assert!(!reader.ran_out());
        let mut further = reader.refill();
        further.skip(1);
        assert!(further.ran_out());
    }

    #[test]
    fn the_last_used_byte_is_known_across_stuffed_zeros() {
        let data = [0x12, 0xff, 0, 0xff, 0, 0x34, 0x56, 0xff, 0xd9];
        for (bits_used, expected) in [(1, 1), (8, 1), (9, 3), (16, 3), (17, 5), (25, 6), (33, 7)] {
            let mut reader = bits(&data).refill();
            reader.skip(bits_used);
            assert_eq!(reader.used_until(), expected, "{bits_used} bits");
        }
    }

    #[test]
    fn data_end_with_padding_and_a_marker() {
        let at_end = |data: &[u8]| {
            let mut reader = bits(data).refill();
            reader.skip(3);
            reader.is_at_end()
        };
        assert!(at_end(&[0x1f, 0xff, 0xd9]) && at_end(&[0x00, 0xff, 0xd9]));
        for data in [&[0x1f][..], &[0x15, 0xff, 0xd9], &[0x1f, 0x21, 0xff, 0xd9], &[0x1f, 0xff, 0xd0]] {
            assert!(!at_end(data), "{data:?}");
        }
    }

    #[test]
    fn signed_values_are_as_in_table_f1() {
        for (byte, size, expected) in [
            (0x00, 1, -1),
            (0x80, 1, 1),
            (0x00, 2, -3),
            (0x40, 2, -2),
            (0xc0, 2, 3),
            (0x7f, 8, -128),
            (0x80, 8, 128),
        ] {
            assert_eq!(bits(&[byte, 0, 0]).refill().take_signed(size), expected, "{byte:x} in {size}");
        }
    }
}

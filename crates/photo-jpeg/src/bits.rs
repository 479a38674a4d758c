//! Entropy-coded bits: stuffed zeros taken out, markers respected.

use crate::error::Error;

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

    /// Checks that the data was used up, and gives the place of the marker behind it. Padding is let pass: some cameras
    /// fill up with zeros; anything else means that decoding lost its way.
    pub(crate) fn finish(mut self) -> Result<usize, Error> {
        if self.ran_out() {
            return Err(Error::Corrupt("a scan ends before its last block"));
        }
        let mut left = (self.count - self.made_up) / 8;
        self.skip(self.count % 8);
        while left > 0 {
            if !matches!(self.take(8), 0 | 0xff) {
                return Err(LEFT_OVER);
            }
            left -= 1;
        }
        loop {
            match (self.data.get(self.at), self.data.get(self.at + 1)) {
                (Some(0), _) | (Some(0xff), Some(0xff)) => self.at += 1,
                (Some(0xff), Some(0)) => self.at += 2,
                (Some(0xff), Some(_)) => return Ok(self.at),
                (Some(_), _) => return Err(LEFT_OVER),
                (None, _) => return Err(Error::Corrupt("the file ends inside a scan")),
            }
        }
    }

    /// Goes on behind the restart marker of this number, which must come next.
    pub(crate) fn restart(self, number: u8) -> Result<Self, Error> {
        let at = self.finish()?;
        if self.data.get(at + 1) != Some(&(0xd0 | (number & 7))) {
            return Err(Error::Corrupt("a restart marker is missing"));
        }
        Ok(Self::new(self.data, at + 2))
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

const LEFT_OVER: Error = Error::Corrupt("a scan has data behind its last block");

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
            assert_eq!(reader.finish(), Ok(25), "stuffed at {at}");
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
        assert!(further.finish().is_err());
        assert_eq!(reader.finish(), Ok(2));
    }

    #[test]
    fn padding_may_be_left_but_not_data() {
        let finish = |data: &[u8]| {
            let mut reader = bits(data).refill();
            reader.skip(3);
            reader.finish().ok()
        };
        assert_eq!(finish(&[0x1f, 0xff, 0xd9]), Some(1));
        assert_eq!(finish(&[0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0xff, 0xff, 0xd9]), Some(13));
        assert_eq!(finish(&[0x1f, 0x21, 0xff, 0xd9]), None);
        assert_eq!(finish(&[0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x21, 0xff, 0xd9]), None);
        assert_eq!(finish(&[0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn restarts_come_in_their_order() {
        let data = [0x80, 0xff, 0xff, 0xd3, 0x40, 0xff, 0xd9];
        let mut reader = bits(&data).refill();
        reader.skip(1);
        assert!(reader.restart(4).is_err());
        let mut reader = reader.restart(11).unwrap().refill();
        assert_eq!(reader.take(2), 1);
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

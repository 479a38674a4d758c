//! Bits as VP8L has them: the lowest first (RFC 9649, 3.2).

/// Collects bits.
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// The lowest `count` bits wait to be written; fewer than 32.
    pending: u64,
    count: u32,
}

impl BitWriter {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), pending: 0, count: 0 }
    }

    /// The lowest `count` bits of a value that has no others, at most 32.
    #[inline(always)]
    pub(super) fn put(&mut self, value: u32, count: u32) {
        debug_assert!(count <= 32 && u64::from(value) >> count == 0);
        self.pending |= u64::from(value) << self.count;
        self.count += count;
        if self.count >= 32 {
            let [a, b, c, d, ..] = self.pending.to_le_bytes();
            self.bytes.extend_from_slice(&[a, b, c, d]);
            self.pending >>= 32;
            self.count -= 32;
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let left = self.pending.to_le_bytes();
        let bytes = left.iter().take(self.count.div_ceil(8) as usize);
        self.bytes.extend(bytes);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bits_are_the_lowest() {
        let mut writer = BitWriter::with_capacity(0);
        for (value, count) in [(1, 1), (0, 0), (0b10, 2), (0xffff_ffff, 32), (0, 5), (1, 1)] {
            writer.put(value, count);
        }
        assert_eq!(writer.finish(), [0b1111_1101, 0xff, 0xff, 0xff, 0b111, 1]);
        assert_eq!(BitWriter::with_capacity(0).finish(), []);
    }
}

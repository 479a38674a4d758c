//! Prefix codes: RFC 9649, 3.7.2.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::bits::BitWriter;

/// The longest code of a symbol, and of a code's length.
const MAX_LENGTH: u8 = 15;
const MAX_LENGTH_OF_LENGTHS: u8 = 7;
/// The order in which the codes of lengths are stored.
pub(super) const ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// Symbols among lengths: the one before again, few zeros, many zeros.
const AGAIN: usize = 16;
const ZEROS: usize = 17;
const MANY_ZEROS: usize = 18;

/// A code for each symbol; of the one symbol that occurs alone, no bits.
pub(super) struct PrefixCode {
    lengths: Vec<u8>,
    /// As they are written, the first bit lowest.
    codes: Vec<u16>,
}

/// The code of a symbol that is the only one. It has to be 0 or 1.
pub(super) fn write_single(writer: &mut BitWriter, symbol: u32) {
    // Simple, one symbol, of one bit.
    writer.put(0b001, 3);
    writer.put(symbol, 1);
}

impl PrefixCode {
    /// Makes the code that suits these counts best, and writes it. One of the first 256 symbols occurs, or none at all.
    pub(super) fn write(writer: &mut BitWriter, counts: &[u32]) -> Self {
        let used: Vec<u32> =
            (0_u32..).zip(counts).filter(|&(_, &n)| n > 0).map(|(symbol, _)| symbol).collect();
        match used[..] {
            [] => write_single(writer, 0),
            [only @ 0..=1] => write_single(writer, only),
            [only @ ..=255] => {
                writer.put(0b101, 3);
                writer.put(only, 8);
            }
            [first @ ..=255, second @ ..=255] => {
                // Simple, two symbols, the first of one bit or of eight.
                writer.put(if first > 1 { 0b111 } else { 0b011 }, 3);
                writer.put(first, if first > 1 { 8 } else { 1 });
                writer.put(second, 8);
                return Self::new(counts, MAX_LENGTH);
            }
            _ => {
                let code = Self::new(counts, MAX_LENGTH);
                code.write_lengths(writer);
                return code;
            }
        }
        Self { lengths: vec![0; counts.len()], codes: vec![0; counts.len()] }
    }

    #[inline(always)]
    pub(super) fn put(&self, writer: &mut BitWriter, symbol: usize) {
        writer.put(self.codes[symbol].into(), self.lengths[symbol].into());
    }

    /// At least two symbols are needed for codes of any length.
    fn new(counts: &[u32], limit: u8) -> Self {
        let lengths = code_lengths(counts, limit);
        let codes = canonical(&lengths, limit);
        Self { lengths, codes }
    }

    /// As a normal code.
    fn write_lengths(&self, writer: &mut BitWriter) {
        let steps = steps(&self.lengths);
        let mut counts = [0_u32; 19];
        for step in &steps {
            counts[step.symbol] += 1;
        }
        let code = Self::new(&counts, MAX_LENGTH_OF_LENGTHS);
        // A code that is alone has no bits, but has to be there.
        let stored = |symbol: usize| u32::from(code.lengths[symbol].max(u8::from(counts[symbol] > 0)));
        let stored_count =
            ORDER.iter().rposition(|&symbol| counts[symbol] > 0).map_or(4, |last| (last + 1).max(4));
        writer.put(0, 1);
        writer.put(u32::try_from(stored_count - 4).unwrap_or(0), 4);
        for &symbol in &ORDER[..stored_count] {
            writer.put(stored(symbol), 3);
        }
        // Lengths of all symbols follow.
        writer.put(0, 1);
        for step in steps {
            code.put(writer, step.symbol);
            writer.put(step.extra, step.extra_bits);
        }
    }
}

/// A length, or several of them.
#[derive(Debug, PartialEq)]
struct Step {
    symbol: usize,
    extra: u32,
    extra_bits: u32,
}

fn steps(lengths: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    // What decoders take to have come before the first.
    let mut before = 8;
    for run in lengths.chunk_by(|a, b| a == b) {
        let length = run.first().copied().unwrap_or(0);
        let mut left = run.len();
        while left > 0 {
            let (symbol, count, least, extra_bits) = match (length, left) {
                (0, 11..) => (MANY_ZEROS, left.min(138), 11, 7),
                (0, 3..) => (ZEROS, left, 3, 3),
                (_, 3..) if length == before && length > 0 => (AGAIN, left.min(6), 3, 2),
                _ => (usize::from(length), 1, 1, 0),
            };
            steps.push(Step { symbol, extra: u32::try_from(count - least).unwrap_or(0), extra_bits });
            left -= count;
            before = if length > 0 { length } else { before };
        }
    }
    steps
}

/// Lengths by Huffman's method. If one is too long, counts are taken to be nearer to each other, until none is.
fn code_lengths(counts: &[u32], limit: u8) -> Vec<u8> {
    let mut least = 1_u32;
    loop {
        let lengths = huffman(counts, least);
        if lengths.iter().all(|&length| length <= limit) {
            return lengths;
        }
        least = least.saturating_mul(2);
    }
}

fn huffman(counts: &[u32], least: u32) -> Vec<u8> {
    let mut lengths = vec![0; counts.len()];
    // Of each node the one above it; leaves come first.
    let mut above = vec![usize::MAX; counts.len()];
    let leaves = counts.iter().enumerate().filter(|&(_, &n)| n > 0);
    let mut heap: BinaryHeap<_> = leaves.map(|(node, &n)| Reverse((u64::from(n.max(least)), node))).collect();
    while let (Some(Reverse((a, left))), Some(Reverse((b, right)))) = (heap.pop(), heap.pop()) {
        let node = above.len();
        above.push(usize::MAX);
        (above[left], above[right]) = (node, node);
        heap.push(Reverse((a + b, node)));
    }
    for (leaf, length) in lengths.iter_mut().enumerate() {
        let mut node = above[leaf];
        while let Some(&next) = above.get(node) {
            *length += 1;
            node = next;
        }
    }
    lengths
}

/// Codes in the order of lengths, then of symbols.
fn canonical(lengths: &[u8], limit: u8) -> Vec<u16> {
    let mut codes = vec![0; lengths.len()];
    let mut next = 0_u16;
    for length in 1..=limit {
        for (code, _) in codes.iter_mut().zip(lengths).filter(|(_, l)| **l == length) {
            *code = next.reverse_bits() >> (16 - length);
            next = next.wrapping_add(1);
        }
        next <<= 1;
    }
    codes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frequent_symbols_have_short_codes() {
        assert_eq!(huffman(&[1, 1, 2, 4, 0], 1), [3, 3, 2, 1, 0]);
        assert_eq!(huffman(&[0, 9], 1), [0, 0]);
        assert_eq!(canonical(&[3, 3, 2, 1, 0], 15), [0b011, 0b111, 0b01, 0, 0]);
    }

    #[test]
    fn lengths_are_steps() {
        let step = |symbol, extra, extra_bits| Step { symbol, extra, extra_bits };
        let lengths = [vec![8; 4], vec![0; 150], vec![3; 5], vec![0; 2]].concat();
        let expected = [
            step(AGAIN, 1, 2),
            step(MANY_ZEROS, 127, 7),
            step(MANY_ZEROS, 1, 7),
            step(3, 0, 0),
            step(AGAIN, 1, 2),
            step(0, 0, 0),
            step(0, 0, 0),
        ];
        assert_eq!(steps(&lengths), expected);
    }

    proptest! {
        #[test]
        fn codes_are_complete_and_within_their_limit(
            exponents in proptest::collection::vec(0_u32..31, 2..280),
            limit in 9_u8..=15,
        ) {
            let counts: Vec<u32> = exponents.into_iter().map(|e| 1 << e).collect();
            let lengths = code_lengths(&counts, limit);
            let kraft: u64 = lengths.iter().map(|&l| 1_u64 << (limit - l)).sum();
            prop_assert_eq!(kraft, 1 << limit);
        }
    }
}

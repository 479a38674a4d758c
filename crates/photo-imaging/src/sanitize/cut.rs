//! Ends the codes of a compressed stream (RFC 1951) where enough has come out.
//!
//! Data that is compressed again can become longer by any factor: codes may name bytes that lie further back than a compressor
//! looks. Codes that are cut become longer by some hundred bytes at most.

use super::lzw::put;
use crate::error::ImagingError;
use crate::limits::Limits;

/// Most bytes that one code stands for.
pub(super) const LONGEST_MATCH: usize = 258;
/// The code at the end of a block.
const END: usize = 256;
/// Codes between two looks at the clock.
const CODES_A_CHECK: u32 = 1 << 16;

/// Length that each code beyond [`END`] stands for, and how many bits are added to it.
const LENGTHS: [(u16, u32); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// Writes the codes of `data` (without the header of zlib) that make its first `target` bytes, and an end behind them. `tail` has the
/// last of these bytes: [`LONGEST_MATCH`], or all. `None` if the codes cannot be read so far.
pub(super) fn cut(
    data: &[u8],
    target: u64,
    tail: &[u8],
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<Option<()>, ImagingError> {
    let mut bits = Bits { data, at: 0 };
    let mut left = target;
    while left > 0 {
        limits.check_deadline("the end of sanitizing")?;
        let start = bits.at;
        let Some((_, kind)) = bits.take(1).zip(bits.take(2)) else { return Ok(None) };
        let codes = match kind {
            0 => {
                let Some(stored) = bits.stored() else { return Ok(None) };
                if stored.len() as u64 >= left {
                    let rest = &stored[..usize::try_from(left).unwrap_or(stored.len())];
                    put_bits(data, start, out);
                    put_last(rest, start % 8, out);
                    return Ok(Some(()));
                }
                left -= stored.len() as u64;
                continue;
            }
            1 => Some(Codes::fixed()),
            2 => Codes::read(&mut bits),
            _ => None,
        };
        let Some(codes) = codes else { return Ok(None) };
        let mut count = 0_u32;
        loop {
            count = count.wrapping_add(1);
            if count.is_multiple_of(CODES_A_CHECK) {
                limits.check_deadline("the end of sanitizing")?;
            }
            let before = bits.at;
            let length = if left == 0 { None } else { codes.next(&mut bits) };
            let is_beyond = length.is_some_and(|length| length > left);
            if left == 0 || is_beyond {
                // Of a match that is too long, the bytes themselves.
                let rest = usize::try_from(left).ok().and_then(|left| tail.len().checked_sub(left));
                let Some((rest, (end, width))) = rest.zip(codes.literals.bits(END)) else { return Ok(None) };
                let first = out.len();
                put_bits(data, before, out);
                // Whether it is the last block.
                out[first + start / 8] &= !(1 << (start % 8));
                put(out, first * 8 + before, end, width);
                put_last(&tail[rest..], (before + width as usize) % 8, out);
                return Ok(Some(()));
            }
            match length {
                Some(0) => break,
                Some(length) => left -= length,
                None => return Ok(None),
            }
        }
    }
    put_last(&[], 0, out);
    Ok(Some(()))
}

/// Copies the first bits.
fn put_bits(data: &[u8], count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&data[..count.div_ceil(8)]);
    if let Some(last) = out.last_mut()
        && !count.is_multiple_of(8)
    {
        *last &= (1 << (count % 8)) - 1;
    }
}

/// Writes a last block with bytes as they are. `used` is how many bits of the last byte are used, 0 for all.
fn put_last(bytes: &[u8], used: usize, out: &mut Vec<u8>) {
    let at = out.len() * 8 - (8 - used) % 8;
    put(out, at, 1, 3);
    // No block is longer.
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Reads the least significant bit first.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    /// The next 16 bits, with zeros behind the end.
    fn peek(&self) -> usize {
        let byte = |place: usize| self.data.get(self.at / 8 + place).map_or(0, |&byte| usize::from(byte));
        (byte(0) | byte(1) << 8 | byte(2) << 16) >> (self.at % 8) & 0xffff
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at += count;
        (self.at <= self.data.len() * 8).then_some(())
    }

    /// The next 16 bits at most.
    fn take(&mut self, count: u32) -> Option<usize> {
        let bits = self.peek() & ((1 << count) - 1);
        self.skip(count as usize)?;
        Some(bits)
    }

    /// What a block holds that is not compressed, or the part of it that is there.
    fn stored(&mut self) -> Option<&'a [u8]> {
        self.at = self.at.next_multiple_of(8);
        let length = self.take(16)?;
        self.take(16)?;
        let rest = self.data.get(self.at / 8..)?;
        let bytes = &rest[..length.min(rest.len())];
        self.skip(bytes.len() * 8)?;
        Some(bytes)
    }
}

/// The codes of a block.
struct Codes {
    literals: Code,
    distances: Code,
}

impl Codes {
    fn fixed() -> Self {
        let mut lengths = [8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        Self { literals: Code::new(&lengths), distances: Code::new(&[5; 30]) }
    }

    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        /// Places of the lengths of the codes for lengths.
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let literals = bits.take(5)? + 257;
        let count = literals + bits.take(5)? + 1;
        let mut of_lengths = [0; 19];
        for &place in &ORDER[..bits.take(4)? + 4] {
            of_lengths[place] = u8::try_from(bits.take(3)?).ok()?;
        }
        let of_lengths = Code::new(&of_lengths);
        let mut lengths = Vec::with_capacity(count);
        while lengths.len() < count {
            let (length, times) = match of_lengths.read(bits)? {
                16 => (*lengths.last()?, 3 + bits.take(2)?),
                17 => (0, 3 + bits.take(3)?),
                18 => (0, 11 + bits.take(7)?),
                length => (u8::try_from(length).ok()?, 1),
            };
            lengths.resize(lengths.len() + times, length);
        }
        let (literals, distances) = lengths.get(..count)?.split_at(literals);
        Some(Self { literals: Code::new(literals), distances: Code::new(distances) })
    }

    /// How many bytes the next code stands for, 0 at the end of the block.
    fn next(&self, bits: &mut Bits<'_>) -> Option<u64> {
        let symbol = self.literals.read(bits)?;
        if symbol < END {
            return Some(1);
        }
        let Some(index) = symbol.checked_sub(END + 1) else { return Some(0) };
        let &(least, width) = LENGTHS.get(index)?;
        let length = u64::from(least) + bits.take(width)? as u64;
        let distance = self.distances.read(bits).filter(|&distance| distance < 30)?;
        // The distance itself tells nothing of the length.
        bits.skip((distance / 2).saturating_sub(1))?;
        Some(length)
    }
}

/// A prefix code.
struct Code {
    /// How many symbols have codes of each width.
    counts: [u16; 16],
    /// By width, then by number.
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        for &length in lengths {
            counts[usize::from(length)] += 1;
        }
        counts[0] = 0;
        let mut next = [0; 16];
        for width in 1..16 {
            next[width] = next[width - 1] + usize::from(counts[width - 1]);
        }
        let mut symbols = vec![0; lengths.len()];
        for (symbol, &length) in (0..).zip(lengths).filter(|(_, length)| **length > 0) {
            let place = &mut next[usize::from(length)];
            symbols[*place] = symbol;
            *place += 1;
        }
        Self { counts, symbols }
    }

    fn read(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let word = bits.peek();
        let (mut code, mut first, mut index) = (0, 0, 0);
        for (width, &count) in self.counts.iter().enumerate().skip(1) {
            code = code << 1 | word >> (width - 1) & 1;
            first <<= 1;
            let count = usize::from(count);
            let place: usize = code.checked_sub(first)?;
            if place < count {
                bits.skip(width)?;
                return self.symbols.get(index + place).map(|&symbol| usize::from(symbol));
            }
            first += count;
            index += count;
        }
        None
    }

    /// The code of a symbol as it is written, and its width.
    fn bits(&self, symbol: usize) -> Option<(usize, u32)> {
        let (mut first, mut index) = (0, 0);
        for (width, &count) in (0_u32..).zip(&self.counts).skip(1) {
            first <<= 1;
            let count = usize::from(count);
            let mut symbols = self.symbols[index..index + count].iter();
            if let Some(place) = symbols.position(|&known| usize::from(known) == symbol) {
                let code: usize = first + place;
                return Some((code.reverse_bits() >> (usize::BITS - width), width));
            }
            first += count;
            index += count;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    fn inflated(stream: &[u8]) -> (Vec<u8>, u64) {
        let mut inflater = flate2::Decompress::new(false);
        let mut out = Vec::with_capacity(1 << 20);
        let status = inflater.decompress_vec(stream, &mut out, flate2::FlushDecompress::Finish).unwrap();
        assert_eq!(status, flate2::Status::StreamEnd);
        (out, inflater.total_in())
    }

    /// Text with long matches and noise.
    fn data() -> Vec<u8> {
        let noise = (0..30_000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]);
        noise.chain([7; 3000]).chain(b"a line and one more, ".repeat(400)).collect()
    }

    #[test]
    fn codes_end_at_every_byte() {
        let data = data();
        for level in [0, 1, 6, 9] {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
            for part in data.chunks(9000) {
                encoder.write_all(part).unwrap();
                encoder.flush().unwrap();
            }
            let stream = encoder.finish().unwrap();
            for target in (0..600).chain(29_900..34_000).step_by(7).chain([data.len() - 1, data.len()]) {
                let tail = &data[target.saturating_sub(LONGEST_MATCH)..target];
                let mut out = b"as before".to_vec();
                cut(&stream, target as u64, tail, &Limits::default(), &mut out).unwrap().unwrap();
                let out = out.strip_prefix(b"as before").unwrap();
                assert!(out.len() <= stream.len() + LONGEST_MATCH + 8, "level {level}, {target}");
                assert!(
                    inflated(out) == (data[..target].to_vec(), out.len() as u64),
                    "level {level}, {target}"
                );
                let mut again = Vec::new();
                cut(out, target as u64, tail, &Limits::default(), &mut again).unwrap().unwrap();
                assert!(again == out, "level {level}, {target}: once is enough");
            }
        }
    }

    #[test]
    fn codes_that_break_off_are_not_cut() {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&data()).unwrap();
        let stream = encoder.finish().unwrap();
        for broken in [&stream[..100], &[], &[7], &[5, 255, 255]] {
            let cut = cut(broken, 30_000, &[0; LONGEST_MATCH], &Limits::default(), &mut Vec::new());
            assert!(cut.unwrap().is_none());
        }
    }
}

//! Prefix codes as lookup tables: RFC 9649, 3.7.2.
//!
//! A table has an entry for each value of the next eight bits. A longer code leads on to a second table for the bits behind.
//! An entry has the symbol in its upper twelve bits and the code's length in the lower four. In the first table a length
//! of more than eight means a second table: the upper bits are its place, and what is beyond eight is how many bits it looks at.

use super::super::prefix::ORDER;
use super::bits::BitReader;
use crate::DecodeError;

/// Bits that the first table looks at.
const ROOT_BITS: u32 = 8;
const MAX_LENGTH: usize = 15;
/// Symbols of code lengths, and how many of them are lengths.
const LENGTH_SYMBOLS: usize = 19;
const LITERAL_LENGTHS: usize = 16;
/// The length that the first "repeat the last one" repeats.
const FIRST_LENGTH: u8 = 8;
/// Largest alphabet: literals, length prefixes, a colour cache of 11 bits.
pub(super) const MAX_ALPHABET: usize = 256 + 24 + (1 << 11);

const INVALID: DecodeError = DecodeError::Corrupt("invalid prefix code");

/// Where a code's table is within its group, and which bits the first table looks at.
#[derive(Clone, Copy, Default)]
struct Code {
    start: u16,
    mask: u16,
}

/// The five codes of a prefix code group, in one table.
pub(super) struct Group {
    table: Box<[u16]>,
    codes: [Code; 5],
}

impl Group {
    /// What a group takes beside its table: itself, and the allocator's header.
    pub(super) const OVERHEAD_BYTES: usize = size_of::<Self>() + 16;

    pub(super) fn entries(&self) -> usize {
        self.table.len()
    }

    /// Reads the next symbol by the code of this number, at most 15 bits, which are ready.
    #[inline(always)]
    pub(super) fn symbol(&self, code: usize, reader: &mut BitReader<'_>) -> usize {
        let Code { start, mask } = self.codes[code];
        let start = usize::from(start);
        let entry = self.table[start + reader.peek(mask.into())];
        let length = u32::from(entry & 15);
        if length <= ROOT_BITS {
            reader.consume(length);
            return usize::from(entry >> 4);
        }
        reader.consume(ROOT_BITS);
        let place = start + usize::from(entry >> 4);
        let entry = self.table[place + reader.peek((1 << (length - ROOT_BITS)) - 1)];
        reader.consume(u32::from(entry & 15));
        usize::from(entry >> 4)
    }
}

/// Reads groups. Keeps what they have in common between them.
pub(super) struct GroupReader {
    lengths: Box<[u8; MAX_ALPHABET]>,
    table: Vec<u16>,
}

impl GroupReader {
    pub(super) fn new() -> Self {
        Self { lengths: Box::new([0; MAX_ALPHABET]), table: Vec::new() }
    }

    /// Reads a group of codes for these alphabets and checks it. Answers how many entries its table has.
    pub(super) fn read(
        &mut self,
        reader: &mut BitReader<'_>,
        alphabets: [usize; 5],
    ) -> Result<usize, DecodeError> {
        alphabets.into_iter().try_fold(0, |entries, alphabet| {
            let lengths = read_lengths(reader, &mut self.lengths, alphabet)?;
            Ok(entries + Shape::of(lengths)?.entries)
        })
    }

    /// The same, and the group itself.
    pub(super) fn build(
        &mut self,
        reader: &mut BitReader<'_>,
        alphabets: [usize; 5],
    ) -> Result<Group, DecodeError> {
        self.table.clear();
        let mut codes = [Code::default(); 5];
        for (code, alphabet) in codes.iter_mut().zip(alphabets) {
            let lengths = read_lengths(reader, &mut self.lengths, alphabet)?;
            *code = append(&mut self.table, lengths)?;
        }
        Ok(Group { table: self.table.as_slice().into(), codes })
    }
}

/// What a canonical code's lengths say of it.
struct Shape {
    /// The first code of each length.
    first: [u16; MAX_LENGTH + 1],
    root_bits: u32,
    /// How many bits the second table looks at, by the first eight bits of the code; zero for none.
    second_bits: [u8; 1 << ROOT_BITS],
    /// In all tables.
    entries: usize,
    /// There is one symbol, which has no bits.
    single: bool,
}

impl Shape {
    /// A code of one symbol, or one that uses each sequence of bits.
    fn of(lengths: &[u8]) -> Result<Self, DecodeError> {
        let mut counts = [0_u32; MAX_LENGTH + 1];
        for &length in lengths {
            counts[usize::from(length) & MAX_LENGTH] += 1;
        }
        counts[0] = 0;
        let mut shape = Self {
            first: [0; MAX_LENGTH + 1],
            root_bits: 0,
            second_bits: [0; 1 << ROOT_BITS],
            entries: 1,
            single: true,
        };
        let used: u32 = counts.iter().sum();
        let space: u32 = (0..).zip(counts).map(|(length, count)| count << (15 - length)).sum();
        match (used, space) {
            (1, _) => return Ok(shape),
            (2.., 0x8000) => shape.single = false,
            _ => return Err(INVALID),
        }
        let mut code = 0;
        for (length, &count) in (0_u32..).zip(&counts).skip(1) {
            code <<= 1;
            // At most 2^15, as no code is longer than 15 bits.
            shape.first[length as usize] = u16::try_from(code).map_err(|_| INVALID)?;
            if count > 0 {
                shape.root_bits = length.min(ROOT_BITS);
            }
            if count > 0 && length > ROOT_BITS {
                let behind = length - ROOT_BITS;
                let prefixes = (code >> behind) as usize..=((code + count - 1) >> behind) as usize;
                // A later length of the same prefix is longer.
                let bits = u8::try_from(behind).map_err(|_| INVALID)?;
                shape.second_bits.get_mut(prefixes).ok_or(INVALID)?.fill(bits);
            }
            code += count;
        }
        shape.entries = 1 << shape.root_bits;
        // Longer codes are the last ones: their prefixes end with the last one that there is.
        let longer = shape.second_bits.iter().rev().take_while(|&&bits| bits > 0);
        shape.entries += longer.map(|bits| 1 << bits).sum::<usize>();
        Ok(shape)
    }
}

/// Builds the table behind those that are there already.
fn append(tables: &mut Vec<u16>, lengths: &[u8]) -> Result<Code, DecodeError> {
    let shape = Shape::of(lengths)?;
    let start = tables.len();
    tables.resize(start + shape.entries, 0);
    let code = Code {
        start: u16::try_from(start).map_err(|_| INVALID)?,
        mask: u16::try_from((1_u32 << shape.root_bits) - 1).map_err(|_| INVALID)?,
    };
    let table = tables.get_mut(start..).unwrap_or_default();
    if shape.single {
        let symbol = lengths.iter().position(|&length| length > 0).ok_or(INVALID)?;
        table[0] = entry(symbol, 0);
        return Ok(code);
    }
    let mut places = [0; 1 << ROOT_BITS];
    let mut end = 1 << shape.root_bits;
    for ((prefix, &bits), place) in (0_u8..=255).zip(&shape.second_bits).zip(&mut places) {
        if bits > 0 {
            *place = end;
            table[usize::from(prefix.reverse_bits())] = entry(end, ROOT_BITS + u32::from(bits));
            end += 1 << bits;
        }
    }
    let mut next = shape.first;
    for (symbol, &length) in lengths.iter().enumerate() {
        if length == 0 {
            continue;
        }
        let (bits, length) = (next[usize::from(length)], u32::from(length));
        next[length as usize] += 1;
        let (part, bits, length) = if length <= ROOT_BITS {
            (&mut table[..1 << shape.root_bits], bits, length)
        } else {
            let behind = length - ROOT_BITS;
            let prefix = usize::from(bits >> behind) & 255;
            let part = &mut table[places[prefix]..][..1 << shape.second_bits[prefix]];
            (part, bits & ((1 << behind) - 1), behind)
        };
        let first = usize::from(bits.reverse_bits() >> (16 - length));
        part.iter_mut().skip(first).step_by(1 << length).for_each(|slot| *slot = entry(symbol, length));
    }
    Ok(code)
}

/// Both fit: the largest alphabet has 2328 symbols, the tables of its longest code 2704 entries.
fn entry(symbol_or_place: usize, length: u32) -> u16 {
    debug_assert!(symbol_or_place < 1 << 12 && length <= 15);
    u16::try_from(symbol_or_place << 4).unwrap_or(0) | u16::try_from(length & 15).unwrap_or(0)
}

/// Reads the code lengths of an alphabet: RFC 9649, 3.7.2.1.
fn read_lengths<'a>(
    reader: &mut BitReader<'_>,
    all: &'a mut [u8; MAX_ALPHABET],
    alphabet: usize,
) -> Result<&'a [u8], DecodeError> {
    // A simple code may name a symbol beyond the alphabet, which is then no symbol.
    let used = alphabet.max(256);
    all.get_mut(..used).ok_or(INVALID)?.fill(0);
    if reader.flag() {
        let two = reader.flag();
        let first_bits = if reader.flag() { 8 } else { 1 };
        all[reader.number(first_bits)] = 1;
        if two {
            all[reader.number(8)] = 1;
        }
    } else {
        read_normal_lengths(reader, all.get_mut(..alphabet).ok_or(INVALID)?)?;
    }
    all.get(..alphabet).ok_or(INVALID)
}

fn read_normal_lengths(reader: &mut BitReader<'_>, lengths: &mut [u8]) -> Result<(), DecodeError> {
    let mut code_lengths = [0_u8; LENGTH_SYMBOLS];
    for &symbol in ORDER.iter().take(4 + reader.number(4)) {
        // Three bits.
        code_lengths[symbol] = u8::try_from(reader.number(3)).unwrap_or(0);
    }
    let mut table = Vec::with_capacity(1 << 7);
    let mask = append(&mut table, &code_lengths)?.mask;
    let mut symbols_left = if reader.flag() {
        let bits = 2 + 2 * u32::try_from(reader.number(3)).unwrap_or(0);
        2 + reader.number(bits)
    } else {
        lengths.len()
    };
    if symbols_left > lengths.len() {
        return Err(INVALID);
    }
    if let [entry] = table[..]
        && usize::from(entry >> 4) < LITERAL_LENGTHS
    {
        // One length, which has no bits: not symbol by symbol, for a stream can say it of many symbols for next to nothing.
        let same = lengths.get_mut(..symbols_left).ok_or(INVALID)?;
        same.fill(u8::try_from(entry >> 4).unwrap_or(0));
        return Ok(());
    }
    let (mut at, mut previous) = (0, FIRST_LENGTH);
    while at < lengths.len() && symbols_left > 0 {
        symbols_left -= 1;
        // A symbol and the bits behind it.
        reader.need(7 + 7);
        let entry = table[reader.peek(mask.into())];
        reader.consume(u32::from(entry & 15));
        let symbol = usize::from(entry >> 4);
        if symbol < LITERAL_LENGTHS {
            let length = u8::try_from(symbol).unwrap_or(0);
            lengths[at] = length;
            at += 1;
            if length > 0 {
                previous = length;
            }
            continue;
        }
        let (length, least, extra_bits) = match symbol {
            16 => (previous, 3, 2),
            17 => (0, 3, 3),
            _ => (0, 11, 7),
        };
        let end = at + least + reader.number(extra_bits);
        lengths.get_mut(at..end).ok_or(INVALID)?.fill(length);
        at = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::bits::BitWriter;
    use super::super::super::prefix::PrefixCode;
    use super::*;

    fn shape(lengths: &[u8]) -> Option<usize> {
        Shape::of(lengths).ok().map(|shape| shape.entries)
    }

    #[test]
    fn a_code_has_one_symbol_or_uses_all_bits() {
        assert_eq!(shape(&[0, 0, 0]), None);
        assert_eq!(shape(&[0, 9, 0]), Some(1));
        assert_eq!(shape(&[1, 1]), Some(2));
        assert_eq!(shape(&[1, 2, 2]), Some(4));
        assert_eq!(shape(&[1, 2]), None, "a code is left over");
        assert_eq!(shape(&[1, 1, 1]), None, "too many codes");
        assert_eq!(shape(&[1, 1, 15]), None, "too many codes");
        assert_eq!(shape(&[8; 256]), Some(256));
        assert_eq!(shape(&[8; 257]), None);
        // One prefix of eight bits has two codes of nine.
        let mut nine = [8; 257];
        (nine[0], nine[1]) = (9, 9);
        assert_eq!(shape(&nine), Some(256 + 2));
        assert_eq!(shape(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15]), Some(256 + 128));
    }

    #[test]
    fn symbols_beyond_a_simple_codes_alphabet_are_none() {
        let read = |symbols: &[u32], alphabet: usize| {
            let mut writer = BitWriter::with_capacity(0);
            writer.put(1, 1);
            writer.put(u32::from(symbols.len() == 2), 1);
            writer.put(1, 1);
            for &symbol in symbols {
                writer.put(symbol, 8);
            }
            let bytes = writer.finish();
            let mut all = [7; MAX_ALPHABET];
            let lengths = read_lengths(&mut BitReader::new(&bytes), &mut all, alphabet).unwrap();
            (lengths.len() == alphabet).then(|| shape(lengths)).flatten()
        };
        assert_eq!(read(&[39], 40), Some(1));
        assert_eq!(read(&[40], 40), None);
        assert_eq!(read(&[3, 200], 40), Some(1), "as libwebp: the other one alone");
        assert_eq!(read(&[3, 3], 40), Some(1));
        assert_eq!(read(&[3, 4], 40), Some(2));
    }

    proptest! {
        #[test]
        fn symbols_are_read_as_written(
            exponents in prop::collection::vec(prop::option::weighted(0.7, 0_u32..31), 2..280),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 1..100),
        ) {
            let counts: Vec<u32> = exponents.iter().map(|e| e.map_or(0, |e| 1 << e)).collect();
            let used: Vec<usize> = (0..counts.len()).filter(|&symbol| counts[symbol] > 0).collect();
            // What the writer asks for.
            prop_assume!(used.len() > 2 || used.iter().any(|&symbol| symbol < 256));
            prop_assume!(used.len() > 2 || used.iter().all(|&symbol| symbol < 256));
            let mut writer = BitWriter::with_capacity(0);
            let code = PrefixCode::write(&mut writer, &counts);
            (0..4).for_each(|_| super::super::super::prefix::write_single(&mut writer, 0));
            let symbols: Vec<usize> = picks.iter().map(|pick| *pick.get(&used)).collect();
            for &symbol in &symbols {
                code.put(&mut writer, symbol);
            }
            let bytes = writer.finish();

            let alphabets = [counts.len(), 256, 256, 256, 40];
            let entries = GroupReader::new().read(&mut BitReader::new(&bytes), alphabets).unwrap();
            let mut reader = BitReader::new(&bytes);
            let group = GroupReader::new().build(&mut reader, alphabets).unwrap();
            prop_assert_eq!(entries, group.table.len());
            for symbol in symbols {
                reader.fill();
                prop_assert_eq!(group.symbol(0, &mut reader), symbol);
                prop_assert_eq!(group.symbol(4, &mut reader), 0);
            }
            prop_assert!(!reader.past_end());
        }

        #[test]
        fn any_bits_are_a_group_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300), cache_bits in 0_u32..=11) {
            let alphabets = [280 + ((1 << cache_bits) & !1), 256, 256, 256, 40];
            let entries = GroupReader::new().read(&mut BitReader::new(&bytes), alphabets);
            let group = GroupReader::new().build(&mut BitReader::new(&bytes), alphabets);
            prop_assert_eq!(entries, group.map(|group| group.table.len()));
        }
    }
}

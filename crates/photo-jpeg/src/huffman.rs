//! Huffman tables made for speed: one look gives a code, and mostly its value, too.

use crate::bits::Bits;
use crate::error::Error;

/// Bits that one look covers.
pub(crate) const LOOK: u32 = 10;
const ENTRIES: usize = 1 << LOOK;

/// An entry of [`Table::codes`]. Zero: the code is longer than a look.
///
/// | bits | meaning |
/// | --- | --- |
/// | 0–5 | bits to skip: the code's, and the value's if it is whole within the look |
/// | 7 | the value is within the look |
/// | 8–15 | the symbol; with a value, the run in four bits and the code's own length in four |
/// | 16–31 | the value, signed |
pub(crate) const HAS_VALUE: u32 = 0x80;

/// An entry of [`Table::skips`] with this bit ends the block.
pub(crate) const ENDS_BLOCK: u16 = 0x80;

/// One table, for DC or for AC.
pub(crate) struct Table {
    pub(crate) codes: [u32; ENTRIES],
    /// For AC coefficients that nobody wants: as many of them as a look holds. Bits 0–5 are the bits to skip, 8–15 the
    /// coefficients passed. Zero: not to be had that way.
    pub(crate) skips: [u16; ENTRIES],
    /// By length in bits: the first 16-bit prefix beyond the codes of this length.
    limits: [u32; 17],
    /// By length: what to add to a code for its place in `symbols`.
    offsets: [i32; 17],
    symbols: [u8; 256],
}

impl Table {
    /// From the counts of codes by length, and the symbols. `dc` symbols are sizes, those of AC runs and sizes.
    pub(crate) fn new(counts: &[u8; 16], listed: &[u8], dc: bool) -> Result<Box<Self>, Error> {
        let mut table = Box::new(Self {
            codes: [0; ENTRIES],
            skips: [0; ENTRIES],
            limits: [0; 17],
            offsets: [0; 17],
            symbols: [0; 256],
        });
        let room = table.symbols.get_mut(..listed.len()).ok_or(BAD_TABLE)?;
        room.copy_from_slice(listed);
        // Sizes beyond this would not fit into the arithmetic, and no 8-bit file has them.
        if dc && listed.iter().any(|&symbol| symbol > 15) {
            return Err(BAD_TABLE);
        }
        let mut code = 0_u32;
        let mut place = 0_usize;
        for (length, &count) in (1_u32..).zip(counts) {
            table.offsets[length as usize] = i32::try_from(place).unwrap_or(0) - code.cast_signed();
            for _ in 0..count {
                let symbol = *listed.get(place).ok_or(BAD_TABLE)?;
                if code >= 1 << length {
                    return Err(BAD_TABLE);
                }
                if length <= LOOK {
                    let first = (code << (LOOK - length)) as usize;
                    for (low, entry) in
                        table.codes[first..first + (1 << (LOOK - length))].iter_mut().enumerate()
                    {
                        *entry = code_entry(symbol, length, low, dc);
                    }
                }
                code += 1;
                place += 1;
            }
            table.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        if place != listed.len() {
            return Err(BAD_TABLE);
        }
        Ok(table)
    }

    /// Chains the codes that lie within a look. Only for AC tables of sequential files that are scaled down.
    pub(crate) fn fill_skips(&mut self) {
        for index in 0..ENTRIES {
            let (mut used, mut passed, mut ended) = (0_u32, 0_u32, false);
            // 40: far from the 8 bits that the sum has.
            while used < LOOK && passed < 40 && !ended {
                let entry = self.codes[(index << used) & (ENTRIES - 1)];
                let (length, run, size) = parts(entry);
                // The zeros shifted in are no bits of the file.
                if entry == 0 || used + length > LOOK {
                    break;
                }
                match (run, size) {
                    (0, 0) => ended = true,
                    // Runs of blocks are for progressive files.
                    (1..=14, 0) => break,
                    _ => passed += run + 1,
                }
                used += length + size;
            }
            let skip = u16::try_from(used | passed << 8).unwrap_or(0);
            self.skips[index] = if ended { skip | ENDS_BLOCK } else { skip };
        }
    }

    fn symbol(&self, prefix: u32, length: u32) -> Option<u8> {
        let place = (prefix >> (16 - length)).cast_signed() + self.offsets[length as usize];
        self.symbols.get(usize::try_from(place).ok()?).copied()
    }

    /// Length and symbol of a code, from its entry or, if it has none, the long way.
    #[inline(always)]
    pub(crate) fn code(&self, entry: u32, bits: &Bits<'_>) -> Result<(u32, u8), Error> {
        if entry == 0 {
            self.long_code(bits.peek::<16>())
        } else {
            Ok((entry & 63, (entry >> 8 & 255) as u8))
        }
    }

    /// The difference of a DC value to the last one; refilled before.
    #[inline(always)]
    pub(crate) fn difference(&self, bits: &mut Bits<'_>) -> Result<i32, Error> {
        let entry = self.codes[bits.peek::<LOOK>()];
        if entry & HAS_VALUE != 0 {
            bits.skip(entry & 63);
            return Ok(entry.cast_signed() >> 16);
        }
        let (length, size) = self.code(entry, bits)?;
        bits.skip(length);
        Ok(if size == 0 { 0 } else { bits.take_signed(size.into()) })
    }

    /// Length and symbol of the code that the next 16 bits begin with.
    #[inline(never)]
    pub(crate) fn long_code(&self, next: usize) -> Result<(u32, u8), Error> {
        let prefix = u32::try_from(next).unwrap_or(0);
        let length = (1..=16).find(|&length| prefix < self.limits[length as usize]).ok_or(BAD_CODE)?;
        Ok((length, self.symbol(prefix, length).ok_or(BAD_CODE)?))
    }
}

/// `low`: the bits of the look behind the code.
fn code_entry(symbol: u8, length: u32, low: usize, dc: bool) -> u32 {
    let plain = length | u32::from(symbol) << 8;
    let (run, size) =
        if dc { (0, u32::from(symbol)) } else { (u32::from(symbol >> 4), u32::from(symbol & 15)) };
    let behind = LOOK - length;
    if size > behind || (size == 0 && !dc) {
        return plain;
    }
    let raw = i32::try_from(low >> (behind - size)).unwrap_or(0);
    let negative = size > 0 && raw >> (size - 1) == 0;
    let value = if negative { raw - ((1 << size) - 1) } else { raw };
    (length + size) | HAS_VALUE | run << 8 | length << 12 | value.cast_unsigned() << 16
}

/// Length of the code, run and size of an entry.
fn parts(entry: u32) -> (u32, u32, u32) {
    if entry & HAS_VALUE == 0 {
        (entry & 63, entry >> 12 & 15, entry >> 8 & 15)
    } else {
        let length = entry >> 12 & 15;
        (length, entry >> 8 & 15, (entry & 63) - length)
    }
}

const BAD_TABLE: Error = Error::Corrupt("invalid Huffman table");
pub(crate) const BAD_CODE: Error = Error::Corrupt("a code that is not in its Huffman table");

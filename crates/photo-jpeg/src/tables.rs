//! The tables that are valid at some point of a file, and the order of coefficients.

use crate::error::{Error, TRUNCATED};
use crate::huffman::Table;
use crate::standard;

/// Place in a [`crate::idct::Block`] of the coefficient at each step of the zigzag. Twice as long as that, so that runs
/// beyond the end of a block, which are found afterwards, need no check in the inner loop.
pub(crate) const ZIGZAG: [u8; 128] = zigzag();

const fn zigzag() -> [u8; 128] {
    let mut table = [63; 128];
    let (mut u, mut v, mut k) = (0_u8, 0_u8, 0);
    while k < 64 {
        table[k] = 8 * u + v;
        if (u + v) % 2 == 0 {
            // Up to the right, until an edge is reached.
            if u == 7 {
                v += 1;
            } else {
                u += 1;
                v = v.saturating_sub(1);
            }
        } else if v == 7 {
            u += 1;
        } else {
            v += 1;
            u = u.saturating_sub(1);
        }
        k += 1;
    }
    table
}

/// Steps of the zigzag behind which no coefficient of the lowest `width` × `height` stands.
pub(crate) fn reach(width: usize, height: usize) -> usize {
    let wanted = |&at: &u8| usize::from(at / 8) < width && usize::from(at % 8) < height;
    ZIGZAG[..64].iter().rposition(wanted).map_or(1, |last| last + 1)
}

/// A quantisation table, in the order of the zigzag.
pub(crate) type Quantisation = [u16; 64];

/// The same for the arithmetic of [`crate::idct`]; as long as [`ZIGZAG`], for the same reason.
pub(crate) fn factors(table: &Quantisation) -> [f32; 128] {
    let mut factors = [0.0; 128];
    for (factor, &step) in factors.iter_mut().zip(table) {
        *factor = f32::from(step) / 8.0;
    }
    factors
}

/// A Huffman table as its segment has it. It is built when a scan uses it: a file may define a million tables, and has at most
/// [`crate::MAX_SCANS`] scans.
struct Huffman<'a> {
    counts: &'a [u8; 16],
    symbols: &'a [u8],
    built: Option<Box<Table>>,
}

/// Tables as the segments before a scan left them.
#[derive(Default)]
pub(crate) struct Tables<'a> {
    pub(crate) quantisation: [Option<Quantisation>; 4],
    dc: [Option<Huffman<'a>>; 4],
    ac: [Option<Huffman<'a>>; 4],
    /// MCUs between restart markers, 0 for none.
    pub(crate) restart_interval: u32,
}

impl<'a> Tables<'a> {
    /// Before the first segment. Frames of motion JPEG have no Huffman tables: those of ITU-T T.81, annex K.3, are meant, which
    /// are for sequential files.
    pub(crate) fn new(is_progressive: bool) -> Self {
        let mut tables = Self::default();
        for table in standard::TABLES.iter().filter(|_| !is_progressive) {
            // They are valid.
            let _ = tables.define_huffman(table);
        }
        tables
    }

    pub(crate) fn define_quantisation(&mut self, mut body: &[u8]) -> Result<(), Error> {
        while let Some((&head, rest)) = body.split_first() {
            let slot = self.quantisation.get_mut(usize::from(head & 15)).ok_or(BAD_NUMBER)?;
            let mut table = [0; 64];
            body = match head >> 4 {
                0 => {
                    let (bytes, rest) = rest.split_first_chunk::<64>().ok_or(TRUNCATED)?;
                    table = bytes.map(u16::from);
                    rest
                }
                1 => {
                    let (bytes, rest) = rest.split_first_chunk::<128>().ok_or(TRUNCATED)?;
                    for (step, &pair) in table.iter_mut().zip(bytes.as_chunks::<2>().0) {
                        *step = u16::from_be_bytes(pair);
                    }
                    rest
                }
                _ => return Err(BAD_NUMBER),
            };
            *slot = Some(table);
        }
        Ok(())
    }

    pub(crate) fn define_huffman(&mut self, mut body: &'a [u8]) -> Result<(), Error> {
        while let Some((&head, rest)) = body.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or(TRUNCATED)?;
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(total).ok_or(TRUNCATED)?;
            let slots = match head >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(BAD_NUMBER),
            };
            let slot = slots.get_mut(usize::from(head & 15)).ok_or(BAD_NUMBER)?;
            *slot = Some(Huffman { counts, symbols, built: None });
            body = rest;
        }
        Ok(())
    }

    /// Makes [`Tables::dc`] ready to give this table.
    pub(crate) fn build_dc(&mut self, number: usize) -> Result<(), Error> {
        let huffman = self.dc.get_mut(number).and_then(Option::as_mut).ok_or(NO_TABLE)?;
        if huffman.built.is_none() {
            huffman.built = Some(Table::new(huffman.counts, huffman.symbols, true)?);
        }
        Ok(())
    }

    /// Makes [`Tables::ac`] ready to give this table. `skipping`: coefficients will be passed over without a look at their values.
    pub(crate) fn build_ac(&mut self, number: usize, skipping: bool) -> Result<(), Error> {
        let huffman = self.ac.get_mut(number).and_then(Option::as_mut).ok_or(NO_TABLE)?;
        if huffman.built.is_none() {
            let mut table = Table::new(huffman.counts, huffman.symbols, false)?;
            if skipping {
                table.fill_skips();
            }
            huffman.built = Some(table);
        }
        Ok(())
    }

    /// A table that was built.
    pub(crate) fn dc(&self, number: usize) -> Result<&Table, Error> {
        built(&self.dc, number)
    }

    /// A table that was built.
    pub(crate) fn ac(&self, number: usize) -> Result<&Table, Error> {
        built(&self.ac, number)
    }

    pub(crate) fn define_restart(&mut self, body: &[u8]) -> Result<(), Error> {
        let &[high, low] = body else { return Err(Error::Corrupt("a restart interval of the wrong length")) };
        self.restart_interval = u16::from_be_bytes([high, low]).into();
        Ok(())
    }
}

fn built<'a>(slots: &'a [Option<Huffman<'_>>; 4], number: usize) -> Result<&'a Table, Error> {
    slots.get(number).and_then(Option::as_ref).and_then(|huffman| huffman.built.as_deref()).ok_or(NO_TABLE)
}

pub(crate) const NO_TABLE: Error = Error::Corrupt("a table that a scan needs is missing");
const BAD_NUMBER: Error = Error::Corrupt("a table of an impossible number");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zigzag_is_that_of_the_standard() {
        // T.81, figure A.6, read down the columns, because blocks are stored that way.
        let first = [0, 8, 1, 2, 9, 16, 24, 17, 10, 3, 4, 11, 18, 25, 32];
        assert_eq!(ZIGZAG[..15], first);
        let mut sorted = ZIGZAG[..64].to_vec();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..64));
        assert_eq!(ZIGZAG[61..66], [62, 55, 63, 63, 63]);
    }

    #[test]
    fn small_blocks_need_the_beginning_of_the_zigzag() {
        for (side, expected) in [(1, 1), (2, 5), (3, 13), (4, 25), (5, 40), (6, 52), (7, 60), (8, 64)] {
            assert_eq!(reach(side, side), expected, "{side}");
        }
        assert_eq!((reach(2, 1), reach(1, 2), reach(8, 1)), (2, 3, 29));
    }
}

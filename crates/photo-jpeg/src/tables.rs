//! The tables that are valid at some point of a file, and the order of coefficients.

use crate::error::{Error, TRUNCATED};
use crate::huffman::Table;

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

/// Tables as the segments before a scan left them.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) quantisation: [Option<Quantisation>; 4],
    pub(crate) dc: [Option<Box<Table>>; 4],
    pub(crate) ac: [Option<Box<Table>>; 4],
    /// Units between restart markers, 0 for none.
    pub(crate) restart_interval: u32,
}

impl Tables {
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

    /// `skipping`: coefficients will be passed over without a look at their values.
    pub(crate) fn define_huffman(&mut self, mut body: &[u8], skipping: bool) -> Result<(), Error> {
        while let Some((&head, rest)) = body.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or(TRUNCATED)?;
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(total).ok_or(TRUNCATED)?;
            let is_dc = match head >> 4 {
                0 => true,
                1 => false,
                _ => return Err(BAD_NUMBER),
            };
            let slots = if is_dc { &mut self.dc } else { &mut self.ac };
            let slot = slots.get_mut(usize::from(head & 15)).ok_or(BAD_NUMBER)?;
            let mut table = Table::new(counts, symbols, is_dc)?;
            if skipping && !is_dc {
                table.fill_skips();
            }
            *slot = Some(table);
            body = rest;
        }
        Ok(())
    }

    pub(crate) fn define_restart(&mut self, body: &[u8]) -> Result<(), Error> {
        let &[high, low] = body else { return Err(Error::Corrupt("a restart interval of the wrong length")) };
        self.restart_interval = u16::from_be_bytes([high, low]).into();
        Ok(())
    }
}

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

//! VP8L image streams (RFC 9649, 3) of pictures by a palette: the alpha of a lossy file, which is one channel, and pictures of
//! few colours ([`palette`]). [`decode`] reads any stream.
//!
//! The channel is green, by a palette of the values that occur: up to 16 of them share bytes, and decoders that know that
//! green is all there is keep one byte a pixel. Runs are copied from the last rows, and there is one set of prefix codes.

mod bits;
pub(crate) mod decode;
pub(crate) mod palette;
mod prefix;
mod runs;

use bits::BitWriter;
use prefix::{PrefixCode, write_single};
use runs::{Effort, LITERALS, Run, runs};

/// Literals, then prefixes of lengths.
const GREEN: usize = LITERALS + 24;
/// Prefixes of distances.
const DISTANCES: usize = 40;

/// The stream without the header of five bytes, which the alpha of a lossy file goes without. `plane` has whole rows of
/// `width` samples and at least one.
pub(crate) fn encode(plane: &[u8], width: usize) -> Vec<u8> {
    let palette = Palette::of(plane);
    let mut writer = BitWriter::with_capacity(plane.len() / 8 + 64);
    // A transform follows: colour indexing.
    writer.put(1, 1);
    writer.put(3, 2);
    writer.put(u32::try_from(palette.values.len() - 1).unwrap_or(0), 8);
    let differences = palette.differences();
    // No colour cache.
    writer.put(0, 1);
    write_image(&mut writer, &differences, differences.len(), Effort::LEAST);
    // No other transform, no colour cache, one set of codes.
    writer.put(0, 3);
    let (packed, packed_width) = palette.pack(plane, width);
    write_image(&mut writer, &packed, packed_width, Effort::LEAST);
    writer.finish()
}

/// How many bits [`encode`] would take, nearly: entropy instead of codes, and without the palette.
pub(crate) fn estimate(plane: &[u8], width: usize) -> f64 {
    let counts = count(&runs(plane, width, Effort::LEAST));
    let entropy = |counts: &[u32]| {
        let total: u32 = counts.iter().sum();
        let bits = |&n: &u32| f64::from(n) * (f64::from(total) / f64::from(n)).log2();
        counts.iter().filter(|&&n| n > 0).map(bits).sum::<f64>()
    };
    entropy(&counts.green) + entropy(&counts.distances) + f64::from(counts.extra_bits)
}

/// How often each symbol is needed.
struct Counts {
    green: [u32; GREEN],
    distances: [u32; DISTANCES],
    extra_bits: u32,
}

fn count(runs: &[Run]) -> Counts {
    let mut counts = Counts { green: [0; GREEN], distances: [0; DISTANCES], extra_bits: 0 };
    for run in runs {
        match *run {
            Run::Literal(value) => counts.green[usize::from(value)] += 1,
            Run::Copy { length, code } => {
                let (length, distance) = (prefix_of(length), prefix_of(code));
                counts.green[LITERALS + length.symbol] += 1;
                counts.distances[distance.symbol] += 1;
                counts.extra_bits += length.extra_bits + distance.extra_bits;
            }
        }
    }
    counts
}

/// Codes and data of an image whose red, blue and alpha are all the same.
fn write_image(writer: &mut BitWriter, symbols: &[u8], width: usize, effort: Effort) {
    let runs = runs(symbols, width, effort);
    let counts = count(&runs);
    let green = PrefixCode::write(writer, &counts.green);
    for _ in ["red", "blue", "alpha"] {
        write_single(writer, 0);
    }
    let distances = PrefixCode::write(writer, &counts.distances);
    for run in runs {
        match run {
            Run::Literal(value) => green.put(writer, usize::from(value)),
            Run::Copy { length, code } => {
                let (length, distance) = (prefix_of(length), prefix_of(code));
                green.put(writer, LITERALS + length.symbol);
                writer.put(length.extra, length.extra_bits);
                distances.put(writer, distance.symbol);
                writer.put(distance.extra, distance.extra_bits);
            }
        }
    }
}

/// A number as a symbol and bits behind it: RFC 9649, 3.6.2.2.
#[derive(Debug, PartialEq)]
struct Prefix {
    symbol: usize,
    extra: u32,
    extra_bits: u32,
}

fn prefix_of(number: u32) -> Prefix {
    let value = number.saturating_sub(1);
    if value < 4 {
        return Prefix { symbol: value as usize, extra: 0, extra_bits: 0 };
    }
    let extra_bits = value.ilog2() - 1;
    let symbol = 2 * (extra_bits + 1) + (value >> extra_bits & 1);
    Prefix { symbol: symbol as usize, extra: value & ((1 << extra_bits) - 1), extra_bits }
}

/// The values that occur.
struct Palette {
    values: Vec<u8>,
    /// What each value is called.
    names: [u8; 256],
}

impl Palette {
    fn of(plane: &[u8]) -> Self {
        let mut occurs = [false; 256];
        for &value in plane {
            occurs[usize::from(value)] = true;
        }
        let (mut values, mut names) = (Vec::new(), [0; 256]);
        for value in 0..=255_u8 {
            if occurs[usize::from(value)] {
                names[usize::from(value)] = u8::try_from(values.len()).unwrap_or(u8::MAX);
                values.push(value);
            }
        }
        Self { values, names }
    }

    /// Each value less the one before it: how a palette is stored.
    fn differences(&self) -> Vec<u8> {
        let before = std::iter::once(0).chain(self.values.iter().copied());
        self.values.iter().zip(before).map(|(value, before)| value.wrapping_sub(before)).collect()
    }

    fn pack(&self, plane: &[u8], width: usize) -> (Vec<u8>, usize) {
        pack(plane, width, self.values.len(), &self.names)
    }
}

/// Returns the plane by the names of its `count` values, several to a byte if they are few, and the bytes of a row: RFC 9649,
/// 3.5.4.
fn pack(plane: &[u8], width: usize, count: usize, names: &[u8; 256]) -> (Vec<u8>, usize) {
    let each = match count {
        ..=2 => 8,
        3..=4 => 4,
        5..=16 => 2,
        _ => 1,
    };
    let name = |value: &u8| names[usize::from(*value)];
    if each == 1 {
        return (plane.iter().map(name).collect(), width);
    }
    let byte = |pixels: &[u8]| {
        pixels.iter().rev().fold(0_u8, |byte, value| byte.checked_shl(8 / each).unwrap_or(0) | name(value))
    };
    let rows = plane.chunks(width.max(1));
    let packed = rows.flat_map(|row| row.chunks(each as usize).map(byte)).collect();
    (packed, width.div_ceil(each as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_the_prefixes_of_the_specification() {
        let prefix = |symbol, extra, extra_bits| Prefix { symbol, extra, extra_bits };
        for (length, expected) in [
            (1, prefix(0, 0, 0)),
            (4, prefix(3, 0, 0)),
            (5, prefix(4, 0, 1)),
            (6, prefix(4, 1, 1)),
            (7, prefix(5, 0, 1)),
            (9, prefix(6, 0, 2)),
            (12, prefix(6, 3, 2)),
            (3073, prefix(23, 0, 10)),
            (4096, prefix(23, 1023, 10)),
        ] {
            assert_eq!(prefix_of(length), expected, "{length}");
        }
    }

    #[test]
    fn few_values_share_bytes() {
        let two = Palette::of(&[7, 200, 200]);
        assert_eq!((two.values.as_slice(), two.differences()), (&[7, 200][..], vec![7, 193]));
        // Two rows of nine: the first pixel is the lowest bit.
        let plane: Vec<u8> = [[200, 7, 7, 200, 7, 7, 7, 7, 200], [7; 9]].concat();
        assert_eq!(two.pack(&plane, 9), (vec![0b1001, 1, 0, 0], 2));
        let three = Palette::of(&[1, 2, 3]);
        assert_eq!(three.pack(&[1, 2, 3, 2, 3], 5), (vec![0b01_10_01_00, 0b10], 2));
        let five = Palette::of(&[1, 2, 3, 4, 5]);
        assert_eq!(five.pack(&[5, 4, 3], 3), (vec![0x34, 0x2], 2));
        let many: Vec<u8> = (0..17).map(|n| n * 3).collect();
        assert_eq!(Palette::of(&many).pack(&many, 17), ((0..17).collect(), 17));
    }
}

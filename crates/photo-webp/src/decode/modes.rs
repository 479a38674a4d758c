//! How macroblocks are predicted: RFC 6386, 11.

use super::header::Header;
use super::reader::BoolReader;
use crate::frame::Macroblock;
use crate::macroblock::LumaMode;
use crate::mode_probabilities::BLOCK_MODES;

/// What is written of the next macroblock beside its levels. `above` and `left` are the modes of the blocks there, and become this one's.
pub(super) fn read(
    header: &Header,
    reader: &mut BoolReader<'_>,
    above: &mut [u8; 4],
    left: &mut [u8; 4],
) -> Macroblock {
    let mut r = *reader;
    let segment =
        header.map.map_or(
            0,
            |[halves, lower, upper]| {
                if r.bit(halves) { 2 + u8::from(r.bit(upper)) } else { u8::from(r.bit(lower)) }
            },
        );
    let empty = header.skip.is_some_and(|probability| r.bit(probability));
    let luma = if r.bit(145) {
        let mode = match (r.bit(156), &mut r) {
            (true, r) => [3, 1][usize::from(r.bit(128))],
            (false, r) => [0, 2][usize::from(r.bit(163))],
        };
        (*above, *left) = ([mode; 4], [mode; 4]);
        LumaMode::Whole(mode)
    } else {
        let mut modes = [0; 16];
        for (row, left) in modes.as_chunks_mut::<4>().0.iter_mut().zip(left.iter_mut()) {
            for (mode, above) in row.iter_mut().zip(above.iter_mut()) {
                *mode = block(&mut r, &BLOCK_MODES[usize::from(*above) % 10][usize::from(*left) % 10]);
                (*above, *left) = (*mode, *mode);
            }
        }
        LumaMode::Blocks(modes)
    };
    let chroma = match () {
        () if !r.bit(142) => 0,
        () if !r.bit(114) => 2,
        () if r.bit(183) => 1,
        () => 3,
    };
    *reader = r;
    Macroblock { luma, chroma, segment, empty }
}

/// The mode of a 4 x 4 block. Written out as the tree is: a branch of its own for each of its places can be guessed, and reading
/// goes on while the guess is checked.
#[inline(always)]
fn block(r: &mut BoolReader<'_>, p: &[u8; 9]) -> u8 {
    if !r.bit(p[0]) {
        0
    } else if !r.bit(p[1]) {
        1
    } else if !r.bit(p[2]) {
        2
    } else if !r.bit(p[3]) {
        if r.bit(p[4]) { 4 + u8::from(r.bit(p[5])) } else { 3 }
    } else if !r.bit(p[6]) {
        6
    } else if r.bit(p[7]) {
        8 + u8::from(r.bit(p[8]))
    } else {
        7
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intra4::PATHS;
    use crate::writer::{Bits, BoolWriter};

    #[test]
    fn each_mode_is_read_as_the_encoder_writes_it() {
        let probabilities = &BLOCK_MODES[3][5];
        for (mode, path) in (0_u8..).zip(PATHS) {
            let mut writer = BoolWriter::with_capacity(0);
            for &(branch, bit) in path {
                writer.put(bit, probabilities[branch]);
            }
            // What comes next, to see that no more was taken.
            writer.put_bits(0b1011, 4);
            let bytes = writer.finish();
            let mut reader = BoolReader::new(&bytes);
            assert_eq!(block(&mut reader, probabilities), mode);
            assert_eq!(reader.number(4), 0b1011, "mode {mode}");
        }
    }
}

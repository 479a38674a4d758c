//! How macroblocks are predicted: RFC 6386, 11.

use super::header::Header;
use super::reader::BoolReader;
use crate::frame::Macroblock;
use crate::macroblock::LumaMode;
use crate::mode_probabilities::BLOCK_MODES;

/// The tree of modes of 4 x 4 blocks: where a false and a true bit lead, or the mode, negative, that they are.
const TREE: [[i8; 2]; 9] = [[0, 1], [-1, 2], [-2, 3], [4, 6], [-3, 5], [-4, -5], [-6, 7], [-7, 8], [-8, -9]];

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

#[inline(always)]
fn block(reader: &mut BoolReader<'_>, probabilities: &[u8; 9]) -> u8 {
    let mut branch = 0_i8;
    loop {
        let place = usize::from(branch.unsigned_abs()) % 9;
        let next = TREE[place][usize::from(reader.bit(probabilities[place]))];
        if next <= 0 {
            return next.unsigned_abs();
        }
        branch = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intra4::PATHS;

    #[test]
    fn the_tree_leads_where_the_encoder_s_paths_do() {
        for (mode, path) in (0_i8..).zip(PATHS) {
            let mut place = 0_i8;
            for (i, &(branch, bit)) in path.iter().enumerate() {
                assert_eq!(usize::try_from(place), Ok(branch), "mode {mode}");
                place = TREE[branch][usize::from(bit)];
                assert_eq!(place <= 0, i + 1 == path.len(), "mode {mode}");
            }
            assert_eq!(-place, mode);
        }
    }
}

//! Rows to columns, eight by eight.

/// Samples on a side of a block: as many as a word has bytes.
const SIDE: usize = 8;

/// Columns that are turned at once: what is read of them, half a cache line of each row, is still in the cache when the
/// next of them are.
const STRIPE: usize = 4 * SIDE;

/// `width` columns of `height` samples as that many rows.
pub(crate) fn transposed(plane: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut out = vec![0; plane.len()];
    if plane.is_empty() {
        return out;
    }
    let whole = height - height % SIDE;
    for (left, lines) in (0..).step_by(STRIPE).zip(out.chunks_mut(STRIPE * height)) {
        for (top, rows) in (0..).step_by(SIDE).zip(plane.chunks_exact(SIDE * width)) {
            for (x, lines) in (left..).step_by(SIDE).zip(lines.chunks_exact_mut(SIDE * height)) {
                let block = std::array::from_fn(|y| word(&rows[y * width + x..]));
                for (line, word) in lines.chunks_exact_mut(height).zip(block_transposed(block)) {
                    line[top..top + SIDE].copy_from_slice(&word.to_le_bytes());
                }
            }
        }
        // What is left over at the right and at the bottom.
        let blocks = lines.len() / height / SIDE * SIDE;
        for (i, line) in lines.chunks_exact_mut(height).enumerate() {
            let from = if i < blocks { whole } else { 0 };
            let column = plane[left + i..].iter().step_by(width);
            for (out, &sample) in line[from..].iter_mut().zip(column.skip(from)) {
                *out = sample;
            }
        }
    }
    out
}

fn word(samples: &[u8]) -> u64 {
    samples.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Blocks of 1, 2 and 4 bytes change places across the diagonal (Warren, Hacker's Delight, 7-3).
fn block_transposed(mut rows: [u64; SIDE]) -> [u64; SIDE] {
    let mut swap = |i: usize, j: usize, bits: u32, mask: u64| {
        let differing = (rows[i] >> bits ^ rows[j]) & mask;
        rows[j] ^= differing;
        rows[i] ^= differing << bits;
    };
    for i in [0, 2, 4, 6] {
        swap(i, i + 1, 8, 0x00ff_00ff_00ff_00ff);
    }
    for i in [0, 1, 4, 5] {
        swap(i, i + 2, 16, 0x0000_ffff_0000_ffff);
    }
    for i in [0, 1, 2, 3] {
        swap(i, i + 4, 32, 0x0000_0000_ffff_ffff);
    }
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_sample_changes_its_row_for_its_column(width in 1_usize..90, height in 1_usize..40, seed: u8) {
            let plane: Vec<u8> = (0..width * height).map(|i| (i * 31 + i / 7).to_le_bytes()[0] ^ seed).collect();
            let turned = transposed(&plane, width, height);
            for y in 0..height {
                for x in 0..width {
                    prop_assert_eq!(turned[x * height + y], plane[y * width + x]);
                }
            }
        }
    }
}

//! Blocks of 4 x 4 pixels predicted from what is around each: RFC 6386, 12.3.

use bytemuck::cast;
use wide::{i16x8, i32x4, u8x16};

use crate::cost;
use crate::mode_probabilities::BLOCK_MODES;
use crate::picture::Edges;

/// The modes: mean, `TrueMotion`, vertical, horizontal, down right, vertical right, down left, vertical left,
/// horizontal down, horizontal up. The first four are those of macroblocks.
pub(crate) const MODES: usize = 10;

/// What each mode costs, by the mode above and the one on the left, in 1/256 bit.
pub(crate) static MODE_COSTS: [[[u16; MODES]; MODES]; MODES] = {
    let mut costs = [[[0; MODES]; MODES]; MODES];
    let mut above = 0;
    while above < MODES {
        let mut left = 0;
        while left < MODES {
            let mut mode = 0;
            while mode < MODES {
                let (path, mut cost, mut step) = (PATHS[mode], 0, 0);
                while step < path.len() {
                    let (branch, bit) = path[step];
                    cost += cost::of_bit(bit, BLOCK_MODES[above][left][branch]);
                    step += 1;
                }
                // At most nine bits of at most some 8 bits each, in 1/256.
                #[expect(clippy::cast_possible_truncation, reason = "no other way in const")]
                {
                    costs[above][left][mode] = cost as u16;
                }
                mode += 1;
            }
            left += 1;
        }
        above += 1;
    }
    costs
};

/// The way of each mode through the tree: branches and bits.
pub(crate) const PATHS: [&[(usize, bool)]; MODES] = [
    &[(0, false)],
    &[(0, true), (1, false)],
    &[(0, true), (1, true), (2, false)],
    &[(0, true), (1, true), (2, true), (3, false), (4, false)],
    &[(0, true), (1, true), (2, true), (3, false), (4, true), (5, false)],
    &[(0, true), (1, true), (2, true), (3, false), (4, true), (5, true)],
    &[(0, true), (1, true), (2, true), (3, true), (6, false)],
    &[(0, true), (1, true), (2, true), (3, true), (6, true), (7, false)],
    &[(0, true), (1, true), (2, true), (3, true), (6, true), (7, true), (8, false)],
    &[(0, true), (1, true), (2, true), (3, true), (6, true), (7, true), (8, true)],
];

/// A row of pixels in [`Canvas`].
const STRIDE: usize = 32;
/// Where the first pixel of the macroblock is in it.
const ORIGIN: usize = STRIDE + 8;

/// A macroblock with what is around it, filled block by block.
pub(crate) struct Canvas([u8; STRIDE * 17]);

impl Canvas {
    pub(crate) fn new(edges: &Edges) -> Self {
        let mut canvas = [0; STRIDE * 17];
        canvas[ORIGIN - STRIDE - 1] = edges.y.corner;
        canvas[ORIGIN - STRIDE..ORIGIN - STRIDE + 16].copy_from_slice(&edges.y.above);
        for (y, &left) in edges.y.left.iter().enumerate() {
            canvas[ORIGIN + y * STRIDE - 1] = left;
        }
        // All blocks of the right column have the same pixels above and beyond.
        for row in 0..4 {
            let beyond = ORIGIN + 16 + STRIDE * 4 * row - STRIDE;
            canvas[beyond..beyond + 4].copy_from_slice(&edges.beyond);
        }
        Self(canvas)
    }

    /// What is around the block: on the left from the bottom up, the corner, then above and beyond.
    #[inline(always)]
    fn around(&self, block: usize) -> u128 {
        let at = ORIGIN + (block & 3) * 4 + (block >> 2) * 4 * STRIDE;
        let above = &self.0[at - STRIDE - 1..at - STRIDE + 8];
        let left = &self.0[at - 1..at + 3 * STRIDE];
        let left = u32::from_be_bytes([left[0], left[STRIDE], left[2 * STRIDE], left[3 * STRIDE]]);
        let (corner, above) = (above[0], &above[1..]);
        let above = u64::from_le_bytes(above.try_into().unwrap_or_default());
        u128::from(left) | u128::from(corner) << 32 | u128::from(above) << 40
    }

    /// Writes a block.
    #[inline(always)]
    pub(crate) fn put(&mut self, block: usize, pixels: [u8; 16]) {
        let at = ORIGIN + (block & 3) * 4 + (block >> 2) * 4 * STRIDE;
        for (y, row) in pixels.as_chunks::<4>().0.iter().enumerate() {
            self.0[at + y * STRIDE..at + y * STRIDE + 4].copy_from_slice(row);
        }
    }

    /// The macroblock.
    pub(crate) fn pixels(&self) -> [u8; 256] {
        let mut pixels = [0; 256];
        for (y, row) in pixels.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            row.copy_from_slice(&self.0[ORIGIN + y * STRIDE..ORIGIN + y * STRIDE + 16]);
        }
        pixels
    }

    /// The block in all modes.
    #[inline(always)]
    pub(crate) fn predictions(&self, block: usize) -> [u8x16; MODES] {
        let around = Around::new(self.around(block));
        [
            around.predicted::<0>(),
            around.predicted::<1>(),
            around.predicted::<2>(),
            around.predicted::<3>(),
            around.predicted::<4>(),
            around.predicted::<5>(),
            around.predicted::<6>(),
            around.predicted::<7>(),
            around.predicted::<8>(),
            around.predicted::<9>(),
        ]
    }

    /// The block in a mode that is known late. Each way makes no more means than it takes.
    pub(crate) fn prediction(&self, block: usize, mode: u8) -> u8x16 {
        let around = self.around(block);
        match mode {
            0 => Around::new(around).predicted::<0>(),
            1 => Around::new(around).predicted::<1>(),
            2 => Around::new(around).predicted::<2>(),
            3 => Around::new(around).predicted::<3>(),
            4 => Around::new(around).predicted::<4>(),
            5 => Around::new(around).predicted::<5>(),
            6 => Around::new(around).predicted::<6>(),
            7 => Around::new(around).predicted::<7>(),
            8 => Around::new(around).predicted::<8>(),
            _ => Around::new(around).predicted::<9>(),
        }
    }
}

/// What is around a block, and its means.
struct Around {
    /// As [`Canvas::around`] gives it: the corner is number 4.
    word: u128,
    /// Of each and its neighbours, weighted 1, 2, 1.
    three: u128,
    /// Of each and the next.
    two: u128,
}

impl Around {
    #[inline(always)]
    fn new(word: u128) -> Self {
        let bytes = word.to_le_bytes();
        // The last ones on both sides count twice.
        let before = bytes_of(word << 8 | u128::from(bytes[0]));
        let after = bytes_of(word >> 8 | u128::from(bytes[12]) << 96);
        let middle = bytes_of(word);
        let (low, high) = (i16x8::from_u8x16_low, i16x8::from_u8x16_high);
        let of_three = |part: fn(u8x16) -> i16x8| {
            let middle = part(middle);
            (part(before) + middle + middle + part(after) + i16x8::splat(2)) >> 2_i32
        };
        let of_two = |part: fn(u8x16) -> i16x8| (part(middle) + part(after) + i16x8::splat(1)) >> 1_i32;
        let three: u128 = cast(u8x16::narrow_i16x8(of_three(low), of_three(high)));
        let two: u128 = cast(u8x16::narrow_i16x8(of_two(low), of_two(high)));
        Self { word, three: u128::from_le(three), two: u128::from_le(two) }
    }

    /// Four means of three from the `n`th on.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation)]
    fn of3(&self, n: usize) -> u32 {
        (self.three >> (8 * n)) as u32
    }

    /// Four means of two from the `n`th on.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation)]
    fn of2(&self, n: usize) -> u32 {
        (self.two >> (8 * n)) as u32
    }

    /// The block in this mode.
    #[inline(always)]
    fn predicted<const MODE: usize>(&self) -> u8x16 {
        let bytes = self.word.to_le_bytes();
        let (of2, of3) = (|n| self.of2(n), |n| self.of3(n));
        match MODE {
            0 => {
                let sum: u32 = (0..4).map(|n| u32::from(bytes[n]) + u32::from(bytes[5 + n])).sum();
                rows([spread((sum + 4) >> 3); 4])
            }
            1 => {
                let above = i16x8::from_u8x16_low(bytes_of(self.word >> 40));
                let above = crate::lanes::low_halves(above, above);
                let corner = i16::from(bytes[4]);
                let left = |n: usize| i16::from(bytes[n]) - corner;
                let lanes = |a: i16, b: i16| i16x8::new([a, a, a, a, b, b, b, b]);
                u8x16::narrow_i16x8(above + lanes(left(3), left(2)), above + lanes(left(1), left(0)))
            }
            2 => rows([of3(5); 4]),
            3 => rows([3, 2, 1, 0].map(|n| spread(byte(of3(0), n)))),
            4 => rows([of3(4), of3(3), of3(2), of3(1)]),
            5 => {
                let (left3, right2, right3) = (of3(0), of2(4), of3(4));
                rows([right2, right3, right2 << 8 | byte(left3, 3), right3 << 8 | byte(left3, 2)])
            }
            6 => rows([of3(6), of3(7), of3(8), of3(9)]),
            // Rows below are one step to the left each.
            7 => rows([
                of2(5),
                of3(6),
                (of2(6) & 0x00ff_ffff) | byte(of3(9), 1) << 24,
                (of3(7) & 0x00ff_ffff) | byte(of3(9), 2) << 24,
            ]),
            8 => {
                // Means of two and of three by turns, from the bottom of the left side up to above; `right3` starts with the
                // corner's.
                let (left2, left3, right3) = (of2(0), of3(0), of3(4));
                let up: u64 = (0..4).map(|n| u64::from(byte(left2, n)) << (16 * n)).sum::<u64>()
                    | (1..4).map(|n| u64::from(byte(left3, n)) << (16 * n - 8)).sum::<u64>()
                    | u64::from(byte(right3, 0)) << 56;
                let beyond = u64::from(right3 >> 8 & 0xffff);
                #[expect(clippy::cast_possible_truncation)]
                let from = |bit: u32| (up >> bit) as u32;
                #[expect(clippy::cast_possible_truncation)]
                let beyond = (beyond << 16) as u32;
                rows([from(48) | beyond, from(32), from(16), from(0)])
            }
            _ => {
                // Down the left side.
                let (left2, left3) = (of2(0), of3(0));
                let bottom = u32::from(bytes[0]);
                rows([
                    byte(left2, 2) | byte(left3, 2) << 8 | byte(left2, 1) << 16 | byte(left3, 1) << 24,
                    byte(left2, 1) | byte(left3, 1) << 8 | byte(left2, 0) << 16 | byte(left3, 0) << 24,
                    byte(left2, 0) | byte(left3, 0) << 8 | bottom << 16 | bottom << 24,
                    spread(bottom),
                ])
            }
        }
    }
}

#[inline(always)]
fn rows(rows: [u32; 4]) -> u8x16 {
    cast(rows.map(u32::to_le))
}

#[inline(always)]
fn byte(word: u32, n: usize) -> u32 {
    (word >> (8 * n)) & 0xff
}

#[inline(always)]
fn spread(byte: u32) -> u32 {
    byte * 0x0101_0101
}

#[inline(always)]
fn bytes_of(word: u128) -> u8x16 {
    cast(word.to_le_bytes())
}

/// The squared errors of predictions.
#[inline(always)]
pub(crate) fn errors(pixels: [i16x8; 2], predictions: &[u8x16; MODES]) -> [u32; MODES] {
    std::array::from_fn(|mode| {
        let prediction = predictions[mode];
        let predicted = [i16x8::from_u8x16_low(prediction), i16x8::from_u8x16_high(prediction)];
        let sum: i32x4 = crate::predict::squares(pixels, predicted);
        sum.reduce_add().unsigned_abs()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What RFC 6386 says, one pixel after the other: `e` is what is around, from the left bottom up.
    fn by_the_book(mode: usize, e: [i32; 13]) -> [u8; 16] {
        let three = |a: usize, b: usize, c: usize| (e[a] + 2 * e[b] + e[c] + 2) >> 2;
        let two = |a: usize, b: usize| (e[a] + e[b] + 1) >> 1;
        let mut out = [0; 16];
        for y in 0..4_usize {
            for x in 0..4_usize {
                // Along the diagonals; the corner is 4.
                let d = 4 + x;
                let value = match mode {
                    0 => (e[..4].iter().sum::<i32>() + e[5..9].iter().sum::<i32>() + 4) >> 3,
                    1 => (e[3 - y] + e[5 + x] - e[4]).clamp(0, 255),
                    2 => three(4 + x, 5 + x, 6 + x),
                    3 if y == 3 => three(1, 0, 0),
                    3 => three(4 - y, 3 - y, 2 - y),
                    4 => three(d - y - 1, d - y, d - y + 1),
                    5 => match (y, x) {
                        (0, _) => two(4 + x, 5 + x),
                        (1, _) => three(3 + x, 4 + x, 5 + x),
                        (2, 0) => three(2, 3, 4),
                        (2, _) => two(3 + x, 4 + x),
                        (_, 0) => three(1, 2, 3),
                        _ => three(2 + x, 3 + x, 4 + x),
                    },
                    6 if x + y == 6 => three(11, 12, 12),
                    6 => three(5 + x + y, 6 + x + y, 7 + x + y),
                    7 => match (y, x) {
                        (0, _) => two(5 + x, 6 + x),
                        (1, _) => three(5 + x, 6 + x, 7 + x),
                        (2, 3) => three(9, 10, 11),
                        (2, _) => two(6 + x, 7 + x),
                        (_, 3) => three(10, 11, 12),
                        _ => three(6 + x, 7 + x, 8 + x),
                    },
                    8 => match x.cast_signed() - 2 * y.cast_signed() {
                        3 => three(5, 6, 7),
                        2 => three(4, 5, 6),
                        1 => three(3, 4, 5),
                        0 => two(3, 4),
                        -1 => three(2, 3, 4),
                        -2 => two(2, 3),
                        -3 => three(1, 2, 3),
                        -4 => two(1, 2),
                        -5 => three(0, 1, 2),
                        _ => two(0, 1),
                    },
                    _ => match x + 2 * y {
                        0 => two(3, 2),
                        1 => three(3, 2, 1),
                        2 => two(2, 1),
                        3 => three(2, 1, 0),
                        4 => two(1, 0),
                        5 => three(1, 0, 0),
                        _ => e[0],
                    },
                };
                out[4 * y + x] = u8::try_from(value).unwrap();
            }
        }
        out
    }

    #[test]
    fn every_mode_predicts_what_the_format_says() {
        let mut seed = 1_u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        };
        for _ in 0..50 {
            let mut canvas = Canvas([0; STRIDE * 17]);
            canvas.0.iter_mut().for_each(|pixel| *pixel = random());
            for block in 0..16 {
                let around = canvas.around(block).to_le_bytes();
                let predictions = canvas.predictions(block);
                for (mode, prediction) in predictions.into_iter().enumerate() {
                    let expected = by_the_book(mode, std::array::from_fn(|n| i32::from(around[n])));
                    assert_eq!(prediction.to_array(), expected, "mode {mode}, block {block}");
                    let alone = canvas.prediction(block, u8::try_from(mode).unwrap());
                    assert_eq!(alone, prediction, "mode {mode}, block {block}");
                }
            }
        }
    }

    #[test]
    fn modes_cost_what_their_ways_through_the_tree_do() {
        assert_eq!(MODE_COSTS[0][0], [40, 1151, 1723, 1874, 2103, 2019, 1628, 1777, 2226, 2137]);
        assert_eq!(MODE_COSTS[9][9][9], 501);
    }
}

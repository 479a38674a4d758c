//! One macroblock after the other: which prediction, which levels, and what decoders will see.

use bytemuck::cast;
use wide::{i16x8, u8x16};

use crate::analysis::{chroma_rest, luma_rest};
use crate::intra4::{self, Canvas, MODE_COSTS};
use crate::lanes;
use crate::picture::{Edges, Pixels};
use crate::predict::{self, Chroma, Luma, widened};
use crate::quantize::{Levels, used};
use crate::rate::Rates;
use crate::segments::Segment;
use crate::transform::{
    Eight, One, forward_eight, forward_one, forward_second, inverse_eight, inverse_one, inverse_second,
};

/// What a whole macroblock's mode costs, in 1/256 bit, that it is in one piece included.
const LUMA_COSTS: [u16; predict::MODES] = [663, 919, 872, 919];
const CHROMA_COSTS: [u16; predict::MODES] = [302, 984, 439, 642];
/// How many 1/256 of a squared difference 1/256 bit is worth.
const LUMA_WEIGHT: u64 = 106;
/// libwebp has 11; 88 saves 0.9 % of the bytes at the same score.
const BLOCK_WEIGHT: u32 = 88;
const CHROMA_WEIGHT: u64 = 120;

/// Modes whose score is so many times the lowest are not tried: they are chosen too seldom for what it takes.
const FAR: u32 = 3;

/// How luma is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LumaMode {
    Whole(u8),
    Blocks([u8; 16]),
}

/// A macroblock as it will be written.
pub(crate) struct Coded {
    pub(crate) luma: LumaMode,
    pub(crate) chroma: u8,
    /// The first coefficients of luma, if it is in one piece.
    pub(crate) second: Levels,
    pub(crate) luma_levels: [Levels; 16],
    /// Four blocks of U, then four of V.
    pub(crate) chroma_levels: [Levels; 8],
}

/// Modes of the blocks above and on the left, which the cost of a block's mode depends on.
pub(crate) struct BlockModes {
    pub(crate) above: [u8; 4],
    pub(crate) left: [u8; 4],
}

/// Errors of chroma's first coefficients that go on to the next blocks, in halves.
#[derive(Clone, Copy, Default)]
pub(crate) struct Carried {
    /// Of U, then V: two blocks.
    pub(crate) blocks: [[i8; 2]; 2],
}

/// What a macroblock is coded with.
pub(crate) struct Context<'a> {
    pub(crate) segment: &'a Segment,
    pub(crate) edges: &'a Edges,
    pub(crate) modes: BlockModes,
    /// At most this much for the modes of luma, in 1/256 bit.
    pub(crate) header_limit: u64,
    /// What levels of 4 x 4 blocks take.
    pub(crate) rates: &'a Rates,
    /// Which blocks above and on the left have levels that are not zero.
    pub(crate) filled: ([bool; 4], [bool; 4]),
    /// Errors from above and from the left, if they are handed on.
    pub(crate) carried: Option<(&'a mut Carried, &'a mut Carried)>,
}

impl Coded {
    pub(crate) fn new() -> Self {
        Self {
            luma: LumaMode::Whole(0),
            chroma: 0,
            second: [0; 16],
            luma_levels: [[0; 16]; 16],
            chroma_levels: [[0; 16]; 8],
        }
    }

    /// Codes `pixels`; `seen` becomes what decoders will see of it before they filter.
    pub(crate) fn code(&mut self, pixels: &Pixels, mut context: Context<'_>, seen: &mut Pixels) {
        self.code_luma(pixels, &context, seen);
        let errors = predict::chroma_errors(pixels, context.edges);
        let (mode, _) = best(&errors, &CHROMA_COSTS, CHROMA_WEIGHT, u64::MAX);
        self.chroma = mode;
        self.code_chroma(pixels, &mut context, seen);
    }

    fn code_luma(&mut self, pixels: &Pixels, context: &Context<'_>, seen: &mut Pixels) {
        let edges = context.edges;
        let errors = predict::luma_errors(&pixels.y, edges);
        let (mut mode, score) = best(&errors, &LUMA_COSTS, LUMA_WEIGHT, context.header_limit);
        let flat = pixels.y.iter().all(|&pixel| pixel == pixels.y[0]);
        // A flat block at the border stays in one piece and is not predicted from outside of the picture.
        let at_border = flat && !(edges.has_above && edges.has_left);
        if at_border {
            mode = if edges.has_left { 2 } else { 0 };
        }
        if !at_border && let Some(modes) = self.code_blocks(&pixels.y, context, score, &mut seen.y) {
            self.luma = LumaMode::Blocks(modes);
            return;
        }
        self.luma = LumaMode::Whole(mode);
        self.code_whole(&pixels.y, &predict::luma_in(usize::from(mode), edges), context.segment, &mut seen.y);
    }

    /// Luma in blocks, unless their predictions turn out worse than `limit`.
    fn code_blocks(
        &mut self,
        pixels: &[u8; 256],
        context: &Context<'_>,
        limit: u64,
        seen: &mut [u8; 256],
    ) -> Option<[u8; 16]> {
        let mut canvas = Canvas::new(context.edges);
        let mut modes = [0_u8; 16];
        let (mut filled_above, mut filled_left) = context.filled;
        let mut score = context.segment.blocks_penalty;
        let mut header = 0;
        if score >= limit {
            return None;
        }
        for block in 0..16 {
            let (column, row) = (block & 3, block >> 2 & 3);
            let above = if row == 0 { context.modes.above[column] } else { modes[block - 4] };
            let left = if column == 0 { context.modes.left[row] } else { modes[block - 1] };
            let costs = &MODE_COSTS[usize::from(above) % 10][usize::from(left) % 10];
            let source = block_of(pixels, block);
            let predictions = canvas.predictions(block);
            let candidates = best_three(&intra4::errors(source, &predictions), costs);
            score += u64::from(candidates[0] >> 4);
            if score >= limit {
                return None;
            }
            let before = u8::from(filled_above[column]) + u8::from(filled_left[row]);
            let mut best = Tried::new();
            for candidate in candidates {
                if candidate / FAR > candidates[0] {
                    break;
                }
                // Four bits.
                let mode = (candidate & 15) as u8;
                let prediction = predictions[usize::from(mode) % 10];
                best.or(mode, source, prediction, costs[usize::from(mode) % 10], before, context);
            }
            modes[block] = best.mode;
            header += u64::from(costs[usize::from(best.mode) % 10]);
            if header > context.header_limit {
                return None;
            }
            let filled = used(&best.levels) > 0;
            (filled_above[column], filled_left[row]) = (filled, filled);
            self.luma_levels[block] = best.levels;
            let predicted = widened(predictions[usize::from(best.mode) % 10].to_array());
            let [a, b] = inverse_one(best.coefficients);
            canvas.put(block, u8x16::narrow_i16x8(a + predicted[0], b + predicted[1]).to_array());
        }
        *seen = canvas.pixels();
        Some(modes)
    }

    fn code_whole(&mut self, pixels: &[u8; 256], predicted: &Luma, segment: &Segment, seen: &mut [u8; 256]) {
        let mut halves = luma_rest(pixels, predicted);
        let mut first = [[0; 8]; 2];
        for (half, first) in halves.iter_mut().zip(&mut first) {
            forward_eight(half);
            *first = half[0].to_array();
        }
        let mut second = forward_second(&cast(first));
        self.second = segment.second.one_in_rows(&mut second);
        let first: [[i16; 8]; 2] = cast(inverse_second(&second));
        for (i, (half, first)) in halves.iter_mut().zip(first).enumerate() {
            let levels = segment.luma.eight::<1>(half);
            self.luma_levels[8 * i..8 * i + 8].copy_from_slice(&levels);
            half[0] = i16x8::new(first);
            inverse_eight(half);
        }
        let rows = seen.as_chunks_mut::<16>().0;
        for (half, top) in halves.iter().zip([0, 8]) {
            for y in 0..4 {
                let [a, b, c, d] =
                    lanes::to_rows([half[4 * y], half[4 * y + 1], half[4 * y + 2], half[4 * y + 3]]);
                for (y, [a, b]) in [(top + y, [a, b]), (top + y + 4, [c, d])] {
                    let [left, right] = predicted[y & 15];
                    rows[y & 15] = u8x16::narrow_i16x8(a + left, b + right).to_array();
                }
            }
        }
    }

    fn code_chroma(&mut self, pixels: &Pixels, context: &mut Context<'_>, seen: &mut Pixels) {
        let predicted: Chroma = predict::chroma_in(usize::from(self.chroma), context.edges);
        let mut block: Eight = chroma_rest(pixels, &predicted);
        forward_eight(&mut block);
        if let Some((above, left)) = &mut context.carried {
            block[0] = i16x8::new(hand_on(block[0].to_array(), context.segment, above, left));
        }
        self.chroma_levels = context.segment.chroma.eight::<0>(&mut block);
        inverse_eight(&mut block);
        for y in 0..4 {
            let [ua, ub, va, vb] =
                lanes::to_rows([block[4 * y], block[4 * y + 1], block[4 * y + 2], block[4 * y + 3]]);
            for (y, [u, v]) in [(y, [ua, va]), (y + 4, [ub, vb])] {
                let [pu, pv] = predicted[y];
                let row: [[u8; 8]; 2] = cast(u8x16::narrow_i16x8(u + pu, v + pv).to_array());
                seen.u.as_chunks_mut::<8>().0[y] = row[0];
                seen.v.as_chunks_mut::<8>().0[y] = row[1];
            }
        }
    }
}

/// A 4 x 4 block coded in one of the modes.
struct Tried {
    score: u64,
    mode: u8,
    levels: Levels,
    /// As decoders find them.
    coefficients: One,
}

impl Tried {
    fn new() -> Self {
        Self { score: u64::MAX, mode: 0, levels: [0; 16], coefficients: [i16x8::splat(0); 2] }
    }

    /// Becomes the block in this mode if that is better: by squared errors, and by what mode and levels take.
    #[inline(always)]
    fn or(
        &mut self,
        mode: u8,
        source: [i16x8; 2],
        prediction: u8x16,
        cost: u16,
        before: u8,
        context: &Context<'_>,
    ) {
        let predicted = widened(prediction.to_array());
        let wanted = forward_one([source[0] - predicted[0], source[1] - predicted[1]]);
        let mut coefficients = wanted;
        let levels = context.segment.luma.one(&mut coefficients);
        let [a, b] = [wanted[0] - coefficients[0], wanted[1] - coefficients[1]];
        // Four times that of pixels, for the transform has a gain of 2.
        let error = (a.dot(a) + b.dot(b)).reduce_add().unsigned_abs();
        let weight = context.segment.rate_weight;
        let score = u64::from(error) * 8192 + u64::from(cost) * weight;
        if score >= self.score {
            return;
        }
        let score = score + u64::from(context.rates.of(before, &levels)) * weight;
        if score < self.score {
            *self = Self { score, mode, levels, coefficients };
        }
    }
}

/// The three modes of a 4 x 4 block with the lowest scores by squared error and cost; the score is above the mode's four bits.
#[inline(always)]
fn best_three(errors: &[u32; intra4::MODES], costs: &[u16; intra4::MODES]) -> [u32; 3] {
    let mut lowest = [u32::MAX; 3];
    for (mode, (&error, &cost)) in (0..).zip(errors.iter().zip(costs)) {
        // At most 16 x 255 x 255 x 256 and 2226 x 88: that has 28 bits.
        let key = (error * 256 + u32::from(cost) * BLOCK_WEIGHT) << 4 | mode;
        let (first, key) = (lowest[0].min(key), lowest[0].max(key));
        let (second, key) = (lowest[1].min(key), lowest[1].max(key));
        lowest = [first, second, lowest[2].min(key)];
    }
    lowest
}

/// The mode with the lowest score, of those that cost no more than `limit`.
#[inline(always)]
fn best<const N: usize>(errors: &[u32; N], costs: &[u16; N], weight: u64, limit: u64) -> (u8, u64) {
    let mut best = u64::MAX;
    for (mode, (&error, &cost)) in (0_u64..).zip(errors.iter().zip(costs)) {
        let score = u64::from(error) * 256 + u64::from(cost) * weight;
        // Scores have less than 40 bits; the first of the lowest wins.
        let candidate = score << 4 | mode;
        if mode == 0 || u64::from(cost) <= limit {
            best = best.min(candidate);
        }
    }
    // Four bits.
    let mode = (best & 15) as u8;
    (mode, best >> 4)
}

/// The pixels of a 4 x 4 block.
#[inline(always)]
fn block_of(pixels: &[u8; 256], block: usize) -> [i16x8; 2] {
    let at = (block & 3) * 4 + (block >> 2 & 3) * 64;
    let row = |y: usize| u32::from_ne_bytes(*pixels[at + 16 * y..].first_chunk().unwrap_or(&[0; 4]));
    widened(cast([row(0), row(1), row(2), row(3)]))
}

/// Adds to chroma's first coefficients what was lost of them in the blocks before, as libwebp does: 7/16 from above, 8/16
/// from the left.
fn hand_on(first: [i16; 8], segment: &Segment, above: &mut Carried, left: &mut Carried) -> [i16; 8] {
    let mut out = first;
    for (plane, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let (above, left) = (&mut above.blocks[plane & 1], &mut left.blocks[plane & 1]);
        let mut corrected = |i: usize, above: i16, left: i16| {
            out[i] += (7 * above + 8 * left) >> 3;
            segment.chroma.first(out[i]).1 >> 1
        };
        let lost0 = corrected(0, i16::from(above[0]), i16::from(left[0]));
        let lost1 = corrected(1, i16::from(above[1]), lost0);
        let lost2 = corrected(2, lost0, i16::from(left[1]));
        let lost3 = corrected(3, lost1, lost2);
        // Steps are at most 157, errors half of that.
        let byte = |lost: i16| i8::try_from(lost).unwrap_or(if lost < 0 { i8::MIN } else { i8::MAX });
        left[0] = byte(lost1);
        left[1] = byte((3 * lost3) >> 2);
        above[0] = byte(lost2);
        above[1] = byte(lost3 - i16::from(left[1]));
    }
    out
}

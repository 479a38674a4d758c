//! How much each macroblock bears being quantised, and the segments made of that.
//!
//! As libwebp does it, on the source pixels: after a simple prediction, a macroblock whose coefficients are mostly near
//! zero, with few large ones, is hard to quantise without its being seen, one with many large coefficients is easy.

use wide::i16x8;

use crate::picture::{Edges, Neighbours, Pixels};
use crate::predict::{self, Chroma, Luma, widened};
use crate::transform::{Eight, forward_eight};
use crate::{Planes, lanes};

/// At most this many segments: RFC 6386, 9.3.
pub(crate) const SEGMENTS: usize = 4;
/// Coefficients are counted by their eighths, the last place being for all that are larger.
const BINS: usize = 32;
const ROUNDS: usize = 6;

/// What is found before anything is coded.
pub(crate) struct Analysis {
    /// Of each macroblock.
    pub(crate) segments: Vec<u8>,
    /// From where each segment lies between the extremes, around the mean: -127 to 127; more is easier to quantise.
    pub(crate) ease: [i32; SEGMENTS],
    /// The same, above the least: 0 to 255.
    pub(crate) above_least: [i32; SEGMENTS],
    /// Where each segment lies, 0 to 255: near 255 there is hardly anything but slopes.
    pub(crate) centres: [i32; SEGMENTS],
    /// How many segments there are.
    pub(crate) count: usize,
    /// The mean for chroma; more is easier.
    pub(crate) chroma: i32,
}

/// Counts amounts: how many are below 8, and the largest.
struct Spread {
    small: i16x8,
    largest: i16x8,
}

impl Spread {
    fn new() -> Self {
        Self { small: i16x8::splat(0), largest: i16x8::splat(0) }
    }

    #[inline(always)]
    fn add(&mut self, coefficients: &Eight) {
        for value in coefficients {
            let amount = value.abs();
            // All ones, that is -1, where it is small.
            self.small -= amount.simd_lt(i16x8::splat(8));
            self.largest = self.largest.max(amount);
        }
    }

    /// 510 times the last bin over the fullest one's count, of `BLOCKS` times 8 blocks.
    #[inline(always)]
    fn ratio(&self, blocks: &[Eight]) -> u32 {
        let small = self.small.to_array().iter().map(|&n| u32::from(n.unsigned_abs())).sum::<u32>();
        let last = (u32::from(self.largest.reduce_max().unsigned_abs()) >> 3).min(31);
        // Where less than half of them are small another bin may be fuller.
        let all: u32 = blocks.iter().map(|_| 128).sum();
        let fullest = if 2 * small >= all { small } else { fullest(blocks) };
        if fullest > 1 { 510 * last / fullest } else { 0 }
    }
}

#[cold]
#[inline(never)]
fn fullest(blocks: &[Eight]) -> u32 {
    let mut bins = [0_u32; BINS];
    for value in blocks.iter().flatten() {
        for amount in value.abs().to_array() {
            bins[(usize::from(amount.unsigned_abs()) >> 3).min(BINS - 1)] += 1;
        }
    }
    bins.into_iter().max().unwrap_or(0)
}

/// What is left of luma after a prediction, in two times eight blocks.
#[inline(always)]
pub(crate) fn luma_rest(pixels: &[u8; 256], predicted: &Luma) -> [Eight; 2] {
    let rows = pixels.as_chunks::<16>().0;
    // In place: arrays as large as these would be copied on their way out of a closure.
    let mut blocks = [[i16x8::splat(0); 16]; 2];
    for (block, top) in blocks.iter_mut().zip([0, 8]) {
        for y in 0..4 {
            let rest = |y: usize| {
                let [a, b] = widened(rows[y & 15]);
                [a - predicted[y & 15][0], b - predicted[y & 15][1]]
            };
            let ([a, b], [c, d]) = (rest(top + y), rest(top + 4 + y));
            block[4 * y..4 * y + 4].copy_from_slice(&lanes::to_blocks([a, b, c, d]));
        }
    }
    blocks
}

/// What is left of chroma after a prediction: four blocks of U, then four of V.
#[inline(always)]
pub(crate) fn chroma_rest(pixels: &Pixels, predicted: &Chroma) -> Eight {
    let mut block = [i16x8::splat(0); 16];
    let (u, v) = (pixels.u.as_chunks::<8>().0, pixels.v.as_chunks::<8>().0);
    for y in 0..4 {
        let rest = |plane: &[[u8; 8]], at: usize, y: usize| {
            let mut row = [0; 16];
            row[..8].copy_from_slice(&plane[y]);
            widened(row)[0] - predicted[y][at]
        };
        let rows = [rest(u, 0, y), rest(u, 0, y + 4), rest(v, 1, y), rest(v, 1, y + 4)];
        block[4 * y..4 * y + 4].copy_from_slice(&lanes::to_blocks(rows));
    }
    block
}

#[inline(always)]
fn luma_ratio(pixels: &Pixels, predicted: &Luma) -> u32 {
    let mut blocks = luma_rest(&pixels.y, predicted);
    let mut spread = Spread::new();
    for block in &mut blocks {
        forward_eight(block);
        spread.add(block);
    }
    spread.ratio(&blocks)
}

#[inline(always)]
fn chroma_ratio(pixels: &Pixels, predicted: &Chroma) -> u32 {
    let mut block = chroma_rest(pixels, predicted);
    let mut spread = Spread::new();
    forward_eight(&mut block);
    spread.add(&block);
    spread.ratio(&[block])
}

/// How hard a macroblock is to quantise, 0 to 255, and how easy its chroma.
fn hardness(pixels: &Pixels, edges: &Edges) -> (u8, u32) {
    let luma =
        luma_ratio(pixels, &predict::luma::<0>(edges)).max(luma_ratio(pixels, &predict::luma::<1>(edges)));
    let chroma = chroma_ratio(pixels, &predict::chroma::<0>(edges))
        .max(chroma_ratio(pixels, &predict::chroma::<1>(edges)));
    let mixed = (3 * luma + chroma + 2) >> 2;
    (u8::try_from(255_u32.saturating_sub(mixed)).unwrap_or(0), chroma)
}

/// Looks at the whole picture.
pub(crate) fn analyse(planes: &Planes<'_>, columns: usize, rows: usize) -> Analysis {
    let mut neighbours = Neighbours::new(columns);
    let mut pixels = Pixels::BLACK;
    let mut hard = Vec::with_capacity(columns * rows);
    let mut counts = [0_u32; 256];
    let mut chroma_sum = 0_u64;
    for row in 0..rows {
        for column in 0..columns {
            pixels.read(planes, column, row);
            let (hardness, chroma) = hardness(&pixels, neighbours.around(column, row));
            neighbours.keep(column, &pixels);
            hard.push(hardness);
            counts[usize::from(hardness)] += 1;
            chroma_sum += u64::from(chroma);
        }
    }
    let chroma = i32::try_from(chroma_sum / (hard.len() as u64).max(1)).unwrap_or(i32::MAX);
    let (centres, segment_of, mean) = clusters(&counts);
    let least = centres.into_iter().min().unwrap_or(0);
    let most = centres.into_iter().max().unwrap_or(0).max(least + 1);
    Analysis {
        segments: hard.into_iter().map(|hardness| segment_of[usize::from(hardness)]).collect(),
        ease: centres.map(|centre| (255 * (centre - mean) / (most - least)).clamp(-127, 127)),
        above_least: centres.map(|centre| (255 * (centre - least) / (most - least)).clamp(0, 255)),
        centres,
        count: SEGMENTS,
        chroma,
    }
}

/// Four groups of values, by k-means: their centres, the group of each value, the weighted mean.
fn clusters(counts: &[u32; 256]) -> ([i32; SEGMENTS], [u8; 256], i32) {
    let values: Vec<(i32, i64)> = (0..)
        .zip(counts)
        .filter(|&(_, &count)| count > 0)
        .map(|(value, &count)| (value, i64::from(count)))
        .collect();
    let (least, most) = (values.first().map_or(0, |v| v.0), values.last().map_or(0, |v| v.0));
    let mut centres = [1, 3, 5, 7].map(|eighths| least + eighths * (most - least) / 8);
    let mut group_of = [0_u8; 256];
    let mut mean = 0;
    for _ in 0..ROUNDS {
        let (mut sums, mut weights) = ([0_i64; SEGMENTS], [0_i64; SEGMENTS]);
        let mut group = 0;
        for &(value, count) in &values {
            while group + 1 < SEGMENTS && (value - centres[group + 1]).abs() < (value - centres[group]).abs()
            {
                group += 1;
            }
            group_of[value.unsigned_abs() as usize & 255] = u8::try_from(group).unwrap_or(0);
            sums[group] += i64::from(value) * count;
            weights[group] += count;
        }
        let (mut moved, mut total, mut weighted) = (0, 0, 0);
        for group in 0..SEGMENTS {
            if weights[group] > 0 {
                let centre = i32::try_from((sums[group] + weights[group] / 2) / weights[group]).unwrap_or(0);
                moved += (centres[group] - centre).abs();
                centres[group] = centre;
                weighted += i64::from(centre) * weights[group];
                total += weights[group];
            }
        }
        mean = i32::try_from((weighted + total / 2) / total.max(1)).unwrap_or(0);
        if moved < 5 {
            break;
        }
    }
    (centres, group_of, mean)
}

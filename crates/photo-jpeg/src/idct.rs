//! Coefficients to samples, at any size of 1 to 8 samples a side.
//!
//! An N × M block comes from the N × M lowest frequencies alone, by an inverse transform of that many points: the best
//! picture of that size as far as those frequencies go, and no work for the others. Sides may differ, because chroma is
//! often stored with half the columns only.
//!
//! Floats, because SSE2 and NEON multiply four at once; additions and multiplications are rounded as IEEE 754 says, so
//! the samples are the same on every machine.

use bytemuck::cast;
use wide::{f32x4, i16x8, i32x4, i32x8, u8x16};

/// Coefficients times quantisation / 8, the middle grey added to the first; at `8 * u + v`, where u counts waves across.
pub(crate) type Block = [f32; 64];

/// Sums of the waves across, or down: vectors of four lanes, in two halves.
type Halves = [[f32x4; 8]; 2];

/// The first step: waves across are summed up; a half holds four columns for each wave down.
type Across = fn(block: &Block, turned: &mut Halves);

/// The second step: waves down are summed up and written.
type Down = fn(turned: &Halves, wide: bool, out: &mut [u8], stride: usize);

/// How blocks become samples of one size: any blocks, and those with nothing but the lowest 4 × 4 coefficients.
#[derive(Clone, Copy)]
pub(crate) struct Transform {
    full: (Across, Down),
    sparse: (Across, Down),
    width: usize,
    height: usize,
}

/// Blocks whose last coefficient is at most this far along the zigzag fit into 4 × 4.
pub(crate) const LAST_SPARSE: usize = 9;

/// Rows of samples are written eight at a time, whatever the width of a block.
pub(crate) const WRITTEN: usize = 8;

/// The transform to blocks of `width` × `height` samples, 1 to 8 each.
pub(crate) fn transform(width: usize, height: usize) -> Transform {
    // The steps are functions of their own: 64 pairs of sides would be 128 functions otherwise.
    macro_rules! steps {
        ($step:ident, $side:expr, $($extra:literal)?) => {
            match $side {
                1 => $step::<1, 1 $(, $extra)?>,
                2 => $step::<2, 2 $(, $extra)?>,
                3 => $step::<3, 3 $(, $extra)?>,
                4 => $step::<4, 4 $(, $extra)?>,
                5 => $step::<5, 5 $(, $extra)?>,
                6 => $step::<6, 6 $(, $extra)?>,
                7 => $step::<7, 7 $(, $extra)?>,
                _ => $step::<8, 8 $(, $extra)?>,
            }
        };
        (sparse $step:ident, $side:expr, $($extra:literal)?) => {
            match $side {
                1 => $step::<1, 1 $(, $extra)?>,
                2 => $step::<2, 2 $(, $extra)?>,
                3 => $step::<3, 3 $(, $extra)?>,
                4 => $step::<4, 4 $(, $extra)?>,
                5 => $step::<5, 4 $(, $extra)?>,
                6 => $step::<6, 4 $(, $extra)?>,
                7 => $step::<7, 4 $(, $extra)?>,
                _ => $step::<8, 4 $(, $extra)?>,
            }
        };
    }
    let whole: Across = if height > 4 { steps!(across, width, 2) } else { steps!(across, width, 1) };
    Transform {
        full: (whole, steps!(down, height,)),
        sparse: (steps!(sparse across, width, 1), steps!(sparse down, height,)),
        width,
        height,
    }
}

impl Transform {
    /// Writes the samples of a block into `out`, whose rows are `stride` apart and go on for [`WRITTEN`] samples.
    /// `last` is the last coefficient along the zigzag that is not zero.
    #[inline(always)]
    pub(crate) fn write(&self, block: &Block, last: usize, out: &mut [u8], stride: usize) {
        if last == 0 {
            return fill(block[0], out, stride, self.height);
        }
        let (across, down) = if last <= LAST_SPARSE { self.sparse } else { self.full };
        let mut turned = [[f32x4::ZERO; 8]; 2];
        across(block, &mut turned);
        down(&turned, self.width > 4, out, stride);
    }
}

/// A block without anything but its mean.
#[inline(always)]
fn fill(mean: f32, out: &mut [u8], stride: usize, height: usize) {
    // Saturates.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let sample = mean.round_ties_even() as u8;
    for y in 0..height {
        if let Some(row) = out.get_mut(y * stride..).and_then(|rest| rest.first_chunk_mut::<WRITTEN>()) {
            *row = [sample; WRITTEN];
        }
    }
}

/// `W` columns from `U` waves; of waves down, the first or both `HALVES`.
fn across<const W: usize, const U: usize, const HALVES: usize>(block: &Block, turned: &mut Halves) {
    for half in 0..HALVES {
        let mut input = [f32x4::ZERO; 8];
        for (u, input) in input.iter_mut().enumerate().take(U) {
            let at = 8 * u + 4 * half;
            *input = f32x4::new([block[at], block[at + 1], block[at + 2], block[at + 3]]);
        }
        let columns = points::<W, U>(&input);
        let parts = columns.as_chunks::<4>().0.iter().zip(turned.iter_mut()).take(W.div_ceil(4));
        for (columns, turned) in parts {
            turned[4 * half..4 * half + 4].copy_from_slice(&f32x4::transpose(*columns));
        }
    }
}

/// `H` rows from `V` waves; `wide` if there are more than four columns.
fn down<const H: usize, const V: usize>(turned: &Halves, wide: bool, out: &mut [u8], stride: usize) {
    let left = points::<H, V>(&turned[0]);
    let right = if wide { points::<H, V>(&turned[1]) } else { [f32x4::ZERO; 8] };
    for pair in 0..H.div_ceil(2) {
        let (y, next) = (2 * pair, (2 * pair + 1).min(7));
        let samples = pack([left[y], right[y]], [left[next], right[next]]);
        for (y, samples) in [y, next].into_iter().zip(samples.as_chunks::<WRITTEN>().0) {
            if y < H
                && let Some(row) = out.get_mut(y * stride..).and_then(|rest| rest.first_chunk_mut())
            {
                *row = *samples;
            }
        }
    }
}

/// Two rows of eight, rounded and held within 0 to 255.
#[inline(always)]
fn pack(upper: [f32x4; 2], lower: [f32x4; 2]) -> [u8; 16] {
    let row = |[a, b]: [f32x4; 2]| {
        let whole: i32x8 = cast::<[i32x4; 2], _>([a.fast_round_int(), b.fast_round_int()]);
        i16x8::from_i32x8_saturate(whole)
    };
    u8x16::narrow_i16x8(row(upper), row(lower)).to_array()
}

/// `N` points from `M` frequencies, for four lanes at once.
#[inline(always)]
fn points<const N: usize, const M: usize>(input: &[f32x4; 8]) -> [f32x4; 8] {
    if N == 8 && M == 8 {
        return eight_points(input);
    }
    let mut output = [f32x4::ZERO; 8];
    // Even waves are the same on both sides of the middle, odd ones opposite.
    for x in 0..N.div_ceil(2) {
        let (mut even, mut odd) = (input[0], f32x4::ZERO);
        for u in 1..M {
            let factor = COSINES[N][u][x];
            if u % 2 == 1 {
                odd = if u == 1 { input[1] * factor } else { odd + input[u] * factor };
            } else {
                even += input[u] * factor;
            }
        }
        output[x] = even + odd;
        output[N - 1 - x] = even - odd;
    }
    output
}

/// After Loeffler, Ligtenberg and Moschytz: 12 multiplications instead of 28.
#[inline(always)]
fn eight_points(input: &[f32x4; 8]) -> [f32x4; 8] {
    let [t0, t1, t2, t3, t4, t5, t6, t7] = *input;
    let z = (t2 + t6) * 0.541_196_1;
    let (e2, e3) = (z - t6 * 1.847_759_1, z + t2 * 0.765_366_85);
    let (e0, e1) = (t0 + t4, t0 - t4);
    let (e0, e1, e2, e3) = (e0 + e3, e1 + e2, e1 - e2, e0 - e3);

    let z5 = (t7 + t3 + t5 + t1) * 1.175_875_6;
    let z1 = (t7 + t1) * -0.899_976_2;
    let z2 = (t5 + t3) * -2.562_915_5;
    let z3 = (t7 + t3) * -1.961_570_6 + z5;
    let z4 = (t5 + t1) * -0.390_180_65 + z5;
    let o0 = t7 * 0.298_631_34 + z1 + z3;
    let o1 = t5 * 2.053_12 + z2 + z4;
    let o2 = t3 * 3.072_711 + z2 + z3;
    let o3 = t1 * 1.501_321_1 + z1 + z4;

    [e0 + o3, e1 + o2, e2 + o1, e3 + o0, e3 - o0, e2 - o1, e1 - o2, e0 - o3]
}

/// √2 cos((2x + 1) u π / 2N) at `[N][u][x]`, 1 for u = 0, and only the left half of the points.
static COSINES: [[[f32; 4]; 8]; 9] = cosines();

#[expect(clippy::approx_constant, clippy::excessive_precision, reason = "a table, printed by a program")]
const fn cosines() -> [[[f32; 4]; 8]; 9] {
    let mut table = [[[0.0; 4]; 8]; 9];
    table[2] = [
        [1.0, 0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
    ];
    table[3] = [
        [1.0, 1.0, 0.0, 0.0],
        [1.224_744_9, 0.0, 0.0, 0.0],
        [0.707_106_8, -1.414_213_6, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
    ];
    table[4] = [
        [1.0, 1.0, 0.0, 0.0],
        [1.306_563_0, 0.541_196_1, 0.0, 0.0],
        [1.0, -1.0, 0.0, 0.0],
        [0.541_196_1, -1.306_563_0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
    ];
    table[5] = [
        [1.0, 1.0, 1.0, 0.0],
        [1.344_997_0, 0.831_253_9, 0.0, 0.0],
        [1.144_122_8, -0.437_016_0, -1.414_213_6, 0.0],
        [0.831_253_9, -1.344_997_0, 0.0, 0.0],
        [0.437_016_0, -1.144_122_8, 1.414_213_6, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
    ];
    table[6] = [
        [1.0, 1.0, 1.0, 0.0],
        [1.366_025_4, 1.0, 0.366_025_4, 0.0],
        [1.224_744_9, 0.0, -1.224_744_9, 0.0],
        [1.0, -1.0, -1.0, 0.0],
        [0.707_106_8, -1.414_213_6, 0.707_106_8, 0.0],
        [0.366_025_4, -1.0, 1.366_025_4, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
    ];
    table[7] = [
        [1.0, 1.0, 1.0, 1.0],
        [1.378_756_3, 1.105_676_7, 0.613_604_3, 0.0],
        [1.274_162_4, 0.314_692_1, -0.881_747_7, -1.414_213_6],
        [1.105_676_7, -0.613_604_3, -1.378_756_3, 0.0],
        [0.881_747_7, -1.274_162_4, -0.314_692_1, 1.414_213_6],
        [0.613_604_3, -1.378_756_3, 1.105_676_7, 0.0],
        [0.314_692_1, -0.881_747_7, 1.274_162_4, -1.414_213_6],
        [0.0, 0.0, 0.0, 0.0],
    ];
    table[8] = [
        [1.0, 1.0, 1.0, 1.0],
        [1.387_039_8, 1.175_875_6, 0.785_695_0, 0.275_899_4],
        [1.306_563_0, 0.541_196_1, -0.541_196_1, -1.306_563_0],
        [1.175_875_6, -0.275_899_4, -1.387_039_8, -0.785_695_0],
        [1.0, -1.0, -1.0, 1.0],
        [0.785_695_0, -1.387_039_8, 0.275_899_4, 1.175_875_6],
        [0.541_196_1, -1.306_563_0, 1.306_563_0, -0.541_196_1],
        [0.275_899_4, -0.785_695_0, 1.175_875_6, -1.387_039_8],
    ];
    table
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    /// The definition (ITU-T T.81, A.3.3) with other numbers of points.
    fn reference(block: &Block, width: usize, height: usize) -> Vec<f64> {
        let wave = |x: usize, u: usize, n: usize| {
            let (x, u, n) = (x as f64, u as f64, n as f64);
            if u == 0.0 { 1.0 } else { 2_f64.sqrt() * ((2.0 * x + 1.0) * u * PI / (2.0 * n)).cos() }
        };
        let mut samples = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let mut sum = 0.0;
                for u in 0..width {
                    for v in 0..height {
                        sum += f64::from(block[8 * u + v]) * wave(x, u, width) * wave(y, v, height);
                    }
                }
                samples.push(sum);
            }
        }
        samples
    }

    fn noise(count: usize) -> impl Iterator<Item = f32> {
        let mut state = 12_345_u32;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as f32 / 65_536.0 - 0.5
        })
        .take(count)
    }

    #[test]
    fn every_size_is_as_defined() {
        for width in 1..=8 {
            for height in 1..=8 {
                for reach in [4, 8] {
                    let mut block = [0.0; 64];
                    for (i, value) in noise(64).enumerate() {
                        if i / 8 < reach && i % 8 < reach {
                            block[i] = value * 40.0;
                        }
                    }
                    block[0] = 128.3;
                    let expected = reference(&block, width, height);
                    for last in if reach == 4 { 9..=10 } else { 63..=63 } {
                        let stride = 11;
                        let mut out = vec![7; stride * 8];
                        transform(width, height).write(&block, last, &mut out, stride);
                        for y in 0..8 {
                            for x in 0..stride {
                                let actual = out[y * stride + x];
                                if (width..WRITTEN).contains(&x) && y < height {
                                    continue;
                                }
                                if x >= width || y >= height {
                                    assert_eq!(actual, 7, "{width} x {height}: wrote ({x}, {y})");
                                    continue;
                                }
                                let exact = expected[y * width + x].clamp(0.0, 255.0);
                                assert!(
                                    (f64::from(actual) - exact).abs() < 0.5001,
                                    "{width} x {height} of {reach} at ({x}, {y}): {actual}, not {exact}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_flat_block_is_flat() {
        for (mean, expected) in [(-3.0, 0), (0.4, 0), (127.6, 128), (254.5, 254), (300.0, 255), (f32::NAN, 0)]
        {
            let mut out = [9; 30];
            let mut block = [0.0; 64];
            block[0] = mean;
            transform(5, 2).write(&block, 0, &mut out, 10);
            assert!(out[..5].iter().chain(&out[10..15]).all(|&sample| sample == expected), "{mean}: {out:?}");
            assert_eq!(out[18..], [9; 12]);
        }
    }

    #[test]
    fn extreme_coefficients_do_no_harm() {
        for value in [f32::MAX, -1e30, 3e9, f32::INFINITY, f32::NAN] {
            let mut out = [0; 64];
            for width in 1..=8 {
                transform(width, 8).write(&[value; 64], 63, &mut out, 8);
            }
        }
    }
}

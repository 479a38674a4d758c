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

/// Writes the samples of a block into `out`, whose rows are `stride` apart.
pub(crate) type Inverse = fn(block: &Block, out: &mut [u8], stride: usize);

/// The transforms of one size: of any block, and of one with nothing but the lowest 4 × 4 coefficients.
#[derive(Clone, Copy)]
pub(crate) struct Transform {
    pub(crate) full: Inverse,
    pub(crate) sparse: Inverse,
}

/// Blocks whose last coefficient is at most this far along the zigzag fit into 4 × 4.
pub(crate) const LAST_SPARSE: usize = 9;

/// The transform to blocks of `width` × `height` samples, 1 to 8 each.
pub(crate) fn transform(width: usize, height: usize) -> Transform {
    macro_rules! of_width {
        ($($w:literal)*) => {
            match width {
                $($w => of_height!($w; 1 2 3 4 5 6 7 8),)*
                _ => of_height!(8; 1 2 3 4 5 6 7 8),
            }
        };
    }
    macro_rules! of_height {
        ($w:literal; $($h:literal)*) => {
            match height {
                $($h => Transform { full: inverse::<$w, $h, $w, $h>, sparse: inverse::<$w, $h, { least($w) }, { least($h) }> },)*
                _ => Transform { full: inverse::<$w, 8, $w, 8>, sparse: inverse::<$w, 8, { least($w) }, 4> },
            }
        };
    }
    of_width!(1 2 3 4 5 6 7)
}

const fn least(side: usize) -> usize {
    if side < 4 { side } else { 4 }
}

/// A block without anything but its mean.
pub(crate) fn fill(mean: f32, out: &mut [u8], stride: usize, width: usize, height: usize) {
    // Saturates.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let sample = mean.round_ties_even() as u8;
    for row in out.chunks_mut(stride).take(height) {
        if let Some(row) = row.get_mut(..width) {
            row.fill(sample);
        }
    }
}

/// `W` × `H` samples from the `U` × `V` lowest coefficients.
fn inverse<const W: usize, const H: usize, const U: usize, const V: usize>(
    block: &Block,
    out: &mut [u8],
    stride: usize,
) {
    let zero = f32x4::ZERO;
    // Across: vectors hold four vertical frequencies. Then turned, so that they hold four columns.
    let mut turned = [[zero; 8]; 2];
    for half in 0..V.div_ceil(4) {
        let mut input = [zero; 8];
        for u in 0..U {
            let at = 8 * u + 4 * half;
            input[u] = f32x4::new([block[at], block[at + 1], block[at + 2], block[at + 3]]);
        }
        let across = points::<W, U>(&input);
        for part in 0..W.div_ceil(4) {
            let [a, b, c, d] = [across[4 * part], across[4 * part + 1], across[4 * part + 2], across[4 * part + 3]];
            turned[part][4 * half..4 * half + 4].copy_from_slice(&f32x4::transpose([a, b, c, d]));
        }
    }
    let left = points::<H, V>(&turned[0]);
    let right = if W > 4 { points::<H, V>(&turned[1]) } else { [zero; 8] };
    let rows: &mut [u8] = &mut out[..(H - 1) * stride + W];
    for pair in 0..H.div_ceil(2) {
        let (y, next) = (2 * pair, (2 * pair + 1).min(7));
        let samples = pack([left[y], right[y]], [left[next], right[next]]);
        rows[y * stride..y * stride + W].copy_from_slice(&samples[..W]);
        if y + 1 < H {
            rows[(y + 1) * stride..(y + 1) * stride + W].copy_from_slice(&samples[8..8 + W]);
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
    let o1 = t5 * 2.053_119_9 + z2 + z4;
    let o2 = t3 * 3.072_711 + z2 + z3;
    let o3 = t1 * 1.501_321_1 + z1 + z4;

    [e0 + o3, e1 + o2, e2 + o1, e3 + o0, e3 - o0, e2 - o1, e1 - o2, e0 - o3]
}

/// √2 cos((2x + 1) u π / 2N) at `[N][u][x]`, 1 for u = 0, and only the left half of the points.
static COSINES: [[[f32; 4]; 8]; 9] = cosines();

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
                    let Transform { full, sparse } = transform(width, height);
                    let ways: &[Inverse] = if reach == 4 { &[full, sparse] } else { &[full] };
                    for way in ways {
                        let stride = 11;
                        let mut out = vec![7; stride * 8];
                        way(&block, &mut out, stride);
                        for y in 0..8 {
                            for x in 0..stride {
                                let actual = out[y * stride + x];
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
        for (mean, expected) in [(-3.0, 0), (0.4, 0), (127.6, 128), (254.5, 254), (300.0, 255), (f32::NAN, 0)] {
            let mut out = [9; 24];
            fill(mean, &mut out, 8, 5, 2);
            assert_eq!(out[..13], [expected, expected, expected, expected, expected, 9, 9, 9, expected, expected, expected, expected, expected]);
            assert_eq!(out[13..], [9; 11]);
        }
    }

    #[test]
    fn extreme_coefficients_do_no_harm() {
        for value in [f32::MAX, -1e30, 3e9, f32::INFINITY, f32::NAN] {
            let mut out = [0; 64];
            for width in 1..=8 {
                (transform(width, 8).full)(&[value; 64], &mut out, 8);
            }
        }
    }
}

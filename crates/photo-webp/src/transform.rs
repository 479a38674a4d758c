//! The transforms of 4 x 4 blocks: RFC 6386, section 14, and the forward ones that libwebp uses with them.
//!
//! Two shapes. Eight blocks at once have a lane each: a vector is one pixel or one coefficient of all eight. A lone block
//! has two rows in a vector.

use bytemuck::cast;
use wide::{i16x8, i32x4, i32x8};

use crate::lanes::{high, high_halves, low, low_halves, swapped};

/// A pixel or a coefficient of eight blocks each, row by row.
pub(crate) type Eight = [i16x8; 16];

/// Two rows, then two rows.
pub(crate) type One = [i16x8; 2];

/// sin and cos of an eighth of a turn, times 4096 and the square root of 2.
const SIN: i16 = 2217;
const COS: i16 = 5352;

/// Packs sums of 32 bits, shifted.
#[inline(always)]
fn scaled<const SHIFT: i32>(lower: i32x4, upper: i32x4, round: i32) -> i16x8 {
    let round = i32x4::splat(round);
    let both: i32x8 = cast([(lower + round) >> SHIFT, (upper + round) >> SHIFT]);
    i16x8::from_i32x8_saturate(both)
}

/// `a * x + b * y` of alternating lanes, for `(a, b)` given by turns.
#[inline(always)]
fn pair(a: i16, b: i16) -> i16x8 {
    i16x8::new([a, b, a, b, a, b, a, b])
}

/// The odd outputs of a step: `(x * SIN + y * COS, y * SIN - x * COS)`, shifted.
#[inline(always)]
fn turned<const SHIFT: i32>(x: i16x8, y: i16x8, first: i32, second: i32) -> (i16x8, i16x8) {
    let (lower, upper) = (low(x, y), high(x, y));
    let (plus, minus) = (pair(SIN, COS), pair(-COS, SIN));
    (
        scaled::<SHIFT>(lower.dot(plus), upper.dot(plus), first),
        scaled::<SHIFT>(lower.dot(minus), upper.dot(minus), second),
    )
}

/// One where the lane is not zero.
#[inline(always)]
fn not_zero(x: i16x8) -> i16x8 {
    x.simd_eq(i16x8::splat(0)) + i16x8::splat(1)
}

/// Differences of pixels to coefficients.
#[inline(always)]
pub(crate) fn forward_eight(block: &mut Eight) {
    for row in block.as_chunks_mut::<4>().0 {
        let [p0, p1, p2, p3] = *row;
        let (a0, a1, a2, a3) = (p0 + p3, p1 + p2, p1 - p2, p0 - p3);
        let (odd1, odd3) = turned::<9>(a2, a3, 1812, 937);
        *row = [(a0 + a1) << 3_i32, odd1, (a0 - a1) << 3_i32, odd3];
    }
    for i in 0..4 {
        let (p0, p1, p2, p3) = (block[i], block[4 + i], block[8 + i], block[12 + i]);
        let (a0, a1, a2, a3) = (p0 + p3, p1 + p2, p1 - p2, p0 - p3);
        let seven = i16x8::splat(7);
        let (odd1, odd3) = turned::<16>(a2, a3, 12_000, 51_000);
        block[i] = (a0 + a1 + seven) >> 4_i32;
        block[4 + i] = odd1 + not_zero(a3);
        block[8 + i] = (a0 - a1 + seven) >> 4_i32;
        block[12 + i] = odd3;
    }
}

/// x * 20091 / 65536 + x.
#[inline(always)]
fn times_cos(x: i16x8) -> i16x8 {
    x.mul_keep_high(i16x8::splat(20_091)) + x
}

/// x * 35468 / 65536; the factor is that minus 65536, to fit.
#[inline(always)]
fn times_sin(x: i16x8) -> i16x8 {
    x.mul_keep_high(i16x8::splat(-30_068)) + x
}

#[inline(always)]
fn inverse_step(x0: i16x8, x1: i16x8, x2: i16x8, x3: i16x8) -> [i16x8; 4] {
    let (a, b) = (x0 + x2, x0 - x2);
    let c = times_sin(x1) - times_cos(x3);
    let d = times_cos(x1) + times_sin(x3);
    [a + d, b + c, b - c, a - d]
}

/// Coefficients to differences of pixels, exactly as decoders do it.
#[inline(always)]
pub(crate) fn inverse_eight(block: &mut Eight) {
    for i in 0..4 {
        let [y0, y1, y2, y3] = inverse_step(block[i], block[4 + i], block[8 + i], block[12 + i]);
        (block[i], block[4 + i], block[8 + i], block[12 + i]) = (y0, y1, y2, y3);
    }
    for row in block.as_chunks_mut::<4>().0 {
        let [x0, x1, x2, x3] = *row;
        *row = inverse_step(x0 + i16x8::splat(4), x1, x2, x3).map(|y| y >> 3_i32);
    }
}

/// Rows to columns.
#[inline(always)]
fn transposed([r01, r23]: One) -> One {
    let (even, odd) = (low(r01, r23), high(r01, r23));
    [low(even, odd), high(even, odd)]
}

/// One step over rows: the odd ones are shifted by `SHIFT`, and so are the others, which are eight times as large before.
#[inline(always)]
fn forward_step([r01, r23]: One) -> (i16x8, i16x8) {
    let r32 = swapped(r23);
    // a0 and a1, then a3 and a2.
    (r01 + r32, r01 - r32)
}

/// Differences of pixels to coefficients, which come in columns: two of them a vector.
#[inline(always)]
pub(crate) fn forward_one(rows: One) -> One {
    let (sum, difference) = forward_step(rows);
    let even = low(sum, swapped(sum));
    let odd = low(difference, swapped(difference));
    let (zero, two) = (even.dot(pair(8, 8)), even.dot(pair(8, -8)));
    let (one, three) = (odd.dot(pair(COS, SIN)), odd.dot(pair(SIN, -COS)));
    let one = (one + i32x4::splat(1812)) >> 9_i32;
    let three = (three + i32x4::splat(937)) >> 9_i32;
    let pack = |a: i32x4, b: i32x4| i16x8::from_i32x8_saturate(cast([a, b]));
    let columns = transposed([pack(zero, one), pack(two, three)]);

    let (sum, difference) = forward_step(columns);
    let even = low(sum, swapped(sum));
    let odd = low(difference, swapped(difference));
    let seven = i32x4::splat(7);
    let zero = (even.dot(pair(1, 1)) + seven) >> 4_i32;
    let two = (even.dot(pair(1, -1)) + seven) >> 4_i32;
    let one = (odd.dot(pair(COS, SIN)) + i32x4::splat(12_000)) >> 16_i32;
    let three = (odd.dot(pair(SIN, -COS)) + i32x4::splat(51_000)) >> 16_i32;
    [pack(zero, one), pack(two, three)]
}

#[inline(always)]
fn inverse_step_one([x01, x23]: One) -> One {
    let (sum, difference) = (x01 + x23, x01 - x23);
    let c = times_sin(x01) - times_cos(x23);
    let d = times_cos(x01) + times_sin(x23);
    let ab = low_halves(sum, difference);
    let dc = high_halves(d, c);
    [ab + dc, swapped(ab - dc)]
}

/// Coefficients in columns to differences of pixels in rows, exactly as decoders do it.
#[inline(always)]
pub(crate) fn inverse_one(columns: One) -> One {
    let [c01, c23] = transposed(inverse_step_one(transposed(columns)));
    let four = i16x8::new([4, 4, 4, 4, 0, 0, 0, 0]);
    let [y01, y23] = transposed(inverse_step_one([c01 + four, c23]));
    [y01 >> 3_i32, y23 >> 3_i32]
}

/// The transform of the first coefficients of sixteen blocks.
pub(crate) fn forward_second(input: &[i16; 16]) -> [i16; 16] {
    let mut sums = [0_i32; 16];
    for (i, row) in input.as_chunks::<4>().0.iter().enumerate() {
        let [x0, x1, x2, x3] = row.map(i32::from);
        let (a0, a1, a2, a3) = (x0 + x2, x1 + x3, x1 - x3, x0 - x2);
        sums[4 * i..4 * i + 4].copy_from_slice(&[a0 + a1, a3 + a2, a3 - a2, a0 - a1]);
    }
    let mut out = [0; 16];
    for i in 0..4 {
        let (a0, a1) = (sums[i] + sums[8 + i], sums[4 + i] + sums[12 + i]);
        let (a2, a3) = (sums[4 + i] - sums[12 + i], sums[i] - sums[8 + i]);
        for (row, sum) in [a0 + a1, a3 + a2, a3 - a2, a0 - a1].into_iter().enumerate() {
            // At most 16 times 2040, halved.
            #[expect(clippy::cast_possible_truncation)]
            let half = (sum >> 1) as i16;
            out[4 * row + i] = half;
        }
    }
    out
}

/// Its inverse, exactly as decoders do it.
pub(crate) fn inverse_second(input: &[i16; 16]) -> [i16; 16] {
    let mut sums = [0_i32; 16];
    for i in 0..4 {
        let [x0, x1, x2, x3] = [0, 4, 8, 12].map(|row| i32::from(input[row + i]));
        let (a0, a1, a2, a3) = (x0 + x3, x1 + x2, x1 - x2, x0 - x3);
        sums[i] = a0 + a1;
        sums[8 + i] = a0 - a1;
        sums[4 + i] = a3 + a2;
        sums[12 + i] = a3 - a2;
    }
    let mut out = [0; 16];
    for (row, out) in sums.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<4>().0) {
        let [x0, x1, x2, x3] = *row;
        let dc = x0 + 3;
        let (a0, a1, a2, a3) = (dc + x3, x1 + x2, x1 - x2, dc - x3);
        // Decoders keep 16 bits too.
        #[expect(clippy::cast_possible_truncation)]
        let eighths = [a0 + a1, a3 + a2, a0 - a1, a3 - a2].map(|x| (x >> 3) as i16);
        *out = eighths;
    }
    out
}

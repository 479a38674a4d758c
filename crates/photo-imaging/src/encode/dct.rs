//! The forward transform of the JPEG encoder (Arai, Agui and Nakajima's, in floating point), eight columns at a time.

use wide::f32x8;

/// Quantised coefficients, the horizontal frequency first: what [`ZIGZAG`] reads in the file's order.
pub(super) type Coefficients = [i32; 64];

/// Eight rows of eight samples.
pub(super) type Block = [f32x8; 8];

/// Position in [`Coefficients`] of each coefficient in zigzag order. The transform leaves a block transposed, so this is
/// the standard's order with rows and columns swapped.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 8, 1, 2, 9, 16, 24, 17, 10, 3, 4, 11, 18, 25, 32, 40, 33, 26, 19, 12, 5, 6, 13, 20, 27, 34, 41, 48,
    56, 49, 42, 35, 28, 21, 14, 7, 15, 22, 29, 36, 43, 50, 57, 58, 51, 44, 37, 30, 23, 31, 38, 45, 52, 59,
    60, 53, 46, 39, 47, 54, 61, 62, 55, 63,
];

/// What the transform leaves of each frequency to the quantiser: cos(kπ/16)·√2.
const SCALE: [f32; 8] =
    [1.0, 1.387_039_8, 1.306_563, 1.175_875_6, 1.0, 0.785_694_96, 0.541_196_1, 0.275_899_38];

/// Quantises by a table in natural order.
pub(super) struct Quantiser {
    /// By column.
    factors: Block,
    /// The least steps that do not become zero, of the mean and the column below it, and of all others.
    first: f32x8,
    others: f32x8,
}

impl Quantiser {
    /// `least` is how many steps, half or more, a coefficient needs not to become zero; all beyond are rounded to nearest, and so
    /// is always the mean.
    pub(super) fn new(table: &[u8; 64], least: f32) -> Self {
        let factor = |row: usize, column: usize| {
            1.0 / (f32::from(table[row * 8 + column]) * SCALE[row] * SCALE[column] * 8.0)
        };
        let factors = std::array::from_fn(|column| {
            f32x8::from(std::array::from_fn::<_, 8, _>(|row| factor(row, column)))
        });
        let mut first = [least; 8];
        first[0] = 0.0;
        Self { factors, first: f32x8::from(first), others: f32x8::splat(least) }
    }

    /// Transforms and quantises 8 × 8 samples.
    pub(super) fn coefficients(&self, block: Block) -> Coefficients {
        let transformed = transform(f32x8::transpose(transform(block)));
        let mut out = [0; 64];
        for (column, chunk) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let steps = transformed[column] * self.factors[column];
            let least = if column == 0 { self.first } else { self.others };
            *chunk = (steps & steps.abs().simd_ge(least)).fast_round_int().to_array();
        }
        out
    }
}

fn transform(v: Block) -> Block {
    let [s0, s1, s2, s3] = [v[0] + v[7], v[1] + v[6], v[2] + v[5], v[3] + v[4]];
    let [d0, d1, d2, d3] = [v[0] - v[7], v[1] - v[6], v[2] - v[5], v[3] - v[4]];

    let (even0, even3, even1, even2) = (s0 + s3, s0 - s3, s1 + s2, s1 - s2);
    let turned = (even2 + even3) * f32x8::splat(std::f32::consts::FRAC_1_SQRT_2);

    let (odd0, odd1, odd2) = (d3 + d2, d2 + d1, d1 + d0);
    let z5 = (odd0 - odd2) * f32x8::splat(0.382_683_43);
    let z2 = odd0 * f32x8::splat(0.541_196_1) + z5;
    let z4 = odd2 * f32x8::splat(1.306_563) + z5;
    let z3 = odd1 * f32x8::splat(std::f32::consts::FRAC_1_SQRT_2);
    let (z11, z13) = (d0 + z3, d0 - z3);
    [even0 + even1, z11 + z4, even3 + turned, z13 - z2, even0 - even1, z13 + z2, even3 - turned, z11 - z4]
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small whole numbers")]
mod tests {
    use super::*;

    /// The standard's definition (A.3.3), slowly.
    fn by_definition(samples: &[[f64; 8]; 8], u: usize, v: usize) -> f64 {
        use std::f64::consts::{FRAC_1_SQRT_2, PI};
        let c = |k: usize| if k == 0 { FRAC_1_SQRT_2 } else { 1.0 };
        let wave = |x: usize, k: usize| ((2 * x + 1) as f64 * k as f64 * PI / 16.0).cos();
        let mut sum = 0.0;
        for (y, row) in samples.iter().enumerate() {
            for (x, sample) in row.iter().enumerate() {
                sum += sample * wave(x, u) * wave(y, v);
            }
        }
        sum * c(u) * c(v) / 4.0
    }

    #[test]
    fn coefficients_are_those_of_the_standard() {
        let mut state = 7_u32;
        let samples: [[f64; 8]; 8] = std::array::from_fn(|_| {
            std::array::from_fn(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f64::from(state >> 24) - 128.0
            })
        });
        let block = samples.map(|row| f32x8::from(row.map(|sample| sample as f32)));
        let table: [u8; 64] = std::array::from_fn(|i| u8::try_from(i + 1).unwrap());
        let found = Quantiser::new(&table, 0.5).coefficients(block);
        for v in 0..8 {
            for u in 0..8 {
                let exact = by_definition(&samples, u, v) / f64::from(table[v * 8 + u]);
                let found = f64::from(found[u * 8 + v]);
                assert!((found - exact).abs() <= 0.501, "({u}, {v}): {found} instead of {exact}");
            }
        }
    }

    #[test]
    fn what_is_just_above_half_a_step_becomes_zero_but_for_the_mean() {
        // A mean of 0.51 steps, and a wave of one frequency of 0.51 steps and more.
        for (amount, least, expected) in [(0.51, 0.5, 1), (0.51, 0.52, 0), (0.53, 0.52, 1), (1.6, 0.52, 2)] {
            let rows: [[f64; 8]; 8] = std::array::from_fn(|_| {
                std::array::from_fn(|x| {
                    let wave = ((2 * x + 1) as f64 * std::f64::consts::PI / 16.0).cos();
                    // Its coefficient is 8 times its height over the square root of 2, less than a percent off.
                    0.51 + wave * amount * std::f64::consts::SQRT_2
                })
            });
            let block = rows.map(|row| f32x8::from(row.map(|sample| sample as f32)));
            let found = Quantiser::new(&[8; 64], least).coefficients(block);
            assert_eq!((found[0], found[8]), (1, expected), "{amount}, {least}");
        }
    }

    #[test]
    fn the_zigzag_visits_every_coefficient_once_from_low_to_high() {
        let mut seen = ZIGZAG;
        seen.sort_unstable();
        assert!(seen.iter().enumerate().all(|(i, &z)| i == usize::from(z)));
        let frequency = |z: u8| z / 8 + z % 8;
        assert!(ZIGZAG.windows(2).all(|w| frequency(w[1]) >= frequency(w[0])));
        // Second in the file is the lowest horizontal frequency.
        assert_eq!(ZIGZAG[1], 8);
    }
}

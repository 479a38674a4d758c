//! The end of a conversion: light in sRGB's primaries, clipped for each channel, to 8 bits.

use std::sync::LazyLock;

/// Levels of light that are distinguished: a step near black is a fifth of a level of 8 bits.
const STEPS: u16 = 16_384;

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
static LEVELS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..=STEPS).map(|step| (curve(f32::from(step) / f32::from(STEPS)) * 255.0).round() as u8).collect()
});

/// sRGB's curve, from light (IEC 61966-2-1).
fn curve(light: f32) -> f32 {
    if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

/// Clips and encodes linear sRGB. White is 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into the table")]
pub(super) fn encode(light: [f32; 3]) -> [u8; 3] {
    let levels: &[u8] = &LEVELS;
    light.map(|light| levels[(light.clamp(0.0, 1.0) * f32::from(STEPS) + 0.5) as usize])
}

pub(super) type Matrix = [[f32; 3]; 3];

pub(super) fn multiply(matrix: &Matrix, vector: [f32; 3]) -> [f32; 3] {
    matrix.map(|[a, b, c]| a * vector[0] + b * vector[1] + c * vector[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_comes_back() {
        for level in 0..=u8::MAX {
            let value = f32::from(level) / 255.0;
            let light = if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) };
            assert_eq!(encode([light, -light, light + 2.0]), [level, 0, 255]);
        }
        assert_eq!(encode([f32::NAN, f32::INFINITY, f32::NEG_INFINITY]), [0, 255, 0]);
    }
}

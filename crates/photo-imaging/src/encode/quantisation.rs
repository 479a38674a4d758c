//! How coarsely JPEG keeps each frequency.
//!
//! Not by the standard's tables (ITU-T T.81, annex K), which are too coarse in slow changes and in colour, where the eye sees most, and too
//! fine elsewhere. A step is e to the power of a + b·r + c·r² + d·r·xy / (x² + y²), where x and y are the frequency's indices and
//! r is their distance from zero in sevenths, with e for the mean added to a: docs/adr/036-own-quantisation-tables.md says how a to e were found.

use super::planes::PlanesRef;

/// Luma at quality 50, in natural order: a to e are 2.197, 3.2, −1.527, 0.953 and 0.155.
#[rustfmt::skip]
const LUMA: [u16; 64] = [
    11, 14, 20, 27, 34, 41, 46, 48,
    14, 18, 24, 32, 40, 47, 52, 55,
    20, 24, 31, 39, 48, 55, 60, 63,
    27, 32, 39, 48, 56, 64, 68, 70,
    34, 40, 48, 56, 65, 72, 76, 76,
    41, 47, 55, 64, 72, 78, 81, 80,
    46, 52, 60, 68, 76, 81, 82, 80,
    48, 55, 63, 70, 76, 80, 80, 77,
];

/// Chroma of half size: 2.417, 1.745, 0.015, 0.26 and 0.105.
#[rustfmt::skip]
const CHROMA: [u16; 64] = [
    12, 14, 18, 24, 31, 39, 51, 65,
    14, 16, 20, 26, 33, 42, 54, 69,
    18, 20, 24, 29, 37, 46, 59, 75,
    24, 26, 29, 35, 43, 53, 67, 84,
    31, 33, 37, 43, 52, 63, 78, 97,
    39, 42, 46, 53, 63, 76, 92, 114,
    51, 54, 59, 67, 78, 92, 111, 136,
    65, 69, 75, 84, 97, 114, 136, 164,
];

/// Chroma of full size: a is a tenth less and x and y are doubled, for the same wave has twice the index where samples lie as near again. What
/// no quality from 90 on can say differs no more.
#[rustfmt::skip]
const FULL_CHROMA: [u16; 64] = [
    11, 17, 28, 46, 76, 127, 211, 353,
    17, 22, 33, 53, 87, 143, 237, 394,
    28, 33, 47, 70, 110, 177, 287, 471,
    46, 53, 70, 101, 151, 234, 371, 596,
    76, 87, 110, 151, 218, 328, 504, 792,
    127, 143, 177, 234, 328, 476, 714, 1095,
    211, 237, 287, 371, 504, 714, 1044, 1275,
    353, 394, 471, 596, 792, 1095, 1275, 1275,
];

/// How many steps a coefficient needs not to become zero, the mean excepted. Just above a half a one costs more than it shows.
pub(super) const LEAST: f32 = 0.54;

/// What there is beside luma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chroma {
    /// Next to nothing: a picture in black and white.
    Gray,
    HalfSize,
    FullSize,
}

impl Chroma {
    pub(super) fn of(planes: &PlanesRef<'_>) -> Self {
        if planes.cb.iter().chain(planes.cr).all(|&sample| sample.abs_diff(128) <= 2) {
            Self::Gray
        } else if planes.full_chroma {
            Self::FullSize
        } else {
            Self::HalfSize
        }
    }
}

/// The steps of luma and of chroma, in natural order, at a quality of 1 to 100. 80 gives about what the standard's tables give
/// at 80; the scale is the Independent JPEG Group's, which every encoder follows.
pub(super) fn tables(quality: u8, chroma: Chroma) -> [[u8; 64]; 2] {
    let tables = match chroma {
        // Luma is coarser than the standard's because chroma is finer. Where there is none, an eighth is given back.
        Chroma::Gray => [LUMA.map(|step| step - step / 8), CHROMA],
        Chroma::HalfSize => [LUMA, CHROMA],
        Chroma::FullSize => [LUMA, FULL_CHROMA],
    };
    tables.map(|table| scaled(&table, quality))
}

fn scaled(table: &[u16; 64], quality: u8) -> [u8; 64] {
    let quality = u32::from(quality.clamp(1, 100));
    let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    table.map(|q| u8::try_from(((u32::from(q) * percent + 50) / 100).clamp(1, 255)).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_scales_the_tables_as_everybody_does() {
        assert_eq!([10, 50, 80, 100].map(|quality| scaled(&[16; 64], quality)[0]), [80, 16, 6, 1]);
        assert_eq!([1, 50].map(|quality| scaled(&[255; 64], quality)[0]), [255, 255]);
    }

    #[test]
    fn steps_are_what_the_formula_says() {
        for (table, [a, b, c, d, e], scale) in [
            (LUMA, [2.197, 3.2, -1.527, 0.953, 0.155], 1.0),
            (CHROMA, [2.417, 1.745, 0.015, 0.26, 0.105], 1.0),
            (FULL_CHROMA, [2.317, 1.745, 0.015, 0.26, 0.105], 2.0),
        ] {
            for (i, step) in (0_u8..).zip(table) {
                let (x, y) = (f64::from(i % 8) * scale, f64::from(i / 8) * scale);
                let r = x.hypot(y) / 7.0;
                let power =
                    if i == 0 { a + e } else { a + b * r + c * r * r + d * r * x * y / (x * x + y * y) };
                assert!(
                    (power.exp().min(1275.0) - f64::from(step)).abs() < 0.51,
                    "{i}: {step}, not {}",
                    power.exp()
                );
            }
        }
    }

    #[test]
    fn a_picture_in_black_and_white_gets_finer_luma() {
        let chroma = |cb: [u8; 2], cr: [u8; 2], full_chroma| {
            let (cb, cr) = (&cb[..], &cr[..]);
            Chroma::of(&PlanesRef { width: 2, height: 1, y: &[0, 255], cb, cr, full_chroma })
        };
        for (cb, cr, full, expected) in [
            ([128, 126], [130, 128], false, Chroma::Gray),
            ([128, 125], [128, 128], false, Chroma::HalfSize),
            ([128, 128], [128, 131], true, Chroma::FullSize),
            ([128, 128], [128, 128], true, Chroma::Gray),
        ] {
            assert_eq!(chroma(cb, cr, full), expected, "{cb:?}, {cr:?}");
        }
        let [gray, colour] = [Chroma::Gray, Chroma::HalfSize].map(|chroma| tables(50, chroma)[0]);
        assert_eq!(colour, LUMA.map(|step| u8::try_from(step).unwrap()));
        assert!(
            gray.iter()
                .zip(colour)
                .all(|(&gray, colour)| (0.86..0.93).contains(&(f32::from(gray) / f32::from(colour))))
        );
    }

    #[test]
    fn a_wave_of_full_size_chroma_has_the_step_of_its_twin_of_half_size() {
        let tenth_less = |step: u16| 0.905 * f64::from(step);
        for (x, y) in [(1, 0), (0, 3), (2, 2), (3, 1)] {
            let (full, half) = (FULL_CHROMA[y * 8 + x], CHROMA[2 * y * 8 + 2 * x]);
            assert!((f64::from(full) - tenth_less(half)).abs() < 1.0, "{x}, {y}: {full}, {half}");
        }
    }
}

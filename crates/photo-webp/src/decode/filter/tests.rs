use proptest::prelude::*;

use super::*;

/// RFC 6386, 15, place by place.
mod by_the_book {
    fn c(v: i32) -> i32 {
        v.clamp(-128, 127)
    }

    fn common_adjust(use_outer: bool, p: &mut [i32; 8]) -> i32 {
        let a = c(if use_outer { c(p[2] - p[5]) } else { 0 } + 3 * (p[4] - p[3]));
        let b = c(a + 3) >> 3;
        let a = c(a + 4) >> 3;
        p[4] = c(p[4] - a);
        p[3] = c(p[3] + b);
        a
    }

    fn rough(p: &[i32; 8], threshold: i32) -> bool {
        (p[2] - p[3]).abs() > threshold || (p[5] - p[4]).abs() > threshold
    }

    fn simple_wanted(p: &[i32; 8], limit: i32) -> bool {
        (p[3] - p[4]).abs() * 2 + ((p[2] - p[5]).abs() >> 1) <= limit
    }

    fn wanted(p: &[i32; 8], interior: i32, limit: i32) -> bool {
        let steps = [(0, 1), (1, 2), (2, 3), (7, 6), (6, 5), (5, 4)];
        simple_wanted(p, limit) && steps.iter().all(|&(a, b)| (p[a] - p[b]).abs() <= interior)
    }

    /// 0 simple, 1 inner, 2 outer; the pixels' own levels.
    pub(super) fn filtered(kind: u8, pixels: [u8; 8], limit: i32, interior: i32, threshold: i32) -> [u8; 8] {
        let mut p = pixels.map(|v| i32::from(v) - 128);
        match kind {
            0 => {
                if simple_wanted(&p, limit) {
                    common_adjust(true, &mut p);
                }
            }
            1 => {
                if wanted(&p, interior, limit) {
                    let rough = rough(&p, threshold);
                    let a = (common_adjust(rough, &mut p) + 1) >> 1;
                    if !rough {
                        p[5] = c(p[5] - a);
                        p[2] = c(p[2] + a);
                    }
                }
            }
            _ => {
                if wanted(&p, interior, limit) {
                    if rough(&p, threshold) {
                        common_adjust(true, &mut p);
                    } else {
                        let w = c(c(p[2] - p[5]) + 3 * (p[4] - p[3]));
                        for (factor, before, behind) in [(27, 3, 4), (18, 2, 5), (9, 1, 6)] {
                            let a = c((factor * w + 63) >> 7);
                            p[behind] = c(p[behind] - a);
                            p[before] = c(p[before] + a);
                        }
                    }
                }
            }
        }
        p.map(|v| u8::try_from(v + 128).unwrap())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn edges_are_filtered_as_the_format_says(
        kind in 0_u8..3, level in 1_i32..64, sharpness in 0_i32..8, outer: bool,
        base: u8, spread in 0_u8..128, noise: [[u8; 8]; 16],
    ) {
        let strength = Strength::new(level, sharpness).unwrap();
        let limit = strength.inner + if outer { 4 } else { 0 };
        let edge = Edge::new(strength, limit);
        // From smooth to rough.
        let rows = noise.map(|row| row.map(|n| base.saturating_add(n % (spread + 1))));
        let found = filtered_columns(rows, &|p| match kind {
            0 => simple_edge(p, &edge),
            1 => inner_edge(p, &edge),
            _ => outer_edge(p, &edge),
        });
        for (row, found) in rows.into_iter().zip(found.unwrap_or(rows)) {
            let expected = by_the_book::filtered(
                kind, row, limit.into(), strength.interior.into(), strength.high_variance.into(),
            );
            prop_assert_eq!(found, expected, "{:?} {:?}", row, strength);
        }
    }

    #[test]
    fn rows_are_filtered_as_columns_are(noise: [[u8; 16]; 8], level in 1_i32..64) {
        let strength = Strength::new(level, 0).unwrap();
        let edge = Edge::new(strength, strength.inner);
        let smooth = noise.map(|row| row.map(|n| 100 + n % 16));
        let mut upright = Plane { samples: smooth.concat(), stride: 16 };
        upright.across_rows(64, &|p| inner_edge(p, &edge));
        let turned: Vec<u8> = (0..128).map(|i| smooth[i % 8][i / 8]).collect();
        let mut turned = Plane { samples: turned, stride: 8 };
        turned.across_columns(4, &|p| inner_edge(p, &edge));
        let back: Vec<u8> = (0..128).map(|i| turned.samples[i % 16 * 8 + i / 16]).collect();
        prop_assert_eq!(upright.samples, back);
    }
}

#[test]
fn limits_are_those_of_the_format() {
    // Level, sharpness; the limit inside, that between pixels, the threshold of high variance.
    for (level, sharpness, expected) in [
        (1, 0, (3, 1, 0)),
        (14, 0, (42, 14, 0)),
        (15, 0, (45, 15, 1)),
        (40, 0, (120, 40, 2)),
        (63, 0, (189, 63, 2)),
        (10, 1, (25, 5, 0)),
        (63, 4, (131, 5, 2)),
        (63, 5, (130, 4, 2)),
        (63, 7, (128, 2, 2)),
        (1, 7, (3, 1, 0)),
    ] {
        let Strength { inner, interior, high_variance } = Strength::new(level, sharpness).unwrap();
        assert_eq!((inner, interior, high_variance), expected, "{level}, {sharpness}");
    }
    assert_eq!(Strength::new(0, 3), None);
}

//! Full range, in which black is 0 and white 255, as JPEG has it, and limited range, 16 and 235, as WebP has it
//! (ITU-R BT.601).

/// What each level of a plane becomes.
pub(crate) struct Table([u8; 256]);

/// Of full-range luma.
pub(crate) static LIMITED_LUMA: Table = Table::limited(16, 219, 0);
/// Of full-range chroma.
pub(crate) static LIMITED_CHROMA: Table = Table::limited(128, 224, 128);
/// Of limited-range luma. What is beyond black and white is black and white.
pub(crate) static FULL_LUMA: Table = Table::full(16, 219, 0);
/// Of limited-range chroma.
pub(crate) static FULL_CHROMA: Table = Table::full(128, 224, 128);

impl Table {
    /// `offset + (level − zero) × steps / 255`, rounded to nearest.
    const fn limited(offset: i32, steps: i32, zero: i32) -> Self {
        Self::linear(zero, offset, steps, 255)
    }

    /// `zero + (level − offset) × 255 / steps`, likewise.
    const fn full(offset: i32, steps: i32, zero: i32) -> Self {
        Self::linear(offset, zero, 255, steps)
    }

    /// `to + (level − from) × times / over`, rounded to nearest and clamped.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped; no other way in const"
    )]
    const fn linear(from: i32, to: i32, times: i32, over: i32) -> Self {
        let mut table = [0; 256];
        let mut level = 0;
        while level < 256 {
            let value = (2 * (to * over + (level - from) * times) + over).div_euclid(2 * over);
            table[level as usize] = if value < 0 {
                0
            } else if value > 255 {
                255
            } else {
                value as u8
            };
            level += 1;
        }
        Self(table)
    }

    /// A plane in the other range.
    pub(crate) fn of(&self, plane: &[u8]) -> Vec<u8> {
        plane.iter().map(|&level| self.0[usize::from(level)]).collect()
    }

    /// The same in place.
    pub(crate) fn apply(&self, plane: &mut [u8]) {
        for level in plane {
            *level = self.0[usize::from(*level)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limited_range_is_the_standard_s() {
        let (luma, chroma) = (&LIMITED_LUMA.0, &LIMITED_CHROMA.0);
        assert_eq!((luma[0], luma[128], luma[255]), (16, 126, 235));
        assert_eq!((chroma[0], chroma[128], chroma[255]), (16, 128, 240));
        for level in 0..=255_u8 {
            let exact = 16.0 + f64::from(level) * 219.0 / 255.0;
            assert!((f64::from(luma[usize::from(level)]) - exact).abs() <= 0.5);
            let exact = 128.0 + (f64::from(level) - 128.0) * 224.0 / 255.0;
            assert!((f64::from(chroma[usize::from(level)]) - exact).abs() <= 0.5);
        }
    }

    #[test]
    fn the_full_range_is_the_limited_one_s_inverse() {
        for level in 16..=235 {
            assert_eq!(LIMITED_LUMA.of(&FULL_LUMA.of(&[level])), [level]);
        }
        for level in 16..=240 {
            assert_eq!(LIMITED_CHROMA.of(&FULL_CHROMA.of(&[level])), [level]);
        }
        assert_eq!(FULL_LUMA.of(&[0, 15, 16, 235, 236, 255]), [0, 0, 0, 255, 255, 255]);
        assert_eq!(FULL_CHROMA.of(&[0, 16, 128, 240, 255]), [0, 1, 128, 255, 255]);
        let mut plane = [126, 16];
        FULL_LUMA.apply(&mut plane);
        assert_eq!(plane, [128, 0]);
    }
}

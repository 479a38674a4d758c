//! Rotation, mirroring and clean aperture (ISO/IEC 23008-12, 6.5.9, 6.5.10 and 6.5.12).

use crate::boxes::Reader;

/// A part of the stored picture, in px.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crop {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// A crop of the stored picture, then a transposition, then mirroring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transform {
    pub(crate) crop: Crop,
    transpose: bool,
    mirror_x: bool,
    mirror_y: bool,
}

impl Transform {
    pub(crate) const fn identity(width: u32, height: u32) -> Self {
        let crop = Crop { x: 0, y: 0, width, height };
        Self { crop, transpose: false, mirror_x: false, mirror_y: false }
    }

    /// The orientation as EXIF numbers it, 1 to 8.
    pub(crate) const fn orientation(&self) -> u8 {
        match (self.transpose, self.mirror_x, self.mirror_y) {
            (false, false, false) => 1,
            (false, true, false) => 2,
            (false, true, true) => 3,
            (false, false, true) => 4,
            (true, false, false) => 5,
            (true, true, false) => 6,
            (true, true, true) => 7,
            (true, false, true) => 8,
        }
    }

    /// Applies one more property. Those that are no transformation and those that are broken change nothing.
    pub(crate) fn apply(&mut self, kind: [u8; 4], body: &[u8]) {
        match (&kind, body) {
            // Quarters of a turn, anticlockwise.
            (b"irot", [turns, ..]) => match turns & 3 {
                1 => self.transpose(false, true),
                2 => self.mirror(true, true),
                3 => self.transpose(true, false),
                _ => {}
            },
            // 0 exchanges top and bottom, 1 left and right.
            (b"imir", [axis, ..]) => {
                let left_and_right = axis & 1 == 1;
                self.mirror(left_and_right, !left_and_right);
            }
            (b"clap", body) => self.crop = self.clean_aperture(body).unwrap_or(self.crop),
            _ => {}
        }
    }

    fn mirror(&mut self, x: bool, y: bool) {
        self.mirror_x ^= x;
        self.mirror_y ^= y;
    }

    fn transpose(&mut self, mirror_x: bool, mirror_y: bool) {
        self.transpose = !self.transpose;
        (self.mirror_x, self.mirror_y) = (self.mirror_y, self.mirror_x);
        self.mirror(mirror_x, mirror_y);
    }

    /// The part of the stored picture that a clean aperture of the transformed one leaves; `None` if there is none.
    fn clean_aperture(&self, body: &[u8]) -> Option<Crop> {
        let mut reader = Reader::new(body);
        let mut fraction = || {
            let numerator = i32::from_be_bytes(reader.array().ok()?);
            let denominator = i32::from_be_bytes(reader.array().ok()?);
            Some((i64::from(numerator), i64::from(denominator)))
        };
        let (width, height) = (fraction()?, fraction()?);
        let (x, y) = (fraction()?, fraction()?);
        let Crop { width: stored_width, height: stored_height, .. } = self.crop;
        let (shown_width, shown_height) =
            if self.transpose { (stored_height, stored_width) } else { (stored_width, stored_height) };
        let (mut x, width) = aperture(shown_width, width, x)?;
        let (mut y, height) = aperture(shown_height, height, y)?;
        if self.mirror_x {
            x = shown_width - x - width;
        }
        if self.mirror_y {
            y = shown_height - y - height;
        }
        let (x, y, width, height) =
            if self.transpose { (y, x, height, width) } else { (x, y, width, height) };
        Some(Crop { x: self.crop.x + x, y: self.crop.y + y, width, height })
    }
}

/// Start and length in whole px of one side. Fractions are rounded as libheif does.
fn aperture(side: u32, (length, d): (i64, i64), (offset, e): (i64, i64)) -> Option<(u32, u32)> {
    if d <= 0 || e <= 0 || length <= 0 {
        return None;
    }
    let (length, d, offset, e) = (i128::from(length), i128::from(d), i128::from(offset), i128::from(e));
    let side_px = i128::from(side);
    // offset + (side - 1) / 2 - (length - 1) / 2, rounded down.
    let start = (2 * offset * d + side_px * d * e - length * e).div_euclid(2 * d * e);
    let rounded = (2 * length + d) / (2 * d);
    let end = (start + rounded).min(side_px);
    let start = start.max(0);
    let start = u32::try_from(start).ok()?;
    let length = u32::try_from(end).ok()?.checked_sub(start)?;
    (length > 0).then_some((start, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orientation(properties: &[(&[u8; 4], u8)]) -> u8 {
        let mut transform = Transform::identity(4, 3);
        for (kind, value) in properties {
            transform.apply(**kind, &[*value]);
        }
        transform.orientation()
    }

    #[test]
    fn rotation_and_mirroring_compose_in_their_order() {
        for (turns, expected) in [(0, 1), (1, 8), (2, 3), (3, 6)] {
            assert_eq!(orientation(&[(b"irot", turns)]), expected);
        }
        assert_eq!(orientation(&[(b"imir", 0)]), 4);
        assert_eq!(orientation(&[(b"imir", 1)]), 2);
        // Turned clockwise, then left and right exchanged, is the transpose; the other way round is the transverse.
        assert_eq!(orientation(&[(b"irot", 3), (b"imir", 1)]), 5);
        assert_eq!(orientation(&[(b"imir", 1), (b"irot", 3)]), 7);
        assert_eq!(orientation(&[(b"irot", 1), (b"irot", 3), (b"imir", 0), (b"imir", 0)]), 1);
    }

    fn clap(numbers: [i32; 8]) -> Vec<u8> {
        numbers.into_iter().flat_map(i32::to_be_bytes).collect()
    }

    #[test]
    fn a_clean_aperture_crops_what_came_before_it() {
        let body = clap([40, 1, 20, 1, 5, 1, -3, 1]);
        let mut plain = Transform::identity(100, 60);
        plain.apply(*b"clap", &body);
        assert_eq!(plain.crop, Crop { x: 35, y: 17, width: 40, height: 20 });
        // Shown 60 x 100 after a turn of 90 degrees anticlockwise: its left is the stored top.
        let mut turned = Transform::identity(100, 60);
        turned.apply(*b"irot", &[1]);
        turned.apply(*b"clap", &body);
        assert_eq!(turned.crop, Crop { x: 100 - 37 - 20, y: 15, width: 20, height: 40 });
    }

    #[test]
    fn an_impossible_clean_aperture_counts_for_nothing() {
        for numbers in [
            [40, 0, 20, 1, 0, 1, 0, 1],
            [40, 1, -20, 1, 0, 1, 0, 1],
            [40, 1, 20, 1, 900, 1, 0, 1],
            [i32::MAX, 1, 1, i32::MAX, i32::MIN, 1, i32::MAX, 1],
        ] {
            let mut transform = Transform::identity(100, 60);
            transform.apply(*b"clap", &clap(numbers));
            assert_eq!(transform, Transform::identity(100, 60));
        }
    }

    #[test]
    fn a_transformation_that_ends_early_counts_for_nothing() {
        let body = clap([40, 1, 20, 1, 5, 1, -3, 1]);
        let mut transform = Transform::identity(100, 60);
        for length in 0..body.len() {
            transform.apply(*b"clap", &body[..length]);
        }
        transform.apply(*b"irot", &[]);
        transform.apply(*b"imir", &[]);
        assert_eq!(transform, Transform::identity(100, 60));
    }
}

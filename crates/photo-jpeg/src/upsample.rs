//! Planes that are smaller than the picture, enlarged row by row.

use crate::picture::Plane;

/// Weights are in 256ths.
const ONE: u16 = 256;

/// Gives the rows of a plane at the size of the picture.
pub(crate) struct Rows<'a> {
    plane: &'a Plane,
    /// For each column: the left one of two samples, and the share of the right one. Empty if there is nothing to do.
    columns: Vec<(u32, u16)>,
    lines: Vec<(u32, u16)>,
    mixed: Vec<u16>,
    row: Vec<u8>,
}

impl<'a> Rows<'a> {
    /// For a picture of this size, of which the photo takes the part `exact`.
    pub(crate) fn new(plane: &'a Plane, (width, height): (usize, usize), exact: (f64, f64)) -> Self {
        let columns = weights(width, plane.width, plane.exact_width / exact.0);
        let lines = weights(height, plane.height, plane.exact_height / exact.1);
        let (mixed, row) = if columns.is_empty() && lines.is_empty() {
            (Vec::new(), Vec::new())
        } else {
            // One sample more, so that the last column has a right one.
            (vec![0; plane.width + 1], vec![0; width])
        };
        Self { plane, columns, lines, mixed, row }
    }

    pub(crate) fn row(&mut self, y: usize) -> &[u8] {
        if self.row.is_empty() {
            return self.plane.row(y);
        }
        let (above, share) = self.lines.get(y).map_or((y, 0), |&(above, share)| (above as usize, share));
        let upper = self.plane.row(above);
        let lower = self.plane.row((above + 1).min(self.plane.height - 1));
        for ((mixed, &a), &b) in self.mixed.iter_mut().zip(upper).zip(lower) {
            *mixed = u16::from(a) * (ONE - share) + u16::from(b) * share;
        }
        if self.columns.is_empty() {
            for (out, &mixed) in self.row.iter_mut().zip(&self.mixed) {
                *out = rounded(u32::from(mixed) * u32::from(ONE));
            }
            return &self.row;
        }
        if let [.., before, last] = &mut self.mixed[..] {
            *last = *before;
        }
        for (out, &(left, share)) in self.row.iter_mut().zip(&self.columns) {
            let pair = self.mixed.get(left as usize..).and_then(|rest| rest.first_chunk::<2>());
            let [a, b] = pair.copied().unwrap_or_default().map(u32::from);
            *out = rounded(a * u32::from(ONE - share) + b * u32::from(share));
        }
        &self.row
    }
}

/// From 65,536ths, to nearest.
#[inline(always)]
fn rounded(sum: u32) -> u8 {
    // At most 255.5 before the shift.
    #[expect(clippy::cast_possible_truncation)]
    let level = ((sum + 0x8000) >> 16) as u8;
    level
}

/// Linear interpolation between the centres of samples; outside of the first and the last, those themselves.
fn weights(count: usize, stored: usize, ratio: f64) -> Vec<(u32, u16)> {
    // Exact: both are quotients of small integers times the same side.
    if stored == count && (ratio - 1.0).abs() < 1e-9 {
        return Vec::new();
    }
    let last = stored.saturating_sub(1);
    let weight = |i: usize| {
        #[expect(clippy::cast_precision_loss)]
        let (place, most) = (((i as f64 + 0.5) * ratio - 0.5), last as f64);
        let place = place.clamp(0.0, most);
        // Within 0 to 65,535 and 0 to 256 by the clamp.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let (left, share) = (place.floor() as u32, (place.fract() * f64::from(ONE)).round() as u16);
        (left, share)
    };
    (0..count).map(weight).collect()
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
mod tests {
    use super::*;

    #[test]
    fn doubled_samples_lie_a_quarter_off_the_stored_ones() {
        let plane = Plane {
            width: 3,
            height: 2,
            exact_width: 2.5,
            exact_height: 2.0,
            samples: vec![0, 100, 200, 40, 140, 240],
        };
        let mut rows = Rows::new(&plane, (5, 4), (5.0, 4.0));
        assert_eq!(rows.row(0), [0, 25, 75, 125, 175]);
        assert_eq!(rows.row(1), [10, 35, 85, 135, 185]);
        assert_eq!(rows.row(3), [40, 65, 115, 165, 215]);
    }

    #[test]
    fn a_plane_of_the_right_size_is_left_alone() {
        let plane = Plane { width: 2, height: 1, exact_width: 1.5, exact_height: 1.0, samples: vec![9, 8] };
        let mut rows = Rows::new(&plane, (2, 1), (1.5, 1.0));
        assert!(rows.row.is_empty());
        assert_eq!(rows.row(0), [9, 8]);
    }

    #[test]
    fn any_ratio_keeps_a_flat_plane_flat() {
        for (width, height) in [(1, 1), (3, 5), (7, 2)] {
            let plane = Plane {
                width,
                height,
                exact_width: width as f64,
                exact_height: height as f64,
                samples: vec![201; width * height],
            };
            let mut rows = Rows::new(&plane, (8, 6), (8.0, 6.0));
            for y in 0..6 {
                assert_eq!(rows.row(y), [201; 8], "{width} x {height}");
            }
        }
    }
}

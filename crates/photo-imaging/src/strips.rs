//! Reduces a picture whose rows come one after the other.
//!
//! A group of rows of the smaller picture needs only the rows around its place. Each group is made of those by the very resizer
//! that makes whole pictures, told which part of its rows it is of: the same filter at the same places.

use crate::error::ImagingError;
use crate::raster::{Channels, Raster};
use crate::resize::{Crop, resize_samples};

/// Rows of the smaller picture that are made at once. The rows around a group are looked at by its neighbours too: six times the
/// reduction for so many times the reduction.
const GROUP: u32 = 32;
/// Lobes of the filter on each side.
const LOBES: f64 = 3.0;

/// The rows that are still needed, and those that are done.
pub(crate) struct Strips {
    size: (u32, u32),
    channels: Channels,
    target: (u32, u32),
    /// Whole rows from `first` on.
    rows: Vec<u8>,
    first: u32,
    /// Rows that have come.
    come: u32,
    done: Vec<u8>,
    done_rows: u32,
}

impl Strips {
    /// From a picture of this size to one that is not larger, both in px and at least 1 × 1.
    pub(crate) fn new(size: (u32, u32), channels: Channels, target: (u32, u32)) -> Self {
        let done = Vec::with_capacity(target.0 as usize * target.1 as usize * channels.count());
        Self { size, channels, target, rows: Vec::new(), first: 0, come: 0, done, done_rows: 0 }
    }

    /// The next row.
    pub(crate) fn push(&mut self, row: &[u8]) -> Result<(), ImagingError> {
        let length = self.length();
        if row.len() != length || self.come == self.size.1 {
            return Err(ImagingError::Internal("a row that does not fit".to_owned()));
        }
        self.rows.extend_from_slice(row);
        self.come += 1;
        while let Some(group) = self.next_group().filter(|group| group.end <= self.come) {
            self.make(&group)?;
        }
        Ok(())
    }

    /// The smaller picture, once all rows have come.
    pub(crate) fn finish(self) -> Result<Raster, ImagingError> {
        Raster::new(self.target.0, self.target.1, self.channels, self.done)
            .ok_or_else(|| ImagingError::Internal("rows are missing".to_owned()))
    }

    fn length(&self) -> usize {
        self.size.0 as usize * self.channels.count()
    }

    fn next_group(&self) -> Option<Group> {
        let count = GROUP.min(self.target.1 - self.done_rows);
        if count == 0 {
            return None;
        }
        let height = f64::from(self.size.1);
        let scale = height / f64::from(self.target.1);
        let (top, bottom) = (f64::from(self.done_rows) * scale, f64::from(self.done_rows + count) * scale);
        let reach = LOBES * scale.max(1.0) + 1.0;
        // In range by the clamp.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let row = |place: f64| place.clamp(0.0, height) as u32;
        Some(Group {
            count,
            top,
            bottom: bottom.min(height),
            start: row((top - reach).floor()),
            end: row((bottom + reach).ceil()),
        })
    }

    fn make(&mut self, group: &Group) -> Result<(), ImagingError> {
        let length = self.length();
        let height = group.end - self.first;
        let rows = &self.rows[..height as usize * length];
        let top = group.top - f64::from(self.first);
        let part = Crop {
            left: 0.0,
            top,
            width: f64::from(self.size.0),
            height: (group.bottom - group.top).min(f64::from(height) - top),
        };
        let made = resize_samples(
            rows,
            (self.size.0, height),
            self.channels,
            Some(part),
            (self.target.0, group.count),
        )?;
        self.done.extend_from_slice(made.data());
        self.done_rows += group.count;
        // What the next group needs stays.
        let start = self.next_group().map_or(self.come, |next| next.start);
        let over = start.saturating_sub(self.first).min(self.come - self.first);
        self.rows.drain(..over as usize * length);
        self.first += over;
        Ok(())
    }
}

/// Rows of the smaller picture, and where they lie in the larger.
struct Group {
    count: u32,
    top: f64,
    bottom: f64,
    /// The rows that the filter sees: from this on.
    start: u32,
    /// Up to this, which is not one of them.
    end: u32,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::resize::resize;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn strips_are_the_whole_within_a_level(
            width in 1_u32..60,
            height in 1_u32..400,
            share in (1_u32..=100, 1_u32..=100),
            seed: u32,
        ) {
            let mut state = seed;
            let data: Vec<u8> = (0..width * height * 3)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state.to_be_bytes()[0]
                })
                .collect();
            let target = ((width * share.0).div_ceil(100), (height * share.1).div_ceil(100));
            let mut strips = Strips::new((width, height), Channels::Rgb, target);
            for row in data.chunks(width as usize * 3) {
                strips.push(row)?;
                let kept = strips.rows.len() / (width as usize * 3);
                let scale = height.div_ceil(target.1) as usize;
                prop_assert!(kept <= (GROUP as usize + 8) * scale + 8, "{kept} rows");
            }
            let found = strips.finish()?;
            let whole = Raster::new(width, height, Channels::Rgb, data).unwrap();
            let expected = resize(&whole, None, target.0, target.1)?;
            prop_assert!(found.data().iter().zip(expected.data()).all(|(a, b)| a.abs_diff(*b) <= 1));
        }
    }

    #[test]
    fn rows_that_do_not_fit_are_errors() {
        let mut strips = Strips::new((2, 2), Channels::Gray, (1, 1));
        assert!(strips.push(&[1]).is_err());
        assert!(
            strips.push(&[1, 2]).is_ok() && strips.push(&[1, 2]).is_ok() && strips.push(&[1, 2]).is_err()
        );
        let mut half = Strips::new((2, 2), Channels::Gray, (1, 1));
        assert!(half.push(&[1, 2]).is_ok() && half.finish().is_err());
    }
}

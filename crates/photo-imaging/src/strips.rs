//! Reduces a picture group of rows by group of rows, so that no copy of the whole picture is needed.
//!
//! A group of rows of the smaller picture needs only the rows around its place. Each group is made of those by the very resizer
//! that makes whole pictures, told which part of its rows it is of: the same filter at the same places.

use crate::error::ImagingError;
use crate::raster::{Channels, Raster};
use crate::resize::{Crop, divide_alpha, multiply_alpha, resize_premultiplied};

/// Rows of the smaller picture that are made at once, at most: each group computes the filter's weights again.
const GROUP: u32 = 32;
/// At least: fewer are held longer than they save.
const LEAST_GROUP: u32 = 4;
/// A group has fewer rows if it looked at more bytes of the larger picture than this.
const GROUP_BYTES: f64 = 8_388_608.0;
/// Lobes of the filter on each side.
const LOBES: f64 = 3.0;

/// Reduces a picture that is there as a whole. It is premultiplied in place.
pub(crate) fn reduced(raster: Raster, target: (u32, u32)) -> Result<Raster, ImagingError> {
    let (size, channels) = ((raster.width(), raster.height()), raster.channels());
    if size == target {
        return Ok(raster);
    }
    let mut rows = raster.into_data();
    multiply_alpha(&mut rows, size, channels)?;
    let mut smaller = Smaller::new(size, channels, target);
    while let Some(group) = smaller.next_group() {
        smaller.make(&group, &rows, 0)?;
    }
    smaller.finish()
}

/// Reduces a picture whose rows come one after the other.
pub(crate) struct Strips {
    /// Whole rows from `first` on, premultiplied.
    rows: Vec<u8>,
    first: u32,
    /// Rows that have come.
    come: u32,
    smaller: Smaller,
}

impl Strips {
    /// From a picture of this size to one that is not larger, both in px and at least 1 × 1.
    pub(crate) fn new(size: (u32, u32), channels: Channels, target: (u32, u32)) -> Self {
        let smaller = Smaller::new(size, channels, target);
        let rows = Vec::with_capacity(smaller.most_rows() as usize * smaller.row_bytes());
        Self { rows, first: 0, come: 0, smaller }
    }

    /// The next row.
    pub(crate) fn push(&mut self, row: &[u8]) -> Result<(), ImagingError> {
        let (size, channels) = (self.smaller.size, self.smaller.channels);
        if row.len() != self.smaller.row_bytes() || self.come == size.1 {
            return Err(ImagingError::Internal("a row that does not fit".to_owned()));
        }
        let start = self.rows.len();
        self.rows.extend_from_slice(row);
        multiply_alpha(&mut self.rows[start..], (size.0, 1), channels)?;
        self.come += 1;
        while let Some(group) = self.smaller.next_group().filter(|group| group.end <= self.come) {
            self.smaller.make(&group, &self.rows, self.first)?;
            // What the next group needs stays.
            let start = self.smaller.next_group().map_or(self.come, |next| next.start);
            let over = start.saturating_sub(self.first).min(self.come - self.first);
            self.rows.drain(..over as usize * self.smaller.row_bytes());
            self.first += over;
        }
        Ok(())
    }

    /// The smaller picture, once all rows have come.
    pub(crate) fn finish(self) -> Result<Raster, ImagingError> {
        self.smaller.finish()
    }
}

/// Takes the rows of a picture, and reduces them if the target is smaller.
pub(crate) enum RowSink {
    Whole { size: (u32, u32), channels: Channels, data: Vec<u8> },
    Reduced(Strips),
}

impl RowSink {
    /// For a picture of this size and a target that is not larger, both in px and at least 1 × 1.
    pub(crate) fn new(size: (u32, u32), channels: Channels, target: (u32, u32)) -> Self {
        if size != target {
            return Self::Reduced(Strips::new(size, channels, target));
        }
        let data = Vec::with_capacity(size.0 as usize * size.1 as usize * channels.count());
        Self::Whole { size, channels, data }
    }

    /// The next row.
    pub(crate) fn push(&mut self, row: &[u8]) -> Result<(), ImagingError> {
        match self {
            Self::Whole { data, .. } => {
                data.extend_from_slice(row);
                Ok(())
            }
            Self::Reduced(strips) => strips.push(row),
        }
    }

    /// The picture of the target's size, once all rows have come.
    pub(crate) fn finish(self) -> Result<Raster, ImagingError> {
        match self {
            Self::Whole { size, channels, data } => Raster::new(size.0, size.1, channels, data)
                .ok_or_else(|| ImagingError::Internal("rows are missing".to_owned())),
            Self::Reduced(strips) => strips.finish(),
        }
    }

    /// Memory in bytes that it takes for pixels of at most four channels, with the picture of the target's size.
    pub(crate) fn bytes(size: (u32, u32), target: (u32, u32)) -> u64 {
        let channels = Channels::Rgba;
        if size != target {
            return bytes(size, channels, target);
        }
        u64::from(size.0) * u64::from(size.1) * channels.count() as u64
    }
}

/// Memory in bytes that [`Strips`] takes, with the smaller picture.
pub(crate) fn bytes(size: (u32, u32), channels: Channels, target: (u32, u32)) -> u64 {
    let smaller = Smaller::new(size, channels, target);
    let narrow_row = u64::from(target.0) * channels.count() as u64;
    // Rows as they come, and the same at the smaller width.
    u64::from(smaller.most_rows()) * (smaller.row_bytes() as u64 + narrow_row)
        + narrow_row * u64::from(target.1)
}

/// The smaller picture as far as it is done.
struct Smaller {
    size: (u32, u32),
    channels: Channels,
    target: (u32, u32),
    /// Rows of a whole group.
    group: u32,
    done: Vec<u8>,
    done_rows: u32,
}

impl Smaller {
    fn new(size: (u32, u32), channels: Channels, target: (u32, u32)) -> Self {
        let mut smaller = Self { size, channels, target, group: GROUP, done: Vec::new(), done_rows: 0 };
        while smaller.group > LEAST_GROUP && smaller.group_bytes() > GROUP_BYTES {
            smaller.group /= 2;
        }
        smaller
    }

    fn row_bytes(&self) -> usize {
        self.size.0 as usize * self.channels.count()
    }

    /// How many times higher the larger picture is.
    fn scale(&self) -> f64 {
        f64::from(self.size.1) / f64::from(self.target.1)
    }

    /// Bytes of the larger picture that a group looks at.
    fn group_bytes(&self) -> f64 {
        // Far below 2⁵³.
        #[expect(clippy::cast_precision_loss)]
        let row_bytes = self.row_bytes() as f64;
        (f64::from(self.group) + 2.0 * LOBES) * self.scale() * row_bytes
    }

    /// Rows of the larger picture that a group looks at, at most.
    fn most_rows(&self) -> u32 {
        let scale = self.scale();
        let rows = f64::from(self.group) * scale + 2.0 * (LOBES * scale.max(1.0) + 2.0);
        // In range by the clamp.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rows = rows.ceil().clamp(1.0, f64::from(self.size.1)) as u32;
        rows
    }

    fn next_group(&self) -> Option<Group> {
        let count = self.group.min(self.target.1 - self.done_rows);
        if count == 0 {
            return None;
        }
        let (height, scale) = (f64::from(self.size.1), self.scale());
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

    /// `rows` are those of the larger picture from `first` on.
    fn make(&mut self, group: &Group, rows: &[u8], first: u32) -> Result<(), ImagingError> {
        let start = group.start.max(first);
        let height = group.end - start;
        let row_bytes = self.row_bytes();
        let rows = &rows[(start - first) as usize * row_bytes..][..height as usize * row_bytes];
        let top = group.top - f64::from(start);
        let part = Crop {
            left: 0.0,
            top,
            width: f64::from(self.size.0),
            height: (group.bottom - group.top).min(f64::from(height) - top),
        };
        let target = (self.target.0, group.count);
        let mut made = resize_premultiplied(rows, (self.size.0, height), self.channels, part, target)?;
        divide_alpha(&mut made, target, self.channels)?;
        if self.done.is_empty() {
            self.done.reserve_exact(self.target.0 as usize * self.target.1 as usize * self.channels.count());
        }
        self.done.append(&mut made);
        self.done_rows += group.count;
        Ok(())
    }

    fn finish(self) -> Result<Raster, ImagingError> {
        Raster::new(self.target.0, self.target.1, self.channels, self.done)
            .ok_or_else(|| ImagingError::Internal("rows are missing".to_owned()))
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
                prop_assert!(kept <= strips.smaller.most_rows() as usize, "{kept} rows");
            }
            let found = strips.finish()?;
            let whole = Raster::new(width, height, Channels::Rgb, data).unwrap();
            let expected = resize(&whole, None, target.0, target.1)?;
            prop_assert!(found.data().iter().zip(expected.data()).all(|(a, b)| a.abs_diff(*b) <= 1));
            prop_assert_eq!(reduced(whole, target)?, if target == (width, height) { expected } else { found });
        }

        #[test]
        fn alpha_of_a_whole_picture_is_that_of_its_rows(
            width in 1_u32..40, height in 1_u32..200, share in 1_u32..100, gray: bool, seed: u32,
        ) {
            let channels = if gray { Channels::GrayAlpha } else { Channels::Rgba };
            let length = (width * height) as usize * channels.count();
            let mut state = seed;
            let data: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state.to_be_bytes()[0]
                })
                .collect();
            let target = ((width * share).div_ceil(100), (height * share).div_ceil(100));
            prop_assume!(target != (width, height));
            let mut strips = Strips::new((width, height), channels, target);
            for row in data.chunks(width as usize * channels.count()) {
                strips.push(row)?;
            }
            let whole = Raster::new(width, height, channels, data).unwrap();
            prop_assert_eq!(reduced(whole, target)?, strips.finish()?);
        }
    }

    #[test]
    fn a_group_of_a_large_picture_looks_at_few_bytes() {
        // 50 MP to 160 px: 44 rows for one.
        let smaller = Smaller::new((7071, 7071), Channels::Rgba, (160, 160));
        assert_eq!(smaller.group, LEAST_GROUP);
        assert!(smaller.group_bytes() < 1.6 * GROUP_BYTES, "{}", smaller.group_bytes());
        assert_eq!(Smaller::new((7071, 7071), Channels::Rgba, (1280, 1280)).group, GROUP);
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

//! Luma and chroma on their way from the decoder of JPEG or lossy WebP to the encoders, which store what it gives: full-range
//! BT.601, chroma at half the width and height.
//!
//! A sample of chroma stands for two columns and two rows of luma and lies in their middle. An odd side's last sample
//! lies half outside of the picture: there the picture's edge goes on.

use image::metadata::Orientation;

use crate::encode;
use crate::error::ImagingError;
use crate::ladder::Picture;
use crate::options::{RenderOptions, VariantSpec};
use crate::orient::{Mirrored, turned};
use crate::probe::swaps_sides;
use crate::raster::{Channels, Raster};
use crate::resize::{Crop, PlaneRef, resize_plane};

/// A picture in planes, each without padding.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planar {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// `width` × `height` samples.
    pub(crate) y: Vec<u8>,
    /// Half as many columns and rows, rounded up.
    pub(crate) cb: Vec<u8>,
    pub(crate) cr: Vec<u8>,
}

/// Whether the first column and the first row of chroma stand for one column and row of luma alone, the other one
/// being before the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Phase {
    pub(crate) x: bool,
    pub(crate) y: bool,
}

/// Chroma of gray.
const NO_COLOR: u8 = 128;

impl Phase {
    /// Of a picture that is not upright yet: mirroring brings the edge that chroma is counted from to the other end.
    pub(crate) fn before(orientation: Orientation, width: u32, height: u32) -> Self {
        let mirrored = Mirrored::of(orientation);
        Self { x: mirrored.x && width % 2 == 1, y: mirrored.y && height % 2 == 1 }
    }

    /// Samples of chroma along sides of this many px.
    fn samples(self, (width, height): (u32, u32)) -> (u32, u32) {
        let samples = |side: u32, late: bool| (side + u32::from(late)).div_ceil(2);
        (samples(width, self.x), samples(height, self.y))
    }

    /// The part of a picture, as shares of its sides, that chroma covers if luma of this size covers `part`.
    fn covered(self, part: Crop, (width, height): (u32, u32)) -> Crop {
        let (columns, rows) = self.samples((width, height));
        let (step_x, step_y) = (part.width / f64::from(width), part.height / f64::from(height));
        Crop {
            left: part.left - f64::from(u8::from(self.x)) * step_x,
            top: part.top - f64::from(u8::from(self.y)) * step_y,
            width: f64::from(2 * columns) * step_x,
            height: f64::from(2 * rows) * step_y,
        }
    }
}

impl Planar {
    /// A part of a picture (shares of its sides) at this size. `planes` are luma, Cb and Cr, each at any resolution, or
    /// luma alone.
    pub(crate) fn resized(
        planes: &[PlaneRef<'_>],
        part: Crop,
        (width, height): (u32, u32),
        phase: Phase,
    ) -> Result<Self, ImagingError> {
        let size = (width, height);
        let (columns, rows) = phase.samples(size);
        let covered = phase.covered(part, size);
        let chroma = |plane: &PlaneRef<'_>| resize_plane(plane, covered, (columns, rows));
        let (y, cb, cr) = match planes {
            [y, cb, cr] => (resize_plane(y, part, size)?, chroma(cb)?, chroma(cr)?),
            [y] => {
                let gray = vec![NO_COLOR; columns as usize * rows as usize];
                (resize_plane(y, part, size)?, gray.clone(), gray)
            }
            _ => return Err(ImagingError::Internal("neither gray nor three planes".to_owned())),
        };
        Ok(Self { width, height, y, cb, cr })
    }

    fn planes(&self) -> [PlaneRef<'_>; 3] {
        let (width, height) = (f64::from(self.width), f64::from(self.height));
        let half = self.half();
        let chroma = |samples| PlaneRef { samples, size: half, exact: (width / 2.0, height / 2.0) };
        let y = PlaneRef { samples: &self.y, size: (self.width, self.height), exact: (width, height) };
        [y, chroma(&self.cb), chroma(&self.cr)]
    }

    /// Columns and rows of chroma.
    fn half(&self) -> (u32, u32) {
        (self.width.div_ceil(2), self.height.div_ceil(2))
    }

    /// As a viewer shows it. `self` was made with [`Phase::before`] this orientation.
    pub(crate) fn upright(self, orientation: Orientation) -> Self {
        if orientation == Orientation::NoTransforms {
            return self;
        }
        let (size, half) = ((self.width, self.height), self.half());
        let turn = |plane: &[u8], (width, height): (u32, u32)| {
            turned(plane, (width as usize, height as usize), orientation)
        };
        let (width, height) = if swaps_sides(orientation) { (size.1, size.0) } else { size };
        Self { width, height, y: turn(&self.y, size), cb: turn(&self.cb, half), cr: turn(&self.cr, half) }
    }
}

impl Picture for Planar {
    fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn has_alpha(&self) -> bool {
        false
    }

    fn resized(&self, part: Option<Crop>, width: u32, height: u32) -> Result<Self, ImagingError> {
        let part = part.unwrap_or(Crop::WHOLE);
        Self::resized(&self.planes(), part, (width, height), Phase::default())
    }

    /// There is nothing to be seen through it.
    fn flattened(&self, _: [u8; 3]) -> Self {
        self.clone()
    }

    fn padded(&self, (width, height): (u32, u32), background: [u8; 3]) -> Result<Self, ImagingError> {
        let (left, top) = ((width - self.width) / 2, (height - self.height) / 2);
        let phase = Phase { x: left % 2 == 1, y: top % 2 == 1 };
        let shifted;
        // Where the canvas counts chroma from another column or row, it lies between this picture's samples.
        let (cb, cr) = if phase == Phase::default() {
            (&self.cb, &self.cr)
        } else {
            shifted = Self::resized(&self.planes(), Crop::WHOLE, self.size(), phase)?;
            (&shifted.cb, &shifted.cr)
        };
        let [luma, blue, red] = ycbcr_of_rgb(background);
        let canvas = (width as usize, height as usize);
        let half = (canvas.0.div_ceil(2), canvas.1.div_ceil(2));
        let mut y = vec![luma; canvas.0 * canvas.1];
        let (across, down) = (self.width as usize, self.height as usize);
        let (left, top) = (left as usize, top as usize);
        for (row, source) in y.chunks_exact_mut(canvas.0).skip(top).zip(self.y.chunks_exact(across)) {
            row[left..left + across].copy_from_slice(source);
        }
        // Of each sample of chroma along a side: how many of its two columns or rows are picture.
        let (columns, rows) = (shares(left, across, canvas.0), shares(top, down, canvas.1));
        let chroma = |samples: &[u8], background: u8| {
            let mut out = vec![background; half.0 * half.1];
            let lines = out.chunks_exact_mut(half.0).skip(top / 2).zip(samples.chunks_exact(columns.len()));
            for ((line, source), &row) in lines.zip(&rows) {
                for ((out, &sample), &column) in line[left / 2..].iter_mut().zip(source).zip(&columns) {
                    *out = mixed(sample, background, row * column);
                }
            }
            out
        };
        Ok(Self { width, height, y, cb: chroma(cb, blue), cr: chroma(cr, red) })
    }

    fn to_pixels(&self) -> Result<Raster, ImagingError> {
        let size = (self.width, self.height);
        let [_, cb, cr] = self.planes();
        // The whole picture, of which an odd side's last sample shows its first half.
        let (cb, cr) = (resize_plane(&cb, Crop::WHOLE, size)?, resize_plane(&cr, Crop::WHOLE, size)?);
        let pixels = self.y.iter().zip(&cb).zip(&cr);
        let data = pixels.flat_map(|((&y, &cb), &cr)| photo_jpeg::rgb_of_ycbcr([y, cb, cr])).collect();
        Raster::new(self.width, self.height, Channels::Rgb, data)
            .ok_or_else(|| ImagingError::Internal("planes of a wrong size".to_owned()))
    }

    fn encoded(&self, spec: &VariantSpec, options: &RenderOptions) -> Result<Vec<u8>, ImagingError> {
        encode::planar(self, spec, options)
    }
}

/// For each pair of columns (or rows) of a canvas that shows something of a picture, how many of them do: 1 or 2.
fn shares(start: usize, length: usize, canvas: usize) -> Vec<u16> {
    let end = start + length;
    let share = |pair: usize| {
        let (from, to) = (2 * pair, (2 * pair + 2).min(canvas));
        // The last column of an odd canvas stands for two.
        let shown = to.min(end) - from.max(start);
        if shown == to - from { 2 } else { 1 }
    };
    (start / 2..end.div_ceil(2)).map(share).collect()
}

/// `quarters` of four of one, the rest of the other.
fn mixed(sample: u8, background: u8, quarters: u16) -> u8 {
    let sum = u16::from(sample) * quarters + u16::from(background) * (4 - quarters);
    u8::try_from((sum + 2) / 4).unwrap_or(u8::MAX)
}

/// JFIF's colours (ITU-T T.871), rounded to nearest.
fn ycbcr_of_rgb(rgb: [u8; 3]) -> [u8; 3] {
    let [r, g, b] = rgb.map(i32::from);
    // 16.16 fixed point; the factors of each line add up to 65,536 or zero.
    let y = 19_595 * r + 38_470 * g + 7_471 * b;
    let cb = -11_059 * r - 21_709 * g + 32_768 * b + (128 << 16);
    let cr = 32_768 * r - 27_439 * g - 5_329 * b + (128 << 16);
    [y, cb, cr].map(|sum| u8::try_from((sum + 0x8000) >> 16).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slope(width: u32, height: u32) -> Planar {
        let plane = |(width, height): (u32, u32), x_step: u32, y_step: u32| -> Vec<u8> {
            let sample = |i: u32| u8::try_from(20 + (i % width) * x_step + (i / width) * y_step).unwrap();
            (0..width * height).map(sample).collect()
        };
        let half = (width.div_ceil(2), height.div_ceil(2));
        Planar {
            width,
            height,
            y: plane((width, height), 3, 2),
            cb: plane(half, 8, 2),
            cr: plane(half, 2, 8),
        }
    }

    #[test]
    fn a_background_has_the_colours_of_the_standard() {
        let table = [
            ([0, 0, 0], [0, 128, 128]),
            ([255, 255, 255], [255, 128, 128]),
            ([255, 0, 0], [76, 85, 255]),
            ([0, 255, 0], [150, 44, 21]),
            ([0, 0, 255], [29, 255, 107]),
        ];
        for (rgb, ycbcr) in table {
            assert_eq!(ycbcr_of_rgb(rgb), ycbcr, "{rgb:?}");
        }
    }

    #[track_caller]
    fn assert_near(found: Crop, expected: Crop) {
        let sides = |crop: Crop| [crop.left, crop.top, crop.width, crop.height];
        let near = sides(found).into_iter().zip(sides(expected)).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near, "{found:?}, not {expected:?}");
    }

    #[test]
    fn chroma_of_odd_sides_is_counted_from_the_edge_that_will_be_first() {
        let whole = Crop::WHOLE;
        let from_left = Phase::default();
        assert_eq!(from_left.samples((5, 4)), (3, 2));
        assert_near(from_left.covered(whole, (5, 4)), Crop { width: 1.2, ..whole });
        let from_right = Phase::before(Orientation::FlipHorizontal, 5, 4);
        assert_eq!(from_right, Phase { x: true, y: false });
        assert_eq!(from_right.samples((5, 4)), (3, 2));
        assert_near(from_right.covered(whole, (5, 4)), Crop { left: -0.2, width: 1.2, ..whole });
        assert_eq!(Phase::before(Orientation::Rotate180, 4, 6), Phase::default());
        // In the middle of a canvas an even side may need a sample more.
        assert_eq!(Phase { x: true, y: true }.samples((4, 5)), (3, 3));
    }

    #[test]
    fn a_border_is_the_background_s_and_shared_samples_are_mixed() {
        let red = Planar { width: 3, height: 2, y: vec![50; 6], cb: vec![100; 2], cr: vec![200; 2] };
        let padded = red.padded((8, 5), [255; 3]).unwrap();
        // Columns 2 to 4, rows 1 and 2.
        let luma = [255, 255, 50, 50, 50, 255, 255, 255];
        assert_eq!(padded.y[8..16], luma);
        assert_eq!(padded.y[16..24], luma);
        assert!(padded.y[..8].iter().chain(&padded.y[24..]).all(|&y| y == 255));
        // Of the second pair of columns both are red, of the third one; of each pair of rows one.
        assert_eq!(padded.cb, [128, 114, 121, 128, 128, 114, 121, 128, 128, 128, 128, 128]);
        assert_eq!(padded.cr, [128, 164, 146, 128, 128, 164, 146, 128, 128, 128, 128, 128]);
    }

    #[test]
    fn a_picture_of_one_pixel_can_be_put_anywhere() {
        let dot = Planar { width: 1, height: 1, y: vec![9], cb: vec![90], cr: vec![160] };
        for canvas in [(1, 1), (2, 2), (3, 3), (4, 7), (5, 1)] {
            let padded = dot.padded(canvas, [0; 3]).unwrap();
            assert_eq!(padded.y.iter().filter(|y| (5..20).contains(*y)).count(), 1, "{canvas:?}");
            assert_eq!(padded.cb.len(), (canvas.0.div_ceil(2) * canvas.1.div_ceil(2)) as usize);
            let colored = padded.cb.iter().filter(|&&cb| cb < 128).count();
            assert_eq!(colored, 1, "{canvas:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn turning_planes_is_turning_pixels(width in 1_u32..24, height in 1_u32..20, exif in 1_u8..=8) {
            // Slopes are the same at every phase, but for the edges, where Lanczos mirrors nothing.
            let orientation = Orientation::from_exif(exif).unwrap();
            let source = slope(width, height);
            let phase = Phase::before(orientation, width, height);
            let shifted = Planar::resized(&source.planes(), Crop::WHOLE, (width, height), phase).unwrap();
            let turned = shifted.upright(orientation).to_pixels().unwrap();
            let expected = crate::orient::upright(source.to_pixels().unwrap(), orientation);
            prop_assert_eq!((turned.width(), turned.height()), (expected.width(), expected.height()));
            let worst = turned.data().iter().zip(expected.data()).map(|(a, b)| a.abs_diff(*b)).max();
            prop_assert!(worst.unwrap() <= 12, "{worst:?}");
        }

        #[test]
        fn any_canvas_keeps_the_picture_and_its_sizes(
            width in 1_u32..20, height in 1_u32..20, more_x in 0_u32..9, more_y in 0_u32..9,
        ) {
            let canvas = (width + more_x, height + more_y);
            let padded = slope(width, height).padded(canvas, [7, 99, 200]).unwrap();
            let half = (canvas.0.div_ceil(2) * canvas.1.div_ceil(2)) as usize;
            prop_assert_eq!(padded.size(), canvas);
            prop_assert_eq!((padded.y.len(), padded.cb.len(), padded.cr.len()), ((canvas.0 * canvas.1) as usize, half, half));
        }
    }
}

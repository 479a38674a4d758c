//! Decoded samples.

use crate::frame::{Color, Layout};
use crate::idct::WRITTEN;
use crate::upsample::Rows;

/// A decoded picture: one plane for each component, at the resolution that it is stored in times its scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// What the planes are.
    pub color: Color,
    /// Width in px: that of the file, scaled and rounded up.
    pub width: u32,
    /// Height in px, likewise.
    pub height: u32,
    /// Width before it is rounded up: the last column may lie partly outside of the photo.
    pub exact_width: f64,
    /// Height before it is rounded up.
    pub exact_height: f64,
    /// In the order of the file.
    pub planes: Vec<Plane>,
}

/// The samples of one component.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// Samples in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// How many samples the photo is wide. At most `width`; its centre of a sample is half a sample from its edge.
    pub exact_width: f64,
    /// How many samples the photo is high.
    pub exact_height: f64,
    /// `width` × `height`, without padding.
    pub samples: Vec<u8>,
}

impl Plane {
    pub(crate) fn new(layout: &Layout) -> Self {
        Self {
            width: layout.width,
            height: layout.height,
            exact_width: layout.exact_width,
            exact_height: layout.exact_height,
            samples: vec![0; layout.width * layout.height],
        }
    }

    /// Gray from this row on, as libjpeg has it where nothing came.
    pub(crate) fn fill_gray(&mut self, top: usize) {
        self.samples.get_mut(top * self.width..).unwrap_or_default().fill(128);
    }

    /// One row.
    #[must_use]
    pub fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.width..(y + 1) * self.width]
    }
}

impl Picture {
    /// Interleaved pixels: RGB for three components, gray for one, four as they are stored. Smaller planes are enlarged
    /// by a triangle filter, as libjpeg does.
    #[must_use]
    pub fn into_pixels(self) -> Vec<u8> {
        let Self { color, width, height, mut planes, .. } = self;
        let (width, height) = (width as usize, height as usize);
        if color == Color::Gray {
            return planes.pop().map(|plane| plane.samples).unwrap_or_default();
        }
        let channels = planes.len();
        let (whole_width, whole_height) = (self.exact_width, self.exact_height);
        let mut rows: Vec<Rows<'_>> = planes
            .iter()
            .map(|plane| Rows::new(plane, (width, height), (whole_width, whole_height)))
            .collect();
        let mut pixels = vec![0; width * height * channels];
        for (y, out) in pixels.chunks_exact_mut(width * channels).enumerate() {
            match &mut rows[..] {
                [first, second, third] => {
                    let row = (first.row(y), second.row(y), third.row(y));
                    if color == Color::YCbCr { rgb_row(out, row) } else { interleave(out, row) }
                }
                [first, second, third, fourth] => {
                    let sources = [first.row(y), second.row(y), third.row(y), fourth.row(y)];
                    for (x, pixel) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                        *pixel = sources.map(|source| source[x]);
                    }
                }
                _ => {}
            }
        }
        pixels
    }
}

fn interleave(out: &mut [u8], (a, b, c): (&[u8], &[u8], &[u8])) {
    for (((pixel, &a), &b), &c) in out.as_chunks_mut::<3>().0.iter_mut().zip(a).zip(b).zip(c) {
        *pixel = [a, b, c];
    }
}

fn rgb_row(out: &mut [u8], (luma, cb, cr): (&[u8], &[u8], &[u8])) {
    for (((pixel, &y), &cb), &cr) in out.as_chunks_mut::<3>().0.iter_mut().zip(luma).zip(cb).zip(cr) {
        *pixel = rgb_of_ycbcr([y, cb, cr]);
    }
}

/// JFIF's colours (ITU-T T.871): full range, BT.601, rounded to nearest.
#[must_use]
#[inline]
pub fn rgb_of_ycbcr([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
    // 16.16 fixed point, half a unit added for rounding.
    let y = (i32::from(y) << 16) + 0x8000;
    [y + 91_881 * cr, y - 22_554 * cb - 46_802 * cr, y + 116_130 * cb].map(|sum| {
        // Within a byte by the clamp.
        #[expect(clippy::cast_sign_loss)]
        let level = (sum >> 16).clamp(0, 255) as u8;
        level
    })
}

/// A row of blocks on its way to a plane: as wide as whole blocks, which the plane need not be.
pub(crate) struct Strip {
    samples: Vec<u8>,
    stride: usize,
}

impl Strip {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        // A block at the right edge is written as if it were the widest.
        let stride = width + WRITTEN;
        Self { samples: vec![0; stride * height], stride }
    }

    /// The samples from a place on, and the distance of rows.
    #[inline(always)]
    pub(crate) fn at(&mut self, x: usize, y: usize) -> (&mut [u8], usize) {
        (&mut self.samples[y * self.stride + x..], self.stride)
    }

    /// Gray for `width` × `height` samples from the top, `x` from the left.
    pub(crate) fn fill_gray(&mut self, x: usize, (width, height): (usize, usize)) {
        for row in self.samples.chunks_exact_mut(self.stride).take(height) {
            row[x..x + width].fill(128);
        }
    }

    /// Copies what is of the picture to the rows of the plane from `top` on.
    pub(crate) fn store(&self, plane: &mut Plane, top: usize) {
        let width = plane.width;
        let below = plane.samples.get_mut(top * width..).unwrap_or_default();
        for (row, source) in below.chunks_exact_mut(width).zip(self.samples.chunks_exact(self.stride)) {
            row.copy_from_slice(&source[..width]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_those_of_the_formula_rounded_to_nearest() {
        let exact = |y: u8, cb: u8, cr: u8| {
            let (y, cb, cr) = (f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0);
            [y + 1.402 * cr, y - 0.344_136_286 * cb - 0.714_136_286 * cr, y + 1.772 * cb]
        };
        for y in (0..=255).step_by(5) {
            for cb in (0..=255).step_by(3) {
                for cr in (0..=255).step_by(3) {
                    for (actual, exact) in rgb_of_ycbcr([y, cb, cr]).into_iter().zip(exact(y, cb, cr)) {
                        let off = (f64::from(actual) - exact.clamp(0.0, 255.0)).abs();
                        assert!(off < 0.502, "({y}, {cb}, {cr}): {actual}, not {exact}");
                    }
                }
            }
        }
    }
}

//! A decoded picture, and its rows as red, green and blue.

use crate::canvas::{Canvas, Plane, Samples};
use crate::color::Matrix;
use crate::transform::Crop;

/// What the channels of a pixel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// One: gray.
    Gray,
    /// Two: gray and alpha.
    GrayAlpha,
    /// Three: red, green and blue.
    Rgb,
    /// Four: red, green, blue and alpha.
    Rgba,
}

impl Channels {
    /// Number of channels.
    #[must_use]
    pub const fn count(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// A decoded picture, cropped and reduced, in its stored orientation. Alpha is not premultiplied.
#[derive(Clone, Debug)]
pub struct Picture {
    pub(crate) canvas: Canvas,
    pub(crate) alpha: Option<Canvas>,
    pub(crate) is_premultiplied: bool,
    /// In px of the reduced planes.
    pub(crate) crop: Crop,
    pub(crate) matrix: Matrix,
    pub(crate) full_range: bool,
    /// Rows that were decoded, of each tile. Alpha counts where no colour is missing, and as much as the colours.
    pub received_rows: u64,
    /// Rows that the tiles have.
    pub total_rows: u64,
    /// Why the first of the missing rows are missing.
    pub damage: Option<crate::Error>,
}

impl Picture {
    /// Width in px.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.crop.width
    }

    /// Height in px.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.crop.height
    }

    /// What the samples of a row are.
    #[must_use]
    pub fn channels(&self) -> Channels {
        match (self.canvas.planes.len() > 1, self.alpha.is_some()) {
            (false, false) => Channels::Gray,
            (false, true) => Channels::GrayAlpha,
            (true, false) => Channels::Rgb,
            (true, true) => Channels::Rgba,
        }
    }

    /// Whether samples have more than 8 bits.
    #[must_use]
    pub fn is_deep(&self) -> bool {
        self.canvas.bits > 8
    }

    /// Converts rows from the first to the last.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        let width = self.crop.width as usize;
        let samples = || vec![0.0; width];
        Rows {
            picture: self,
            luma: samples(),
            blue: samples(),
            red: samples(),
            alpha: samples(),
            line: Vec::new(),
            y: 0,
        }
    }
}

/// Rows of a picture, one after the other.
pub struct Rows<'a> {
    picture: &'a Picture,
    // Samples of one row, 0 to 1; chroma around 0.
    luma: Vec<f32>,
    blue: Vec<f32>,
    red: Vec<f32>,
    alpha: Vec<f32>,
    /// Chroma between two rows of the plane.
    line: Vec<f32>,
    y: u32,
}

impl Rows<'_> {
    /// Writes the next row as 8 bits a sample. Returns whether there was one; `out` has width × channels samples.
    pub fn next_8(&mut self, out: &mut [u8]) -> bool {
        self.next_row(out, |value| {
            // Casts of floats saturate.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let sample = (value * 255.0 + 0.5) as u8;
            sample
        })
    }

    /// Writes the next row as 16 bits a sample, 65,535 for white. Returns whether there was one.
    pub fn next_16(&mut self, out: &mut [u16]) -> bool {
        self.next_row(out, |value| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let sample = (value * 65_535.0 + 0.5) as u16;
            sample
        })
    }

    fn next_row<T: Copy>(&mut self, out: &mut [T], sample: impl Fn(f32) -> T) -> bool {
        let picture = self.picture;
        if self.y == picture.crop.height {
            return false;
        }
        self.load();
        self.y += 1;
        let channels = picture.channels();
        let pixels = out.chunks_exact_mut(channels.count());
        let colors = self.luma.iter().zip(self.blue.iter().zip(&self.red));
        match (channels, picture.matrix) {
            (Channels::Gray | Channels::GrayAlpha, _) => {
                for (pixel, &luma) in pixels.zip(&self.luma) {
                    pixel[0] = sample(luma);
                }
            }
            (_, Matrix::Luma { red, blue }) => {
                let green = 1.0 - red - blue;
                let (from_red, from_blue) = (2.0 * (1.0 - red), 2.0 * (1.0 - blue));
                let (green_red, green_blue) = (from_red * red / green, from_blue * blue / green);
                for (pixel, (&y, (&cb, &cr))) in pixels.zip(colors) {
                    pixel[0] = sample(y + from_red * cr);
                    pixel[1] = sample(y - green_red * cr - green_blue * cb);
                    pixel[2] = sample(y + from_blue * cb);
                }
            }
            (_, Matrix::Identity) => {
                // These planes have no sign: they are read as luma.
                for (pixel, (&green, (&blue, &red))) in pixels.zip(colors) {
                    pixel[0] = sample(red);
                    pixel[1] = sample(green);
                    pixel[2] = sample(blue);
                }
            }
            (_, Matrix::YCgCo) => {
                for (pixel, (&y, (&cg, &co))) in pixels.zip(colors) {
                    pixel[0] = sample(y - cg + co);
                    pixel[1] = sample(y + cg);
                    pixel[2] = sample(y - cg - co);
                }
            }
        }
        if picture.alpha.is_some() {
            let last = channels.count() - 1;
            for (pixel, &alpha) in out.chunks_exact_mut(channels.count()).zip(&self.alpha) {
                pixel[last] = sample(alpha);
            }
        }
        true
    }

    /// Reads the samples of the current row.
    fn load(&mut self) {
        let picture = self.picture;
        let (crop, canvas) = (picture.crop, &picture.canvas);
        let (x, y) = (crop.x as usize, (crop.y + self.y) as usize);
        let (black, white, swing) = range(canvas.bits, picture.full_range);
        let planes = &canvas.planes;
        planes[0].read(y, x, &mut self.luma);
        scale(&mut self.luma, black, white - black);
        if let [_, blue, red] = planes.as_slice() {
            for (plane, out) in [(blue, &mut self.blue), (red, &mut self.red)] {
                upsample(plane, canvas.subsampling, (x, y), &mut self.line, out);
                if picture.matrix == Matrix::Identity {
                    scale(out, black, white - black);
                } else {
                    scale(out, f32::from(1_u16 << (canvas.bits - 1)), swing);
                }
            }
        }
        if let Some(alpha) = &picture.alpha {
            self.load_alpha(alpha, (x, y));
        }
    }

    /// Alpha of the same row. Its picture may be smaller.
    fn load_alpha(&mut self, canvas: &Canvas, (left, y): (usize, usize)) {
        let (plane, whole) = (&canvas.planes[0], &self.picture.canvas.planes[0]);
        let at = y * plane.height / whole.height;
        if plane.width == whole.width {
            plane.read(at, left, &mut self.alpha);
        } else {
            self.line.resize(plane.width, 0.0);
            plane.read(at, 0, &mut self.line);
            for (x, out) in self.alpha.iter_mut().enumerate() {
                *out = self.line[(left + x) * plane.width / whole.width];
            }
        }
        // ISO/IEC 23008-12 has alpha in full range.
        let (_, white, _) = range(canvas.bits, true);
        scale(&mut self.alpha, 0.0, white);
        if self.picture.is_premultiplied {
            self.divide_alpha();
        }
    }

    fn divide_alpha(&mut self) {
        // Colours are linear in luma and chroma, so dividing those divides colours.
        let planes = [&mut self.luma, &mut self.blue, &mut self.red];
        for plane in planes {
            for (value, &alpha) in plane.iter_mut().zip(&self.alpha) {
                *value = if alpha > 0.0 { *value / alpha } else { 0.0 };
            }
        }
    }
}

/// Black, white and the swing of chroma (ITU-T H.273, 8.3).
fn range(bits: u8, is_full: bool) -> (f32, f32, f32) {
    let more = f32::from(1_u16 << (bits - 8));
    // All bits set; 16 bits included.
    let most = 256.0 * more - 1.0;
    if is_full { (0.0, most, most) } else { (16.0 * more, 235.0 * more, 224.0 * more) }
}

fn scale(samples: &mut [f32], zero: f32, steps: f32) {
    let factor = 1.0 / steps;
    for sample in samples {
        *sample = (*sample - zero) * factor;
    }
}

impl Plane {
    /// Reads a part of a row.
    fn read(&self, y: usize, x: usize, out: &mut [f32]) {
        let start = y.min(self.height - 1) * self.width + x;
        match &self.samples {
            Samples::Eight(samples) => copy(&samples[start..], out),
            Samples::Sixteen(samples) => copy(&samples[start..], out),
        }
    }

    /// Adds three quarters of a row and one of another.
    fn blend(&self, near: usize, far: usize, out: &mut [f32]) {
        let (near, far) = (near.min(self.height - 1) * self.width, far.min(self.height - 1) * self.width);
        match &self.samples {
            Samples::Eight(samples) => blend(&samples[near..], &samples[far..], out),
            Samples::Sixteen(samples) => blend(&samples[near..], &samples[far..], out),
        }
    }
}

fn copy<T: Copy + Into<f32>>(samples: &[T], out: &mut [f32]) {
    for (out, &sample) in out.iter_mut().zip(samples) {
        *out = sample.into();
    }
}

fn blend<T: Copy + Into<f32>>(near: &[T], far: &[T], out: &mut [f32]) {
    for (out, (&near, &far)) in out.iter_mut().zip(near.iter().zip(far)) {
        *out = 0.75 * near.into() + 0.25 * far.into();
    }
}

/// Chroma at luma's resolution, linearly between samples in the middle of their pixels, as libheif does.
fn upsample(
    plane: &Plane,
    (sub_x, sub_y): (usize, usize),
    (left, y): (usize, usize),
    line: &mut Vec<f32>,
    out: &mut [f32],
) {
    if (sub_x, sub_y) == (1, 1) {
        plane.read(y, left, out);
        return;
    }
    line.resize(plane.width, 0.0);
    if sub_y == 2 {
        let near = y / 2;
        let far = if y % 2 == 0 { near.saturating_sub(1) } else { near + 1 };
        plane.blend(near, far, line);
    } else {
        plane.read(y, 0, line);
    }
    if sub_x == 1 {
        out.copy_from_slice(&line[left..][..out.len()]);
        return;
    }
    let last = plane.width - 1;
    for (i, out) in out.iter_mut().enumerate() {
        let x = left + i;
        let near = (x / 2).min(last);
        let far = if x % 2 == 0 { near.saturating_sub(1) } else { (near + 1).min(last) };
        *out = 0.75 * line[near] + 0.25 * line[far];
    }
}

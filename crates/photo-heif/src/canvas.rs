//! Planes that are reduced tile by tile.

use heifer_hevc_dec::recon::Frame;

use crate::hevc::Format;

/// Samples of one plane: one byte each unless the file has more bits.
#[derive(Clone, Debug)]
pub(crate) enum Samples {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
}

#[derive(Clone, Debug)]
pub(crate) struct Plane {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) samples: Samples,
}

/// Luma, and chroma if there is any, both of the bits of the deeper.
#[derive(Clone, Debug)]
pub(crate) struct Canvas {
    pub(crate) planes: Vec<Plane>,
    /// Stored samples that become one, of each plane: horizontally and vertically.
    boxes: Vec<(usize, usize)>,
    pub(crate) bits: u8,
    /// Of the picture, in px.
    size: (u32, u32),
    /// Luma samples a chroma sample, as far as they are not reduced.
    pub(crate) subsampling: (usize, usize),
}

/// Sizes of the planes that a picture has when `factor` × `factor` pixels become one: width, height and box.
fn layout(
    (width, height): (u32, u32),
    subsampling: Option<(u32, u32)>,
    factor: u32,
) -> Vec<(usize, usize, (usize, usize))> {
    let plane = |sub_x: u32, sub_y: u32| {
        // Chroma is reduced to no less than luma is.
        let (box_x, box_y) = ((factor / sub_x).max(1), (factor / sub_y).max(1));
        let side = |side: u32, sub: u32, samples: u32| side.div_ceil(sub).div_ceil(samples) as usize;
        (side(width, sub_x, box_x), side(height, sub_y, box_y), (box_x as usize, box_y as usize))
    };
    let mut planes = vec![plane(1, 1)];
    if let Some((sub_x, sub_y)) = subsampling {
        planes.extend([plane(sub_x, sub_y); 2]);
    }
    planes
}

/// Bytes of the planes of a picture.
pub(crate) fn memory_bytes(size: (u32, u32), format: &Format, factor: u32) -> u64 {
    let samples = layout(size, format.subsampling, factor).into_iter().map(|(w, h, _)| (w * h) as u64);
    samples.sum::<u64>() * if format.bits() > 8 { 2 } else { 1 }
}

impl Canvas {
    /// Planes of a picture of `size`. They are gray until tiles are placed, which is as well what damaged tiles are.
    pub(crate) fn new(size: (u32, u32), format: &Format, factor: u32) -> Self {
        let layout = layout(size, format.subsampling, factor);
        let bits = format.bits();
        let planes = layout.iter().map(|&(width, height, _)| {
            let samples = if bits > 8 {
                Samples::Sixteen(vec![1 << (bits - 1); width * height])
            } else {
                Samples::Eight(vec![128; width * height])
            };
            Plane { width, height, samples }
        });
        let (sub_x, sub_y) = format.subsampling.unwrap_or((1, 1));
        let left = |sub: u32| sub.div_ceil(factor).max(1) as usize;
        Self {
            planes: planes.collect(),
            boxes: layout.iter().map(|&(_, _, samples)| samples).collect(),
            bits,
            size,
            subsampling: (left(sub_x), left(sub_y)),
        }
    }

    /// Sets all samples of luma to white: alpha that hides nothing.
    pub(crate) fn fill_white(&mut self) {
        match &mut self.planes[0].samples {
            Samples::Eight(samples) => samples.fill(u8::MAX),
            Samples::Sixteen(samples) => samples.fill(u16::MAX >> (16 - self.bits)),
        }
    }

    /// Reduces the first `rows` rows of a decoded tile to their place. `at` is the tile's left upper pixel on the canvas, a multiple
    /// of the boxes.
    pub(crate) fn place(&mut self, frame: &Frame, format: &Format, at: (u32, u32), rows: u32) {
        let subsampling = format.subsampling.unwrap_or((1, 1));
        let all = self.planes.iter_mut().zip(&self.boxes).enumerate();
        for (i, (plane, &(box_x, box_y))) in all {
            let (sub_x, sub_y) = if i == 0 { (1, 1) } else { subsampling };
            let (window_x, window_y) = (format.window.0 / sub_x, format.window.1 / sub_y);
            // What lies beyond the canvas is no part of a box.
            let left =
                |canvas: u32, at: u32, tile: u32, sub: u32| (canvas - at).min(tile).div_ceil(sub) as usize;
            let source = Source {
                samples: &frame.planes[i],
                stride: frame.widths[i] as usize,
                x: window_x as usize,
                y: window_y as usize,
                width: left(self.size.0, at.0, format.size.0, sub_x),
                height: left(self.size.1, at.1, rows, sub_y),
            };
            let shift = self.bits - frame.bit_depth[usize::from(i > 0)];
            let (x, y) = ((at.0 / sub_x) as usize / box_x, (at.1 / sub_y) as usize / box_y);
            let target = (plane.width, plane.height);
            match &mut plane.samples {
                Samples::Eight(samples) => source.reduce((box_x, box_y), samples, target, (x, y), |mean| {
                    u8::try_from(mean << shift).unwrap_or(u8::MAX)
                }),
                Samples::Sixteen(samples) => source.reduce((box_x, box_y), samples, target, (x, y), |mean| {
                    u16::try_from(mean << shift).unwrap_or(u16::MAX)
                }),
            }
        }
    }
}

/// The window of a decoded plane.
struct Source<'a> {
    samples: &'a [u16],
    stride: usize,
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

impl Source<'_> {
    /// Writes the mean of each box, rounded to nearest. Boxes at the edge have fewer samples. What lies outside of the target is
    /// left out.
    fn reduce<T: Copy>(
        &self,
        (box_x, box_y): (usize, usize),
        out: &mut [T],
        (width, height): (usize, usize),
        (left, top): (usize, usize),
        sample: impl Fn(u32) -> T,
    ) {
        let columns = self.width.div_ceil(box_x).min(width.saturating_sub(left));
        let rows = self.height.div_ceil(box_y).min(height.saturating_sub(top));
        let mut sums = vec![0_u32; columns];
        for row in 0..rows {
            let out = &mut out[(top + row) * width + left..][..columns];
            let lines = box_y.min(self.height - row * box_y);
            let line =
                |i: usize| &self.samples[(self.y + row * box_y + i) * self.stride + self.x..][..self.width];
            if box_x == 1 && lines == 1 {
                for (out, &value) in out.iter_mut().zip(line(0)) {
                    *out = sample(value.into());
                }
                continue;
            }
            sums.fill(0);
            for i in 0..lines {
                for (sum, part) in sums.iter_mut().zip(line(i).chunks(box_x)) {
                    *sum += part.iter().map(|&value| u32::from(value)).sum::<u32>();
                }
            }
            for (column, (out, &sum)) in out.iter_mut().zip(&sums).enumerate() {
                let count = u32::try_from(lines * box_x.min(self.width - column * box_x)).unwrap_or(1);
                *out = sample((sum + count / 2) / count);
            }
        }
    }
}

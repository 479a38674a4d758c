//! Transforms, undone: RFC 9649, 3.5.

use super::predictor;
use super::{Budget, CORRUPT, Pixel, Stream};
use crate::DecodeError;

/// Rows between two looks at the deadline.
pub(super) const ROWS_AT_ONCE: usize = 64;

/// A transform with its data. `width` is the image's when the transform is undone.
pub(super) enum Transform {
    Predictor { width: usize, blocks: Blocks },
    Color { width: usize, blocks: Blocks },
    SubtractGreen,
    ColorIndexing { width: usize, bits: u32, palette: Box<[Pixel; 256]> },
}

/// Something that is chosen for each block of an image.
pub(super) struct Blocks {
    pub(super) bits: u32,
    pub(super) across: usize,
    pub(super) data: Vec<Pixel>,
}

impl Stream<'_, '_> {
    /// Reads all transforms. Answers how wide the image is that they are applied to.
    pub(super) fn transforms(
        &mut self,
        mut width: usize,
        height: usize,
    ) -> Result<(Vec<Transform>, usize), DecodeError> {
        let mut transforms = Vec::new();
        let mut seen = [false; 4];
        while self.reader.flag() {
            let kind = self.reader.number(2);
            // Each may be there once.
            if std::mem::replace(&mut seen[kind], true) {
                return Err(CORRUPT);
            }
            transforms.push(match kind {
                0 => Transform::Predictor { width, blocks: self.blocks(width, height)? },
                1 => Transform::Color { width, blocks: self.blocks(width, height)? },
                2 => Transform::SubtractGreen,
                _ => {
                    let (bits, palette) = self.palette()?;
                    let indexed = Transform::ColorIndexing { width, bits, palette };
                    width = width.div_ceil(1 << bits);
                    indexed
                }
            });
        }
        Ok((transforms, width))
    }

    fn blocks(&mut self, width: usize, height: usize) -> Result<Blocks, DecodeError> {
        let (bits, across, down) = self.block_size(width, height);
        Ok(Blocks { bits, across, data: self.small_image(across, down)? })
    }

    /// Reads the colour table, and the logarithm of how many pixels share one: RFC 9649, 3.5.4.
    fn palette(&mut self) -> Result<(u32, Box<[Pixel; 256]>), DecodeError> {
        let count = self.reader.number(8) + 1;
        let bits = match count {
            ..=2 => 3,
            3..=4 => 2,
            5..=16 => 1,
            _ => 0,
        };
        // What is beyond the table is transparent black.
        let mut palette = Box::new([[0; 4]; 256]);
        let mut last = [0_u8; 4];
        for (color, difference) in palette.iter_mut().zip(self.small_image(count, 1)?) {
            for (sample, difference) in last.iter_mut().zip(difference) {
                *sample = sample.wrapping_add(difference);
            }
            *color = last;
        }
        Ok((bits, palette))
    }
}

impl Transform {
    /// Undoes it. `pixels` has room for the picture.
    pub(super) fn invert(
        &self,
        pixels: &mut Vec<Pixel>,
        height: usize,
        budget: &mut Budget<'_>,
    ) -> Result<(), DecodeError> {
        match self {
            Self::Predictor { width, blocks } => predictor::invert(pixels, *width, blocks, budget),
            Self::Color { width, blocks } => add_color(pixels, *width, blocks, budget),
            Self::SubtractGreen => {
                for [red, green, blue, _] in pixels.iter_mut() {
                    *red = red.wrapping_add(*green);
                    *blue = blue.wrapping_add(*green);
                }
                budget.look()
            }
            Self::ColorIndexing { width, bits, palette } => {
                look_up(pixels, (*width, height), *bits, palette, budget)
            }
        }
    }
}

/// RFC 9649, 3.5.2.
fn add_color(
    pixels: &mut [Pixel],
    width: usize,
    blocks: &Blocks,
    budget: &mut Budget<'_>,
) -> Result<(), DecodeError> {
    let delta = |multiplier: u8, sample: u8| {
        let product = i16::from(multiplier.cast_signed()) * i16::from(sample.cast_signed());
        let [low, _] = (product >> 5).to_le_bytes();
        low
    };
    for (y, row) in pixels.chunks_exact_mut(width).enumerate() {
        if y % ROWS_AT_ONCE == 0 {
            budget.look()?;
        }
        let multipliers = blocks.data.iter().skip((y >> blocks.bits) * blocks.across);
        for (block, &[red_to_blue, green_to_blue, green_to_red, _]) in
            row.chunks_mut(1 << blocks.bits).zip(multipliers)
        {
            for [red, green, blue, _] in block {
                *red = red.wrapping_add(delta(green_to_red, *green));
                *blue = blue.wrapping_add(delta(green_to_blue, *green));
                *blue = blue.wrapping_add(delta(red_to_blue, *red));
            }
        }
    }
    Ok(())
}

/// Colours by their place in the table, from the last row to the first: a row takes more room afterwards.
fn look_up(
    pixels: &mut Vec<Pixel>,
    (width, height): (usize, usize),
    bits: u32,
    palette: &[Pixel; 256],
    budget: &mut Budget<'_>,
) -> Result<(), DecodeError> {
    let packed_width = width.div_ceil(1 << bits);
    pixels.resize(width * height, [0; 4]);
    let mut packed = vec![[0; 4]; packed_width];
    let index_bits = 8 >> bits;
    let mask = (1_u16 << index_bits) - 1;
    for y in (0..height).rev() {
        if y % ROWS_AT_ONCE == 0 {
            budget.look()?;
        }
        packed.copy_from_slice(&pixels[y * packed_width..][..packed_width]);
        let row = &mut pixels[y * width..][..width];
        for (shared, &[_, green, _, _]) in row.chunks_mut(1 << bits).zip(&packed) {
            let mut indices = u16::from(green);
            for pixel in shared {
                *pixel = palette[usize::from(indices & mask) & 255];
                indices >>= index_bits;
            }
        }
    }
    Ok(())
}

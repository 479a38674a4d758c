//! GIF: codes become palette indices, a byte for each pixel, and rows of colours are made of those as they are needed.

use super::Source;
use crate::damage::Loss;
use crate::error::ImagingError;
use crate::format::Format;
use crate::gif::lzw::{self, Stop};
use crate::gif::{Block, Blocks, Gif, Image};
use crate::limits::Limits;
use crate::probe::Header;
use crate::raster::{Channels, Raster};
use crate::strips::RowSink;

type Pixel = [u8; 4];

/// Not painted.
const NONE: Pixel = [0; 4];
/// An index beyond the palette, and every index without a palette, as browsers paint them.
const BLACK: Pixel = [0, 0, 0, 255];
/// Rows between two looks at the clock.
const ROWS_A_CHECK: usize = 16;

/// Decodes the first image, at the size that will be made of it. What the image does not cover, and what did not come
/// of it, is transparent.
pub(super) fn decode(
    bytes: &[u8],
    header: &Header,
    target: (u32, u32),
    limits: &Limits,
) -> Result<(Source, Option<Loss>), ImagingError> {
    let missing = || ImagingError::Internal("a GIF without an image".to_owned());
    let gif = Gif::parse(bytes).ok_or_else(missing)?;
    let image = gif.images().next().ok_or_else(missing)?;
    let picture = Picture::decode(&image, gif.table, limits)?;
    let size = (header.width, header.height);
    let channels = if picture.is_opaque(size) { Channels::Rgb } else { Channels::Rgba };
    let mut sink = RowSink::new(size, channels, target);
    picture.rows(size, channels, limits, |row| sink.push(row))?;
    Ok((Source::Pixels(sink.finish()?), picture.loss()))
}

/// Memory in bytes of [`decode`], of which `indices` is that of the first image's pixels.
pub(crate) fn decoder_bytes(indices: u64, size: (u32, u32), target: (u32, u32)) -> u64 {
    indices + RowSink::bytes(size, target)
}

/// The frames of an animation, composed on the canvas, with their times in ms.
pub(crate) struct Frames<'a> {
    blocks: Blocks<'a>,
    table: &'a [u8],
    size: (u32, u32),
    canvas: Vec<Pixel>,
    shown: u32,
    limits: &'a Limits,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(bytes: &'a [u8], header: &Header, limits: &'a Limits) -> Result<Self, ImagingError> {
        let gif = Gif::parse(bytes).ok_or_else(|| ImagingError::Internal("no GIF".to_owned()))?;
        let size = (header.width, header.height);
        let canvas = vec![NONE; size.0 as usize * size.1 as usize];
        Ok(Self { blocks: gif.blocks(), table: gif.table, size, canvas, shown: 0, limits })
    }

    fn show(&mut self, image: &Image<'_>) -> Result<Option<(Raster, u32)>, ImagingError> {
        let picture = Picture::decode(image, self.table, self.limits)?;
        if let Some(stop) = picture.stop {
            // The frames before it are shown, if they are an animation.
            if image.is_cut_off && self.shown > 1 {
                return Ok(None);
            }
            return Err(ImagingError::corrupt(Format::Gif, stop.reason()));
        }
        let (disposal, delay) = image.control.map_or((0, 0), |control| (control.disposal, control.delay));
        let before = matches!(disposal, 3 | 4).then(|| self.canvas.clone());
        let width = self.size.0 as usize;
        for (y, row) in self.canvas.chunks_exact_mut(width).enumerate() {
            picture.paint(y, row);
        }
        let shown = raster(self.size, Channels::Rgba, self.canvas.as_flattened().to_vec())?;
        match before {
            Some(before) => self.canvas = before,
            None if disposal == 2 => {
                let columns =
                    (image.left as usize).min(width)..((image.left + image.width) as usize).min(width);
                let rows = self.canvas.chunks_exact_mut(width).skip(image.top as usize);
                rows.take(image.height as usize).for_each(|row| row[columns.clone()].fill(NONE));
            }
            None => {}
        }
        self.shown += 1;
        Ok(Some((shown, u32::from(delay) * 10)))
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<(Raster, u32), ImagingError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Block::Image(image) = self.blocks.next()? {
                return self.show(&image).transpose();
            }
        }
    }
}

/// A decoded image.
struct Picture {
    /// Of each pixel, in the order of the file, as far as they have come.
    indices: Vec<u8>,
    stop: Option<Stop>,
    colors: [Pixel; 256],
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    interlaced: bool,
}

impl Picture {
    fn decode(image: &Image<'_>, global: &[u8], limits: &Limits) -> Result<Self, ImagingError> {
        let (indices, stop) = lzw::decode(image, limits)?;
        let table = if image.table.is_empty() { global } else { image.table };
        let mut colors = [BLACK; 256];
        for (color, &[r, g, b]) in colors.iter_mut().zip(table.as_chunks::<3>().0) {
            *color = [r, g, b, 255];
        }
        if let Some(index) = image.control.and_then(|control| control.transparent) {
            colors[usize::from(index)] = NONE;
        }
        let [left, top, width, height] =
            [image.left, image.top, image.width, image.height].map(|side| side as usize);
        Ok(Self { indices, stop, colors, left, top, width, height, interlaced: image.interlaced })
    }

    /// Whether it has a colour for each pixel of a canvas of this size.
    fn is_opaque(&self, (width, height): (u32, u32)) -> bool {
        let place = (self.left, self.top, self.width, self.height);
        self.stop.is_none()
            && !self.colors.contains(&NONE)
            && place == (0, 0, width as usize, height as usize)
    }

    /// Gives each row of a canvas of this size that was transparent before.
    fn rows(
        &self,
        (width, height): (u32, u32),
        channels: Channels,
        limits: &Limits,
        mut each: impl FnMut(&[u8]) -> Result<(), ImagingError>,
    ) -> Result<(), ImagingError> {
        let mut row = vec![NONE; width as usize];
        let mut colors = Vec::with_capacity(if channels == Channels::Rgb { row.len() } else { 0 });
        for y in 0..height as usize {
            if y % ROWS_A_CHECK == 0 {
                limits.check_deadline("decode")?;
            }
            row.fill(NONE);
            self.paint(y, &mut row);
            if channels == Channels::Rgb {
                colors.clear();
                colors.extend(row.iter().map(|&[r, g, b, _]| [r, g, b]));
                each(colors.as_flattened())?;
            } else {
                each(row.as_flattened())?;
            }
        }
        Ok(())
    }

    fn loss(&self) -> Option<Loss> {
        let total = (self.width * self.height) as u64;
        let reason = || self.stop.map_or("pixels are missing", Stop::reason).to_owned();
        let received = self.indices.len() as u64;
        (received < total).then(|| Loss { received, total, reason: reason() })
    }

    /// Paints what the image has of a row of the canvas.
    ///
    /// A row of an interlaced image that did not come is as the nearest row above of an earlier pass, as in Chromium.
    fn paint(&self, y: usize, canvas: &mut [Pixel]) {
        let Some(y) = y.checked_sub(self.top).filter(|&y| y < self.height) else { return };
        let Some(canvas) = canvas.get_mut(self.left..) else { return };
        let mut put = |from: usize, indices: &[u8]| {
            for (pixel, &index) in canvas.iter_mut().skip(from).zip(indices) {
                let color = self.colors[usize::from(index)];
                if color != NONE {
                    *pixel = color;
                }
            }
        };
        let own = self.row(y);
        put(0, own);
        let mut coarse = y;
        while own.len() < self.width
            && let Some(above) = coarser(coarse).filter(|_| self.interlaced)
        {
            coarse = above;
            let row = self.row(above);
            if row.len() == self.width {
                return put(own.len(), &row[own.len()..]);
            }
        }
    }

    /// What came of a row of the image.
    fn row(&self, y: usize) -> &[u8] {
        let start = (self.number(y) * self.width).min(self.indices.len());
        &self.indices[start..(start + self.width).min(self.indices.len())]
    }

    /// How many rows stand before this one in the file.
    fn number(&self, y: usize) -> usize {
        if !self.interlaced {
            return y;
        }
        let every = |step: usize, from: usize| self.height.saturating_sub(from).div_ceil(step);
        match y % 8 {
            0 => y / 8,
            4 => every(8, 0) + y / 8,
            2 | 6 => every(4, 0) + y / 4,
            _ => every(2, 0) + y / 2,
        }
    }
}

/// The row of an earlier pass that stands for this one until it comes.
fn coarser(y: usize) -> Option<usize> {
    match y % 8 {
        0 => None,
        4 => Some(y - 4),
        2 | 6 => Some(y - 2),
        _ => Some(y - 1),
    }
}

fn raster((width, height): (u32, u32), channels: Channels, data: Vec<u8>) -> Result<Raster, ImagingError> {
    let unfit = || ImagingError::Internal("a frame does not fit its canvas".to_owned());
    Raster::new(width, height, channels, data).ok_or_else(unfit)
}

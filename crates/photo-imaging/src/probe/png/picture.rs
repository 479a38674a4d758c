//! A picture in a PNG: its shape, and where its data is.

use std::borrow::Cow;

use super::{Chunk, Chunks, Cursor, array};

/// What the header says, or a frame's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) depth: u8,
    colour: u8,
    pub(crate) interlaced: bool,
}

/// Colour types (PNG specification, third edition, 11.2.1).
const GRAY: u8 = 0;
const RGB: u8 = 2;
const INDEXED: u8 = 3;
const GRAY_ALPHA: u8 = 4;
const RGB_ALPHA: u8 = 6;

impl Shape {
    /// Reads the data of a header.
    pub(super) fn parse(header: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(header);
        let (width, height) = (cursor.u32_be()?, cursor.u32_be()?);
        let [depth, colour, 0, 0, interlace @ (0 | 1)] = array(cursor.rest())? else { return None };
        let is_valid = match colour {
            GRAY => matches!(depth, 1 | 2 | 4 | 8 | 16),
            INDEXED => matches!(depth, 1 | 2 | 4 | 8),
            RGB | GRAY_ALPHA | RGB_ALPHA => matches!(depth, 8 | 16),
            _ => false,
        };
        is_valid.then_some(Self { width, height, depth, colour, interlaced: interlace == 1 })
    }

    /// The data of a header.
    pub(crate) fn header(self) -> [u8; 13] {
        let mut header = [0; 13];
        header[..4].copy_from_slice(&self.width.to_be_bytes());
        header[4..8].copy_from_slice(&self.height.to_be_bytes());
        header[8..].copy_from_slice(&[self.depth, self.colour, 0, 0, u8::from(self.interlaced)]);
        header
    }

    pub(crate) fn is_gray(self) -> bool {
        matches!(self.colour, GRAY | GRAY_ALPHA)
    }

    pub(crate) fn is_indexed(self) -> bool {
        self.colour == INDEXED
    }

    /// The samples of the transparent colour, or the alphas of a palette.
    pub(super) fn transparency(self, data: &[u8]) -> Option<&[u8]> {
        match self.colour {
            GRAY => data.get(..2),
            RGB => data.get(..6),
            INDEXED => Some(data),
            _ => None,
        }
    }

    fn bits_a_pixel(self) -> u64 {
        let channels = match self.colour {
            GRAY | INDEXED => 1,
            GRAY_ALPHA => 2,
            RGB => 3,
            _ => 4,
        };
        channels * u64::from(self.depth)
    }

    /// Width and height of the picture, or of the passes of an interlaced one that are not empty.
    pub(crate) fn passes(self) -> Vec<(u32, u32)> {
        /// Left, top, and steps to the right and down (PNG specification, third edition, 8.2).
        const ADAM7: [[u32; 4]; 7] = [
            [0, 0, 8, 8],
            [4, 0, 8, 8],
            [0, 4, 4, 8],
            [2, 0, 4, 4],
            [0, 2, 2, 4],
            [1, 0, 2, 2],
            [0, 1, 1, 2],
        ];
        let whole = [[0, 0, 1, 1]];
        let passes: &[[u32; 4]] = if self.interlaced { &ADAM7 } else { &whole };
        let sides = passes.iter().map(|&[left, top, right, down]| {
            (self.width.saturating_sub(left).div_ceil(right), self.height.saturating_sub(top).div_ceil(down))
        });
        sides.filter(|&(width, height)| width > 0 && height > 0).collect()
    }

    /// Bytes of a row with its filter.
    fn row_bytes(self, width: u32) -> u64 {
        (u64::from(width) * self.bits_a_pixel()).div_ceil(8) + 1
    }

    /// Bytes of a row with its filter, and number of rows, of each pass.
    pub(crate) fn rows(self) -> Vec<(u64, u32)> {
        self.passes().into_iter().map(|(width, height)| (self.row_bytes(width), height)).collect()
    }

    /// Bytes of all rows with their filters.
    pub(crate) fn bytes(self) -> u64 {
        self.rows().into_iter().map(|(bytes, count)| bytes * u64::from(count)).sum()
    }

    /// Number of rows, of all passes, that the first bytes of all rows hold.
    pub(crate) fn rows_in(self, mut bytes: u64) -> u64 {
        let mut rows = 0;
        for (row, count) in self.rows() {
            let arrived = (bytes / row).min(count.into());
            rows += arrived;
            if arrived < u64::from(count) {
                break;
            }
            bytes -= arrived * row;
        }
        rows
    }

    /// Number of pixels in the first rows of all passes. Of an interlaced picture a pixel counts where its own sample has arrived.
    pub(crate) fn pixels_in(self, mut rows: u64) -> u64 {
        let mut pixels = 0;
        for (width, height) in self.passes() {
            let count = rows.min(height.into());
            pixels += count * u64::from(width);
            rows -= count;
        }
        pixels
    }
}

/// A picture whose data is there, as far as it goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picture<'a> {
    pub(crate) shape: Shape,
    /// Where it lies on the canvas.
    pub(crate) place: (u32, u32),
    pub(crate) data: ImageData<'a>,
}

impl<'a> Picture<'a> {
    pub(super) fn whole(shape: Shape, data: ImageData<'a>) -> Self {
        Self { shape, place: (0, 0), data }
    }

    /// Whether nothing of the canvas is left free.
    pub(crate) fn covers(&self, canvas: Shape) -> bool {
        self.shape == canvas
    }
}

/// The data of a picture, in chunks of one kind that follow each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImageData<'a> {
    /// From the first of them on.
    bytes: &'a [u8],
    kind: [u8; 4],
}

/// Kind of the chunks that hold the data of a frame, behind a number each.
const FRAME_DATA: [u8; 4] = *b"fdAT";

impl<'a> ImageData<'a> {
    pub(super) fn new(bytes: &'a [u8], kind: [u8; 4]) -> Self {
        Self { bytes, kind }
    }

    /// The parts of the compressed stream.
    pub(crate) fn parts(self) -> impl Iterator<Item = &'a [u8]> {
        let number = if self.kind == FRAME_DATA { 4 } else { 0 };
        self.chunks().map(move |chunk| chunk.data.get(number..).unwrap_or(&[]))
    }

    fn chunks(self) -> impl Iterator<Item = Chunk<'a>> {
        Chunks::new(self.bytes).take_while(move |chunk| chunk.kind == self.kind)
    }

    /// The compressed stream. It is mostly one part, which needs no copy.
    pub(crate) fn stream(self) -> Cow<'a, [u8]> {
        let mut stream = Cow::Borrowed(&[][..]);
        for part in self.parts() {
            if stream.is_empty() {
                stream = Cow::Borrowed(part);
            } else {
                stream.to_mut().extend_from_slice(part);
            }
        }
        stream
    }

    /// Whether a chunk has a wrong checksum.
    pub(crate) fn has_wrong_checksum(self) -> bool {
        self.chunks().any(|chunk| chunk.is_damaged())
    }
}

/// The first frame of an animation, of what follows the first chunk of the default picture. `None` if it breaks a rule of
/// animations: Chromium shows nothing then, and other viewers the default picture.
pub(super) fn first_frame(mut chunks: Chunks<'_>, canvas: Shape) -> Option<Picture<'_>> {
    let (mut frame, mut numbers) = (None, 0_u32..);
    let mut is_default = true;
    loop {
        let start = chunks.rest();
        let chunk = chunks.next()?;
        match &chunk.kind {
            b"IDAT" if is_default => continue,
            b"fcTL" => {
                frame = Some(control(chunk.is_intact().then_some(chunk.data)?, canvas, numbers.next()?)?);
            }
            &FRAME_DATA => {
                let (shape, place) = frame?;
                let number = chunk.data.first_chunk().map(|number| u32::from_be_bytes(*number));
                let data = ImageData::new(start, chunk.kind);
                return (number == numbers.next()).then_some(Picture { shape, place, data });
            }
            b"IEND" => return None,
            [first, ..] if first & super::ANCILLARY == 0 => return None,
            _ => {}
        }
        is_default = false;
    }
}

/// Shape and place of a frame whose chunk has this number.
fn control(data: &[u8], canvas: Shape, number: u32) -> Option<(Shape, (u32, u32))> {
    let mut cursor = Cursor::new(data);
    let mut next = || cursor.u32_be();
    let (found, width, height, left, top, _delay) = (next()?, next()?, next()?, next()?, next()?, next()?);
    let [0..=2, 0..=1] = array(cursor.rest())? else { return None };
    let fits = |place: u32, side: u32, canvas: u32| {
        side > 0 && u64::from(place) + u64::from(side) <= u64::from(canvas)
    };
    let is_valid = found == number && fits(left, width, canvas.width) && fits(top, height, canvas.height);
    is_valid.then_some((Shape { width, height, ..canvas }, (left, top)))
}

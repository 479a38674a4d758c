//! Lossy WebP back to planes: one key frame of VP8.
//!
//! Predictions and transforms are the encoder's own. Each macroblock is put together and written to the planes; when a row of them
//! is done, it is filtered there, while what the next row is predicted from is kept apart, unfiltered.

mod filter;
mod header;
mod levels;
mod modes;
mod reader;
mod trim;

use thiserror::Error;
use wide::{i16x8, u8x16};

use crate::filled::Filled;
use crate::frame::Macroblock;
use crate::intra4::Canvas;
use crate::lanes::{high_halves, low_halves};
use crate::macroblock::LumaMode;
use crate::picture::{Edges, Neighbours, Pixels};
use crate::predict::{self, widened};
use crate::transform::inverse_one;
use filter::{Filtered, Plane, put};
use header::Header;
use levels::{Coefficients, Content};
use reader::BoolReader;
pub use trim::trim_frame;

/// A decoded picture: 8-bit YCbCr by BT.601, limited range, as in [`crate::Planes`]. No padding between rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// `width * height` samples.
    pub y: Vec<u8>,
    /// Cb: half as many columns and rows, rounded up.
    pub u: Vec<u8>,
    /// Cr.
    pub v: Vec<u8>,
    /// What is missing of it; those rows are gray.
    pub loss: Option<Loss>,
}

/// What a damaged file lacks of its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Rows of pixels from the top that were decoded from the file's own bytes, at least one.
    pub received_rows: u32,
    /// What ended them.
    pub reason: DecodeError,
}

/// Why a frame is not decoded.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// Cut off, or not what the format says.
    #[error("{0}")]
    Corrupt(&'static str),
    /// The caller's `should_stop` said so.
    #[error("decoding was stopped")]
    Stopped,
    /// More than [`crate::DecodeLimits::max_memory_bytes`].
    #[error("decoding takes {bytes} bytes of memory or more, at most {limit} are allowed")]
    TooMuchMemory {
        /// What was charged when the limit was passed.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
}

/// Luma and chroma of the gray that stands for missing rows: 128 of 255 in limited range.
const GRAY: [u8; 3] = [126, 128, 128];

const TRUNCATED: DecodeError = DecodeError::Corrupt("the frame ends too early");

/// Memory in bytes that [`decode`] takes at most of a picture of this size: the planes, of whole macroblocks, and what is kept
/// of a row.
#[must_use]
pub fn decode_memory_bytes(width: u32, height: u32) -> u64 {
    let (columns, rows) = (u64::from(width.div_ceil(16)), u64::from(height.div_ceil(16)));
    columns * rows * 384 + columns * 128 + 16_384
}

/// Decodes the content of a `VP8 ` chunk to planes.
///
/// `should_stop` is asked before each row of macroblocks; a true answer ends in [`DecodeError::Stopped`].
///
/// A frame that ends too early gives the rows of macroblocks in front of its end, as libwebp's incremental decoder does, and
/// [`Picture::loss`].
///
/// # Errors
/// Damage in front of the first row, and a frame that ends within it.
pub fn decode(frame: &[u8], should_stop: &mut dyn FnMut() -> bool) -> Result<Picture, DecodeError> {
    let (header, mut mode_reader, mut partitions) = header::parse(frame)?;
    let (columns, rows) = (header.width.div_ceil(16) as usize, header.height.div_ceil(16) as usize);
    let mut planes = [16, 8, 8].map(|side| Plane::new(columns * side, rows * side));
    let mut neighbours = Neighbours::new(columns);
    let mut above = vec![Context::default(); columns];
    let mut filtered = vec![Filtered::default(); columns];
    let mut coefficients = Coefficients::NONE;
    let mut pixels = Pixels::BLACK;
    let last_partition = partitions.len() - 1;
    let mut loss = None;
    for row in 0..rows {
        if should_stop() {
            return Err(DecodeError::Stopped);
        }
        let levels = &mut partitions[row & last_partition];
        let mut left = Context::default();
        for (column, above) in above.iter_mut().enumerate() {
            let (macroblock, any) =
                read_macroblock(&header, (&mut mode_reader, levels), (above, &mut left), &mut coefficients);
            let whole = matches!(macroblock.luma, LumaMode::Whole(_));
            let strength = header.strengths[usize::from(macroblock.segment) & 3][usize::from(!whole)];
            filtered[column] = Filtered { strength, inside: any || !whole };
            let edges = neighbours.around(column, row);
            put_together(&macroblock, &mut coefficients, edges, &mut pixels);
            neighbours.keep(column, &pixels);
            store(&mut planes, (column, row), &pixels);
        }
        if mode_reader.past_end() || levels.past_end() {
            // Less than the picture's height, which has 14 bits.
            let received_rows = u32::try_from(16 * row).ok().filter(|&rows| rows > 0).ok_or(TRUNCATED)?;
            loss = Some(Loss { received_rows, reason: TRUNCATED });
            for ((plane, side), gray) in planes.iter_mut().zip([16, 8, 8]).zip(GRAY) {
                plane.samples.iter_mut().skip(side * row * plane.stride).for_each(|sample| *sample = gray);
            }
            break;
        }
        filter::row(&mut planes, row, header.simple_filter, &filtered);
    }
    let (width, height) = (header.width as usize, header.height as usize);
    let [y, u, v] = planes;
    let half = (width.div_ceil(2), height.div_ceil(2));
    let (y, u, v) = (cropped(y, (width, height)), cropped(u, half), cropped(v, half));
    Ok(Picture { width: header.width, height: header.height, y, u, v, loss })
}

/// What a macroblock's neighbours are read by: the modes of the blocks at its edge, and which blocks there have levels.
type Context = ([u8; 4], Filled);

/// Reads the modes and the levels of a macroblock. Says whether any coefficient is not zero.
#[inline(always)]
fn read_macroblock(
    header: &Header,
    (modes, levels): (&mut BoolReader<'_>, &mut BoolReader<'_>),
    ((above_modes, above_filled), (left_modes, left_filled)): (&mut Context, &mut Context),
    coefficients: &mut Coefficients,
) -> (Macroblock, bool) {
    let macroblock = modes::read(header, modes, above_modes, left_modes);
    let whole = matches!(macroblock.luma, LumaMode::Whole(_));
    let any = if macroblock.empty {
        above_filled.clear(whole);
        left_filled.clear(whole);
        false
    } else {
        let steps = &header.steps[usize::from(macroblock.segment) & 3];
        let around = (above_filled, left_filled);
        levels::read(levels, &header.probabilities, steps, whole, around, coefficients)
    };
    (macroblock, any)
}

/// The upper left part of a plane.
fn cropped(plane: Plane, (width, height): (usize, usize)) -> Vec<u8> {
    let Plane { mut samples, stride } = plane;
    if stride != width {
        for row in 1..height {
            samples.copy_within(row * stride..row * stride + width, row * width);
        }
    }
    samples.truncate(width * height);
    samples
}

fn store(planes: &mut [Plane; 3], (column, row): (usize, usize), pixels: &Pixels) {
    let [y, u, v] = planes;
    let at = 16 * (row * y.stride + column);
    for (line, pixels) in pixels.y.as_chunks::<16>().0.iter().enumerate() {
        y.put(at + line * y.stride, *pixels);
    }
    let at = 8 * (row * u.stride + column);
    for (plane, pixels) in [(u, &pixels.u), (v, &pixels.v)] {
        for (line, pixels) in pixels.as_chunks::<8>().0.iter().enumerate() {
            plane.put(at + line * plane.stride, *pixels);
        }
    }
}

/// Predicts a macroblock and adds its coefficients, which are zero afterwards.
fn put_together(
    macroblock: &Macroblock,
    coefficients: &mut Coefficients,
    edges: &Edges,
    pixels: &mut Pixels,
) {
    let Coefficients { blocks, contents } = coefficients;
    match &macroblock.luma {
        LumaMode::Whole(mode) => {
            let predicted = predict::luma_in(usize::from(*mode), edges);
            for (half, predicted) in predicted.as_chunks::<4>().0.iter().enumerate() {
                for (side, rows) in [0, 1].map(|side| (side, predicted.map(|row| row[side]))) {
                    let first = 4 * half + 2 * side;
                    let rows = pair(rows, [first, first + 1], blocks, contents);
                    for (y, row) in rows.into_iter().enumerate() {
                        let at = 64 * half + 16 * y + 8 * side;
                        put(&mut pixels.y, at, row);
                    }
                }
            }
        }
        LumaMode::Blocks(modes) => {
            let mut canvas = Canvas::new(edges);
            for (block, &mode) in modes.iter().enumerate() {
                let prediction = canvas.prediction(block, mode).to_array();
                let rest = rest(&mut blocks[block], &mut contents[block]);
                let block_pixels = match rest {
                    None => prediction,
                    Some([a, b]) => {
                        let [pa, pb] = widened(prediction);
                        u8x16::narrow_i16x8(pa + a, pb + b).to_array()
                    }
                };
                canvas.put(block, block_pixels);
            }
            pixels.y = canvas.pixels();
        }
    }
    let predicted = predict::chroma_in(usize::from(macroblock.chroma), edges);
    for (half, predicted) in predicted.as_chunks::<4>().0.iter().enumerate() {
        for (plane, out) in [&mut pixels.u, &mut pixels.v].into_iter().enumerate() {
            let first = 16 + 4 * plane + 2 * half;
            let rows = pair(predicted.map(|row| row[plane]), [first, first + 1], blocks, contents);
            for (y, row) in rows.into_iter().enumerate() {
                put(out, 32 * half + 8 * y, row);
            }
        }
    }
}

/// Two blocks side by side: predicted rows of eight pixels, to which theirs are added.
#[inline(always)]
fn pair(
    mut rows: [i16x8; 4],
    numbers: [usize; 2],
    blocks: &mut [[i16; 16]; 24],
    contents: &mut [Content; 24],
) -> [[u8; 8]; 4] {
    let [left, right] = numbers.map(|n| rest(&mut blocks[n % 24], &mut contents[n % 24]));
    if left.is_some() || right.is_some() {
        let nothing = [i16x8::splat(0); 2];
        let ([l01, l23], [r01, r23]) = (left.unwrap_or(nothing), right.unwrap_or(nothing));
        rows[0] += low_halves(l01, r01);
        rows[1] += high_halves(l01, r01);
        rows[2] += low_halves(l23, r23);
        rows[3] += high_halves(l23, r23);
    }
    let [a, b, c, d] = rows;
    bytemuck::cast([u8x16::narrow_i16x8(a, b), u8x16::narrow_i16x8(c, d)])
}

/// What a block's coefficients add to its prediction, two rows a vector.
#[inline(always)]
fn rest(block: &mut [i16; 16], content: &mut Content) -> Option<[i16x8; 2]> {
    match std::mem::take(content) {
        Content::Nothing => None,
        Content::First => {
            // The transform of it alone.
            let level = i16x8::splat(block[0].wrapping_add(4) >> 3);
            block[0] = 0;
            Some([level; 2])
        }
        Content::All => {
            let coefficients = bytemuck::cast(*block);
            *block = [0; 16];
            Some(inverse_one(coefficients))
        }
    }
}

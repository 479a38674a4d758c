//! PNG: header, palette, transparency, colours and the default picture, all written anew.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use image::metadata::Orientation;

use super::cut::{LONGEST_MATCH, cut};
use super::inflate::{Deflater, HEADER, Inflated, inflate};
use super::palette::{Indices, Used};
use super::{profile, tiff};
use crate::error::ImagingError;
use crate::format::Format;
use crate::icc;
use crate::limits::Limits;
use crate::probe::Cursor;

const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";
/// Name of every profile.
const PROFILE_NAME: &[u8] = b"ICC\0";
/// The curve of displays for HDR (ITU-T H.273), whose tone mapping goes by what the chunks say of the brightest light.
const PQ: u8 = 16;

/// Gammas and chromaticities in 1 / 100,000; others are passed over.
const GAMMAS: RangeInclusive<u32> = 1_000..=1_000_000;
const MAX_CHROMATICITY: u32 = 100_000;

/// What the header says.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) depth: u8,
    colour: u8,
    interlaced: bool,
}

const GRAY: u8 = 0;
const RGB: u8 = 2;
const INDEXED: u8 = 3;
const GRAY_ALPHA: u8 = 4;
const RGB_ALPHA: u8 = 6;

impl Shape {
    fn parse(header: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(header);
        let (width, height) = (cursor.u32_be()?, cursor.u32_be()?);
        let [depth, colour, 0, 0, interlace @ (0 | 1)] = cursor.array()? else { return None };
        let is_valid = match colour {
            GRAY => matches!(depth, 1 | 2 | 4 | 8 | 16),
            INDEXED => matches!(depth, 1 | 2 | 4 | 8),
            RGB | GRAY_ALPHA | RGB_ALPHA => matches!(depth, 8 | 16),
            _ => false,
        };
        is_valid.then_some(Self { width, height, depth, colour, interlaced: interlace == 1 })
    }

    fn is_gray(self) -> bool {
        matches!(self.colour, GRAY | GRAY_ALPHA)
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
    pub(super) fn passes(self) -> Vec<(u32, u32)> {
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

    /// Bytes of a row without its filter.
    fn row_bytes(self, width: u32) -> u64 {
        (u64::from(width) * self.bits_a_pixel()).div_ceil(8)
    }

    /// Bytes of all rows with their filters.
    fn bytes(self) -> u64 {
        let passes = self.passes();
        passes.iter().map(|&(width, height)| (self.row_bytes(width) + 1) * u64::from(height)).sum()
    }
}

/// The chunks that count. Of those that come twice, it is the last that names colours, and else the first, as everywhere here.
#[derive(Default)]
struct Chunks<'a> {
    palette: Option<&'a [u8]>,
    transparency: Option<&'a [u8]>,
    cicp: Option<[u8; 4]>,
    profile: Option<&'a [u8]>,
    intent: Option<u8>,
    gamma: Option<[u8; 4]>,
    chromaticities: Option<[u8; 32]>,
    mastering: Option<[u8; 24]>,
    light: Option<[u8; 8]>,
}

impl<'a> Chunks<'a> {
    fn add(&mut self, chunk: &Chunk<'a>, is_indexed: bool) {
        let data = chunk.data;
        match &chunk.kind {
            b"PLTE" => self.palette = self.palette.or(Some(data)),
            // Of a palette it stands behind it.
            b"tRNS" if chunk.is_intact() && (!is_indexed || self.palette.is_some()) => {
                self.transparency = self.transparency.or(Some(data));
            }
            b"cICP" => self.cicp = data.first_chunk().copied().filter(|points| is_code_point(*points)),
            b"iCCP" if chunk.is_intact() => self.profile = self.profile.or(Some(data)),
            b"sRGB" => self.intent = Some(data.first().copied().filter(|&intent| intent < 4).unwrap_or(0)),
            b"gAMA" => {
                self.gamma = data.first_chunk().copied().filter(|n| GAMMAS.contains(&u32::from_be_bytes(*n)));
            }
            b"cHRM" => self.chromaticities = data.first_chunk().copied().filter(are_chromaticities),
            b"mDCV" => self.mastering = data.first_chunk().copied(),
            b"cLLI" => self.light = data.first_chunk().copied(),
            _ => {}
        }
    }

    /// Writes the colours, of which cICP counts before a profile, and that before sRGB, and that before a gamma.
    fn put_colors(&self, shape: Shape, out: &mut Vec<u8>) {
        if let Some(cicp) = self.cicp {
            put_chunk(out, *b"cICP", &cicp);
            if let Some(mastering) = self.mastering.filter(|_| cicp[1] == PQ) {
                put_chunk(out, *b"mDCV", &mastering);
            }
            if let Some(light) = self.light.filter(|_| cicp[1] == PQ) {
                put_chunk(out, *b"cLLI", &light);
            }
        }
        let spaces = if shape.is_gray() { profile::GRAY } else { profile::COLOR };
        let embedded = self.profile.and_then(icc::inflate);
        if let Some(profile) = embedded.and_then(|profile| profile::clean(&profile, spaces)) {
            let mut deflater = Deflater::new();
            deflater.push(&profile);
            put_chunk(out, *b"iCCP", &[PROFILE_NAME, &[0], &deflater.finish()].concat());
        } else if let Some(intent) = self.intent {
            put_chunk(out, *b"sRGB", &[intent]);
        } else if self.profile.is_none()
            && let Some(gamma) = self.gamma
        {
            put_chunk(out, *b"gAMA", &gamma);
            if let Some(chromaticities) = self.chromaticities {
                put_chunk(out, *b"cHRM", &chromaticities);
            }
        }
    }

    /// Writes palette and transparency. `used` is for a palette.
    fn put_palette(&self, shape: Shape, used: &Used, out: &mut Vec<u8>) {
        let mask = if shape.depth == 16 { [0xff, 0xff] } else { [0, 0xff] };
        let samples = |count: usize| {
            let samples = self.transparency?.get(..2 * count)?.as_chunks::<2>().0.iter();
            Some(samples.flat_map(|&[high, low]| [high & mask[0], low & mask[1]]).collect::<Vec<u8>>())
        };
        let transparency = match shape.colour {
            GRAY => samples(1),
            RGB => samples(3),
            INDEXED => {
                let Some(palette) = self.palette else { return };
                let colours = palette.as_chunks::<3>().0;
                let most = 1_usize << shape.depth;
                let last = used.iter().rposition(|&used| used).unwrap_or(0);
                let count = colours.len().min(most).min(last + 1);
                let kept = colours[..count].iter().zip(used);
                let kept = kept.flat_map(|(&colour, &used)| if used { colour } else { [0; 3] });
                put_chunk(out, *b"PLTE", &kept.collect::<Vec<u8>>());
                self.transparency.filter(|alphas| alphas.len() <= 256).map(|alphas| {
                    // As in libpng, more alphas than colours are none. One keeps the channels that a decoder gives.
                    if alphas.len() > colours.len() {
                        return vec![u8::MAX];
                    }
                    let kept = alphas.iter().zip(used).take(count);
                    kept.map(|(&alpha, &used)| if used { alpha } else { u8::MAX }).collect()
                })
            }
            _ => None,
        };
        if let Some(transparency) = transparency.filter(|alphas| !alphas.is_empty()) {
            put_chunk(out, *b"tRNS", &transparency);
        }
    }
}

pub(super) fn write(
    bytes: &[u8],
    orientation: Orientation,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), ImagingError> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(8).ok_or_else(|| damaged("no signature"))?;
    let header = Chunk::next(&mut cursor).filter(|chunk| &chunk.kind == b"IHDR" && chunk.data.len() == 13);
    let header = header.ok_or_else(|| damaged("no IHDR chunk"))?.data;
    let shape = Shape::parse(header).ok_or_else(|| damaged("an invalid IHDR chunk"))?;
    let mut chunks = Chunks::default();
    // Mostly one chunk, which needs no copy.
    let (mut stream, mut has_data) = (Cow::Borrowed(&[][..]), false);
    while let Some(chunk) = Chunk::next(&mut cursor) {
        match &chunk.kind {
            b"IDAT" => {
                if stream.is_empty() {
                    stream = Cow::Borrowed(chunk.data);
                } else {
                    stream.to_mut().extend_from_slice(chunk.data);
                }
                has_data = true;
            }
            // The data of the picture is in chunks that follow each other.
            _ if has_data => break,
            b"IEND" => break,
            _ => chunks.add(&chunk, shape.colour == INDEXED),
        }
    }
    let mut used = [shape.colour != INDEXED; 256];
    let rows = Rows::read(shape, &stream, &mut used, limits)?;

    out.extend_from_slice(SIGNATURE);
    put_chunk(out, *b"IHDR", header);
    chunks.put_colors(shape, out);
    chunks.put_palette(shape, &used, out);
    if orientation != Orientation::NoTransforms {
        put_chunk(out, *b"eXIf", &tiff(orientation));
    }
    let start = open_chunk(out, *b"IDAT");
    rows.put(&stream, limits, out)?;
    close_chunk(out, start);
    put_chunk(out, *b"IEND", &[]);
    Ok(())
}

/// What the stream of a picture says of its rows.
struct Rows {
    found: Inflated,
    expected: u64,
    /// The last bytes of the rows.
    tail: Vec<u8>,
}

impl Rows {
    fn read(shape: Shape, stream: &[u8], used: &mut Used, limits: &Limits) -> Result<Self, ImagingError> {
        let expected = shape.bytes();
        let mut indices = (shape.colour == INDEXED).then(|| Indices::new(shape, used));
        let mut tail = Vec::new();
        let found = inflate(stream, expected, limits, &mut |part| {
            if let Some(indices) = &mut indices {
                indices.push(part);
            }
            tail.extend_from_slice(&part[part.len().saturating_sub(LONGEST_MATCH)..]);
            tail.drain(..tail.len().saturating_sub(LONGEST_MATCH));
        })?;
        Ok(Self { found, expected, tail })
    }

    /// Writes the stream of the rows: its codes if it holds these alone, and else those up to the last row or to the damage.
    fn put(&self, stream: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), ImagingError> {
        let found = &self.found;
        let codes = stream.get(HEADER.len()..).unwrap_or(&[]);
        out.extend_from_slice(&HEADER);
        if let Some(end) = found.end.filter(|_| found.length == self.expected) {
            out.extend_from_slice(&codes[..end]);
        } else {
            let target = found.length.min(self.expected);
            // Codes that were inflated are read once more, and fail only without an end of their block, which decoders refuse.
            cut(codes, target, &self.tail, limits, out)?.ok_or_else(|| damaged("a block has no end"))?;
        }
        out.extend_from_slice(&found.checksum.to_be_bytes());
        Ok(())
    }
}

/// Whether these are primaries and a curve that ITU-T H.273 knows, of RGB.
fn is_code_point([primaries, transfer, matrix, range]: [u8; 4]) -> bool {
    primaries <= 22 && transfer <= 18 && matrix == 0 && range <= 1
}

fn are_chromaticities(numbers: &[u8; 32]) -> bool {
    numbers.as_chunks::<4>().0.iter().all(|&number| u32::from_be_bytes(number) <= MAX_CHROMATICITY)
}

struct Chunk<'a> {
    kind: [u8; 4],
    data: &'a [u8],
    checksum: u32,
}

impl<'a> Chunk<'a> {
    fn next(cursor: &mut Cursor<'a>) -> Option<Self> {
        let length = usize::try_from(cursor.u32_be()?).ok()?;
        let kind = cursor.array()?;
        let data = cursor.take(length)?;
        Some(Self { kind, data, checksum: cursor.u32_be()? })
    }

    /// Decoders pass over a damaged chunk of these kinds.
    fn is_intact(&self) -> bool {
        crc(self.kind, self.data) == self.checksum
    }
}

fn put_chunk(out: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    let start = open_chunk(out, kind);
    out.extend_from_slice(data);
    close_chunk(out, start);
}

/// Begins a chunk and gives the place of its data.
fn open_chunk(out: &mut Vec<u8>, kind: [u8; 4]) -> usize {
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&kind);
    out.len()
}

fn close_chunk(out: &mut Vec<u8>, start: usize) {
    // The file had a length of 32 bits for more.
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start - 8..start - 4].copy_from_slice(&length.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&out[start - 4..]);
    out.extend_from_slice(&crc.sum().to_be_bytes());
}

fn crc(kind: [u8; 4], data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(&kind);
    crc.update(data);
    crc.sum()
}

fn damaged(reason: &str) -> ImagingError {
    ImagingError::corrupt(Format::Png, reason)
}

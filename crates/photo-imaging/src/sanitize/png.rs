//! PNG: header, palette, transparency, colours and the picture that is shown, all written anew.

use image::metadata::Orientation;

use super::cut::{LONGEST_MATCH, cut};
use super::inflate::{Deflater, HEADER, Inflated, inflate};
use super::palette::{Filters, Indices, Used};
use super::{profile, tiff};
use crate::error::ImagingError;
use crate::format::Format;
use crate::icc;
use crate::limits::Limits;
use crate::probe::png::{PngFile, SIGNATURE, Shape};
use crate::probe::png_color;

/// Name of every profile.
const PROFILE_NAME: &[u8] = b"ICC\0";
/// The curve of displays for HDR (ITU-T H.273), whose tone mapping goes by what the chunks say of the brightest light.
const PQ: u8 = 16;

pub(super) fn write(
    bytes: &[u8],
    orientation: Orientation,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), ImagingError> {
    let file = PngFile::parse(bytes).map_err(damaged)?;
    let picture = file.shown().map_err(damaged)?;
    if !picture.covers(file.shape) {
        return Err(damaged("the first frame is smaller than its canvas"));
    }
    let shape = file.shape;
    let stream = picture.data.stream();
    let mut used = [!shape.is_indexed(); 256];
    let rows = Rows::read(shape, &stream, &mut used, limits)?;

    out.extend_from_slice(SIGNATURE);
    put_chunk(out, *b"IHDR", &shape.header());
    put_colors(&file, out);
    put_palette(&file, &used, out);
    if orientation != Orientation::NoTransforms {
        put_chunk(out, *b"eXIf", &tiff(orientation));
    }
    let start = open_chunk(out, *b"IDAT");
    rows.put(&stream, limits, out)?;
    close_chunk(out, start);
    put_chunk(out, *b"IEND", &[]);
    Ok(())
}

/// Writes the colours, of which cICP counts before a profile, and that before sRGB, and that before a gamma.
fn put_colors(file: &PngFile<'_>, out: &mut Vec<u8>) {
    if let Some(cicp) = file.cicp.filter(|points| is_code_point(*points)) {
        put_chunk(out, *b"cICP", &cicp);
        if let Some(mastering) = file.mastering.filter(|_| cicp[1] == PQ) {
            put_chunk(out, *b"mDCV", &mastering);
        }
        if let Some(light) = file.light.filter(|_| cicp[1] == PQ) {
            put_chunk(out, *b"cLLI", &light);
        }
    }
    let spaces = if file.shape.is_gray() { profile::GRAY } else { profile::COLOR };
    let embedded = file.icc.and_then(icc::inflate);
    if let Some(profile) = embedded.and_then(|profile| profile::clean(&profile, spaces)) {
        let mut deflater = Deflater::new();
        deflater.push(&profile);
        put_chunk(out, *b"iCCP", &[PROFILE_NAME, &[0], &deflater.finish()].concat());
    } else if let Some(intent) = file.srgb {
        put_chunk(out, *b"sRGB", &[intent]);
    } else if let Some((gamma, chromaticities)) = png_color::gamma(file)
        && png_color::embedded(file).is_none()
    {
        // A profile that is whole, if not for these channels, counts for more.
        put_chunk(out, *b"gAMA", &gamma.to_be_bytes());
        if let Some(chromaticities) = chromaticities {
            put_chunk(out, *b"cHRM", chromaticities.map(u32::to_be_bytes).as_flattened());
        }
    }
}

/// Writes palette and transparency. `used` is for a palette, which ends with the last colour that is used, also by an index beyond
/// the palette.
fn put_palette(file: &PngFile<'_>, used: &Used, out: &mut Vec<u8>) {
    if let Some((mut colours, mut alphas)) = file.colours() {
        let length = file.palette.map_or(1, <[_]>::len);
        let last = used.iter().rposition(|&used| used).unwrap_or(0).min(length - 1);
        for index in (0..last).filter(|&index| !used[index]) {
            (colours[index], alphas[index]) = ([0; 3], u8::MAX);
        }
        let count = last + 1;
        put_chunk(out, *b"PLTE", colours[..count].as_flattened());
        if file.transparency.is_some() {
            // One alpha keeps the channels that a decoder gives.
            let count = alphas[..count].iter().rposition(|&alpha| alpha < u8::MAX).unwrap_or(0) + 1;
            put_chunk(out, *b"tRNS", &alphas[..count]);
        }
    } else if let Some(samples) = file.transparency {
        let mask = if file.shape.depth == 16 { [0xff, 0xff] } else { [0, 0xff] };
        let samples = samples.as_chunks::<2>().0.iter();
        let samples = samples.flat_map(|&[high, low]| [high & mask[0], low & mask[1]]).collect::<Vec<u8>>();
        put_chunk(out, *b"tRNS", &samples);
    }
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
        let mut indices = shape.is_indexed().then(|| Indices::new(shape, used));
        let (mut filters, mut tail) = (Filters::new(shape), Vec::new());
        let found = inflate(std::iter::once(stream), expected, limits, &mut |part| {
            filters.push(part);
            if let Some(indices) = &mut indices {
                indices.push(part);
            }
            tail.extend_from_slice(&part[part.len().saturating_sub(LONGEST_MATCH)..]);
            tail.drain(..tail.len().saturating_sub(LONGEST_MATCH));
        })?;
        if found.length < expected {
            return Err(damaged("rows are missing"));
        }
        if !filters.are_known {
            return Err(damaged("an unknown filter"));
        }
        Ok(Self { found, expected, tail })
    }

    /// Writes the stream of the rows: its codes if it holds these alone, and else those up to the last row.
    fn put(&self, stream: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), ImagingError> {
        let found = &self.found;
        let codes = stream.get(HEADER.len()..).unwrap_or(&[]);
        out.extend_from_slice(&HEADER);
        if let Some(end) = found.end.filter(|_| found.length == self.expected) {
            out.extend_from_slice(&codes[..end]);
        } else {
            // Codes that were inflated are read once more, and fail only without an end of their block, which decoders refuse.
            cut(codes, self.expected, &self.tail, limits, out)?
                .ok_or_else(|| damaged("a block has no end"))?;
        }
        out.extend_from_slice(&found.checksum.to_be_bytes());
        Ok(())
    }
}

/// Whether these are primaries and a curve that ITU-T H.273 knows.
fn is_code_point([primaries, transfer, ..]: [u8; 4]) -> bool {
    primaries <= 22 && transfer <= 18
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

fn damaged(reason: &str) -> ImagingError {
    ImagingError::corrupt(Format::Png, reason)
}

//! PNG: the chunks that a picture is made of, from the signature to its image data.
//!
//! Chromium decides what counts. An ancillary chunk with a wrong checksum or length is ignored, the first intact one of its kind
//! counts, and colours and EXIF count in front of the image data alone. Image data counts with any checksum, up to the end of
//! the file or to a chunk of another kind. What follows is ignored.

mod chunk;
mod picture;

use image::metadata::Orientation;

use super::cursor::Cursor;
use super::{Header, orientation_of};
use crate::error::ImagingError;
use crate::format::Format;
pub(crate) use chunk::{Chunk, Chunks, checksum};
pub(crate) use picture::{ImageData, Picture, Shape};

/// The first bytes of every PNG.
pub(crate) const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// Bit of a kind's first byte that is not set in critical chunks.
const ANCILLARY: u8 = 0x20;

/// What a file says in chunks that count.
#[derive(Clone, Debug)]
pub(crate) struct PngFile<'a> {
    /// Of the canvas.
    pub(crate) shape: Shape,
    /// Red, green and blue of at most 256 colours. Of a palette picture alone.
    pub(crate) palette: Option<&'a [[u8; 3]]>,
    /// Alphas of the palette's first colours, at most 256, or the samples of the transparent colour.
    pub(crate) transparency: Option<&'a [u8]>,
    pub(crate) exif: Option<&'a [u8]>,
    /// Numbers of primaries, curve, matrix (0) and range (0 or 1).
    pub(crate) cicp: Option<[u8; 4]>,
    /// Name, method and stream of a profile, which may be broken.
    pub(crate) icc: Option<&'a [u8]>,
    /// A rendering intent below 4.
    pub(crate) srgb: Option<u8>,
    /// In 1 / 100,000, not 0.
    pub(crate) gamma: Option<u32>,
    /// White, red, green and blue in 1 / 100,000.
    pub(crate) chromaticities: Option<[u32; 8]>,
    pub(crate) mastering: Option<[u8; 24]>,
    pub(crate) light: Option<[u8; 8]>,
    /// The picture of the image data, or why it cannot be decoded.
    default: Result<Picture<'a>, &'static str>,
    /// The first frame of an animation that the default picture is not part of.
    frame: Option<Picture<'a>>,
}

impl<'a> PngFile<'a> {
    /// Reads all chunks in front of the image data, and of an animation those in front of its first frame.
    ///
    /// # Errors
    /// Why nothing is known of the picture.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let mut chunks = Chunks::new(bytes.get(SIGNATURE.len()..).unwrap_or(&[]));
        let header = chunks.next().filter(|chunk| &chunk.kind == b"IHDR").ok_or("no IHDR chunk")?;
        let shape = Shape::parse(header.data).ok_or("an invalid IHDR chunk")?;
        let mut file = Self {
            shape,
            palette: None,
            transparency: None,
            exif: None,
            cicp: None,
            icc: None,
            srgb: None,
            gamma: None,
            chromaticities: None,
            mastering: None,
            light: None,
            default: Err("the IHDR chunk is damaged"),
            frame: None,
        };
        if header.is_intact() {
            file.read(chunks);
        }
        Ok(file)
    }

    /// The picture that browsers show.
    ///
    /// # Errors
    /// Why it cannot be decoded.
    pub(crate) fn shown(&self) -> Result<Picture<'a>, &'static str> {
        let default = self.default?;
        Ok(self.frame.unwrap_or(default))
    }

    /// The picture that is shown in place of a frame that cannot be decoded.
    pub(crate) fn fallback(&self) -> Option<Picture<'a>> {
        self.frame.and(self.default.ok())
    }

    /// As in Chromium, the prefix that JPEG has in front of EXIF makes it senseless.
    fn orientation(&self) -> Orientation {
        let exif = self.exif.filter(|exif| !exif.starts_with(b"Exif\0\0"));
        exif.map_or(Orientation::NoTransforms, orientation_of)
    }

    /// Width and height of the canvas in px.
    pub(crate) fn size(&self) -> (u32, u32) {
        (self.shape.width, self.shape.height)
    }

    /// The palette of a palette picture, and its alphas. As in Chromium, an index beyond the palette is its last colour.
    pub(crate) fn colours(&self) -> Option<([[u8; 3]; 256], [u8; 256])> {
        let palette = self.palette?;
        let (mut colours, mut alphas) = ([*palette.last()?; 256], [u8::MAX; 256]);
        colours[..palette.len()].copy_from_slice(palette);
        if let Some(given) = self.transparency {
            alphas[..given.len()].copy_from_slice(given);
            let last = alphas[palette.len() - 1];
            alphas[palette.len()..].fill(last);
        }
        Some((colours, alphas))
    }

    /// Whether rows can be reduced as they come.
    pub(crate) fn comes_by_rows(&self) -> bool {
        let covers = self.frame.is_none_or(|frame| frame.covers(self.shape));
        !self.shape.interlaced && covers && !(self.shape.depth == 16 && self.names_colours())
    }

    /// Memory in bytes that decoding takes beside rows that wait to be reduced.
    pub(crate) fn bytes_by_rows(&self) -> u64 {
        /// A decoder's window, and what it inflates at once.
        const BESIDE: u64 = 512 << 10;
        /// The decoder keeps some rows until it moves them, in a buffer that grows by doubling.
        const ROWS: u64 = 12;
        u64::from(self.shape.width) * self.sample_bytes() * ROWS + BESIDE
    }

    /// Memory in bytes that decoding takes while the whole picture is held.
    pub(crate) fn bytes_at_once(&self) -> u64 {
        let converted = if self.shape.depth == 16 && self.names_colours() { 4 } else { 0 };
        let pixel = self.sample_bytes() + converted;
        let area = |shape: Shape| u64::from(shape.width) * u64::from(shape.height);
        // Saturating: two sides of 32 bits fill a u64.
        let picture = |shape: Shape| area(shape).saturating_mul(pixel);
        match self.frame {
            Some(frame) if !frame.covers(self.shape) => {
                let canvas = area(self.shape).saturating_mul(4);
                // Its frame, which is held together with the canvas, or the picture that is shown in its place.
                canvas.saturating_add(picture(frame.shape)).max(picture(self.shape))
            }
            _ => picture(self.shape),
        }
    }

    /// Bytes of a pixel as the decoder gives it. Palettes become colours, and what has not arrived becomes transparent.
    fn sample_bytes(&self) -> u64 {
        let channels = if self.shape.is_gray() { 2 } else { 4 };
        channels * if self.shape.depth == 16 { 2 } else { 1 }
    }

    fn names_colours(&self) -> bool {
        self.cicp.is_some() || self.icc.is_some() || self.gamma.is_some()
    }

    fn read(&mut self, mut chunks: Chunks<'a>) {
        let (mut frames, mut is_first_frame, mut has_palette) = (None, false, false);
        self.default = loop {
            let start = chunks.rest();
            let Some(chunk) = chunks.next() else { break Err("no IDAT chunk") };
            match &chunk.kind {
                b"IDAT" => break Ok(Picture::whole(self.shape, ImageData::new(start, chunk.kind))),
                b"IEND" => break Err("no IDAT chunk"),
                // Of other pictures it is a suggestion for displays with few colours.
                b"PLTE" => {
                    has_palette = true;
                    if self.shape.is_indexed() {
                        first(&mut self.palette, &chunk, colours);
                    }
                }
                b"acTL" => first(&mut frames, &chunk, frame_count),
                b"fcTL" => is_first_frame = true,
                [first, ..] if first & ANCILLARY == 0 => break Err("an unknown critical chunk"),
                _ => self.add(&chunk, has_palette),
            }
        };
        if self.shape.is_indexed() && self.palette.is_none() && self.default.is_ok() {
            self.default = Err("no palette");
        }
        if frames.is_some() && !is_first_frame {
            self.frame = picture::first_frame(chunks, self.shape);
        }
    }

    fn add(&mut self, chunk: &Chunk<'a>, has_palette: bool) {
        let shape = self.shape;
        match &chunk.kind {
            b"tRNS" if !shape.is_indexed() || self.palette.is_some() => {
                first(&mut self.transparency, chunk, |data| {
                    (1..=256).contains(&data.len()).then(|| shape.transparency(data)).flatten()
                });
            }
            b"eXIf" => first(&mut self.exif, chunk, Some),
            b"cICP" if !has_palette => first(&mut self.cicp, chunk, |data| {
                // RGB is all that PNG can hold.
                array(data).filter(|&[_, _, matrix, range]| matrix == 0 && range <= 1)
            }),
            b"iCCP" => first(&mut self.icc, chunk, Some),
            b"sRGB" => first(&mut self.srgb, chunk, |data| {
                array(data).map(|[intent]| intent).filter(|&intent| intent < 4)
            }),
            b"gAMA" => first(&mut self.gamma, chunk, |data| {
                array(data).map(u32::from_be_bytes).filter(|&gamma| gamma > 0)
            }),
            b"cHRM" => first(&mut self.chromaticities, chunk, |data| {
                let (numbers, _) = data.as_chunks::<4>();
                (data.len() == 32).then(|| numbers.first_chunk().copied()).flatten().map(be32s)
            }),
            b"mDCV" if !has_palette => first(&mut self.mastering, chunk, array),
            b"cLLI" => first(&mut self.light, chunk, array),
            _ => {}
        }
    }
}

/// Reads a chunk if it is the first intact one of its kind that can be read.
fn first<'a, T>(slot: &mut Option<T>, chunk: &Chunk<'a>, read: impl FnOnce(&'a [u8]) -> Option<T>) {
    if slot.is_none() && chunk.is_intact() {
        *slot = read(chunk.data);
    }
}

/// A content of exactly this length.
fn array<const N: usize>(data: &[u8]) -> Option<[u8; N]> {
    data.try_into().ok()
}

fn be32s(numbers: [[u8; 4]; 8]) -> [u32; 8] {
    numbers.map(u32::from_be_bytes)
}

/// As in Chromium, bytes behind the last whole colour are ignored.
fn colours(data: &[u8]) -> Option<&[[u8; 3]]> {
    let (colours, _) = data.as_chunks::<3>();
    (!colours.is_empty() && data.len() <= 3 * 256).then_some(colours)
}

/// How many frames an animation says that it has.
fn frame_count(data: &[u8]) -> Option<u32> {
    const MOST: u32 = u32::MAX >> 1;
    let (numbers, _) = data.as_chunks::<4>();
    let &[frames, plays] = numbers.first_chunk()?;
    let (frames, plays) = (u32::from_be_bytes(frames), u32::from_be_bytes(plays));
    (data.len() == 8 && (1..=MOST).contains(&frames) && plays <= MOST).then_some(frames)
}

/// Reads the header. Time is linear in the length of the file.
pub(super) fn parse(bytes: &[u8]) -> Result<Header, ImagingError> {
    let file = PngFile::parse(bytes).map_err(|reason| ImagingError::corrupt(Format::Png, reason))?;
    let at_once = file.bytes_at_once();
    Ok(Header {
        format: Format::Png,
        width: file.shape.width,
        height: file.shape.height,
        // No other frame is ever decoded.
        frames: 1,
        orientation: file.orientation(),
        has_icc: file.icc.is_some(),
        decoder_bytes: if file.comes_by_rows() { at_once.min(file.bytes_by_rows()) } else { at_once },
        damage: None,
    })
}

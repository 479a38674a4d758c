//! WebP: RIFF chunks, and the sizes that the bitstreams inside them claim for themselves.

use image::metadata::Orientation;

use super::cursor::Cursor;
use super::{Header, orientation_of};
use crate::animation::Survey;
use crate::decode;
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;

const TRUNCATED: &str = "the file ends inside a chunk";

/// A bitstream, and the alpha beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bitstream<'a> {
    Lossy { frame: &'a [u8], alpha: Option<&'a [u8]> },
    Lossless(&'a [u8]),
}

impl<'a> Bitstream<'a> {
    /// Alpha beside a lossless bitstream is nothing.
    fn new(kind: [u8; 4], data: &'a [u8], alpha: Option<&'a [u8]>) -> Self {
        if &kind == b"VP8L" { Self::Lossless(data) } else { Self::Lossy { frame: data, alpha } }
    }
}

/// A frame of an animation, or a still.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) duration_ms: u32,
    /// Mixed with what is there instead of replacing it.
    pub(crate) blends: bool,
    /// What it covers is cleared after it was shown.
    pub(crate) disposes: bool,
    pub(crate) bitstream: Bitstream<'a>,
}

/// In `VP8X`: there is alpha.
const ALPHA: u8 = 0x10;

/// Walks all chunks. The decoder learns the size of a bitstream only after decoding it, so one that differs from the
/// header's is refused here. The second answer is what is decoded: the still or the first frame.
///
/// What decoding takes is known when the bitstream's own header is read, which costs more the larger the picture is. So
/// the limits on its size come first.
pub(super) fn parse<'a>(
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<(Header, Option<Frame<'a>>), ImagingError> {
    let mut header = Header {
        format: Format::WebP,
        width: 0,
        height: 0,
        frames: 0,
        orientation: Orientation::NoTransforms,
        has_icc: false,
        decoder_bytes: 0,
        damage: None,
    };
    let mut cursor = riff(bytes, &mut header)?;
    let (mut canvas, mut says_alpha) = (None, false);
    let (mut still, mut alpha) = (None, None);
    let mut first_frame = None;
    let mut frames = 0;
    while !cursor.rest().is_empty() {
        let Some((kind, data)) = chunk(&mut cursor) else {
            header.damage = Some(TRUNCATED);
            break;
        };
        match &kind {
            b"VP8X" if canvas.is_none() => {
                canvas = Some(extended_size(data).ok_or_else(|| corrupt("short VP8X chunk"))?);
                says_alpha = data.first().is_some_and(|flags| flags & ALPHA != 0);
            }
            b"VP8 " | b"VP8L" if still.is_none() => {
                // As browsers have it: alpha is there if it is, and said to be. A flag alone, or a chunk alone, is nothing.
                let bitstream = Bitstream::new(kind, data, alpha.filter(|_| says_alpha));
                still = Some((bitstream_size(kind, data)?, bitstream));
            }
            b"ALPH" => alpha = alpha.or(Some(data)),
            b"ANMF" => {
                frames += 1;
                if frames == 1 {
                    first_frame = Some(Frame::parse(data)?);
                }
            }
            b"ICCP" => header.has_icc = true,
            b"EXIF" => header.orientation = orientation_of(data),
            _ => {}
        }
    }
    let (width, height) = canvas.or(still.map(|(size, _)| size)).ok_or_else(|| corrupt("no picture"))?;
    (header.width, header.height, header.frames) = (width, height, frames.max(1));
    let first = match (first_frame, still) {
        (Some(frame), _) => Some(frame),
        (None, Some((size, bitstream))) if size == (width, height) => {
            let (left, top, duration_ms, blends, disposes) = (0, 0, 0, false, false);
            Some(Frame { left, top, width, height, duration_ms, blends, disposes, bitstream })
        }
        (None, Some(_)) => {
            header.damage = Some("the bitstream has another size than the canvas");
            None
        }
        (None, None) => {
            header.damage = header.damage.or(Some("no picture"));
            None
        }
    };
    limits.check_size(width, height)?;
    limits.check_frames(header.frames, width, height)?;
    if let Some(frame) = &first {
        if !frame.fits((width, height)) {
            return Err(corrupt("a frame does not fit its canvas"));
        }
        header.decoder_bytes = decode::webp::memory_bytes(frame, (width, height), limits)?;
    }
    Ok((header, first))
}

/// The chunks inside the RIFF container; what comes after it is nobody's.
fn riff<'a>(bytes: &'a [u8], header: &mut Header) -> Result<Cursor<'a>, ImagingError> {
    let mut cursor = Cursor::new(bytes);
    let size = cursor.take(4).and_then(|_| cursor.u32_le()).ok_or_else(|| corrupt("short RIFF header"))?;
    let mut body = cursor.rest();
    match body.split_at_checked(usize::try_from(size).unwrap_or(usize::MAX)) {
        Some((inside, _)) => body = inside,
        None => header.damage = Some(TRUNCATED),
    }
    let mut chunks = Cursor::new(body);
    chunks.take(4).ok_or_else(|| corrupt("short RIFF header"))?;
    Ok(chunks)
}

/// The next chunk's kind and content.
pub(crate) fn chunk<'a>(cursor: &mut Cursor<'a>) -> Option<([u8; 4], &'a [u8])> {
    let kind = cursor.array()?;
    let length = usize::try_from(cursor.u32_le()?).ok()?;
    let data = cursor.take(length)?;
    // A missing last padding byte harms nobody.
    if length % 2 == 1 && !cursor.rest().is_empty() {
        cursor.u8()?;
    }
    Some((kind, data))
}

/// The embedded profile, which only an extended file can have.
pub(crate) fn icc(bytes: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(12)?;
    let (first, _) = chunk(&mut cursor)?;
    if &first != b"VP8X" {
        return None;
    }
    std::iter::from_fn(|| chunk(&mut cursor)).find_map(|(kind, data)| (&kind == b"ICCP").then_some(data))
}

fn extended_size(data: &[u8]) -> Option<(u32, u32)> {
    let mut cursor = Cursor::new(data);
    cursor.take(4)?;
    Some((cursor.u24_le()? + 1, cursor.u24_le()? + 1))
}

fn bitstream_size(kind: [u8; 4], data: &[u8]) -> Result<(u32, u32), ImagingError> {
    let size = match (&kind, data) {
        (b"VP8 ", [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..]) => (
            u32::from(u16::from_le_bytes([*w0, *w1]) & 0x3fff),
            u32::from(u16::from_le_bytes([*h0, *h1]) & 0x3fff),
        ),
        (b"VP8L", [0x2f, a, b, c, d, ..]) => {
            let bits = u32::from_le_bytes([*a, *b, *c, *d]);
            ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
        }
        _ => return Err(corrupt("bad bitstream header")),
    };
    Ok(size)
}

impl<'a> Frame<'a> {
    /// The content of an `ANMF` chunk. The bitstream must have the frame's size.
    fn parse(data: &'a [u8]) -> Result<Self, ImagingError> {
        let mut cursor = Cursor::new(data);
        let fields = (|| {
            let (left, top) = (cursor.u24_le()? * 2, cursor.u24_le()? * 2);
            let (width, height) = (cursor.u24_le()? + 1, cursor.u24_le()? + 1);
            Some((left, top, width, height, cursor.u24_le()?, cursor.u8()?))
        })();
        let (left, top, width, height, duration_ms, flags) =
            fields.ok_or_else(|| corrupt("short ANMF chunk"))?;
        let (blends, disposes) = (flags & 2 == 0, flags & 1 != 0);
        let mut alpha = None;
        while let Some((kind, data)) = chunk(&mut cursor) {
            match &kind {
                b"ALPH" => alpha = alpha.or(Some(data)),
                b"VP8 " | b"VP8L" => {
                    if bitstream_size(kind, data)? != (width, height) {
                        return Err(corrupt("the bitstream has another size than its frame"));
                    }
                    let bitstream = Bitstream::new(kind, data, alpha);
                    return Ok(Self { left, top, width, height, duration_ms, blends, disposes, bitstream });
                }
                _ => {}
            }
        }
        Err(corrupt("a frame without a picture"))
    }

    fn fits(&self, (width, height): (u32, u32)) -> bool {
        self.left + self.width <= width && self.top + self.height <= height
    }

    /// Whether it is all that is seen of a canvas of this size.
    pub(crate) fn covers(&self, canvas: (u32, u32)) -> bool {
        (self.left, self.top) == (0, 0) && (self.width, self.height) == canvas
    }

    /// Whether it has no alpha and is made of planes.
    pub(crate) fn is_planar(&self) -> bool {
        matches!(self.bitstream, Bitstream::Lossy { alpha: None, .. })
    }
}

/// Appends a chunk. `None`: it is longer than a chunk can say.
pub(crate) fn put_chunk(out: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) -> Option<()> {
    out.extend_from_slice(&kind);
    out.extend_from_slice(&u32::try_from(data.len()).ok()?.to_le_bytes());
    out.extend_from_slice(data);
    if data.len() % 2 == 1 {
        out.push(0);
    }
    Some(())
}

/// Every frame of an animation. `None` if one of them is damaged or does not fit the canvas.
pub(crate) fn frames(bytes: &[u8]) -> Option<Vec<Frame<'_>>> {
    walk(bytes).map(|(frames, _)| frames)
}

/// What all frames take, and how often they are shown. `None` as for [`frames`], and if one of them is over a limit.
pub(crate) fn survey(bytes: &[u8], limits: &Limits) -> Option<Survey> {
    let (frames, loops) = walk(bytes)?;
    let mut cursor = Cursor::new(bytes);
    cursor.take(12)?;
    let size = canvas_size(cursor)?;
    let canvas = u64::from(size.0) * u64::from(size.1);
    let mut most = 0;
    for frame in &frames {
        most = most.max(decode::webp::frame_bytes(frame, limits).ok()?);
    }
    // A frame, the canvas and what is shown of it.
    Some(Survey { loops, decoder_bytes: most + canvas * 2 * 4 })
}

fn walk(bytes: &[u8]) -> Option<(Vec<Frame<'_>>, u16)> {
    let mut cursor = Cursor::new(bytes);
    let length = cursor.take(4).and_then(|_| cursor.u32_le())?;
    // What comes after the container is nobody's.
    let mut cursor = Cursor::new(cursor.take(usize::try_from(length).ok()?)?);
    cursor.take(4)?;
    let size = canvas_size(Cursor::new(cursor.rest()))?;
    let mut frames = Vec::new();
    let mut loops = 0;
    while let Some((kind, data)) = chunk(&mut cursor) {
        match &kind {
            b"ANIM" => loops = data.get(4..6).map_or(0, |n| u16::from_le_bytes([n[0], n[1]])),
            b"ANMF" => {
                frames.push(Frame::parse(data).ok().filter(|frame| frame.fits(size))?);
            }
            _ => {}
        }
    }
    Some((frames, loops))
}

fn canvas_size(mut chunks: Cursor<'_>) -> Option<(u32, u32)> {
    match chunk(&mut chunks)? {
        (kind, data) if &kind == b"VP8X" => extended_size(data),
        _ => None,
    }
}

fn corrupt(reason: &str) -> ImagingError {
    ImagingError::corrupt(Format::WebP, reason)
}

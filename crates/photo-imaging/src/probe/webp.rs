//! WebP: RIFF chunks, and the sizes that the bitstreams inside them claim for themselves.

mod chunks;

use image::metadata::Orientation;

use super::cursor::Cursor;
use super::{Header, orientation_of};
use crate::animation::Survey;
use crate::decode;
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;
pub(crate) use chunks::Chunks;

/// A bitstream, and the alpha beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bitstream<'a> {
    Lossy { frame: &'a [u8], alpha: Option<&'a [u8]> },
    Lossless(&'a [u8]),
}

impl<'a> Bitstream<'a> {
    /// Alpha beside a lossless bitstream is nothing: it has its own; the header's flag does not count.
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

/// Flags of `VP8X`.
pub(crate) mod flag {
    pub(crate) const ANIMATION: u8 = 0x02;
    pub(crate) const EXIF: u8 = 0x08;
    pub(crate) const ALPHA: u8 = 0x10;
    pub(crate) const ICC: u8 = 0x20;
}

/// The `VP8X` chunk. It counts in front of the picture alone, and the first of two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extended {
    pub(crate) flags: u8,
    canvas: (u32, u32),
}

impl Extended {
    /// `None` if the chunk is too short.
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(data);
        let flags = cursor.u8()?;
        cursor.take(3)?;
        Some(Self { flags, canvas: (cursor.u24_le()? + 1, cursor.u24_le()? + 1) })
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Walks all chunks. The decoder learns the size of a bitstream only after decoding it, so one that differs from the
/// header's is refused here, as by browsers. The second answer is what is decoded: the still or the first frame.
///
/// EXIF and a colour profile that the header does not announce are ignored, as by browsers. A file that ends too early is decoded
/// as far as it goes.
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
    let chunks = Chunks::of_file(bytes).ok_or_else(|| corrupt("short RIFF header"))?;
    let mut extended: Option<Extended> = None;
    let (mut still, mut alpha, mut exif) = (None, None, None);
    let mut first_frame = None;
    let mut frames = 0;
    for (kind, data) in chunks {
        match &kind {
            b"VP8X" if still.is_none() && frames == 0 => extended = extended.or(Extended::parse(data)),
            b"VP8 " | b"VP8L" if still.is_none() && frames == 0 => {
                // As browsers have it: alpha is there if it is, and said to be. A flag alone, or a chunk alone, is nothing.
                let announced = extended.is_some_and(|header| header.has(flag::ALPHA));
                let bitstream = Bitstream::new(kind, data, alpha.filter(|_| announced));
                still = Some((bitstream_size(kind, data)?, bitstream));
            }
            b"ALPH" => alpha = alpha.or(Some(data)),
            b"ANMF" => {
                frames += 1;
                if frames == 1 {
                    first_frame = Some(Frame::parse(data)?);
                }
            }
            b"EXIF" => exif = exif.or(Some(data)),
            b"ICCP" => header.has_icc |= extended.is_some_and(|header| header.has(flag::ICC)),
            _ => {}
        }
    }
    if let Some(exif) = exif.filter(|_| extended.is_some_and(|header| header.has(flag::EXIF))) {
        header.orientation = orientation_of(exif);
    }
    let canvas = extended.map(|header| header.canvas);
    let (width, height) = canvas.or(still.map(|(size, _)| size)).ok_or_else(|| corrupt("no picture"))?;
    (header.width, header.height, header.frames) = (width, height, frames.max(1));
    let first = match (first_frame, still) {
        (Some(frame), _) => Ok(frame),
        (None, Some((size, bitstream))) if size == (width, height) => {
            let (left, top, duration_ms, blends, disposes) = (0, 0, 0, false, false);
            Ok(Frame { left, top, width, height, duration_ms, blends, disposes, bitstream })
        }
        (None, Some(_)) => Err(corrupt("the bitstream has another size than the canvas")),
        (None, None) => Err(corrupt("no picture")),
    };
    limits.check_size(width, height)?;
    // After the limits, so that a bomb is called one even if it is damaged as well.
    let first = first?;
    if !first.fits((width, height)) {
        return Err(corrupt("a frame does not fit its canvas"));
    }
    header.decoder_bytes = decode::webp::memory_bytes(&first, (width, height), limits)?;
    Ok((header, Some(first)))
}

/// The embedded profile, which only a file with a header that announces it has.
pub(crate) fn icc(bytes: &[u8]) -> Option<&[u8]> {
    let mut chunks = Chunks::of_file(bytes)?;
    let announced = chunks.find_map(|(kind, data)| match &kind {
        b"VP8X" => Extended::parse(data).map(|header| header.has(flag::ICC)),
        b"VP8 " | b"VP8L" | b"ANMF" => Some(false),
        _ => None,
    });
    // It may stand in front of the header.
    let mut chunks = Chunks::of_file(bytes).filter(|_| announced == Some(true))?;
    chunks.find_map(|(kind, data)| (&kind == b"ICCP").then_some(data))
}

/// Width and height in px that a bitstream says.
pub(crate) fn bitstream_size(kind: [u8; 4], data: &[u8]) -> Result<(u32, u32), ImagingError> {
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
    /// The content of an `ANMF` chunk. Its size is the bitstream's and not the chunk's, as in libwebp.
    fn parse(data: &'a [u8]) -> Result<Self, ImagingError> {
        let mut cursor = Cursor::new(data);
        let fields = (|| {
            let (left, top) = (cursor.u24_le()? * 2, cursor.u24_le()? * 2);
            // Width and height.
            cursor.take(6)?;
            Some((left, top, cursor.u24_le()?, cursor.u8()?))
        })();
        let (left, top, duration_ms, flags) = fields.ok_or_else(|| corrupt("short ANMF chunk"))?;
        let (blends, disposes) = (flags & 2 == 0, flags & 1 != 0);
        let mut alpha = None;
        for (kind, data) in Chunks::of_frame(cursor.rest()) {
            match &kind {
                b"ALPH" => alpha = alpha.or(Some(data)),
                b"VP8 " | b"VP8L" => {
                    let (width, height) = bitstream_size(kind, data)?;
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
    walk(bytes).map(|(frames, ..)| frames)
}

/// What all frames take, and how often they are shown. `None` as for [`frames`], and if one of them is over a limit.
pub(crate) fn survey(bytes: &[u8], limits: &Limits) -> Option<Survey> {
    let (frames, loops, size) = walk(bytes)?;
    let canvas = u64::from(size.0) * u64::from(size.1);
    let mut most = 0;
    for frame in &frames {
        most = most.max(decode::webp::frame_bytes(frame, limits).ok()?);
    }
    // A frame, the canvas and what is shown of it.
    Some(Survey { loops, decoder_bytes: most + canvas * 2 * 4 })
}

/// All frames, how often they are shown, and the size of the canvas.
fn walk(bytes: &[u8]) -> Option<(Vec<Frame<'_>>, u16, (u32, u32))> {
    let mut extended: Option<Extended> = None;
    let mut frames = Vec::new();
    let mut loops = 0;
    for (kind, data) in Chunks::of_file(bytes)? {
        match &kind {
            b"VP8X" if frames.is_empty() => extended = extended.or(Extended::parse(data)),
            b"ANIM" => loops = data.get(4..6).map_or(0, |n| u16::from_le_bytes([n[0], n[1]])),
            b"ANMF" => {
                let fits = |frame: &Frame<'_>| extended.is_some_and(|header| frame.fits(header.canvas));
                frames.push(Frame::parse(data).ok().filter(fits)?);
            }
            _ => {}
        }
    }
    Some((frames, loops, extended?.canvas))
}

fn corrupt(reason: &str) -> ImagingError {
    ImagingError::corrupt(Format::WebP, reason)
}

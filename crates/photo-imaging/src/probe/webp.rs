//! WebP: RIFF chunks, and the sizes that the bitstreams inside them claim for themselves.

use image::metadata::Orientation;

use super::cursor::Cursor;
use super::{Header, orientation_of};
use crate::animation::Survey;
use crate::error::ImagingError;
use crate::format::Format;

const TRUNCATED: &str = "the file ends inside a chunk";

/// A lossy still without alpha.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lossy<'a> {
    /// The content of its `VP8 ` chunk.
    pub(crate) frame: &'a [u8],
}

/// In `VP8X`: there is alpha.
const ALPHA: u8 = 0x10;

/// Walks all chunks. The decoder learns the size of a bitstream only after decoding it, so one that differs from the
/// header's is refused here.
pub(super) fn parse(bytes: &[u8]) -> Result<(Header, Option<Lossy<'_>>), ImagingError> {
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
    let mut canvas = None;
    let mut still = None;
    let mut first_frame = None;
    let mut frames = 0;
    let (mut lossy, mut says_alpha, mut alpha) = (None, false, false);
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
                still = Some(bitstream_size(kind, data)?);
                lossy = (&kind == b"VP8 ").then_some(data);
            }
            b"ALPH" => alpha = true,
            b"ANMF" => {
                frames += 1;
                if frames == 1 {
                    first_frame = Some(frame_size(data)?);
                }
            }
            b"ICCP" => header.has_icc = true,
            b"EXIF" => header.orientation = orientation_of(data),
            _ => {}
        }
    }
    let (width, height) = canvas.or(still).ok_or_else(|| corrupt("no picture"))?;
    match (still, first_frame) {
        (Some(size), None) if size != (width, height) => {
            header.damage = Some("the bitstream has another size than the canvas");
        }
        (None, None) => header.damage = header.damage.or(Some("no picture")),
        _ => {}
    }
    let pixels = u64::from(width) * u64::from(height);
    let inner = first_frame.map_or(pixels, |(w, h)| u64::from(w) * u64::from(h));
    (header.width, header.height, header.frames) = (width, height, frames.max(1));
    // As browsers have it: alpha is there if it is, and said to be. A flag alone, or a chunk alone, is nothing.
    let lossy = lossy.filter(|_| frames == 0 && !(says_alpha && alpha)).map(|frame| Lossy { frame });
    header.decoder_bytes = if lossy.is_some() {
        photo_webp::decode_memory_bytes(width, height)
    } else {
        // RGBA out, and as much again for planes, alpha and, of an animation, the frame by itself.
        (pixels + inner) * 4 + if frames > 0 { pixels * 4 } else { 0 }
    };
    Ok((header, lossy))
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

/// The same file with the alpha flag, if its pictures have alpha and it has none; `image-webp` 0.2.4 goes by the flag alone.
///
/// As libwebp and browsers show them: a lossless still and an animation have the alpha that is in their bitstreams, whatever
/// the header says. A lossy still is [`Lossy`], or has alpha and says so.
pub(crate) fn put_right(bytes: &[u8]) -> Option<Vec<u8>> {
    let flags_at = 20;
    let mut cursor = Cursor::new(bytes);
    cursor.take(12)?;
    if bytes.get(12..16)? != b"VP8X" {
        return None;
    }
    let flags = *bytes.get(flags_at)?;
    let mut transparent = false;
    while let Some((kind, data)) = chunk(&mut cursor) {
        match &kind {
            b"VP8L" => transparent |= uses_alpha(data),
            b"ANMF" => transparent |= Frame::parse(data).is_some_and(|frame| frame.has_alpha()),
            _ => {}
        }
    }
    if !transparent || flags & ALPHA != 0 {
        return None;
    }
    let mut put_right = bytes.to_vec();
    *put_right.get_mut(flags_at)? = flags | ALPHA;
    Some(put_right)
}

/// Whether a lossless bitstream says that its alpha counts: the bit after width and height.
fn uses_alpha(bitstream: &[u8]) -> bool {
    matches!(bitstream, [0x2f, _, _, _, last, ..] if last & 0x10 != 0)
}

/// A frame of an animation.
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
    alpha: Option<&'a [u8]>,
    bitstream: ([u8; 4], &'a [u8]),
}

impl<'a> Frame<'a> {
    fn parse(data: &'a [u8]) -> Option<Self> {
        let (width, height) = frame_size(data).ok()?;
        let mut cursor = Cursor::new(data);
        let (left, top) = (cursor.u24_le()? * 2, cursor.u24_le()? * 2);
        cursor.take(6)?;
        let duration_ms = cursor.u24_le()?;
        let flags = cursor.u8()?;
        let mut alpha = None;
        loop {
            let (kind, data) = chunk(&mut cursor)?;
            match &kind {
                b"ALPH" => alpha = Some(data),
                b"VP8 " | b"VP8L" => {
                    let bitstream = (kind, data);
                    let (blends, disposes) = (flags & 2 == 0, flags & 1 != 0);
                    return Some(Self {
                        left,
                        top,
                        width,
                        height,
                        duration_ms,
                        blends,
                        disposes,
                        alpha,
                        bitstream,
                    });
                }
                _ => {}
            }
        }
    }

    fn has_alpha(&self) -> bool {
        match &self.bitstream {
            ([b'V', b'P', b'8', b'L'], data) => uses_alpha(data),
            _ => self.alpha.is_some(),
        }
    }

    /// The same picture as a file of its own.
    pub(crate) fn as_file(&self) -> Option<Vec<u8>> {
        let mut body = b"WEBP".to_vec();
        // Lossless pictures have their alpha inside.
        if let (Some(alpha), b"VP8 ") = (self.alpha, &self.bitstream.0) {
            let [w0, w1, w2, _] = (self.width - 1).to_le_bytes();
            let [h0, h1, h2, _] = (self.height - 1).to_le_bytes();
            put_chunk(&mut body, *b"VP8X", &[0x10, 0, 0, 0, w0, w1, w2, h0, h1, h2])?;
            put_chunk(&mut body, *b"ALPH", alpha)?;
        }
        put_chunk(&mut body, self.bitstream.0, self.bitstream.1)?;
        let mut file = Vec::with_capacity(body.len() + 8);
        put_chunk(&mut file, *b"RIFF", &body)?;
        Some(file)
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

/// What all frames take, and how often they are shown. `None` as for [`frames`].
pub(crate) fn survey(bytes: &[u8]) -> Option<Survey> {
    let (frames, loops) = walk(bytes)?;
    let mut cursor = Cursor::new(bytes);
    cursor.take(12)?;
    let (width, height) = canvas_size(cursor)?;
    let canvas = u64::from(width) * u64::from(height);
    let largest = frames.iter().map(|f| u64::from(f.width) * u64::from(f.height)).max()?;
    // The canvas, its copy and what the resizer reads; a frame's planes, its pixels and its file.
    Some(Survey { loops, decoder_bytes: (canvas * 3 + largest * 3) * 4 })
}

fn walk(bytes: &[u8]) -> Option<(Vec<Frame<'_>>, u16)> {
    let mut cursor = Cursor::new(bytes);
    let size = cursor.take(4).and_then(|_| cursor.u32_le())?;
    // What comes after the container is nobody's.
    let mut cursor = Cursor::new(cursor.take(usize::try_from(size).ok()?)?);
    cursor.take(4)?;
    let (width, height) = canvas_size(Cursor::new(cursor.rest()))?;
    let mut frames = Vec::new();
    let mut loops = 0;
    while let Some((kind, data)) = chunk(&mut cursor) {
        match &kind {
            b"ANIM" => loops = data.get(4..6).map_or(0, |n| u16::from_le_bytes([n[0], n[1]])),
            b"ANMF" => {
                let frame = Frame::parse(data)?;
                if frame.left + frame.width > width || frame.top + frame.height > height {
                    return None;
                }
                frames.push(frame);
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

/// Size of a frame of an animation, which its bitstream must agree with.
fn frame_size(data: &[u8]) -> Result<(u32, u32), ImagingError> {
    let mut cursor = Cursor::new(data);
    let size = (|| {
        cursor.take(6)?;
        let size = (cursor.u24_le()? + 1, cursor.u24_le()? + 1);
        cursor.take(4)?;
        Some(size)
    })()
    .ok_or_else(|| corrupt("short ANMF chunk"))?;
    while let Some((kind, data)) = chunk(&mut cursor) {
        if matches!(&kind, b"VP8 " | b"VP8L") {
            if bitstream_size(kind, data)? != size {
                return Err(corrupt("the bitstream has another size than its frame"));
            }
            return Ok(size);
        }
    }
    Err(corrupt("a frame without a picture"))
}

fn corrupt(reason: &str) -> ImagingError {
    ImagingError::corrupt(Format::WebP, reason)
}

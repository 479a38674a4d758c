//! WebP: RIFF chunks, and the sizes that the bitstreams inside them claim for themselves.

use image::metadata::Orientation;

use super::cursor::Cursor;
use super::{Header, orientation_of};
use crate::error::ImagingError;
use crate::format::Format;

const TRUNCATED: &str = "the file ends inside a chunk";

/// Walks all chunks. The decoder learns the size of a bitstream only after decoding it, so one that differs from the
/// header's is refused here.
pub(super) fn parse(bytes: &[u8]) -> Result<Header, ImagingError> {
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
    while !cursor.rest().is_empty() {
        let Some((kind, data)) = chunk(&mut cursor) else {
            header.damage = Some(TRUNCATED);
            break;
        };
        match &kind {
            b"VP8X" if canvas.is_none() => {
                canvas = Some(extended_size(data).ok_or_else(|| corrupt("short VP8X chunk"))?);
            }
            b"VP8 " | b"VP8L" if still.is_none() => still = Some(bitstream_size(kind, data)?),
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
    // RGBA out, and as much again for planes, alpha and, of an animation, the frame by itself.
    header.decoder_bytes = (pixels + inner) * 4 + if frames > 0 { pixels * 4 } else { 0 };
    Ok(header)
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

fn chunk<'a>(cursor: &mut Cursor<'a>) -> Option<([u8; 4], &'a [u8])> {
    let kind = cursor.array()?;
    let length = usize::try_from(cursor.u32_le()?).ok()?;
    let data = cursor.take(length)?;
    // A missing last padding byte harms nobody.
    if length % 2 == 1 && !cursor.rest().is_empty() {
        cursor.u8()?;
    }
    Some((kind, data))
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

//! PNG chunks, from the signature to IEND.

use image::metadata::Orientation;

use super::cursor::Cursor;
use super::{Header, orientation_of};
use crate::error::ImagingError;
use crate::format::Format;

/// Walks all chunks; checksums are the decoder's business.
pub(super) fn parse(bytes: &[u8]) -> Result<Header, ImagingError> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(8).ok_or_else(|| corrupt("no signature"))?;
    let (width, height, depth, colour) = parse_ihdr(&mut cursor).ok_or_else(|| corrupt("no IHDR chunk"))?;
    let channels = match colour {
        0 => 1,
        // Palettes become colour, tRNS becomes alpha: the decoder gives up to four channels.
        2 | 3 | 6 => 4,
        4 => 2,
        _ => return Err(corrupt("unknown colour type")),
    };
    let mut header = Header {
        format: Format::Png,
        width,
        height,
        frames: 1,
        orientation: Orientation::NoTransforms,
        has_icc: false,
        // Saturating: two sides of 32 bits fill a u64 by themselves.
        decoder_bytes: (u64::from(width) * u64::from(height))
            .saturating_mul(channels * if depth == 16 { 2 } else { 1 }),
        damage: Some("the file ends before its IEND chunk"),
    };
    let mut has_data = false;
    while let Some((kind, data)) = chunk(&mut cursor) {
        match &kind {
            b"IDAT" => has_data = true,
            b"acTL" => header.frames = data.first_chunk().map_or(1, |n| u32::from_be_bytes(*n).max(1)),
            b"iCCP" => header.has_icc = true,
            b"eXIf" => header.orientation = orientation_of(data),
            b"IEND" => {
                header.damage = if has_data { None } else { Some("no IDAT chunk") };
                break;
            }
            _ => {}
        }
    }
    Ok(header)
}

fn parse_ihdr(cursor: &mut Cursor<'_>) -> Option<(u32, u32, u8, u8)> {
    let (kind, data) = chunk(cursor)?;
    if &kind != b"IHDR" || data.len() != 13 {
        return None;
    }
    let mut fields = Cursor::new(data);
    Some((fields.u32_be()?, fields.u32_be()?, fields.u8()?, fields.u8()?))
}

fn chunk<'a>(cursor: &mut Cursor<'a>) -> Option<([u8; 4], &'a [u8])> {
    let length = usize::try_from(cursor.u32_be()?).ok()?;
    let kind = cursor.array()?;
    let data = cursor.take(length)?;
    cursor.take(4)?;
    Some((kind, data))
}

fn corrupt(reason: &str) -> ImagingError {
    ImagingError::corrupt(Format::Png, reason)
}

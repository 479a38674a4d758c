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
    // Palettes become colours.
    let channels = match colour {
        0 => 1,
        2 | 3 => 3,
        4 => 2,
        6 => 4,
        _ => return Err(corrupt("unknown colour type")),
    };
    let mut header = Header {
        format: Format::Png,
        width,
        height,
        frames: 1,
        orientation: Orientation::NoTransforms,
        has_icc: false,
        decoder_bytes: 0,
        damage: Some("the file ends before its IEND chunk"),
    };
    let (mut has_data, mut names_colours, mut has_alpha) = (false, false, matches!(colour, 4 | 6));
    while let Some((kind, data)) = chunk(&mut cursor) {
        match &kind {
            b"IDAT" => has_data = true,
            b"acTL" => header.frames = data.first_chunk().map_or(1, |n| u32::from_be_bytes(*n).max(1)),
            b"iCCP" => (header.has_icc, names_colours) = (true, true),
            b"cICP" | b"gAMA" => names_colours = true,
            b"tRNS" => has_alpha = true,
            b"eXIf" => header.orientation = orientation_of(data),
            b"IEND" => {
                header.damage = if has_data { None } else { Some("no IDAT chunk") };
                break;
            }
            _ => {}
        }
    }
    let channels = channels + u64::from(has_alpha && matches!(colour, 0 | 2 | 3));
    let pixel_bytes = match (depth, names_colours) {
        // Beside what comes out of a profile, three channels or four.
        (16, true) => 2 * channels + if has_alpha { 4 } else { 3 },
        (16, false) => 2 * channels,
        _ => channels,
    };
    // Saturating: two sides of 32 bits fill a u64 by themselves.
    header.decoder_bytes = (u64::from(width) * u64::from(height)).saturating_mul(pixel_bytes);
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

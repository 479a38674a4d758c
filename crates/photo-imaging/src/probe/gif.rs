//! GIF blocks, from the screen descriptor to the trailer.

use image::metadata::Orientation;

use super::Header;
use super::cursor::Cursor;
use crate::error::ImagingError;
use crate::format::Format;

/// Walks all blocks and counts the frames.
pub(super) fn parse(bytes: &[u8]) -> Result<Header, ImagingError> {
    let mut cursor = Cursor::new(bytes);
    let (width, height) = screen(&mut cursor).ok_or_else(|| corrupt("no screen descriptor"))?;
    let canvas = u64::from(width) * u64::from(height);
    let mut frames = 0;
    let mut first_frame = 0;
    let mut damage = None;
    loop {
        let whole = match cursor.u8() {
            // Some writers leave the trailer out; what came before is whole.
            None | Some(0x3b) => break,
            Some(0x21) => cursor.u8().and_then(|_| skip_sub_blocks(&mut cursor)),
            Some(0x2c) => {
                frames += 1;
                frame(&mut cursor).map(|pixels| {
                    if frames == 1 {
                        first_frame = pixels;
                    }
                })
            }
            // Padding between blocks is seen in the wild.
            Some(0x00) => Some(()),
            Some(_) => {
                damage = Some("unknown block");
                break;
            }
        };
        if whole.is_none() {
            damage = Some("the file ends inside a block");
            break;
        }
    }
    if frames == 0 {
        damage = damage.or(Some("no frame"));
    }
    Ok(Header {
        format: Format::Gif,
        width,
        height,
        frames: frames.max(1),
        orientation: Orientation::NoTransforms,
        has_icc: false,
        // Canvas and first frame, both as RGBA.
        decoder_bytes: (canvas + first_frame) * 4,
        damage,
    })
}

fn screen(cursor: &mut Cursor<'_>) -> Option<(u32, u32)> {
    cursor.take(6)?;
    let (width, height) = (cursor.u16_le()?, cursor.u16_le()?);
    let [flags, _, _] = cursor.array()?;
    skip_palette(cursor, flags)?;
    Some((width.into(), height.into()))
}

/// Skips a frame and gives its number of pixels, which may exceed the canvas's.
fn frame(cursor: &mut Cursor<'_>) -> Option<u64> {
    cursor.take(4)?;
    let (width, height) = (cursor.u16_le()?, cursor.u16_le()?);
    let flags = cursor.u8()?;
    skip_palette(cursor, flags)?;
    cursor.u8()?;
    skip_sub_blocks(cursor)?;
    Some(u64::from(width) * u64::from(height))
}

fn skip_palette(cursor: &mut Cursor<'_>, flags: u8) -> Option<()> {
    let bytes = if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    cursor.take(bytes).map(|_| ())
}

fn skip_sub_blocks(cursor: &mut Cursor<'_>) -> Option<()> {
    loop {
        match cursor.u8()? {
            0 => return Some(()),
            length => cursor.take(length.into())?,
        };
    }
}

fn corrupt(reason: &str) -> ImagingError {
    ImagingError::corrupt(Format::Gif, reason)
}

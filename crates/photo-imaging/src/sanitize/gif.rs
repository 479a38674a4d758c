//! GIF: screen, colours that occur, loop count, and each image with its timing and codes.

use super::lzw::{self, Used};
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;
use crate::probe::Cursor;
use crate::probe::gif::Repair;

const TRAILER: u8 = 0x3b;
/// Flags of the screen and of an image: a colour table follows, and the logarithm of its size.
const TABLE: u8 = 0x87;
const INTERLACED: u8 = 0x40;
/// Flags of a graphic control extension: disposal, and whether there is a transparent colour.
const DISPOSAL: u8 = 0x1c;
const TRANSPARENT: u8 = 0x01;

pub(super) fn write(bytes: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), ImagingError> {
    let repair = Repair::of(bytes);
    let (screen, blocks) = match repair.parts() {
        // A screen that cannot be as large as its first frame.
        [whole, [], ..] => whole.get(6..).and_then(|rest| rest.split_at_checked(4)).ok_or_else(damaged)?,
        [_, screen, blocks, _] => (screen, blocks),
    };
    let loops = loop_count(blocks);
    let mut cursor = Cursor::new(blocks);
    let (Ok([w0, w1, h0, h1]), Some([flags, _, _])) = (<[u8; 4]>::try_from(screen), cursor.array()) else {
        return Err(damaged());
    };
    // No color resolution, background or pixel shape: browsers show none of these.
    out.extend_from_slice(b"GIF89a");
    out.extend_from_slice(&[w0, w1, h0, h1, flags & TABLE, 0, 0]);
    let global_at = out.len();
    let global = cursor.take(table_bytes(flags)).ok_or_else(damaged)?;
    out.extend_from_slice(global);
    let mut global_used: Used = [false; 256];
    if let Some([low, high]) = loops {
        out.extend_from_slice(b"\x21\xff\x0bNETSCAPE2.0\x03\x01");
        out.extend_from_slice(&[low, high, 0]);
    }
    // Timing and transparency belong to the image that follows, or to a text, which goes.
    let mut control: Option<[u8; 4]> = None;
    loop {
        match cursor.u8() {
            None | Some(TRAILER) => break,
            Some(0x21) => match extension(&mut cursor).ok_or_else(damaged)? {
                (0xf9, body) => control = body.first_chunk().copied(),
                (0x01, _) => control = None,
                _ => {}
            },
            Some(0x2c) => {
                limits.check_deadline("the end of sanitizing")?;
                if let Some([flags, d0, d1, colour]) = control.take() {
                    let colour = if flags & TRANSPARENT == 0 { 0 } else { colour };
                    out.extend_from_slice(b"\x21\xf9\x04");
                    out.extend_from_slice(&[flags & (DISPOSAL | TRANSPARENT), d0, d1, colour, 0]);
                }
                image(&mut cursor, &mut global_used, limits, out)?;
            }
            Some(0x00) => {}
            Some(_) => return Err(damaged()),
        }
    }
    blank(&mut out[global_at..global_at + global.len()], &global_used);
    out.push(TRAILER);
    Ok(())
}

/// The last of the extensions that tell how often the images are shown. `blocks` begins behind the size of the screen.
fn loop_count(blocks: &[u8]) -> Option<[u8; 2]> {
    let mut cursor = Cursor::new(blocks);
    let flags = cursor.take(3)?[0];
    cursor.take(table_bytes(flags))?;
    let mut found = None;
    loop {
        match cursor.u8() {
            Some(0x21) => {
                let start = cursor.rest();
                extension(&mut cursor)?;
                if let Some([3, 1, low, high, ..]) = start.strip_prefix(b"\xff\x0bNETSCAPE2.0") {
                    found = Some([*low, *high]);
                }
            }
            Some(0x2c) => {
                let flags = cursor.take(9)?[8];
                cursor.take(table_bytes(flags) + 1)?;
                sub_blocks(&mut cursor, &mut |_| {})?;
            }
            Some(0x00) => {}
            _ => return found,
        }
    }
}

/// Label and first sub-block.
fn extension<'a>(cursor: &mut Cursor<'a>) -> Option<(u8, &'a [u8])> {
    let label = cursor.u8()?;
    let mut first = None;
    sub_blocks(cursor, &mut |block| first = first.or(Some(block)))?;
    Some((label, first.unwrap_or(&[])))
}

fn image(
    cursor: &mut Cursor<'_>,
    global_used: &mut Used,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), ImagingError> {
    let descriptor: [u8; 9] = cursor.array().ok_or_else(damaged)?;
    let [_, _, _, _, w0, w1, h0, h1, flags] = descriptor;
    let pixels = u64::from(u16::from_le_bytes([w0, w1])) * u64::from(u16::from_le_bytes([h0, h1]));
    let table = cursor.take(table_bytes(flags)).ok_or_else(damaged)?;
    let min_code_size = cursor.u8().ok_or_else(damaged)?;
    let mut data = Vec::new();
    sub_blocks(cursor, &mut |block| data.extend_from_slice(block)).ok_or_else(damaged)?;
    let mut local_used: Used = [false; 256];
    let used = if table.is_empty() { global_used } else { &mut local_used };
    // Other sizes have no codes.
    if (1..=11).contains(&min_code_size) {
        lzw::trim(min_code_size, &mut data, pixels, used, limits)?;
    } else {
        data.clear();
    }
    out.push(0x2c);
    out.extend_from_slice(&descriptor[..8]);
    // The size of a table says something only if there is one.
    let table_flags = if table.is_empty() { 0 } else { flags & TABLE };
    out.push(flags & INTERLACED | table_flags);
    let table_at = out.len();
    out.extend_from_slice(table);
    blank(&mut out[table_at..], &local_used);
    out.push(min_code_size);
    for block in data.chunks(255) {
        out.push(u8::try_from(block.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(block);
    }
    out.push(0);
    Ok(())
}

/// Colours that no pixel has become black: the table keeps its size.
fn blank(table: &mut [u8], used: &Used) {
    for (colour, &used) in table.as_chunks_mut::<3>().0.iter_mut().zip(used) {
        if !used {
            *colour = [0; 3];
        }
    }
}

const fn table_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Passes each sub-block on, up to the one that is empty.
fn sub_blocks<'a>(cursor: &mut Cursor<'a>, each: &mut dyn FnMut(&'a [u8])) -> Option<()> {
    loop {
        match cursor.u8()? {
            0 => return Some(()),
            length => each(cursor.take(length.into())?),
        }
    }
}

fn damaged() -> ImagingError {
    ImagingError::corrupt(Format::Gif, "the file ends inside a block")
}

//! GIF: screen, colours that occur, loop count, and each image with its timing and codes.

use super::lzw::{self, Used};
use crate::error::ImagingError;
use crate::format::Format;
use crate::gif::lzw::Stop;
use crate::gif::{Block, Gif, Image};
use crate::limits::Limits;

const TRAILER: u8 = 0x3b;
const INTERLACED: u8 = 0x40;

/// Writes the file up to the first later image that is damaged.
pub(super) fn write(bytes: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), ImagingError> {
    let damaged = |reason| ImagingError::corrupt(Format::Gif, reason);
    let gif = Gif::parse(bytes).ok_or_else(|| damaged("no screen descriptor"))?;
    let (mut first, mut repeats) = (None, None);
    for block in gif.blocks() {
        match block {
            Block::Image(image) => first = first.or(Some(image)),
            Block::Repeats(times) => repeats = Some(times),
        }
    }
    let (width, height) = gif.canvas(&first.ok_or_else(|| damaged("no image"))?);
    let side = |side| u16::try_from(side).map(u16::to_le_bytes).map_err(|_| damaged("a screen too large"));
    // No color resolution, background or pixel shape: browsers show none of these.
    out.extend_from_slice(b"GIF89a");
    out.extend_from_slice(&[side(width)?, side(height)?].concat());
    out.extend_from_slice(&[table_flags(gif.table), 0, 0]);
    let global_at = out.len();
    out.extend_from_slice(gif.table);
    let mut global_used: Used = [false; 256];
    if let Some(times) = repeats {
        out.extend_from_slice(b"\x21\xff\x0bNETSCAPE2.0\x03\x01");
        out.extend_from_slice(&times.to_le_bytes());
        out.push(0);
    }
    for (number, image) in gif.images().enumerate() {
        limits.check_deadline("the end of sanitizing")?;
        if let Some(stop) = write_image(&image, &mut global_used, limits, out)? {
            if number == 0 {
                return Err(damaged(stop.reason()));
            }
            break;
        }
    }
    blank(&mut out[global_at..global_at + gif.table.len()], &global_used);
    out.push(TRAILER);
    Ok(())
}

/// Writes an image, or answers why not all of its pixels came.
fn write_image(
    image: &Image<'_>,
    global_used: &mut Used,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<Option<Stop>, ImagingError> {
    let mut used: Used = [false; 256];
    let codes = match lzw::copy(image, &mut used, limits)? {
        Ok(codes) => codes,
        Err(stop) => return Ok(Some(stop)),
    };
    if image.table.is_empty() {
        global_used.iter_mut().zip(used).for_each(|(global, used)| *global |= used);
    }
    if let Some(control) = image.control {
        let [low, high] = control.delay.to_le_bytes();
        let flags = control.disposal << 2 | u8::from(control.transparent.is_some());
        out.extend_from_slice(&[0x21, 0xf9, 4, flags, low, high, control.transparent.unwrap_or(0), 0]);
    }
    out.push(0x2c);
    for side in [image.left, image.top, image.width, image.height] {
        out.extend_from_slice(&u16::try_from(side).unwrap_or(u16::MAX).to_le_bytes());
    }
    out.push(if image.interlaced { INTERLACED } else { 0 } | table_flags(image.table));
    let table_at = out.len();
    out.extend_from_slice(image.table);
    blank(&mut out[table_at..], &used);
    out.push(image.code_size);
    for block in codes.chunks(255) {
        out.push(u8::try_from(block.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(block);
    }
    out.push(0);
    Ok(None)
}

/// Flags that a colour table follows, with the logarithm of its size.
fn table_flags(table: &[u8]) -> u8 {
    // 2 to 256 colours.
    let logarithm = (table.len() / 3).checked_ilog2().unwrap_or(0);
    if table.is_empty() { 0 } else { 0x80 | logarithm.saturating_sub(1).to_le_bytes()[0] }
}

/// Colours that no pixel has become black: the table keeps its size.
fn blank(table: &mut [u8], used: &Used) {
    for (colour, &used) in table.as_chunks_mut::<3>().0.iter_mut().zip(used) {
        if !used {
            *colour = [0; 3];
        }
    }
}

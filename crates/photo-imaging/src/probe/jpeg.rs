//! JPEG markers (ITU-T T.81, annex B), from the start of the image to its end.

use image::metadata::Orientation;

use super::cursor::Cursor;
use super::{Header, orientation_of};
use crate::error::ImagingError;
use crate::format::Format;

/// A progressive file of more scans than this is an attack on time: encoders write about ten.
const MAX_SCANS: u32 = 100;

const TRUNCATED: &str = "the file ends before its end-of-image marker";

#[derive(Default)]
struct Frame {
    width: u32,
    height: u32,
    progressive: bool,
    components: usize,
    /// Coefficient blocks of the whole picture, in all components.
    blocks: u64,
}

/// Walks all markers. A file without its end marker is cut off: decoders would fill the rest with grey.
pub(super) fn parse(bytes: &[u8]) -> Result<Header, ImagingError> {
    let mut frame = None;
    let mut orientation = Orientation::NoTransforms;
    let mut has_icc = false;
    let mut adobe = false;
    let mut scans = 0;
    let mut split_scans = false;
    let mut damage = Some(TRUNCATED);
    let mut cursor = Cursor::new(bytes);
    while let Some(marker) = next_marker(&mut cursor) {
        match marker {
            0xd9 => {
                damage = None;
                break;
            }
            // Start of image, TEM and restart markers stand alone.
            0x01 | 0xd0..=0xd8 => continue,
            _ => {}
        }
        let Some(segment) = segment(&mut cursor) else { break };
        match marker {
            0xc0..=0xc2 => {
                if frame.is_some() {
                    return Err(corrupt("a second frame header"));
                }
                frame = Some(parse_frame(marker, segment)?);
            }
            0xc3 | 0xc5..=0xc7 | 0xde => {
                return Err(ImagingError::UnsupportedType("lossless or hierarchical JPEG"));
            }
            0xc9..=0xcf => return Err(ImagingError::UnsupportedType("arithmetic-coded JPEG")),
            0xda => {
                scans += 1;
                split_scans |= frame
                    .as_ref()
                    .is_some_and(|f| segment.first().map(|&n| usize::from(n)) != Some(f.components));
            }
            0xe1 if segment.starts_with(b"Exif\0\0") && orientation == Orientation::NoTransforms => {
                orientation = orientation_of(segment);
            }
            0xe2 if segment.starts_with(b"ICC_PROFILE\0") => has_icc = true,
            0xee if segment.starts_with(b"Adobe") => adobe = true,
            _ => {}
        }
    }
    let Some(frame) = frame else {
        return Err(corrupt("no frame header"));
    };
    if scans == 0 && damage.is_none() {
        damage = Some("no scan");
    }
    if scans > MAX_SCANS {
        damage = Some("too many scans");
    }
    let pixels = u64::from(frame.width) * u64::from(frame.height);
    let coefficients = if frame.progressive || split_scans { frame.blocks * 64 * 2 } else { 0 };
    Ok(Header {
        format: Format::Jpeg,
        width: frame.width,
        height: frame.height,
        frames: 1,
        orientation,
        has_icc,
        decoder_bytes: pixels * frame.components as u64 + coefficients,
        adobe,
        split_scans: split_scans && !frame.progressive,
        damage,
    })
}

/// The next marker's code, past entropy-coded data, stuffed zeros, restart markers and fill bytes.
fn next_marker(cursor: &mut Cursor<'_>) -> Option<u8> {
    loop {
        let ff = cursor.rest().iter().position(|&byte| byte == 0xff)?;
        cursor.take(ff)?;
        let fill = cursor.rest().iter().position(|&byte| byte != 0xff)?;
        cursor.take(fill)?;
        match cursor.u8()? {
            0x00 | 0xd0..=0xd7 => {}
            code => return Some(code),
        }
    }
}

fn segment<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = usize::from(cursor.u16_be()?);
    cursor.take(length.checked_sub(2)?)
}

fn parse_frame(marker: u8, segment: &[u8]) -> Result<Frame, ImagingError> {
    let mut cursor = Cursor::new(segment);
    let (precision, height, width, count) =
        (|| Some((cursor.u8()?, cursor.u16_be()?, cursor.u16_be()?, cursor.u8()?)))()
            .ok_or_else(|| corrupt("short frame header"))?;
    if precision != 8 {
        return Err(ImagingError::UnsupportedType("JPEG of more than 8 bits"));
    }
    if !matches!(count, 1 | 3 | 4) {
        return Err(ImagingError::UnsupportedType("JPEG that is neither gray, colour nor CMYK"));
    }
    let mut samples = 0;
    let (mut h_max, mut v_max) = (1, 1);
    for _ in 0..count {
        let [_, factors, _] = cursor.array().ok_or_else(|| corrupt("short frame header"))?;
        let (h, v) = (u64::from(factors >> 4), u64::from(factors & 15));
        if !(1..=4).contains(&h) || !(1..=4).contains(&v) {
            return Err(corrupt("sampling factor out of range"));
        }
        samples += h * v;
        (h_max, v_max) = (h_max.max(h), v_max.max(v));
    }
    let mcus = u64::from(width).div_ceil(8 * h_max) * u64::from(height).div_ceil(8 * v_max);
    Ok(Frame {
        width: width.into(),
        height: height.into(),
        progressive: marker == 0xc2,
        components: count.into(),
        blocks: mcus * samples,
    })
}

fn corrupt(reason: &str) -> ImagingError {
    ImagingError::corrupt(Format::Jpeg, reason)
}

//! The photo itself without what it tells of its maker: EXIF but for the orientation, GPS, XMP, IPTC, comments, embedded
//! previews and whatever stands after its end go; the coded pixels and the colour profile are copied as they are.
//!
//! By lists of what is kept, so that a kind of metadata that nobody here knows is left out too.

use image::metadata::Orientation;

use crate::error::ImagingError;
use crate::format::Format;
use crate::probe::gif::put_right;
use crate::probe::webp::{chunk, put_chunk};
use crate::probe::{Cursor, Probed};

impl Probed<'_> {
    /// The same pixels in a file without metadata, orientation and colour profile excepted. Time is linear in the
    /// length of the input, and the output is at most 64 bytes longer.
    ///
    /// # Errors
    /// Damage that [`crate::probe`] passed over.
    pub fn sanitize(&self) -> Result<Vec<u8>, ImagingError> {
        let mut out = Vec::with_capacity(self.bytes.len() + 64);
        let orientation = self.header.orientation;
        let done = match self.header.format {
            Format::Jpeg => jpeg(self.bytes, orientation, &mut out),
            Format::Png => png(self.bytes, orientation, &mut out),
            Format::WebP => webp(self.bytes, orientation, &mut out),
            Format::Gif => {
                let put_right = put_right(self.bytes);
                gif(put_right.as_deref().unwrap_or(self.bytes), &mut out)
            }
        };
        done.ok_or_else(|| ImagingError::corrupt(self.header.format, "the file ends too early"))?;
        Ok(out)
    }
}

/// A TIFF structure that says the orientation and nothing else.
fn tiff(orientation: Orientation) -> [u8; 26] {
    let mut tiff = *b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
    tiff[19] = orientation.to_exif();
    tiff
}

fn jpeg(bytes: &[u8], orientation: Orientation, out: &mut Vec<u8>) -> Option<()> {
    let mut cursor = Cursor::new(bytes);
    out.extend_from_slice(cursor.take(2)?);
    // JFIF wants to be first.
    let mut exif_due = orientation != Orientation::NoTransforms;
    loop {
        // Stray bytes between segments are nobody's.
        let ff = cursor.rest().iter().position(|&byte| byte == 0xff)?;
        cursor.take(ff)?;
        let fill = cursor.rest().iter().position(|&byte| byte != 0xff)?;
        cursor.take(fill)?;
        let marker = cursor.u8()?;
        match marker {
            0xd9 => {
                out.extend_from_slice(&[0xff, 0xd9]);
                return Some(());
            }
            0x00 | 0x01 | 0xd0..=0xd8 => continue,
            _ => {}
        }
        let length = usize::from(cursor.u16_be()?);
        let segment = cursor.take(length.checked_sub(2)?)?;
        if exif_due && marker != 0xe0 {
            exif_due = false;
            // Two bytes of length, six of name.
            out.extend_from_slice(&[0xff, 0xe1, 0, 34]);
            out.extend_from_slice(b"Exif\0\0");
            out.extend_from_slice(&tiff(orientation));
        }
        match marker {
            // Without the preview that may stand in it.
            0xe0 if segment.starts_with(b"JFIF\0") && segment.len() >= 14 => {
                out.extend_from_slice(&[0xff, 0xe0, 0, 16]);
                out.extend_from_slice(&segment[..12]);
                out.extend_from_slice(&[0, 0]);
            }
            0xe2 if segment.starts_with(b"ICC_PROFILE\0") => put_segment(out, marker, segment),
            // What the channels mean; it has 12 bytes.
            0xee if segment.starts_with(b"Adobe") && segment.len() >= 12 => {
                put_segment(out, marker, &segment[..12]);
            }
            0xe0..=0xfe => {}
            _ => put_segment(out, marker, segment),
        }
        if marker == 0xda {
            let scan = entropy_coded(cursor.rest());
            out.extend_from_slice(cursor.take(scan)?);
        }
    }
}

fn put_segment(out: &mut Vec<u8>, marker: u8, segment: &[u8]) {
    // It came with a length of 16 bits, or is a part of such a one.
    let length = u16::try_from(segment.len() + 2).unwrap_or(u16::MAX);
    out.extend_from_slice(&[0xff, marker]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(segment);
}

/// Length of the data up to the next marker that is neither a stuffed zero nor a restart.
fn entropy_coded(bytes: &[u8]) -> usize {
    let marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7 | 0xff);
    bytes.windows(2).position(marker).unwrap_or(bytes.len())
}

fn png(bytes: &[u8], orientation: Orientation, out: &mut Vec<u8>) -> Option<()> {
    let mut cursor = Cursor::new(bytes);
    out.extend_from_slice(cursor.take(8)?);
    let mut exif_due = orientation != Orientation::NoTransforms;
    loop {
        let start = cursor.rest();
        let length = usize::try_from(cursor.u32_be()?).ok()?;
        let kind: [u8; 4] = cursor.array()?;
        cursor.take(length)?;
        cursor.take(4)?;
        let whole = start.get(..length.checked_add(12)?)?;
        if exif_due && &kind == b"IDAT" {
            exif_due = false;
            let tiff = tiff(orientation);
            out.extend_from_slice(&[0, 0, 0, 26]);
            out.extend_from_slice(b"eXIf");
            out.extend_from_slice(&tiff);
            out.extend_from_slice(&crc(b"eXIf".iter().chain(&tiff)).to_be_bytes());
        }
        match &kind {
            // Pixels, transparency, colours, shape of a pixel, animation.
            b"IHDR" | b"PLTE" | b"IDAT" | b"tRNS" | b"bKGD" | b"sBIT" | b"gAMA" | b"cHRM" | b"sRGB"
            | b"iCCP" | b"cICP" | b"mDCV" | b"cLLI" | b"pHYs" | b"acTL" | b"fcTL" | b"fdAT" => {
                out.extend_from_slice(whole);
            }
            b"IEND" => {
                out.extend_from_slice(whole);
                return Some(());
            }
            _ => {}
        }
    }
}

/// CRC-32 as in PNG; of a few bytes, so bit by bit.
fn crc<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

fn webp(bytes: &[u8], orientation: Orientation, out: &mut Vec<u8>) -> Option<()> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(4)?;
    let size = usize::try_from(cursor.u32_le()?).ok()?;
    let mut chunks = Cursor::new(cursor.take(size.min(cursor.rest().len()))?);
    chunks.take(4)?;
    let turned = orientation != Orientation::NoTransforms;
    let mut extended = false;
    out.extend_from_slice(b"RIFF\0\0\0\0WEBP");
    while let Some((kind, data)) = chunk(&mut chunks) {
        match &kind {
            b"VP8X" if data.len() >= 10 && !extended => {
                extended = true;
                let mut header = data.get(..10)?.to_vec();
                // The flags of EXIF (8) and XMP (4).
                header[0] = header[0] & !0x0c | if turned { 8 } else { 0 };
                put_chunk(out, kind, &header)?;
            }
            b"ANMF" => put_chunk(out, kind, &frame(data)?)?,
            b"VP8 " | b"VP8L" | b"ALPH" | b"ICCP" | b"ANIM" => put_chunk(out, kind, data)?,
            _ => {}
        }
    }
    if turned && extended {
        put_chunk(out, *b"EXIF", &tiff(orientation))?;
    }
    let size = u32::try_from(out.len().checked_sub(8)?).ok()?;
    out.get_mut(4..8)?.copy_from_slice(&size.to_le_bytes());
    Some(())
}

/// A frame of an animation without chunks that are no picture.
fn frame(data: &[u8]) -> Option<Vec<u8>> {
    let mut cursor = Cursor::new(data);
    let mut out = cursor.take(16)?.to_vec();
    while let Some((kind, data)) = chunk(&mut cursor) {
        if matches!(&kind, b"VP8 " | b"VP8L" | b"ALPH") {
            put_chunk(&mut out, kind, data)?;
        }
    }
    Some(out)
}

fn gif(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut cursor = Cursor::new(bytes);
    let screen = cursor.take(13)?;
    out.extend_from_slice(screen);
    out.extend_from_slice(cursor.take(palette_bytes(screen[10]))?);
    // Timing and transparency belong to the picture that follows, or to a text, which goes.
    let mut control: &[u8] = &[];
    loop {
        let start = cursor.rest();
        match cursor.u8() {
            None | Some(0x3b) => {
                out.push(0x3b);
                return Some(());
            }
            Some(0x21) => {
                let label = cursor.u8()?;
                let blocks = sub_blocks(&mut cursor)?;
                match (label, blocks) {
                    (0xf9, _) => control = start.get(..blocks.len() + 2)?,
                    (0x01, _) => control = &[],
                    (0xff, [11, name @ ..]) if name.starts_with(b"NETSCAPE2.0") => {
                        // Nothing but the count of repetitions.
                        if let Some([3, 1, low, high, ..]) = name.get(11..) {
                            out.extend_from_slice(b"\x21\xff\x0bNETSCAPE2.0\x03\x01");
                            out.extend_from_slice(&[*low, *high, 0]);
                        }
                    }
                    _ => {}
                }
            }
            Some(0x2c) => {
                let flags = cursor.take(9)?[8];
                cursor.take(palette_bytes(flags))?;
                cursor.u8()?;
                sub_blocks(&mut cursor)?;
                out.extend_from_slice(control);
                control = &[];
                out.extend_from_slice(start.get(..start.len() - cursor.rest().len())?);
            }
            Some(0x00) => {}
            Some(_) => return None,
        }
    }
}

const fn palette_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// All sub-blocks with their lengths and the end.
fn sub_blocks<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let start = cursor.rest();
    loop {
        match cursor.u8()? {
            0 => return start.get(..start.len() - cursor.rest().len()),
            length => cursor.take(length.into())?,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_png() {
        assert_eq!(crc(b"IEND".iter()), 0xae42_6082);
    }

    #[test]
    fn the_smallest_exif_says_its_orientation() {
        for number in 1..=8 {
            let orientation = Orientation::from_exif(number).unwrap();
            assert_eq!(Orientation::from_exif_chunk(&tiff(orientation)), Some(orientation));
        }
    }
}

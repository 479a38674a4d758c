//! JPEG (ITU-T T.81): what the colours are, the tables that scans use, the frame, and the scans.

use image::metadata::Orientation;
use photo_jpeg::{Color, Jpeg};

use super::{profile, tiff};
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;
use crate::probe::Cursor;

const SOF0: u8 = 0xc0;
const SOF2: u8 = 0xc2;
const DHT: u8 = 0xc4;
const RST0: u8 = 0xd0;
const RST7: u8 = 0xd7;
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const DQT: u8 = 0xdb;
const DRI: u8 = 0xdd;
const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP2: u8 = 0xe2;
const APP14: u8 = 0xee;

/// Bytes of a profile that one segment holds, behind its length, its name and two numbers.
const PROFILE_PART: usize = 65_535 - 2 - 14;

pub(super) fn write(
    photo: &Jpeg<'_>,
    bytes: &[u8],
    orientation: Orientation,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), ImagingError> {
    out.extend_from_slice(&[0xff, SOI]);
    put_color(photo, bytes, orientation, out);
    let mut scans = Scans::new(out);
    let mut cursor = Cursor::new(bytes);
    while let Some((marker, body)) = segment(&mut cursor) {
        match marker {
            SOF0..=SOF2 => scans.frame = Some(Frame::parse(marker, body).ok_or_else(damaged)?),
            DHT => scans.define_huffman(body).ok_or_else(damaged)?,
            DQT => scans.define_quantisation(body).ok_or_else(damaged)?,
            DRI => {
                scans.interval = u16::from_be_bytes(*body.first_chunk().ok_or_else(damaged)?);
            }
            SOS => {
                limits.check_deadline("the end of sanitizing")?;
                let restarts = scans.begin(body).ok_or_else(damaged)?;
                let length = put_entropy_coded(cursor.rest(), restarts, scans.out);
                cursor.take(length);
            }
            EOI => break,
            _ => {}
        }
    }
    out.extend_from_slice(&[0xff, EOI]);
    Ok(())
}

fn damaged() -> ImagingError {
    ImagingError::corrupt(Format::Jpeg, "a segment is too short")
}

/// The next segment, or marker without one, from the end of the image on. Bytes between segments belong to none, and data
/// behind the end of a scan is passed over with them.
fn segment<'a>(cursor: &mut Cursor<'a>) -> Option<(u8, &'a [u8])> {
    loop {
        let ff = cursor.rest().iter().position(|&byte| byte == 0xff)?;
        cursor.take(ff)?;
        let fill = cursor.rest().iter().position(|&byte| byte != 0xff)?;
        cursor.take(fill)?;
        match cursor.u8()? {
            EOI => return Some((EOI, &[])),
            0x00 | 0x01 | RST0..=SOI => {}
            marker => {
                let length = usize::from(cursor.u16_be()?);
                return Some((marker, cursor.take(length.checked_sub(2)?)?));
            }
        }
    }
}

/// JFIF and Adobe markers of a fixed content, as far as they change how the file is read; orientation; colour profile.
fn put_color(photo: &Jpeg<'_>, bytes: &[u8], orientation: Orientation, out: &mut Vec<u8>) {
    let (mut is_jfif, mut transform) = (false, None);
    let mut cursor = Cursor::new(bytes);
    loop {
        match segment(&mut cursor) {
            Some((APP0, body)) => is_jfif |= body.starts_with(b"JFIF\0") && body.len() >= 14,
            Some((APP14, body)) if body.starts_with(b"Adobe") => transform = body.get(11).copied(),
            None | Some((EOI, _)) => break,
            _ => {}
        }
    }
    if is_jfif {
        // Version 1.1, pixels that are square, no thumbnail.
        put_segment(out, APP0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    }
    if orientation != Orientation::NoTransforms {
        put_segment(out, APP1, &[b"Exif\0\0".as_slice(), &tiff(orientation)].concat());
    }
    let is_gray = photo.color() == Color::Gray;
    if let Some(transform) = transform.filter(|_| !is_gray) {
        let is_ink = matches!(photo.color(), Color::Cmyk | Color::Ycck);
        let transform = match transform {
            0 => 0,
            _ if is_ink => 2,
            _ => 1,
        };
        put_segment(out, APP14, &[b"Adobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat());
    }
    let spaces = match photo.color() {
        Color::Gray => profile::GRAY,
        Color::YCbCr | Color::Rgb => profile::COLOR,
        Color::Cmyk | Color::Ycck => profile::INK,
    };
    if let Some(profile) = photo.icc_profile().and_then(|profile| profile::clean(&profile, spaces)) {
        let parts = profile.chunks(PROFILE_PART);
        let count = u8::try_from(parts.len()).unwrap_or(u8::MAX);
        for (number, part) in (1..=u8::MAX).zip(parts) {
            put_segment(out, APP2, &[b"ICC_PROFILE\0".as_slice(), &[number, count], part].concat());
        }
    }
}

fn put_segment(out: &mut Vec<u8>, marker: u8, body: &[u8]) {
    // Each body is, or is part of, one that came with a length of 16 bits.
    let length = u16::try_from(body.len() + 2).unwrap_or(u16::MAX);
    out.extend_from_slice(&[0xff, marker]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(body);
}

/// A frame header.
struct Frame<'a> {
    marker: u8,
    /// The segment without bytes behind the last component.
    body: &'a [u8],
    width: u32,
    height: u32,
    components: Vec<Component>,
}

#[derive(Clone, Copy)]
struct Component {
    id: u8,
    horizontal: u32,
    vertical: u32,
    quantisation: usize,
    /// Whether the table above was written, which is before the component's first scan.
    has_table: bool,
}

impl<'a> Frame<'a> {
    fn parse(marker: u8, body: &'a [u8]) -> Option<Self> {
        let &[_, h1, h0, w1, w0, count] = body.first_chunk()?;
        let body = body.get(..6 + 3 * usize::from(count))?;
        let components = body[6..].as_chunks::<3>().0.iter().map(|&[id, factors, quantisation]| Component {
            id,
            horizontal: (factors >> 4).max(1).into(),
            vertical: (factors & 15).max(1).into(),
            quantisation: quantisation.into(),
            has_table: false,
        });
        Some(Self {
            marker,
            body,
            width: u16::from_be_bytes([w1, w0]).into(),
            height: u16::from_be_bytes([h1, h0]).into(),
            components: components.collect(),
        })
    }

    /// Units that are coded in a scan of these components.
    fn mcus(&self, scanned: &[usize]) -> u64 {
        let most = |factor: fn(&Component) -> u32| self.components.iter().map(factor).max().unwrap_or(1);
        let (h_max, v_max) = (most(|c| c.horizontal), most(|c| c.vertical));
        let (h, v) = match scanned {
            // Alone, a component has no units but its own blocks.
            &[only] => (self.components[only].horizontal, self.components[only].vertical),
            _ => (1, 1),
        };
        u64::from((self.width * h).div_ceil(8 * h_max)) * u64::from((self.height * v).div_ceil(8 * v_max))
    }
}

/// Writes scans, each with what it needs and was not written before.
struct Scans<'a, 'o> {
    out: &'o mut Vec<u8>,
    frame: Option<Frame<'a>>,
    is_frame_written: bool,
    /// Tables that no scan has used so far: precision and steps.
    quantisation: [Option<(u8, &'a [u8])>; 4],
    /// DC and AC: counts and symbols.
    huffman: [[Option<&'a [u8]>; 4]; 2],
    interval: u16,
    written_interval: u16,
}

impl<'a, 'o> Scans<'a, 'o> {
    fn new(out: &'o mut Vec<u8>) -> Self {
        Self {
            out,
            frame: None,
            is_frame_written: false,
            quantisation: [None; 4],
            huffman: [[None; 4]; 2],
            interval: 0,
            written_interval: 0,
        }
    }

    fn define_quantisation(&mut self, mut body: &'a [u8]) -> Option<()> {
        while let Some((&head, rest)) = body.split_first() {
            let precision = head >> 4;
            let (steps, rest) = rest.split_at_checked(if precision == 0 { 64 } else { 128 })?;
            *self.quantisation.get_mut(usize::from(head & 15))? = Some((precision.min(1), steps));
            body = rest;
        }
        Some(())
    }

    fn define_huffman(&mut self, mut body: &'a [u8]) -> Option<()> {
        while let Some((&head, rest)) = body.split_first() {
            let counts = rest.get(..16)?;
            let symbols: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let (table, rest) = rest.split_at_checked(16 + symbols)?;
            let class = self.huffman.get_mut(usize::from(head >> 4))?;
            *class.get_mut(usize::from(head & 15))? = Some(table);
            body = rest;
        }
        Some(())
    }

    /// Writes a scan's header with the tables that it uses, and gives the number of restart markers in its data.
    fn begin(&mut self, body: &[u8]) -> Option<u64> {
        let frame = self.frame.as_mut()?;
        let is_progressive = frame.marker == SOF2;
        let (&count, rest) = body.split_first()?;
        let (listed, rest) = rest.split_at_checked(2 * usize::from(count))?;
        let coefficients: [u8; 3] = *rest.first_chunk()?;
        let [first, _, bits] = coefficients;
        let has_mean = !is_progressive || first == 0;
        let scans_ac = !is_progressive || first > 0;
        // Bits that refine DC coefficients are not Huffman-coded.
        let dc_is_coded = has_mean && (!is_progressive || bits >> 4 == 0);

        let (mut tables, mut codes) = (Vec::new(), Vec::new());
        let mut scanned = Vec::with_capacity(listed.len() / 2);
        let mut header = vec![count];
        for &[id, selectors] in listed.as_chunks::<2>().0 {
            let index = frame.components.iter().position(|component| component.id == id)?;
            scanned.push(index);
            let component = &mut frame.components[index];
            if !std::mem::replace(&mut component.has_table, true)
                && let Some((precision, steps)) = self.quantisation.get_mut(component.quantisation)?.take()
            {
                let number = u8::try_from(component.quantisation).ok()?;
                tables.push(precision << 4 | number);
                tables.extend_from_slice(steps);
            }
            let dc = if dc_is_coded { selectors >> 4 } else { 0 };
            let ac = if scans_ac { selectors & 15 } else { 0 };
            for (class, number, is_used) in [(0, dc, dc_is_coded), (1, ac, scans_ac)] {
                if is_used
                    && let Some(table) = self.huffman[usize::from(class)].get_mut(usize::from(number))?.take()
                {
                    codes.push(class << 4 | number);
                    codes.extend_from_slice(table);
                }
            }
            header.extend_from_slice(&[id, dc << 4 | ac]);
        }
        // Sequential scans have all coefficients, whatever is written here.
        header.extend_from_slice(if is_progressive { &coefficients } else { &[0, 63, 0] });

        if !tables.is_empty() {
            put_segment(self.out, DQT, &tables);
        }
        if !std::mem::replace(&mut self.is_frame_written, true) {
            put_segment(self.out, frame.marker, frame.body);
        }
        if !codes.is_empty() {
            put_segment(self.out, DHT, &codes);
        }
        if std::mem::replace(&mut self.written_interval, self.interval) != self.interval {
            put_segment(self.out, DRI, &self.interval.to_be_bytes());
        }
        put_segment(self.out, SOS, &header);
        let interval = u64::from(self.interval);
        Some(if interval == 0 { 0 } else { frame.mcus(&scanned).div_ceil(interval).saturating_sub(1) })
    }
}

/// Writes the data of a scan, and gives its length in the input, up to the marker behind it.
///
/// A run of bytes of ones fills up before a marker, so it ends the data of its restart interval. A restart marker more than the
/// scan can have ends the scan.
fn put_entropy_coded(bytes: &[u8], mut restarts: u64, out: &mut Vec<u8>) -> usize {
    let mut at = 0;
    let mut is_data = true;
    loop {
        let rest = &bytes[at..];
        let ff = rest.iter().position(|&byte| byte == 0xff).unwrap_or(rest.len());
        if is_data {
            out.extend_from_slice(&rest[..ff]);
        }
        match rest.get(ff + 1) {
            Some(0x00) => {
                if is_data {
                    out.extend_from_slice(&[0xff, 0x00]);
                }
                at += ff + 2;
            }
            Some(&marker @ RST0..=RST7) => {
                is_data = restarts > 0;
                if is_data {
                    restarts -= 1;
                    out.extend_from_slice(&[0xff, marker]);
                }
                at += ff + 2;
            }
            Some(0xff) => {
                is_data = false;
                at += ff + 1;
            }
            Some(_) => return at + ff,
            None => return bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scan_data_ends_where_the_scan_does() {
        for (data, restarts, expected) in [
            (b"ab\xff\x00c\xff\xd9".as_slice(), 0, b"ab\xff\x00c".as_slice()),
            (b"ab\xff\xff\xff\xd9", 0, b"ab"),
            (b"ab\xff\xff\x00SECRET\xff\xd9", 0, b"ab"),
            (b"ab\xff\xd0cd\xff\xd9", 1, b"ab\xff\xd0cd"),
            (b"ab\xff\xff\xff\xd0cd\xff\xd9", 1, b"ab\xff\xd0cd"),
            (b"ab\xff\xd0SECRET\xff\x00\xff\xd1SECRET\xff\xd9", 0, b"ab"),
            (b"ab\xff\xd0c\xff\xd1SECRET\xff\xd9", 1, b"ab\xff\xd0c"),
        ] {
            let mut out = Vec::new();
            assert_eq!(put_entropy_coded(data, restarts, &mut out), data.len() - 2, "{data:?}");
            assert_eq!(out, expected, "{data:?}");
        }
    }
}

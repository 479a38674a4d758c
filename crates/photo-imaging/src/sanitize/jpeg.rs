//! JPEG (ITU-T T.81): what the colours are, the tables that scans use, the frame, and the scans.

use image::metadata::Orientation;
use photo_jpeg::{CodedPart, Color, Jpeg, STANDARD_HUFFMAN_TABLES};

use super::{profile, tiff};
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;
use crate::probe::jpeg::refused;

const SOF2: u8 = 0xc2;
const DHT: u8 = 0xc4;
const RST0: u8 = 0xd0;
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

/// Writes what the decoder reads, and nothing else. A photo whose codes are not all there is refused.
pub(super) fn write(
    photo: &Jpeg<'_>,
    orientation: Orientation,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), ImagingError> {
    out.extend_from_slice(&[0xff, SOI]);
    put_color(photo, orientation, out);
    let mut scans = Scans::new(photo.is_progressive(), out);
    let mut is_valid = true;
    photo
        .coded_parts(&mut |part| is_valid = is_valid && scans.put(part).is_some(), &mut || {
            limits.deadline_has_passed()
        })
        .map_err(refused)?;
    if !is_valid {
        return Err(ImagingError::corrupt(Format::Jpeg, "a segment is too short"));
    }
    out.extend_from_slice(&[0xff, EOI]);
    Ok(())
}

/// JFIF and Adobe markers of a fixed content, as far as they change how the file is read; orientation; colour profile.
fn put_color(photo: &Jpeg<'_>, orientation: Orientation, out: &mut Vec<u8>) {
    if photo.is_jfif() {
        // Version 1.1, pixels that are square, no thumbnail.
        put_segment(out, APP0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    }
    if orientation != Orientation::NoTransforms {
        put_segment(out, APP1, &[b"Exif\0\0".as_slice(), &tiff(orientation)].concat());
    }
    let is_gray = photo.color() == Color::Gray;
    if let Some(transform) = photo.adobe_transform().filter(|_| !is_gray) {
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
    components: Vec<Component>,
}

#[derive(Clone, Copy)]
struct Component {
    id: u8,
    quantisation: usize,
    /// Whether the table above was written, which is before the component's first scan.
    has_table: bool,
}

impl<'a> Frame<'a> {
    fn parse(marker: u8, body: &'a [u8]) -> Option<Self> {
        let &[_, _, _, _, _, count] = body.first_chunk()?;
        let body = body.get(..6 + 3 * usize::from(count))?;
        let components = body[6..].as_chunks::<3>().0.iter().map(|&[id, _, quantisation]| Component {
            id,
            quantisation: quantisation.into(),
            has_table: false,
        });
        Some(Self { marker, body, components: components.collect() })
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
    /// Restart intervals of the scan that are written.
    intervals: u32,
}

impl<'a, 'o> Scans<'a, 'o> {
    fn new(is_progressive: bool, out: &'o mut Vec<u8>) -> Self {
        let mut scans = Self {
            out,
            frame: None,
            is_frame_written: false,
            quantisation: [None; 4],
            huffman: [[None; 4]; 2],
            interval: 0,
            written_interval: 0,
            intervals: 0,
        };
        for table in STANDARD_HUFFMAN_TABLES.iter().filter(|_| !is_progressive) {
            // They are valid.
            let _ = scans.define_huffman(table);
        }
        scans
    }

    fn put(&mut self, part: CodedPart<'a>) -> Option<()> {
        match part {
            CodedPart::Segment { marker: DHT, body } => self.define_huffman(body),
            CodedPart::Segment { marker: DQT, body } => self.define_quantisation(body),
            CodedPart::Segment { marker: DRI, body } => {
                self.interval = u16::from_be_bytes(*body.first_chunk()?);
                Some(())
            }
            CodedPart::Segment { marker: SOS, body } => self.begin(body),
            CodedPart::Segment { marker, body } => {
                self.frame = Some(Frame::parse(marker, body)?);
                Some(())
            }
            CodedPart::Data(data) => {
                if let Some(number) = self.intervals.checked_sub(1) {
                    self.out.extend_from_slice(&[0xff, RST0 | (number & 7) as u8]);
                }
                self.intervals += 1;
                self.out.extend_from_slice(data);
                Some(())
            }
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

    /// Writes a scan's header with the tables that it uses.
    fn begin(&mut self, body: &[u8]) -> Option<()> {
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
            // As the decoder takes ids that are alike.
            let index = (0..frame.components.len())
                .find(|index| frame.components[*index].id == id && !scanned.contains(index))?;
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
        self.intervals = 0;
        Some(())
    }
}

//! Markers and segments (ITU-T T.81, annex B).

use crate::error::{Error, TRUNCATED};

/// Codes of markers (ITU-T T.81, table B.1).
pub(crate) mod marker {
    /// Baseline frame.
    pub(crate) const SOF0: u8 = 0xc0;
    /// Progressive frame, the last of those that are decoded here.
    pub(crate) const SOF2: u8 = 0xc2;
    /// Huffman tables.
    pub(crate) const DHT: u8 = 0xc4;
    /// Reserved for extensions. JPEG-LS has its frame at [`SOF55`].
    pub(crate) const JPG: u8 = 0xc8;
    /// Conditioning of arithmetic coding.
    pub(crate) const DAC: u8 = 0xcc;
    /// The last frame header of T.81.
    pub(crate) const SOF15: u8 = 0xcf;
    /// First of eight restart markers.
    pub(crate) const RST0: u8 = 0xd0;
    /// Last of eight restart markers.
    pub(crate) const RST7: u8 = 0xd7;
    /// Start of image.
    pub(crate) const SOI: u8 = 0xd8;
    /// End of image.
    pub(crate) const EOI: u8 = 0xd9;
    /// A scan's header.
    pub(crate) const SOS: u8 = 0xda;
    /// Quantisation tables.
    pub(crate) const DQT: u8 = 0xdb;
    /// Restart interval.
    pub(crate) const DRI: u8 = 0xdd;
    /// Hierarchical progression.
    pub(crate) const DHP: u8 = 0xde;
    /// JFIF.
    pub(crate) const APP0: u8 = 0xe0;
    /// EXIF.
    pub(crate) const APP1: u8 = 0xe1;
    /// ICC profile.
    pub(crate) const APP2: u8 = 0xe2;
    /// Adobe.
    pub(crate) const APP14: u8 = 0xee;
    /// Frame of JPEG-LS (ITU-T T.87).
    pub(crate) const SOF55: u8 = 0xf7;
    /// Stands alone, for arithmetic coding.
    pub(crate) const TEM: u8 = 0x01;
}

use marker::{DAC, DHT, EOI, JPG, RST0, RST7, SOF0, SOF15, TEM};

/// A segment: its marker's code, its content, and the place behind it. Markers that stand alone have no content.
pub(crate) struct Segment<'a> {
    pub(crate) marker: u8,
    pub(crate) body: &'a [u8],
    pub(crate) end: usize,
}

/// Steps through the segments; not over the data behind a scan's header.
#[derive(Clone, Copy)]
pub(crate) struct Markers<'a> {
    data: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Markers<'a> {
    /// Behind the start-of-image marker.
    pub(crate) fn new(data: &'a [u8]) -> Result<Self, Error> {
        if !data.starts_with(&[0xff, marker::SOI]) {
            return Err(Error::Corrupt("no start-of-image marker"));
        }
        Ok(Self { data, at: 2 })
    }

    /// The next segment. A length of 0 or 1, which no segment can have, stands for an empty one, as in libjpeg-turbo.
    pub(crate) fn next(&mut self) -> Result<Segment<'a>, Error> {
        let marker = self.marker()?;
        if matches!(marker, TEM | RST0..=EOI) {
            return Ok(Segment { marker, body: &[], end: self.at });
        }
        let rest = self.data.get(self.at..).unwrap_or(&[]);
        let Some(&[l1, l0]) = rest.first_chunk::<2>() else { return Err(TRUNCATED) };
        let length = usize::from(u16::from_be_bytes([l1, l0])).max(2);
        let body = rest.get(2..length).ok_or(TRUNCATED)?;
        self.at += length;
        Ok(Segment { marker, body, end: self.at })
    }

    /// Past the data of a scan with its restart markers, to the next marker or to the end of the file.
    pub(crate) fn skip_scan(&mut self) {
        while let Some((at, code)) = find_marker(self.data, self.at) {
            if ends_scan(code) {
                self.at = at;
                return;
            }
            self.at = at + 2;
        }
        self.at = self.data.len();
    }

    fn marker(&mut self) -> Result<u8, Error> {
        // Bytes between segments that belong to none are passed over, as by every decoder: some cameras leave them there.
        let (at, code) = find_marker(self.data, self.at).ok_or(NO_END)?;
        self.at = at + 2;
        Ok(code)
    }
}

/// Whether a frame begins with this marker.
pub(crate) fn is_frame(code: u8) -> bool {
    matches!(code, SOF0..=SOF15) && !matches!(code, DHT | JPG | DAC)
}

/// Whether it is a restart marker.
pub(crate) fn is_restart(code: u8) -> bool {
    matches!(code, RST0..=RST7)
}

/// Whether a scan's data ends before this marker. Codes below those of T.81's markers are damage within the data.
pub(crate) fn ends_scan(code: u8) -> bool {
    code >= SOF0 && !is_restart(code)
}

/// The next marker, past fill bytes and stuffed zeros: the place of the byte of ones before its code, and the code.
pub(crate) fn find_marker(data: &[u8], mut at: usize) -> Option<(usize, u8)> {
    loop {
        let rest = data.get(at..)?;
        let ff = first_ff(rest)?;
        let fill = rest[ff..].iter().position(|&byte| byte != 0xff)?;
        at += ff + fill - 1;
        match data[at + 1] {
            0 => at += 2,
            code => return Some((at, code)),
        }
    }
}

/// Place of the first byte of ones; 32 bytes at a time, as vectors.
fn first_ff(bytes: &[u8]) -> Option<usize> {
    let has_ff = |chunk: &[u8; 32]| chunk.iter().fold(0, |found, &byte| found | u8::from(byte == 0xff)) > 0;
    let (chunks, _) = bytes.as_chunks::<32>();
    let start = chunks.iter().position(has_ff).unwrap_or(chunks.len()) * 32;
    Some(start + bytes[start..].iter().position(|&byte| byte == 0xff)?)
}

const NO_END: Error = Error::Corrupt("the file ends before its end-of-image marker");

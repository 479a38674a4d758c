//! Markers and segments (ITU-T T.81, annex B).

use crate::error::{Error, TRUNCATED};

/// A segment: its marker's code, what is in it, and the place behind it. Markers that stand alone have an empty one.
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
        if !data.starts_with(&[0xff, 0xd8]) {
            return Err(Error::Corrupt("no start-of-image marker"));
        }
        Ok(Self { data, at: 2 })
    }

    /// The next segment.
    pub(crate) fn next(&mut self) -> Result<Segment<'a>, Error> {
        let marker = self.marker()?;
        if matches!(marker, 0x01 | 0xd0..=0xd9) {
            return Ok(Segment { marker, body: &[], end: self.at });
        }
        let rest = self.data.get(self.at..).unwrap_or(&[]);
        let Some(&[l1, l0]) = rest.first_chunk::<2>() else { return Err(TRUNCATED) };
        let length = usize::from(u16::from_be_bytes([l1, l0]));
        if length < 2 {
            return Err(Error::Corrupt("a segment of impossible length"));
        }
        let body = rest.get(2..length).ok_or(TRUNCATED)?;
        self.at += length;
        Ok(Segment { marker, body, end: self.at })
    }

    /// Past the data of a scan, its stuffed zeros and restart markers.
    pub(crate) fn skip_scan(&mut self) -> Result<(), Error> {
        loop {
            let rest = self.data.get(self.at..).unwrap_or(&[]);
            let ff = first_ff(rest).ok_or(NO_END)?;
            match rest.get(ff + 1) {
                Some(0 | 0xd0..=0xd7) => self.at += ff + 2,
                Some(0xff) => self.at += ff + 1,
                Some(_) => {
                    self.at += ff;
                    return Ok(());
                }
                None => return Err(NO_END),
            }
        }
    }

    fn marker(&mut self) -> Result<u8, Error> {
        // Bytes between segments that belong to none are let pass, as by every decoder: some cameras leave them there.
        loop {
            let rest = self.data.get(self.at..).unwrap_or(&[]);
            let ff = rest.iter().position(|&byte| byte == 0xff).ok_or(NO_END)?;
            let fill = rest[ff..].iter().position(|&byte| byte != 0xff).ok_or(NO_END)?;
            self.at += ff + fill + 1;
            match rest[ff + fill] {
                0 => {}
                code => return Ok(code),
            }
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

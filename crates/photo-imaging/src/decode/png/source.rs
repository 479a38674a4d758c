//! The chunks of a PNG that its pixels are made of.

use std::io::{BufRead, Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::time::Instant;

/// Bytes that the decoder is given at once, and between two looks at the clock.
const PART: usize = 1 << 16;

/// A PNG without text, EXIF and profile, which the decoder would keep and inflate, and which are read elsewhere if at all.
///
/// The decoder asks it for more bytes in every loop that the sender's bytes can prolong, so the deadline is seen here.
pub(super) struct PixelChunks<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the chunk ends that is being read.
    end: usize,
    deadline: Option<Instant>,
}

impl<'a> PixelChunks<'a> {
    pub(super) fn new(bytes: &'a [u8], deadline: Option<Instant>) -> Self {
        const SIGNATURE: usize = 8;
        Self { bytes, at: 0, end: SIGNATURE.min(bytes.len()), deadline }
    }

    /// Goes on to the next chunk that is to be decoded. What is no chunk is left to the decoder, which will say so.
    fn next_chunk(&mut self) {
        while self.at == self.end && self.at < self.bytes.len() {
            let rest = &self.bytes[self.at..];
            let Some(&[l3, l2, l1, l0, ref kind @ ..]) = rest.first_chunk::<8>() else {
                self.end = self.bytes.len();
                return;
            };
            let length = usize::try_from(u32::from_be_bytes([l3, l2, l1, l0])).unwrap_or(usize::MAX);
            // Length, kind and checksum.
            self.end = self.at.saturating_add(length).saturating_add(12).min(self.bytes.len());
            if matches!(kind, b"iCCP" | b"tEXt" | b"zTXt" | b"iTXt" | b"eXIf") {
                self.at = self.end;
            }
        }
    }
}

impl BufRead for PixelChunks<'_> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Error::from(ErrorKind::TimedOut));
        }
        self.next_chunk();
        Ok(&self.bytes[self.at..self.end.min(self.at + PART)])
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.end.min(self.at + amount);
    }
}

impl Read for PixelChunks<'_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let mut part = self.fill_buf()?;
        let count = part.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

/// `png` 0.18 names the trait and never seeks.
impl Seek for PixelChunks<'_> {
    fn seek(&mut self, _: SeekFrom) -> Result<u64> {
        Err(Error::from(ErrorKind::Unsupported))
    }
}

/// Whether reading was stopped by the deadline.
pub(super) fn is_late(error: &Error) -> bool {
    error.kind() == ErrorKind::TimedOut
}

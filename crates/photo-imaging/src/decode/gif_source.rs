//! The bytes of a GIF as a decoder reads them.

use std::io::{BufRead, Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::time::Instant;

use crate::probe::gif::Repair;

/// Bytes that the decoder is given at once, and between two looks at the clock.
const PART: usize = 1 << 14;

/// A GIF that is put right on the way, without a copy of it.
///
/// The decoder asks it for more bytes in every loop that the sender's bytes can prolong, so the deadline is seen here.
pub(crate) struct GifSource<'a> {
    repair: Repair<'a>,
    at: usize,
    deadline: Option<Instant>,
}

impl<'a> GifSource<'a> {
    pub(crate) fn new(bytes: &'a [u8], deadline: Option<Instant>) -> Self {
        Self { repair: Repair::of(bytes), at: 0, deadline }
    }
}

impl BufRead for GifSource<'_> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Error::from(ErrorKind::TimedOut));
        }
        let mut at = self.at;
        for part in self.repair.parts() {
            if at < part.len() {
                return Ok(&part[at..part.len().min(at + PART)]);
            }
            at -= part.len();
        }
        Ok(&[])
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
    }
}

impl Read for GifSource<'_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let mut part = self.fill_buf()?;
        let count = part.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

/// `image` 0.25 names the trait and never seeks.
impl Seek for GifSource<'_> {
    fn seek(&mut self, _: SeekFrom) -> Result<u64> {
        Err(Error::from(ErrorKind::Unsupported))
    }
}

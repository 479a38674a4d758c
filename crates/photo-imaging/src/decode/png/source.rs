//! The file that the decoder is given: header, palette and transparency written anew, and the image data.

use std::io::{BufRead, Error, ErrorKind, Read, Result, Seek, SeekFrom};

use crate::limits::Limits;
use crate::probe::png::{Picture, PngFile, SIGNATURE, checksum};
use crate::sanitize::inflate::{HEADER, Inflater};

/// Bytes that the decoder is given at once, and between two looks at the clock.
const PART: usize = 1 << 16;

/// Bytes in a block that is not compressed, without its header.
const BLOCK: usize = 1 << 15;

/// Where the image data comes from.
enum Data<'a> {
    /// From the file, as it is.
    Parts(Box<dyn Iterator<Item = &'a [u8]> + 'a>),
    /// Inflated here as far as that goes, and zeros without end behind it, all in blocks that are not compressed. A decoder that
    /// meets damage in a stream keeps back some of what was in front of it.
    Salvage(Box<Inflater<'a>>),
}

/// A PNG of what counts alone. Text, EXIF and profiles would be kept and inflated by the decoder.
///
/// The decoder asks it for more bytes in every loop that the sender's bytes can prolong, so the deadline is seen here.
pub(super) struct PixelChunks<'a> {
    /// What was written here: the head, then blocks, then the end.
    written: Vec<u8>,
    /// What the decoder has had of that.
    at: usize,
    /// What is left of a part of the file.
    part: &'a [u8],
    data: Data<'a>,
    is_over: bool,
    limits: Limits,
}

impl<'a> PixelChunks<'a> {
    /// The picture as the file has it.
    pub(super) fn new(file: &PngFile<'_>, picture: Picture<'a>, limits: &Limits) -> Self {
        let length: usize = picture.data.parts().map(<[u8]>::len).sum();
        let mut written = head(file, picture);
        // The decoder stops at the end of the stream. A longer one than a chunk can hold has more rows than any picture.
        open_chunk(&mut written, *b"IDAT", u32::try_from(length).unwrap_or(u32::MAX));
        Self::from_data(written, Data::Parts(Box::new(picture.data.parts())), limits)
    }

    /// The picture up to where its stream is damaged, and zeros for the rest.
    pub(super) fn repaired(file: &PngFile<'_>, picture: Picture<'a>, limits: &Limits) -> Self {
        let mut written = head(file, picture);
        open_chunk(&mut written, *b"IDAT", u32::MAX);
        written.extend_from_slice(&HEADER);
        let inflater = Inflater::new(picture.data.parts());
        Self::from_data(written, Data::Salvage(Box::new(inflater)), limits)
    }

    fn from_data(written: Vec<u8>, data: Data<'a>, limits: &Limits) -> Self {
        Self { written, at: 0, part: &[], data, is_over: false, limits: *limits }
    }

    /// Finds more bytes once all have been read.
    fn refill(&mut self) -> Result<()> {
        while self.at == self.written.len() && self.part.is_empty() && !self.is_over {
            match &mut self.data {
                Data::Parts(parts) => {
                    if let Some(part) = parts.next() {
                        self.part = part;
                    } else {
                        self.is_over = true;
                        self.at = 0;
                        // Checksums are not read.
                        self.written = vec![0; 4];
                        put_chunk(&mut self.written, *b"IEND", &[]);
                    }
                }
                Data::Salvage(inflater) => {
                    let mut block = vec![0; BLOCK];
                    let count = inflater.read(&mut block, &self.limits).map_err(|_| late())?;
                    // At its end come zeros.
                    block.truncate(if count > 0 { count } else { BLOCK });
                    let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
                    self.at = 0;
                    self.written.clear();
                    self.written.push(0);
                    self.written.extend_from_slice(&length.to_le_bytes());
                    self.written.extend_from_slice(&(!length).to_le_bytes());
                    self.written.append(&mut block);
                }
            }
        }
        Ok(())
    }
}

/// Everything in front of the image data.
fn head(file: &PngFile<'_>, picture: Picture<'_>) -> Vec<u8> {
    let mut head = SIGNATURE.to_vec();
    put_chunk(&mut head, *b"IHDR", &picture.shape.header());
    if let Some((colours, alphas)) = file.colours() {
        put_chunk(&mut head, *b"PLTE", colours.as_flattened());
        if file.transparency.is_some() {
            put_chunk(&mut head, *b"tRNS", &alphas);
        }
    } else if let Some(samples) = file.transparency {
        put_chunk(&mut head, *b"tRNS", samples);
    }
    head
}

fn put_chunk(out: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    open_chunk(out, kind, u32::try_from(data.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(data);
    out.extend_from_slice(&checksum(kind, data).to_be_bytes());
}

fn open_chunk(out: &mut Vec<u8>, kind: [u8; 4], length: u32) {
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&kind);
}

impl BufRead for PixelChunks<'_> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.limits.deadline_has_passed() {
            return Err(late());
        }
        self.refill()?;
        let bytes = if self.at < self.written.len() { &self.written[self.at..] } else { self.part };
        Ok(&bytes[..bytes.len().min(PART)])
    }

    fn consume(&mut self, amount: usize) {
        if self.at < self.written.len() {
            self.at = self.written.len().min(self.at + amount);
        } else {
            self.part = self.part.get(amount..).unwrap_or(&[]);
        }
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

fn late() -> Error {
    Error::from(ErrorKind::TimedOut)
}

/// Whether reading was stopped by the deadline.
pub(super) fn is_late(error: &Error) -> bool {
    error.kind() == ErrorKind::TimedOut
}

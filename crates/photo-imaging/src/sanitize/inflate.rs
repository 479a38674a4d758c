//! Compressed streams (RFC 1950 and RFC 1951) of PNG: where they end, and what they hold up to a limit.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::error::ImagingError;
use crate::limits::Limits;

/// Most bytes that are read at once, as blocks without content give nothing, and most that are inflated at once.
const WINDOW: usize = 64 << 10;
/// What a stream begins with: deflate, the largest window, the default level.
pub(crate) const HEADER: [u8; 2] = [0x78, 0x9c];

/// What was found in a stream.
pub(crate) struct Inflated {
    /// Bytes of the codes, without header and checksum; `None` if it does not end before the limit, or is
    /// damaged.
    pub(crate) end: Option<usize>,
    /// Bytes that came out.
    pub(crate) length: u64,
    pub(crate) checksum: u32,
    /// The checksum behind the codes.
    stored: Option<u32>,
}

impl Inflated {
    /// Whether the stream ends with the checksum of what came out.
    pub(crate) fn is_sound(&self) -> bool {
        self.end.is_some() && self.stored == Some(self.checksum)
    }
}

/// Inflates a stream in parts, one byte beyond `limit` at most, and passes on what comes out up to the limit. Damage ends it.
pub(crate) fn inflate<'a>(
    parts: impl Iterator<Item = &'a [u8]> + 'a,
    limit: u64,
    limits: &Limits,
    each: &mut dyn FnMut(&[u8]),
) -> Result<Inflated, ImagingError> {
    let mut found = Inflated { end: None, length: 0, checksum: 1, stored: None };
    let mut inflater = Inflater::new(parts);
    let mut window = vec![0; WINDOW];
    while found.length <= limit {
        let room = usize::try_from((limit + 1).saturating_sub(found.length)).unwrap_or(WINDOW).min(WINDOW);
        let produced = inflater.read(&mut window[..room], limits)?;
        if produced == 0 {
            found.end = inflater.end();
            found.stored = inflater.checksum();
            break;
        }
        let passed = usize::try_from(limit - found.length).unwrap_or(usize::MAX).min(produced);
        found.checksum = adler32(found.checksum, &window[..passed]);
        each(&window[..passed]);
        found.length += produced as u64;
    }
    Ok(found)
}

/// A stream that is inflated as far as it goes.
pub(crate) struct Inflater<'a> {
    parts: Box<dyn Iterator<Item = &'a [u8]> + 'a>,
    /// What is left of a part.
    part: &'a [u8],
    codes: Decompress,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Start,
    Codes,
    End,
    Damage,
}

impl<'a> Inflater<'a> {
    pub(crate) fn new(parts: impl Iterator<Item = &'a [u8]> + 'a) -> Self {
        let codes = Decompress::new(false);
        Self { parts: Box::new(parts), part: &[], codes, state: State::Start }
    }

    /// Inflates into the window until something has come out. 0 at the end of the stream or at damage.
    pub(crate) fn read(&mut self, window: &mut [u8], limits: &Limits) -> Result<usize, ImagingError> {
        if self.state == State::Start {
            let header = [self.byte(), self.byte()].map(Option::unwrap_or_default);
            self.state = if is_deflate(header) { State::Codes } else { State::Damage };
        }
        while self.state == State::Codes {
            limits.check_deadline("the end of inflating")?;
            self.next_part();
            let (read, written) = (self.codes.total_in(), self.codes.total_out());
            let input = &self.part[..self.part.len().min(WINDOW)];
            let result = self.codes.decompress(input, window, FlushDecompress::None);
            let count = |number: u64| usize::try_from(number).unwrap_or(0);
            let consumed = count(self.codes.total_in() - read);
            let produced = count(self.codes.total_out() - written);
            self.part = self.part.get(consumed..).unwrap_or(&[]);
            match result {
                Ok(Status::StreamEnd) => self.state = State::End,
                Ok(Status::Ok | Status::BufError) if consumed > 0 || produced > 0 => {}
                _ => self.state = State::Damage,
            }
            if produced > 0 {
                return Ok(produced);
            }
        }
        Ok(0)
    }

    /// Bytes of the codes if their end has been read.
    fn end(&self) -> Option<usize> {
        usize::try_from(self.codes.total_in()).ok().filter(|_| self.state == State::End)
    }

    /// The checksum behind the codes.
    fn checksum(&mut self) -> Option<u32> {
        let bytes = [self.byte()?, self.byte()?, self.byte()?, self.byte()?];
        Some(u32::from_be_bytes(bytes))
    }

    fn byte(&mut self) -> Option<u8> {
        self.next_part();
        let (&byte, rest) = self.part.split_first()?;
        self.part = rest;
        Some(byte)
    }

    /// Leaves no part that is empty, but at the end.
    fn next_part(&mut self) {
        while self.part.is_empty() {
            let Some(part) = self.parts.next() else { return };
            self.part = part;
        }
    }
}

/// Whether a stream with this header is of deflate, without a dictionary.
fn is_deflate([method, flags]: [u8; 2]) -> bool {
    method & 15 == 8
        && method >> 4 <= 7
        && flags & 0x20 == 0
        && u16::from_be_bytes([method, flags]).is_multiple_of(31)
}

/// A stream of its own.
pub(super) struct Deflater {
    compress: Compress,
    out: Vec<u8>,
}

impl Deflater {
    pub(super) fn new() -> Self {
        Self { compress: Compress::new(Compression::default(), true), out: Vec::new() }
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        self.run(data, FlushCompress::None);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.run(&[], FlushCompress::Finish);
        self.out
    }

    fn run(&mut self, data: &[u8], flush: FlushCompress) {
        let start = self.compress.total_in();
        loop {
            self.out.reserve(WINDOW);
            let read = usize::try_from(self.compress.total_in() - start).unwrap_or(data.len());
            // Deflating has no errors but those of streams that are used after their end.
            let status = self.compress.compress_vec(data.get(read..).unwrap_or(&[]), &mut self.out, flush);
            let is_read = self.compress.total_in() - start == data.len() as u64;
            let is_done = if flush == FlushCompress::Finish {
                matches!(status, Ok(Status::StreamEnd))
            } else {
                is_read
            };
            if is_done || status.is_err() {
                return;
            }
        }
    }
}

/// Adler-32 of more bytes.
fn adler32(sum: u32, data: &[u8]) -> u32 {
    const PRIME: u32 = 65_521;
    /// Bytes whose sums fit 32 bits.
    const RUN: usize = 5552;
    let (mut low, mut high) = (sum & 0xffff, sum >> 16);
    for run in data.chunks(RUN) {
        for &byte in run {
            low += u32::from(byte);
            high += low;
        }
        low %= PRIME;
        high %= PRIME;
    }
    high << 16 | low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(data: &[u8]) -> Vec<u8> {
        let mut deflater = Deflater::new();
        data.chunks(1000).for_each(|part| deflater.push(part));
        deflater.finish()
    }

    fn inflated(stream: &[u8], limit: u64) -> (Option<usize>, u64, u32, Vec<u8>) {
        let mut out = Vec::new();
        let found = inflate(std::iter::once(stream), limit, &Limits::default(), &mut |part| {
            out.extend_from_slice(part);
        })
        .unwrap();
        (found.end, found.length, found.checksum, out)
    }

    #[test]
    fn a_stream_is_read_to_its_end_or_to_the_limit() {
        let data: Vec<u8> = (0..400_000_u32).map(|i| i.wrapping_mul(i).to_be_bytes()[1]).collect();
        let stream = stream(&data);
        let end = stream.len() - 6;
        let checksum = u32::from_be_bytes(*stream.last_chunk().unwrap());
        let length = data.len() as u64;
        let expected = (Some(end), length, checksum, data.clone());
        assert_eq!(inflated(&stream, length), expected);
        assert_eq!(inflated(&stream, u64::MAX / 2), expected);
        let tail = [&stream[..], b"SECRET"].concat();
        assert_eq!(inflated(&tail, length), expected);
        let (end, found, _, out) = inflated(&stream, length - 1);
        assert_eq!((end, found, out.len()), (None, length, data.len() - 1));
        let (end, found, _, out) = inflated(&stream[..stream.len() / 2], length);
        assert!(end.is_none() && found < length && out == data[..out.len()]);
        assert_eq!(inflated(b"\x78\x9d", 10).1, 0);
        assert_eq!(inflated(b"", 10).1, 0);
    }

    #[test]
    fn what_is_in_front_of_damage_comes_out() {
        let data: Vec<u8> = (0..200_000_u32).map(|i| i.wrapping_mul(i).to_be_bytes()[1]).collect();
        let length = u16::try_from(40_000).unwrap();
        let block =
            |bytes: &[u8]| [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), bytes].concat();
        let blocks: Vec<u8> = data.chunks(40_000).flat_map(block).collect();
        // A kind of block that there is not.
        let broken = [&HEADER[..], &blocks, &[7; 9]].concat();
        let cut = [&HEADER[..], &blocks[..blocks.len() - 1000]].concat();
        for (stream, expected) in [(&broken, data.len()), (&cut, data.len() - 1000)] {
            let (end, found, _, out) = inflated(stream, u64::MAX / 2);
            assert_eq!((end, found), (None, expected as u64));
            assert!(out == data[..expected]);
        }
        // The same in parts of any length.
        for part in [1, 7, 65_536] {
            let found = inflate(broken.chunks(part), u64::MAX / 2, &Limits::default(), &mut |_| {}).unwrap();
            assert_eq!(found.length, data.len() as u64);
        }
    }

    #[test]
    fn a_stream_is_sound_with_its_checksum() {
        let whole = stream(b"rows");
        let sound = |stream: &[u8]| {
            inflate(stream.chunks(3), 100, &Limits::default(), &mut |_| {}).unwrap().is_sound()
        };
        assert!(sound(&whole) && sound(&[&whole[..], b"tail"].concat()));
        let mut wrong = whole.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert!(!sound(&wrong) && !sound(&whole[..whole.len() - 1]));
    }

    #[test]
    fn a_late_stream_is_not_inflated() {
        let late = Limits::default().with_deadline(std::time::Instant::now());
        let refused = inflate(stream(b"rows").chunks(9), 100, &late, &mut |_| {}).map(drop);
        assert_eq!(refused.map_err(|e| e.code()), Err("PROCESSING_TIMEOUT"));
    }
}

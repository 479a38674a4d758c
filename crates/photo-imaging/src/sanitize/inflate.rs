//! Compressed streams (RFC 1950 and RFC 1951) of PNG: where they end, and what they hold up to a limit.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::error::ImagingError;
use crate::limits::Limits;

/// Most bytes that are read at once, as blocks without content give nothing, and most that are inflated at once.
const WINDOW: usize = 64 << 10;
/// What a stream begins with: deflate, the largest window, the default level.
pub(super) const HEADER: [u8; 2] = [0x78, 0x9c];

/// What was found in a stream.
pub(super) struct Inflated {
    /// Bytes of the codes, without header and checksum; `None` if it does not end before the limit, or is
    /// damaged.
    pub(super) end: Option<usize>,
    /// Bytes that came out.
    pub(super) length: u64,
    pub(super) checksum: u32,
}

/// Inflates a stream, one byte beyond `limit` at most, and passes on what comes out up to the limit. Damage ends it.
pub(super) fn inflate(
    stream: &[u8],
    limit: u64,
    limits: &Limits,
    each: &mut dyn FnMut(&[u8]),
) -> Result<Inflated, ImagingError> {
    let mut found = Inflated { end: None, length: 0, checksum: 1 };
    let Some((&[method, flags], data)) = stream.split_first_chunk() else { return Ok(found) };
    let is_deflate = method & 15 == 8
        && method >> 4 <= 7
        && flags & 0x20 == 0
        && u16::from_be_bytes([method, flags]).is_multiple_of(31);
    if !is_deflate {
        return Ok(found);
    }
    let mut inflater = Decompress::new(false);
    let mut window = vec![0; WINDOW];
    loop {
        limits.check_deadline("the end of sanitizing")?;
        let (read, written) = (inflater.total_in(), inflater.total_out());
        let rest = data.get(usize::try_from(read).unwrap_or(usize::MAX)..).unwrap_or(&[]);
        let rest = &rest[..rest.len().min(WINDOW)];
        let room = usize::try_from((limit + 1).saturating_sub(written)).unwrap_or(WINDOW).min(WINDOW);
        let result = inflater.decompress(rest, &mut window[..room], FlushDecompress::None);
        let produced = usize::try_from(inflater.total_out() - written).unwrap_or(0);
        let passed = usize::try_from(limit - written).unwrap_or(usize::MAX).min(produced);
        found.checksum = adler32(found.checksum, &window[..passed]);
        each(&window[..passed]);
        found.length += produced as u64;
        match result {
            Ok(Status::StreamEnd) if found.length <= limit => {
                found.end = usize::try_from(inflater.total_in()).ok();
                return Ok(found);
            }
            Ok(Status::Ok) if found.length <= limit && (produced > 0 || inflater.total_in() > read) => {}
            _ => return Ok(found),
        }
    }
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
        let found =
            inflate(stream, limit, &Limits::default(), &mut |part| out.extend_from_slice(part)).unwrap();
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
}

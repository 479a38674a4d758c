//! Streams of PNG that a compressor would not write: what sanitizing costs does not follow from what a sender packs into them.

use std::time::Duration;

use photo_imaging::{Limits, probe};

use super::png::{Chunk, deflated, write};
use crate::cost::{Job, MIB, measure};

/// Writes the least significant bit first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn put(&mut self, value: u32, width: u32) {
        for bit in 0..width {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= u8::from(value >> bit & 1 == 1) << (self.used % 8);
            self.used += 1;
        }
    }

    /// A block's header, with codes of one bit for these symbols, of which the second is the last there is.
    fn put_header(&mut self, symbols: [u32; 2], distances: &[u32]) {
        // Not the last block; codes of its own.
        self.put(0b100, 3);
        self.put(symbols[1] + 1 - 257, 5);
        self.put(distances.last().unwrap_or(&0).to_owned(), 5);
        self.put(14, 4);
        // The lengths 1 and "many zeros" have one bit each.
        for place in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1] {
            self.put(u32::from(matches!(place, 1 | 18)), 3);
        }
        let mut next = 0;
        let distances = distances.iter().map(|distance| symbols[1] + 1 + distance);
        for place in symbols.into_iter().chain(distances) {
            let mut zeros = place - next;
            while zeros > 0 {
                // No fewer than eleven are left.
                let run = if zeros > 138 { zeros.min(138).min(zeros - 11) } else { zeros };
                self.put(1, 1);
                self.put(run - 11, 7);
                zeros -= run;
            }
            self.put(0, 1);
            next = place + 1;
        }
    }

    fn put_stored(&mut self, data: &[u8], is_last: bool) {
        self.put(u32::from(is_last), 3);
        self.used = self.used.next_multiple_of(8);
        let length = u16::try_from(data.len()).unwrap();
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(&(!length).to_le_bytes());
        self.bytes.extend_from_slice(data);
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// 8-bit RGBA or RGB.
fn picture(width: u32, height: u32, colour: u8, profile: Option<Vec<u8>>, stream: Vec<u8>) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, colour, 0, 0, 0]].concat();
    let mut chunks: Vec<Chunk> = vec![(*b"IHDR", header)];
    chunks.extend(profile.map(|stream| (*b"iCCP", [b"x\0\0".as_slice(), &stream].concat())));
    chunks.extend([(*b"IDAT", stream), (*b"IEND", vec![])]);
    write(&chunks)
}

/// Rows of the same noise, each a copy of the one before, and a byte behind the last. A compressor looks back 32,506 bytes at most.
fn repeated(width: u32, height: u32) -> Vec<u8> {
    let row = [vec![0], noise(4 * width as usize)].concat();
    let mut bits = Bits { bytes: vec![0x78, 0x9c], used: 0 };
    bits.put_stored(&row, false);
    let left = row.len() * (height as usize - 1);
    // The last distance there is has 13 bits for the rest.
    bits.put_header([256, 285], &[28, 29]);
    let more = u32::try_from(row.len()).unwrap() - 24_577;
    for _ in 0..left / 258 {
        bits.put(0b11 | more << 2, 15);
    }
    bits.put(0, 1);
    let rest = [&row[row.len() - left % 258..], &[7]].concat();
    bits.put_stored(&rest, true);
    bits.bytes.extend_from_slice(&[0; 4]);
    bits.bytes
}

/// Blocks that hold nothing, at least `length` bytes of them, in front of a stream.
fn behind_empty_blocks(length: usize, data: &[u8]) -> Vec<u8> {
    let mut blocks = Bits::default();
    // Until they end with a byte.
    for _ in 0..8 {
        blocks.put_header([255, 256], &[0]);
        blocks.put(1, 1);
    }
    let stream = deflated(data);
    [&stream[..2], &blocks.bytes.repeat(length / blocks.bytes.len() + 1), &stream[2..]].concat()
}

#[test]
fn rows_that_no_compressor_finds_again_keep_their_length() {
    let photo = picture(8190, 800, 6, None, repeated(8190, 800));
    let clean = probe(&photo, &Limits::default()).unwrap().sanitize().unwrap();
    assert!(clean.len() <= photo.len() + 512, "{} of {}", clean.len(), photo.len());
    assert!(probe(&clean, &Limits::default()).unwrap().sanitize().unwrap() == clean, "once is not enough");
    let [plain, cost] =
        [false, true].map(|sanitize| measure(&photo, &Job { memory_mib: 512, sanitize, ..Job::default() }));
    assert_eq!((plain.outcome, cost.outcome), (Ok(()), Ok(())));
    assert!(cost.peak < plain.peak + 2 * MIB, "{} MiB of {}", cost.peak / MIB, plain.peak / MIB);
}

#[test]
fn blocks_without_content_keep_the_deadline() {
    let rows = vec![0; 64 * (3 * 64 + 1)];
    let deadline = Duration::from_millis(200);
    let job = Job { sanitize: true, deadline: Some(deadline), ..Job::default() };
    let photo = picture(64, 64, 2, None, behind_empty_blocks(20_000_000, &rows));
    let cost = measure(&photo, &job);
    assert_eq!(cost.outcome, Err("PROCESSING_TIMEOUT".to_owned()));
    assert!(cost.wall < 5 * deadline, "{cost:?}");
}

#[test]
fn a_profile_of_blocks_without_content_is_broken() {
    let rows = vec![0; 64 * (3 * 64 + 1)];
    let profile = behind_empty_blocks(4_100_000, &[7; 500]);
    let job = Job { sanitize: true, ..Job::default() };
    let [plain, cost] =
        [None, Some(profile)].map(|profile| measure(&picture(64, 64, 2, profile, deflated(&rows)), &job));
    assert_eq!((&plain.outcome, &cost.outcome), (&Ok(()), &Ok(())));
    assert!(cost.cpu < plain.cpu + Duration::from_millis(400), "{cost:?} of {plain:?}");
}

//! Lossless WebP and alpha whose prefix codes take more than their pixels: memory is known before, and time is bounded.

use std::time::Duration;

use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use photo_imaging::Limits;

use crate::cost::{Cost, Job, MIB, measure};

/// What a render may take beyond its estimate: what it has in any case, and what the allocator keeps.
const BEYOND: u64 = 48 * MIB;
/// What probing and rendering may take of a CPU, which is busy with other tests and does not optimise this crate.
const MOST: Duration = Duration::from_secs(6);
/// Most groups that a stream can number.
const ALL: u32 = 1 << 16;

/// The order in which lengths of the code of lengths are stored (RFC 9649, 3.7.2.1.2).
const ORDER: [u32; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Bits, the lowest first.
#[derive(Default)]
struct Bits {
    /// Whole bytes.
    bytes: Vec<u8>,
    /// Those that wait, fewer than eight.
    pending: u64,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        self.pending |= u64::from(value) << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.pending.to_le_bytes()[0]);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.put(0, 7);
        self.bytes
    }

    /// A code of one symbol below 256.
    fn put_single(&mut self, symbol: u32) {
        self.put(0b101, 3);
        self.put(symbol, 8);
    }

    /// The beginning of a normal code, whose code of lengths is this one.
    fn put_code_of_lengths(&mut self, length: impl Fn(u32) -> u32) {
        self.put(0, 1);
        self.put(15, 4);
        for symbol in ORDER {
            self.put(length(symbol), 3);
        }
    }

    /// How many symbols of lengths follow.
    fn put_count(&mut self, count: u32) {
        self.put(1, 1);
        self.put(7, 3);
        self.put(count - 2, 16);
    }

    /// So many symbols with codes of the same length: each symbol of a length takes no bits.
    fn put_equal(&mut self, count: u32) {
        self.put_code_of_lengths(|symbol| u32::from(symbol == count.ilog2()));
        self.put_count(count);
    }

    /// Codes of 1 to 9 bits and then 64 of 15: the largest table for so few bits.
    fn put_large(&mut self) {
        self.put_code_of_lengths(|symbol| match symbol {
            16 => 2,
            1 | 15 => 3,
            2..=9 => 4,
            _ => 0,
        });
        self.put_count(9 + 1 + 11);
        for length in 1..=9 {
            self.put_length(length);
        }
        self.put_length(15);
        for more in [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0] {
            self.put_length(16);
            self.put(more, 2);
        }
    }

    /// By the code of [`Self::put_large`].
    fn put_length(&mut self, symbol: u32) {
        let (code, count) = match symbol {
            16 => (0b00, 2),
            1 => (0b010, 3),
            15 => (0b011, 3),
            _ => (0b1000 + symbol - 2, 4),
        };
        self.put(u32::reverse_bits(code) >> (32 - count), count);
    }
}

/// The groups of a stream.
#[derive(Clone, Copy, Debug)]
enum Groups {
    /// Of large tables. One tile uses the last of them.
    Unused,
    /// Of large tables. Each tile of 4 x 4 px uses its own.
    Used,
    /// Of many symbols that take hardly any bits.
    Dense,
}

/// A stream without its header. Pixels are zeros.
fn stream(groups: Groups, count: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    // No transform.
    bits.put(0, 1);
    // A colour cache of 11 bits makes the alphabet of green as large as it can be.
    match groups {
        Groups::Dense => bits.put(1 | 11 << 1, 5),
        _ => bits.put(0, 1),
    }
    // An entropy image of tiles of 4 x 4 px, without a colour cache.
    bits.put(1, 1);
    bits.put(0, 3);
    bits.put(0, 1);
    let last = count - 1;
    if let Groups::Used = groups {
        // Green and red are the number's bytes.
        bits.put_equal(256);
        bits.put_equal(256);
        (0..3).for_each(|_| bits.put_single(0));
        for number in 0..count {
            bits.put((number & 255).reverse_bits() >> 24, 8);
            bits.put((number >> 8).reverse_bits() >> 24, 8);
        }
    } else {
        for sample in [last & 255, last >> 8, 0, 0, 0] {
            bits.put_single(sample);
        }
    }
    let mut group = Bits::default();
    // As long as whole bytes.
    let side_by_side = 8;
    for _ in 0..side_by_side {
        if let Groups::Dense = groups {
            for symbols in [2048, 256, 256, 256, 32] {
                group.put_equal(symbols);
            }
        } else {
            (0..4).for_each(|_| group.put_large());
            group.put_single(0);
        }
    }
    assert!(group.count == 0 && count.is_multiple_of(side_by_side));
    for _ in 0..count / side_by_side {
        for &byte in &group.bytes {
            bits.put(byte.into(), 8);
        }
    }
    let mut bytes = bits.finish();
    // Codes of one bit at least.
    bytes.resize(bytes.len() + (1 << 20), 0);
    bytes
}

fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = [&kind, &u32::try_from(data.len()).unwrap().to_le_bytes()[..], data].concat();
    out.resize(out.len().next_multiple_of(2), 0);
    out
}

fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
    chunk(*b"RIFF", &[b"WEBP".to_vec(), chunks.concat()].concat())
}

fn u24(number: u32) -> Vec<u8> {
    number.to_le_bytes()[..3].to_vec()
}

/// The chunk of a lossless picture of this side.
fn lossless(stream: &[u8], side: u32) -> Vec<u8> {
    let bits = (side - 1) | (side - 1) << 14;
    chunk(*b"VP8L", &[&[0x2f][..], &bits.to_le_bytes(), stream].concat())
}

/// The chunks of a lossy picture with this alpha.
fn with_alpha(stream: &[u8], side: u32) -> Vec<u8> {
    let plane = |side: u32| vec![128; (side * side) as usize];
    let (y, half) = (plane(side), plane(side.div_ceil(2)));
    let planes = photo_webp::Planes { width: side, height: side, y: &y, u: &half, v: &half };
    let lossy = photo_webp::encode(&planes, photo_webp::Options { quality: 50.0 }).unwrap();
    // Behind RIFF's header.
    [chunk(*b"ALPH", &[&[1], stream].concat()), lossy[12..].to_vec()].concat()
}

fn extended(flags: u8, side: u32) -> Vec<u8> {
    chunk(*b"VP8X", &[vec![flags, 0, 0, 0], u24(side - 1), u24(side - 1)].concat())
}

fn animation(pictures: &[Vec<u8>], side: u32) -> Vec<u8> {
    let mut chunks = vec![extended(0x12, side), chunk(*b"ANIM", &[0; 6])];
    let header = [u24(0), u24(0), u24(side - 1), u24(side - 1), u24(100), vec![0]].concat();
    chunks.extend(pictures.iter().map(|picture| chunk(*b"ANMF", &[&header, &picture[..]].concat())));
    file(&chunks)
}

/// The stream in every place that a file has for it.
fn placements(stream: &[u8], side: u32) -> Vec<(&'static str, Vec<u8>)> {
    let plain = lossless(&simple_stream(), side);
    let (as_picture, as_alpha) = (lossless(stream, side), with_alpha(stream, side));
    vec![
        ("VP8L", file(std::slice::from_ref(&as_picture))),
        ("VP8L behind VP8X", file(&[extended(0x10, side), as_picture.clone()])),
        ("ALPH", file(&[extended(0x10, side), as_alpha.clone()])),
        ("VP8L of the first frame", animation(&[as_picture.clone(), plain.clone()], side)),
        ("ALPH of the first frame", animation(&[as_alpha.clone(), plain.clone()], side)),
        ("VP8L of a later frame", animation(&[plain.clone(), as_picture], side)),
        ("ALPH of a later frame", animation(&[plain, as_alpha], side)),
    ]
}

/// One group whose codes have one symbol each.
fn simple_stream() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0, 3);
    (0..5).for_each(|_| bits.put_single(0));
    bits.finish()
}

/// Renders a file in a function of this memory.
fn measured(file: &[u8], animation: bool, memory_mib: u64) -> Cost {
    measure(file, &Job { memory_mib, animation, ..Job::default() })
}

#[test]
fn groups_that_no_tile_uses_cost_nothing() {
    for (place, file) in placements(&stream(Groups::Unused, ALL), 4) {
        for animation in [false, true] {
            if animation && !place.contains("frame") {
                continue;
            }
            let cost = measured(&file, animation, 512);
            println!("{place}, animation kept: {animation}, {cost:?}");
            assert_eq!(cost.outcome, Ok(()), "{place}: as in browsers");
            assert!(cost.estimate < 4 * MIB && cost.peak < BEYOND, "{place}: {cost:?}");
            assert!(cost.cpu < MOST, "{place}: {cost:?}");
        }
    }
}

#[test]
fn groups_of_many_symbols_are_read_fast() {
    let cost = measured(&file(&[lossless(&stream(Groups::Dense, ALL), 4)]), false, 512);
    println!("{cost:?}");
    assert_eq!(cost.outcome, Ok(()));
    assert!(cost.peak < BEYOND && cost.cpu < MOST, "{cost:?}");
}

#[test]
fn groups_that_are_used_are_in_the_estimate() {
    for (place, file) in placements(&stream(Groups::Used, ALL), 1024) {
        let cost = measured(&file, true, 1769);
        println!("{place}, {cost:?}");
        assert_eq!(cost.outcome, Ok(()), "{place}");
        assert!(cost.estimate > 200 * MIB && cost.peak < cost.estimate + BEYOND, "{place}: {cost:?}");
        assert!(cost.cpu < 2 * MOST, "{place}: {cost:?}");
        // Less memory than their tables take.
        let refused = measured(&file, true, 256);
        // An animation of which a later frame is beyond the limits is its first frame.
        let expected = if place.contains("later") { Ok(()) } else { Err("TOO_MANY_PIXELS".to_owned()) };
        assert_eq!(refused.outcome, expected, "{place}");
        assert!(refused.peak < BEYOND, "{place}: {refused:?}");
    }
}

#[test]
fn many_frames_of_many_groups_end_at_the_deadline() {
    let picture = lossless(&stream(Groups::Dense, ALL), 4);
    let frames = vec![picture; 7];
    let file = animation(&frames, 4);
    assert!(file.len() < Limits::default().max_bytes, "{}", file.len());
    let deadline = Some(Duration::from_millis(300));
    let cost = measure(&file, &Job { animation: true, deadline, ..Job::default() });
    assert_eq!(cost.outcome, Err("PROCESSING_TIMEOUT".to_owned()), "{cost:?}");
    assert!(cost.wall < Duration::from_secs(6), "{cost:?}");
}

/// Waves, edges and grain, RGBA.
fn photo(width: u32, height: u32) -> Vec<u8> {
    let mut state = 3_u32;
    let mut pixel = |x: u32, y: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let grain = state >> 29;
        let edge = if (x / 90 + y / 70).is_multiple_of(3) { 60 } else { 0 };
        [x / 9 + grain + edge, y / 7 + grain, (x + y) / 13 + edge, 255 - (x * y) % 40]
            .map(|level| level.to_le_bytes()[0])
    };
    (0..width * height).flat_map(|i| pixel(i % width, i / width)).collect()
}

#[test]
fn honest_files_take_no_more_than_their_estimate() {
    let (width, height) = (1800, 1300);
    let pixels = photo(width, height);
    let by_libwebp = |config: webpx::EncoderConfig| {
        config.encode_rgba(&pixels, width, height, webpx::Unstoppable).unwrap()
    };
    let mut by_image = Vec::new();
    WebPEncoder::new_lossless(&mut by_image)
        .write_image(&pixels, width, height, ExtendedColorType::Rgba8)
        .unwrap();
    let files = [
        ("lossless, fast", by_libwebp(webpx::EncoderConfig::new_lossless().method(0))),
        ("lossless", by_libwebp(webpx::EncoderConfig::new_lossless().method(4).quality(100.0))),
        ("lossy with alpha", by_libwebp(webpx::EncoderConfig::new().quality(90.0))),
        ("by image", by_image),
    ];
    for (name, file) in files {
        let cost = measure(&file, &Job { memory_mib: 512, ..Job::default() });
        println!("{name} {cost:?}");
        assert_eq!(cost.outcome, Ok(()), "{name}");
        assert!(cost.peak < cost.estimate + BEYOND, "{name}: {cost:?}");
        // Four bytes a pixel, alpha and what is read before the pixels.
        assert!(cost.estimate < 10 * u64::from(width * height), "{name}: {cost:?}");
    }
}

//! Streams that are written to take much for little.

use super::super::bits::BitWriter;
use super::*;

/// A prefix code of as large a table as so few bits can say: lengths 1 to 9, then 64 codes of 15 bits.
fn put_large_code(writer: &mut BitWriter) {
    // Codes of lengths, in the order in which they are stored: 16 has two bits, 1 and 15 have three, 2 to 9 four.
    writer.put(0, 1);
    writer.put(15, 4);
    for symbol in super::super::prefix::ORDER {
        let length = match symbol {
            16 => 2,
            1 | 15 => 3,
            2..=9 => 4,
            _ => 0,
        };
        writer.put(length, 3);
    }
    // Canonical: by length, then by symbol. The first bit is written first.
    let put = |writer: &mut BitWriter, symbol: u32| {
        let (code, length) = match symbol {
            16 => (0b00, 2),
            1 => (0b010, 3),
            15 => (0b011, 3),
            _ => (0b1000 + symbol - 2, 4),
        };
        writer.put(u32::reverse_bits(code) >> (32 - length), length);
    };
    // 21 symbols follow: nine lengths, one of 15, and that again 63 times.
    writer.put(1, 1);
    writer.put(2, 3);
    writer.put(20 + 1 - 2, 6);
    (1..=9).for_each(|length| put(writer, length));
    put(writer, 15);
    for extra in [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0] {
        put(writer, 16);
        writer.put(extra, 2);
    }
}

fn put_single(writer: &mut BitWriter, symbol: u32) {
    writer.put(0b101, 3);
    writer.put(symbol, 8);
}

/// A picture whose tiles of 4 x 4 px use `tiles`, of `groups` groups with large codes. The stream has no header.
fn stream(groups: usize, tiles: Tiles) -> Vec<u8> {
    let mut writer = BitWriter::with_capacity(0);
    // No transform, no colour cache, an entropy image of blocks of four.
    writer.put(0, 1);
    writer.put(0, 1);
    writer.put(1, 1);
    writer.put(0, 3);
    // It has no colour cache.
    writer.put(0, 1);
    let last = u32::try_from(groups - 1).unwrap();
    match tiles {
        Tiles::LastOne => [last & 255, last >> 8, 0, 0, 0].map(|symbol| put_single(&mut writer, symbol)),
        Tiles::EachItsOwn => {
            // Green and red have 256 symbols of eight bits: a code of lengths that has one symbol, 8.
            for lengths in [256, 256] {
                writer.put(0, 1);
                writer.put(8, 4);
                for symbol in super::super::prefix::ORDER.iter().take(12) {
                    writer.put(u32::from(*symbol == 8), 3);
                }
                writer.put(1, 1);
                writer.put(3, 3);
                writer.put(lengths - 2, 8);
            }
            for _ in ["blue", "alpha", "distance"] {
                put_single(&mut writer, 0);
            }
            for number in 0..=last {
                for byte in [number & 255, number >> 8] {
                    writer.put(byte.reverse_bits() >> 24, 8);
                }
            }
            [(); 5]
        }
    };
    for _ in 0..groups {
        for _ in ["green", "red", "blue", "alpha"] {
            put_large_code(&mut writer);
        }
        put_single(&mut writer, 0);
    }
    let mut bytes = writer.finish();
    // Pixels: every code's first symbol has one bit, zero.
    bytes.resize(bytes.len() + (1 << 20), 0);
    bytes
}

#[derive(Clone, Copy)]
enum Tiles {
    LastOne,
    EachItsOwn,
}

/// What decoding takes, known before; the picture; how often it was asked whether to stop.
fn run(
    stream: &[u8],
    size: (u32, u32),
    max_memory_bytes: u64,
) -> (Result<u64, DecodeError>, Result<Vec<Pixel>, DecodeError>, u32) {
    let mut asked = 0;
    let mut should_stop = || {
        asked += 1;
        false
    };
    let limits = &mut DecodeLimits { max_memory_bytes, should_stop: &mut should_stop };
    let known = memory_bytes(stream, size, limits, 0);
    let pixels = decode(stream, size, limits, 0).map(|(pixels, _)| pixels);
    (known, pixels, asked)
}

#[test]
fn groups_that_no_tile_uses_take_no_memory() {
    let stream = stream(1 << 16, Tiles::LastOne);
    assert!(stream.len() > 4 << 20, "{}", stream.len());
    let (known, pixels, asked) = run(&stream, (4, 4), 1 << 20);
    assert!((Budget::FIXED_BYTES..512 << 10).contains(&known.unwrap()));
    assert_eq!(pixels.unwrap(), [[0; 4]; 16]);
    assert!(asked > 2000, "the deadline is looked at among groups: {asked}");
}

#[test]
fn groups_are_charged_by_their_tables() {
    let large = stream(1 << 16, Tiles::EachItsOwn);
    let (known, pixels, _) = run(&large, (1024, 1024), 1 << 30);
    let known = known.unwrap();
    // Four tables of 256 and 128 entries of two bytes.
    let tables = (1_u64 << 16) * 4 * (256 + 128) * 2;
    assert!((tables..tables + (16 << 20)).contains(&known), "{known}");
    assert_eq!(pixels.unwrap().len(), 1024 * 1024);
    let (known, pixels, _) = run(&large, (1024, 1024), 100 << 20);
    assert!(matches!(known, Err(DecodeError::TooMuchMemory { .. })), "{known:?}");
    assert!(matches!(pixels, Err(DecodeError::TooMuchMemory { .. })));
}

#[test]
fn a_group_that_no_tile_uses_has_to_be_valid() {
    let whole = stream(300, Tiles::LastOne);
    // Somewhere among the groups.
    let mut damaged = whole.clone();
    damaged[5000..5100].fill(0xff);
    let (known, pixels, _) = run(&damaged, (4, 4), 1 << 30);
    assert_eq!(known, Err(DecodeError::Corrupt("invalid prefix code")));
    assert_eq!(pixels.unwrap_err(), DecodeError::Corrupt("invalid prefix code"));
    let (known, pixels, _) = run(&whole[..9000], (4, 4), 1 << 30);
    assert!(matches!((known, pixels), (Err(DecodeError::Corrupt(_)), Err(DecodeError::Corrupt(_)))));
}

#[test]
fn libwebp_sees_the_same_picture() {
    for (groups, tiles, side) in
        [(1 << 12, Tiles::LastOne, 4), (1 << 8, Tiles::EachItsOwn, 64), (1 << 12, Tiles::EachItsOwn, 256)]
    {
        let stream = stream(groups, tiles);
        let header = (side - 1) | (side - 1) << 14;
        let data = [&[SIGNATURE][..], &u32::to_le_bytes(header), &stream].concat();
        let riff = |data: &[u8]| [&u32::try_from(data.len()).unwrap().to_le_bytes(), data].concat();
        let body = [b"WEBPVP8L", &riff(&data)[..], &[0][..data.len() % 2]].concat();
        let file = [b"RIFF", &riff(&body)[..]].concat();
        let (expected, ..) = webpx::decode_rgba(&file).unwrap();
        let limits = &mut DecodeLimits { max_memory_bytes: 1 << 30, should_stop: &mut || false };
        assert!(decode_lossless(&data, limits).unwrap().samples == expected, "{groups} groups");
    }
}

//! Files that consist of segments, chunks or blocks almost to the last byte: time is bounded by their length, and a deadline is kept.

use std::time::Duration;

use crate::cost::{Job, measure};
use crate::support::read;

/// Bytes of a flood; photodrop takes files of up to 32 MiB.
const LENGTH: usize = 31_000_000;
/// What probing and rendering such a file may take of a CPU. This crate is not optimised in tests, and takes a tenth of it if it is.
const MOST: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_millis(200);
/// Beyond the deadline: probing, which looks at every byte once, and what is between two looks.
const OVERRUN: Duration = Duration::from_secs(5);

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap();
    [&[0xff, marker], &length.to_be_bytes()[..], body].concat()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "byte strings are references")]
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(data);
    [&u32::try_from(data.len()).unwrap().to_be_bytes()[..], kind, data, &crc.sum().to_be_bytes()].concat()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "byte strings are references")]
fn riff(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = [kind, &u32::try_from(data.len()).unwrap().to_le_bytes()[..], data].concat();
    out.resize(out.len().next_multiple_of(2), 0);
    out
}

/// As many as make a flood, put into the file at this place.
fn flooded(file: &[u8], at: usize, one: &[u8]) -> Vec<u8> {
    [&file[..at], &one.repeat(LENGTH / one.len()), &file[at..]].concat()
}

/// An image file directory with so many entries, none of which is the orientation.
fn exif(entries: usize) -> Vec<u8> {
    let count = u16::try_from(entries).unwrap().to_be_bytes();
    [b"MM\0*\0\0\0\x08", &count[..], &b"\x01\x00\0\x03\0\0\0\x01\0\x01\0\0".repeat(entries), &[0, 0, 0, 8]]
        .concat()
}

fn jpegs() -> Vec<(&'static str, Vec<u8>)> {
    let file = read("photo-6mp.jpg");
    let table = [&[0x13, 1][..], &[0; 15], &[1]].concat();
    let kinds = [
        ("Huffman tables", segment(0xc4, &table.repeat(3640))),
        ("quantisation tables", segment(0xdb, &[&[3][..], &[1; 64]].concat().repeat(1000))),
        ("restart intervals", segment(0xdd, &[0, 0])),
        ("application data", segment(0xe5, &[])),
        ("EXIF of many entries", segment(0xe1, &[b"Exif\0\0", &exif(5000)[..]].concat())),
        ("comments", segment(0xfe, &[])),
        ("fill bytes", vec![0xff]),
        ("reserved markers", vec![0xff, 0x01]),
    ];
    kinds.map(|(name, one)| (name, flooded(&file, 2, &one))).into()
}

fn pngs() -> Vec<(&'static str, Vec<u8>)> {
    let file = read("alpha.png");
    let palette = chunk(b"PLTE", &[1, 2, 3]);
    let data = file.windows(4).position(|kind| kind == b"IDAT").unwrap() - 4;
    let kinds = [
        ("text", 33, chunk(b"tEXt", b"a\0")),
        ("international text", 33, chunk(b"iTXt", b"a\0\0\0\0\0")),
        ("compressed text", 33, chunk(b"zTXt", b"a\0\0")),
        ("palettes", 33, palette),
        ("EXIF of no entries", 33, chunk(b"eXIf", &exif(0))),
        ("EXIF of many entries", 33, chunk(b"eXIf", &exif(60_000))),
        ("unknown chunks", 33, chunk(b"abCd", &[])),
        ("gammas", 33, chunk(b"gAMA", &45_455_u32.to_be_bytes())),
        ("empty data", data, chunk(b"IDAT", &[])),
        ("unknown chunks behind the data", file.len() - 12, chunk(b"abCd", &[])),
    ];
    let mut files: Vec<_> = kinds.map(|(name, at, one)| (name, flooded(&file, at, &one))).into();
    // Stored blocks of nothing, a byte of a stream in each chunk.
    let mut stream = vec![0x78, 0x01];
    stream.extend([0, 0, 0, 0xff, 0xff].repeat(LENGTH / 13 / 5));
    let bytes: Vec<u8> = stream.iter().flat_map(|&byte| chunk(b"IDAT", &[byte])).collect();
    files.push(("data of one byte", [&file[..data], &bytes, &file[data..]].concat()));
    files
}

fn gifs() -> Vec<(&'static str, Vec<u8>)> {
    let file = read("still.gif");
    let behind_palette = 13 + if file[10] & 0x80 == 0 { 0 } else { 3 << ((file[10] & 7) + 1) };
    let dot = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    let kinds = [
        ("padding", behind_palette, vec![0]),
        ("comments", behind_palette, b"\x21\xfe\0".to_vec()),
        ("comments of one byte", behind_palette, b"\x21\xfe\x01a\0".to_vec()),
        ("control extensions", behind_palette, b"\x21\xf9\x04\0\0\0\0\0".to_vec()),
        ("loops", behind_palette, b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0".to_vec()),
        ("images of one pixel", behind_palette, dot.to_vec()),
        ("comments behind the picture", file.len() - 1, b"\x21\xfe\0".to_vec()),
    ];
    let mut files: Vec<_> = kinds.map(|(name, at, one)| (name, flooded(&file, at, &one))).into();
    // One extension, a byte in each block.
    let one = [b"\x21\xfe", &b"\x01a".repeat(LENGTH / 2)[..], b"\0"].concat();
    files.push((
        "a comment of blocks of one byte",
        [&file[..behind_palette], &one, &file[behind_palette..]].concat(),
    ));
    files
}

fn webps() -> Vec<(&'static str, Vec<u8>)> {
    let file = read("lossy-alpha.webp");
    assert_eq!(&file[12..16], b"VP8X");
    let kinds = [
        ("unknown chunks", 30, riff(b"abcd", &[])),
        ("EXIF of no entries", 30, riff(b"EXIF", &exif(0))),
        ("EXIF of many entries", 30, riff(b"EXIF", &exif(60_000))),
        ("XMP", 30, riff(b"XMP ", &[])),
        ("profiles", 30, riff(b"ICCP", &[])),
        ("unknown chunks behind the picture", file.len(), riff(b"abcd", &[])),
    ];
    let sized = |mut file: Vec<u8>| {
        let size = u32::try_from(file.len() - 8).unwrap();
        file[4..8].copy_from_slice(&size.to_le_bytes());
        file
    };
    kinds.map(|(name, at, one)| (name, sized(flooded(&file, at, &one)))).into()
}

/// Every kind of flood of a format.
#[track_caller]
fn assert_cheap(files: Vec<(&'static str, Vec<u8>)>) {
    for (name, file) in files {
        let cost = measure(&file, &Job::default());
        println!("{name}: {:?} {:?}", cost.outcome, cost.cpu);
        assert!(!matches!(&cost.outcome, Err(code) if code.starts_with("KILLED")), "{name}: {cost:?}");
        assert!(cost.cpu < MOST, "{name}: {cost:?}");
        let hurried = measure(&file, &Job { deadline: Some(DEADLINE), ..Job::default() });
        println!("{name}, hurried: {:?} {:?}", hurried.outcome, hurried.cpu);
        assert!(hurried.cpu < DEADLINE + OVERRUN, "{name}: {hurried:?}");
        assert!(
            hurried.outcome == cost.outcome || hurried.outcome == Err("PROCESSING_TIMEOUT".to_owned()),
            "{name}: {hurried:?}"
        );
    }
}

#[test]
fn jpeg_segments_cost_little() {
    assert_cheap(jpegs());
}

#[test]
fn png_chunks_cost_little() {
    assert_cheap(pngs());
}

#[test]
fn gif_blocks_cost_little() {
    assert_cheap(gifs());
}

#[test]
fn webp_chunks_cost_little() {
    assert_cheap(webps());
}

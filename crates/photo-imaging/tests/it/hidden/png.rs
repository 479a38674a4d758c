//! Chunks of every kind, tails of chunks, and what streams hold beyond the picture.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::{Hidden, SECRET, at_each_place, check, hidden, one};
use crate::support::read;

pub(super) type Chunk = ([u8; 4], Vec<u8>);

/// Up to the end chunk.
pub(super) fn chunks(bytes: &[u8]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut rest = &bytes[8..];
    while rest.len() >= 12 {
        let length = u32::from_be_bytes(*rest.first_chunk().unwrap()) as usize;
        let kind = *rest[4..].first_chunk().unwrap();
        let Some(data) = rest.get(8..8 + length) else { break };
        chunks.push((kind, data.to_vec()));
        rest = rest.get(12 + length..).unwrap_or(&[]);
        if &kind == b"IEND" {
            break;
        }
    }
    chunks
}

pub(super) fn write(chunks: &[Chunk]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in chunks {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(data);
        out.extend_from_slice(&u32::try_from(data.len()).unwrap().to_be_bytes());
        out.extend_from_slice(kind);
        out.extend_from_slice(data);
        out.extend_from_slice(&crc.sum().to_be_bytes());
    }
    out
}

pub(super) fn deflated(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn inflated(stream: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ZlibDecoder::new(stream).read_to_end(&mut out).unwrap();
    out
}

/// Every colour type, interlaced or not, with a profile, a palette, transparency.
const FILES: [&str; 9] = [
    "rgb.png",
    "alpha.png",
    "gray-1bit.png",
    "gray-alpha.png",
    "palette-4bit.png",
    "palette-alpha.png",
    "interlaced.png",
    "alpha-16bit-interlaced.png",
    "display-p3.png",
];

fn files() -> impl Iterator<Item = (&'static str, Vec<Chunk>)> {
    FILES.into_iter().map(|name| (name, chunks(&read(name))))
}

/// Kinds of the specification and of its extensions, and one of each combination of properties.
fn kinds() -> Vec<[u8; 4]> {
    let mut kinds = [
        "PLTE", "tRNS", "cHRM", "gAMA", "iCCP", "sBIT", "sRGB", "cICP", "mDCV", "cLLI", "tEXt", "zTXt",
        "iTXt", "bKGD", "hIST", "pHYs", "sPLT", "eXIf", "tIME", "acTL", "fcTL", "fdAT", "oFFs", "pCAL",
        "sCAL", "sTER", "gIFg", "gIFx", "gIFt", "dSIG", "caBX", "IDAT", "IEND", "IHDR", "CgBI",
    ]
    .map(|kind| *kind.as_bytes().first_chunk().unwrap())
    .to_vec();
    for bits in 0..16_u8 {
        kinds.push([0, 1, 2, 3].map(|place| b'Q' | (bits >> place & 1) << 5));
    }
    kinds
}

/// Files without those whose palette gets alphas that are seen: these are of the picture.
fn without_other_alphas(name: &str, kind: [u8; 4], chunks: &[Chunk], files: Vec<Hidden>) -> Vec<Hidden> {
    if !name.starts_with("palette") || &kind != b"tRNS" {
        return files;
    }
    let shown = super::shown(&write(chunks));
    files.into_iter().filter(|file| super::shown(&file.bytes) == shown).collect()
}

#[test]
fn chunks_of_every_kind() {
    let mut checked = 0;
    for (file, (name, chunks)) in files().enumerate() {
        for (index, kind) in kinds().into_iter().enumerate().skip(file % 3).step_by(3) {
            let place = format!("{name} {}", String::from_utf8_lossy(&kind));
            let files = at_each_place(&place, &chunks, &(kind, SECRET.to_vec()), write);
            checked += check(one(without_other_alphas(name, kind, &chunks, files), index / 3));
        }
    }
    assert!(checked > 80, "{checked}");
}

/// A content that a decoder takes, of each kind of a fixed length.
fn contents() -> Vec<Chunk> {
    let numbers = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
    vec![
        (*b"gAMA", numbers(&[45_455])),
        (*b"cHRM", numbers(&[31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000])),
        (*b"sRGB", vec![1]),
        (*b"cICP", vec![1, 13, 0, 1]),
        (*b"mDCV", vec![0; 24]),
        (*b"cLLI", vec![0; 8]),
        (*b"sBIT", vec![4; 3]),
        (*b"bKGD", vec![0; 6]),
        (*b"pHYs", numbers(&[2835, 2835])),
        (*b"acTL", numbers(&[1, 0])),
        (*b"tRNS", vec![0, 9, 0, 9, 0, 9]),
        (*b"PLTE", vec![7; 30]),
    ]
}

#[test]
fn tails_of_chunks() {
    let mut checked = [0; 3];
    for (name, chunks) in files() {
        for (index, (kind, content)) in contents().into_iter().enumerate() {
            let place = format!("{name} tail of {}", String::from_utf8_lossy(&kind));
            let files = at_each_place(&place, &chunks, &(kind, [&content, SECRET].concat()), write);
            checked[0] += check(one(without_other_alphas(name, kind, &chunks, files), index));
        }
        checked[1] += check((0..chunks.len()).map(|at| {
            let mut chunks = chunks.clone();
            chunks[at].1.extend_from_slice(SECRET);
            hidden(format!("{name} tail of its {}", String::from_utf8_lossy(&chunks[at].0)), write(&chunks))
        }));
        checked[2] +=
            check([hidden(format!("{name} behind the end"), [write(&chunks), SECRET.to_vec()].concat())]);
    }
    assert!(checked[0] > 60 && checked[1] > 9 && checked[2] == 9, "{checked:?}");
}

#[test]
fn values_that_change_no_pixel() {
    let mut checked = 0;
    for (name, chunks) in files() {
        for (index, (kind, content)) in contents().into_iter().enumerate() {
            // Palettes that are used, and the colour that is transparent, are of the picture.
            if matches!(&kind, b"PLTE" | b"tRNS")
                && !matches!(name, "rgb.png" | "alpha.png" | "gray-alpha.png")
            {
                continue;
            }
            let filled: Vec<u8> = SECRET.iter().copied().cycle().take(content.len()).collect();
            if content.len() >= super::TRACE.len() && &kind != b"tRNS" {
                let place = format!("{name} {}", String::from_utf8_lossy(&kind));
                checked += check(one(at_each_place(&place, &chunks, &(kind, filled), write), index));
            }
        }
    }
    assert!(checked > 30, "{checked}");
}

/// The file with another stream in place of its own.
fn with_stream(chunks: &[Chunk], stream: &[&[u8]]) -> Vec<u8> {
    let mut others: Vec<Chunk> = chunks.iter().filter(|(kind, _)| kind != b"IDAT").cloned().collect();
    let end = others.pop().unwrap();
    others.extend(stream.iter().map(|part| (*b"IDAT", part.to_vec())));
    others.push(end);
    write(&others)
}

#[test]
fn streams_hold_the_rows_alone() {
    let mut checked = 0;
    for (name, chunks) in files() {
        let stream: Vec<u8> =
            chunks.iter().filter(|(kind, _)| kind == b"IDAT").flat_map(|(_, data)| data.clone()).collect();
        let rows = inflated(&stream);
        let end = stream.len() - 4;
        let more = |count: usize| deflated(&[rows.clone(), SECRET.repeat(count)].concat());
        let stored = |data: &[u8]| {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::none());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        };
        let files = [
            ("behind the stream", with_stream(&chunks, &[&stream, SECRET])),
            ("behind the stream in its chunk", with_stream(&chunks, &[&[&stream, SECRET].concat()])),
            ("in place of the checksum", with_stream(&chunks, &[&stream[..end], &SECRET[..4]])),
            ("in more rows", with_stream(&chunks, &[&more(1)])),
            ("in many more rows", with_stream(&chunks, &[&more(10_000)])),
            ("in more rows as they are", with_stream(&chunks, &[&stored(&[&rows, SECRET].concat())])),
            ("in chunks of one byte", {
                let tail = [&stream, SECRET].concat();
                with_stream(&chunks, &tail.chunks(37).collect::<Vec<_>>())
            }),
        ];
        checked += check(
            files
                .into_iter()
                .filter(|(_, bytes)| super::traces(bytes))
                .map(|(what, bytes)| hidden(format!("{name} {what}"), bytes)),
        );
    }
    assert!(checked >= 54, "{checked}");
}

#[test]
fn names_and_streams_of_profiles() {
    let whole = chunks(&read("display-p3.png"));
    let at = whole.iter().position(|(kind, _)| kind == b"iCCP").unwrap();
    let data = &whole[at].1;
    let name = data.iter().position(|&byte| byte == 0).unwrap();
    let stream = &data[name + 2..];
    let profile = inflated(stream);
    let with = |data: Vec<u8>| {
        let mut chunks = whole.clone();
        chunks[at].1 = data;
        write(&chunks)
    };
    let named = |name: &[u8], stream: &[u8]| [name, &[0, 0], stream].concat();
    let files: Vec<Hidden> = vec![
        hidden("name", with(named(SECRET, stream))),
        hidden("behind the stream", with(named(b"x", &[stream, SECRET].concat()))),
        hidden("behind the profile", with(named(b"x", &deflated(&[&profile, SECRET].concat())))),
        hidden("in place of a profile", with(named(b"x", &deflated(&SECRET.repeat(100))))),
        hidden("in place of a stream", with(named(b"x", SECRET))),
    ];
    assert_eq!(check(files), 5);
}

#[test]
fn palettes_and_transparency_beyond_the_colours() {
    let mut checked = 0;
    for name in ["palette-4bit.png", "palette-alpha.png"] {
        let whole = chunks(&read(name));
        let with = |change: &dyn Fn(&mut Chunk)| {
            let mut chunks = whole.clone();
            chunks.iter_mut().for_each(change);
            write(&chunks)
        };
        let most = if name == "palette-4bit.png" { 16 } else { 256 };
        let fill = |data: &mut Vec<u8>, length: usize| {
            let missing = length.saturating_sub(data.len());
            data.extend(SECRET.iter().copied().cycle().take(missing));
        };
        let files = [
            with(&|(kind, data)| {
                if kind == b"PLTE" {
                    fill(data, 3 * most);
                }
            }),
            with(&|(kind, data)| {
                if kind == b"PLTE" {
                    fill(data, 3 * 256);
                }
            }),
            with(&|(kind, data)| {
                if kind == b"tRNS" {
                    fill(data, 256);
                }
            }),
        ];
        checked +=
            check(files.into_iter().filter(|bytes| super::traces(bytes)).map(|bytes| hidden(name, bytes)));
    }
    assert!(checked >= 2, "{checked}");
}

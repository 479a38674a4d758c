//! Chunks of every kind, within the file and within frames, tails and reserved bytes.

use super::{SECRET, at_each_place, check, hidden, one};
use crate::support::read;

pub(super) type Chunk = ([u8; 4], Vec<u8>);

fn chunks_of(mut rest: &[u8]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    while rest.len() >= 8 {
        let kind = *rest.first_chunk().unwrap();
        let length = u32::from_le_bytes(*rest[4..].first_chunk().unwrap()) as usize;
        chunks.push((kind, rest[8..8 + length].to_vec()));
        rest = rest.get(8 + length.next_multiple_of(2)..).unwrap_or(&[]);
    }
    chunks
}

pub(super) fn chunks(bytes: &[u8]) -> Vec<Chunk> {
    chunks_of(&bytes[12..])
}

fn write_chunks(chunks: &[Chunk], padding: u8) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, data) in chunks {
        out.extend_from_slice(kind);
        out.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
        out.extend_from_slice(data);
        if data.len() % 2 == 1 {
            out.push(padding);
        }
    }
    out
}

fn container(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [b"RIFF".as_slice(), &length.to_le_bytes(), b"WEBP", body].concat()
}

pub(super) fn write(chunks: &[Chunk]) -> Vec<u8> {
    container(&write_chunks(chunks, 0))
}

const FILES: [&str; 8] = [
    "lossy.webp",
    "lossy-alpha.webp",
    "lossless-alpha.webp",
    "animated.webp",
    "disposal.webp",
    "odd-animated-alpha.webp",
    "orientation-6.webp",
    "display-p3.webp",
];

fn files() -> impl Iterator<Item = (&'static str, Vec<Chunk>)> {
    FILES.into_iter().map(|name| (name, chunks(&read(name))))
}

/// Places from which on a picture is not the one that is shown, but a second one: behind the last bitstream.
fn first_place(chunks: &[Chunk], extra: &Chunk) -> usize {
    let is_coded = |kind: &[u8; 4]| matches!(kind, b"VP8 " | b"VP8L" | b"ALPH");
    let last = chunks.iter().rposition(|(kind, _)| is_coded(kind) || kind == b"ANMF");
    if is_coded(&extra.0) { last.map_or(0, |last| last + 1) } else { 0 }
}

/// Those of the format, filled with nothing but the secret, and a second picture of each kind that has it behind it.
fn extra() -> Vec<Chunk> {
    let kinds = [
        "VP8X", "ICCP", "ANIM", "ANMF", "ALPH", "VP8 ", "VP8L", "EXIF", "XMP ", "LIST", "JUNK", "SECR",
        "vp8 ",
    ];
    let mut extra: Vec<Chunk> =
        kinds.iter().map(|kind| (*kind.as_bytes().first_chunk().unwrap(), SECRET.to_vec())).collect();
    for name in ["lossy.webp", "lossless-alpha.webp"] {
        for (kind, data) in chunks(&read(name)) {
            extra.push((kind, [&data, SECRET].concat()));
        }
    }
    extra
}

#[test]
fn chunks_of_every_kind_at_every_place() {
    let mut checked = 0;
    for (file, (name, chunks)) in files().enumerate() {
        for (index, chunk) in extra().into_iter().enumerate().skip(file % 2).step_by(2) {
            let place = format!("{name} {}", String::from_utf8_lossy(&chunk.0));
            let files = at_each_place(&place, &chunks, &chunk, write);
            let files = files.into_iter().skip(first_place(&chunks, &chunk)).collect();
            checked += check(one(files, index));
        }
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn chunks_of_every_kind_within_a_frame() {
    let mut checked = 0;
    for (name, chunks) in files() {
        for at in (0..chunks.len()).filter(|&at| &chunks[at].0 == b"ANMF").take(1) {
            let (head, body) = chunks[at].1.split_at(16);
            for (index, extra) in extra().into_iter().enumerate() {
                let place = format!("{name} {at} {}", String::from_utf8_lossy(&extra.0));
                let inner = chunks_of(body);
                let files = at_each_place(&place, &inner, &extra, |inner| {
                    let mut chunks = chunks.clone();
                    chunks[at].1 = [head, &write_chunks(inner, 0)].concat();
                    write(&chunks)
                });
                let files = files.into_iter().skip(first_place(&inner, &extra)).collect();
                checked += check(one(files, index));
            }
        }
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn tails_of_chunks_and_of_the_file() {
    let mut checked = 0;
    for (name, chunks) in files() {
        checked += check((0..chunks.len()).map(|at| {
            let mut chunks = chunks.clone();
            chunks[at].1.extend_from_slice(SECRET);
            let kind = String::from_utf8_lossy(&chunks[at].0).into_owned();
            hidden(format!("{name} tail of {kind}"), write(&chunks))
        }));
        let whole = write(&chunks);
        let within = container(&[write_chunks(&chunks, 0), SECRET.to_vec()].concat());
        checked += check([
            hidden(format!("{name} behind the end"), [&whole, SECRET].concat()),
            hidden(format!("{name} within the container"), within),
        ]);
    }
    assert!(checked >= 35, "{checked}");
}

/// The chunks, with one of them changed; of an animation those within each frame.
fn changed(chunks: &[Chunk], change: impl Fn(&mut Chunk) -> bool) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for at in 0..chunks.len() {
        let mut chunks = chunks.to_vec();
        if &chunks[at].0 == b"ANMF" {
            let (head, body) = chunks[at].1.split_at(16);
            let (head, inner) = (head.to_vec(), chunks_of(body));
            for place in 0..inner.len() {
                let mut inner = inner.clone();
                if change(&mut inner[place]) {
                    chunks[at].1 = [head.clone(), write_chunks(&inner, 0)].concat();
                    files.push(write(&chunks));
                }
            }
        } else if change(&mut chunks[at]) {
            files.push(write(&chunks));
        }
    }
    files
}

#[test]
fn tails_of_streams_in_stills_and_frames() {
    for kind in [*b"VP8 ", *b"VP8L", *b"ALPH"] {
        let (mut stills, mut frames) = (0, 0);
        for (name, chunks) in files() {
            let with_tails = changed(&chunks, |(found, data)| {
                data.extend_from_slice(SECRET);
                *found == kind
            });
            let moves = chunks.iter().any(|(kind, _)| kind == b"ANMF");
            let place = format!("{name} tail of {}", String::from_utf8_lossy(&kind));
            let checked = check(with_tails.into_iter().map(|bytes| hidden(&place, bytes)));
            *(if moves { &mut frames } else { &mut stills }) += checked;
        }
        assert!(stills > 0 && frames + stills > 1, "{}: {stills}, {frames}", String::from_utf8_lossy(&kind));
    }
}

/// Makes the first partition of a lossy frame longer.
fn lengthen_first_partition((kind, frame): &mut Chunk) -> bool {
    if kind != b"VP8 " {
        return false;
    }
    let tag = u32::from_le_bytes([frame[0], frame[1], frame[2], 0]);
    let end = 10 + (tag >> 5) as usize;
    frame.splice(end..end, SECRET.iter().copied());
    let tag = tag + (u32::try_from(SECRET.len()).unwrap() << 5);
    frame[..3].copy_from_slice(&tag.to_le_bytes()[..3]);
    true
}

#[test]
fn the_tail_of_the_first_partition() {
    let mut checked = 0;
    for (name, chunks) in files() {
        let files = changed(&chunks, lengthen_first_partition);
        checked += check(files.into_iter().map(|bytes| hidden(name, bytes)));
    }
    assert!(checked > 3, "{checked}");
}

#[test]
fn an_animation_ends_before_a_damaged_frame() {
    let chunks = chunks(&read("animated.webp"));
    let first = chunks.iter().position(|(kind, _)| kind == b"ANMF").unwrap();
    let files = changed(&chunks, |(kind, data)| {
        let header = if &*kind == b"VP8L" { 5 } else { 10 };
        data.truncate(header);
        data.extend_from_slice(SECRET);
        matches!(&*kind, b"VP8 " | b"VP8L")
    });
    for (index, bytes) in files.iter().enumerate() {
        let probed = photo_imaging::probe(bytes, &photo_imaging::Limits::default());
        match probed.and_then(|photo| photo.sanitize()) {
            Err(error) => assert_eq!((index, error.code()), (0, "CORRUPT_IMAGE")),
            Ok(clean) => {
                assert!(index > 0 && !super::traces(&clean), "{index}");
                assert!(
                    self::chunks(&clean)[..]
                        == self::chunks(&super::sanitized(&write(&chunks)))[..first + index]
                );
            }
        }
    }
    assert!(files.len() > 1);
}

#[test]
fn reserved_bytes_are_zero() {
    for (name, mut chunks) in files() {
        let clean = super::sanitized(&write(&chunks));
        for (kind, data) in &mut chunks {
            match &*kind {
                b"VP8X" => {
                    data[0] |= 0xc1;
                    data[1..4].copy_from_slice(&SECRET[..3]);
                }
                b"ANMF" => data[15] |= 0xfc,
                _ => {}
            }
        }
        let bytes = container(&write_chunks(&chunks, b'!'));
        assert!(super::sanitized(&bytes) == clean, "{name}");
    }
}

//! Segments, what stands between them, and what tables and scans have no use for.

use super::{Hidden, SECRET, at_each_place, check, hidden, one};
use crate::support::read;

/// A marker, its segment if it has one, and what stands behind it up to the next: data of a scan, or nothing.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) marker: u8,
    pub(super) body: Option<Vec<u8>>,
    pub(super) behind: Vec<u8>,
}

fn part(marker: u8, body: &[u8]) -> Part {
    Part { marker, body: Some(body.to_vec()), behind: vec![] }
}

pub(super) fn parts(bytes: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let marker = bytes[at + 1];
        at += 2;
        let body = (!matches!(marker, 0xd8 | 0xd9)).then(|| {
            let length = usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
            let body = bytes[at + 2..at + length].to_vec();
            at += length;
            body
        });
        let rest = &bytes[at..];
        let is_end = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7);
        let end = rest.windows(2).position(is_end).unwrap_or(rest.len());
        parts.push(Part { marker, body, behind: rest[..end].to_vec() });
        at += end;
    }
    parts
}

pub(super) fn write(parts: &[Part]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(&[0xff, part.marker]);
        if let Some(body) = &part.body {
            out.extend_from_slice(&u16::try_from(body.len() + 2).unwrap().to_be_bytes());
            out.extend_from_slice(body);
        }
        out.extend_from_slice(&part.behind);
    }
    out
}

/// Sequential and progressive, gray, in colours and in inks, with and without restart markers, all tables and each marker.
const FILES: [&str; 7] = [
    "restart-markers.jpg",
    "progressive.jpg",
    "grayscale.jpg",
    "cmyk-profile.jpg",
    "display-p3.jpg",
    "orientation-6.jpg",
    "odd-jfif-adobe.jpg",
];

fn files() -> impl Iterator<Item = (&'static str, Vec<Part>)> {
    FILES.into_iter().map(|name| (name, parts(&read(name))))
}

#[test]
fn segments_of_every_marker() {
    // The smallest.
    let (name, parts) = files().find(|(name, _)| *name == "display-p3.jpg").unwrap();
    let mut checked = 0;
    for marker in 0..=0xff {
        let body = [b"JFIF\0".as_slice(), SECRET].concat();
        let files = at_each_place(&format!("{name} {marker:02x}"), &parts, &part(marker, &body), write);
        checked += check(one(files, marker.into()));
    }
    assert!(checked > 200, "{checked}");
}

#[test]
fn segments_named_as_those_that_are_read() {
    let icc = |number: u8, count: u8| [b"ICC_PROFILE\0".as_slice(), &[number, count], SECRET].concat();
    let extra = [
        (0xe0, [b"JFIF\0\x01\x01\0\0\x01\0\x01\x03\x03".as_slice(), SECRET].concat()),
        (0xe0, [b"JFIF\0".as_slice(), &SECRET[..9]].concat()),
        (0xe0, [b"JFXX\0".as_slice(), SECRET].concat()),
        (0xe1, [b"Exif\0\0".as_slice(), SECRET].concat()),
        (0xe2, icc(0, 0)),
        (0xe2, icc(1, 1)),
        (0xe2, icc(1, 2)),
        (0xe2, icc(7, 1)),
        (0xe2, [b"ICC_PROFILE\0".as_slice(), &SECRET[..1]].concat()),
        (0xe2, [b"MPF\0".as_slice(), SECRET].concat()),
        (0xed, [b"Photoshop 3.0\0".as_slice(), SECRET].concat()),
        (0xee, [b"Adobe\0\x64\0\0\0\0\x01".as_slice(), SECRET].concat()),
        (0xee, [b"Adobe".as_slice(), SECRET].concat()),
        (0xfe, SECRET.to_vec()),
    ];
    let mut checked = 0;
    for (name, parts) in files() {
        for (index, (marker, body)) in extra.iter().enumerate().filter(|(_, (_, body))| body.len() > 20) {
            let files = at_each_place(&format!("{name} extra {index}"), &parts, &part(*marker, body), write);
            checked += check(one(files, index));
        }
    }
    assert!(checked > 60, "{checked}");
}

/// The file with each part changed in turn.
fn with_each(
    (name, parts): (&str, Vec<Part>),
    what: &str,
    change: impl Fn(&mut Part) -> bool,
) -> Vec<Hidden> {
    (0..parts.len())
        .filter_map(|at| {
            let mut parts = parts.clone();
            let marker = parts[at].marker;
            change(&mut parts[at])
                .then(|| hidden(format!("{name} {what} {marker:02x} at {at}"), write(&parts)))
        })
        .collect()
}

#[test]
fn bytes_behind_each_part_and_within_it() {
    let mut checked = [0; 4];
    for file in files() {
        let is_scan = |part: &Part| part.marker == 0xda;
        // Between segments, and behind the end.
        checked[0] += check(with_each(file.clone(), "behind", |part| {
            part.behind.extend_from_slice(SECRET);
            !is_scan(part)
        }));
        // Behind a scan that has had all its restart markers.
        checked[1] += check(with_each(file.clone(), "behind a restart marker", |part| {
            part.behind.extend_from_slice(&[0xff, 0xd0 + u8::try_from(restarts(&part.behind) % 8).unwrap()]);
            part.behind.extend_from_slice(SECRET);
            is_scan(part)
        }));
        checked[2] += check(with_each(file.clone(), "fill bytes behind", |part| {
            part.behind.extend_from_slice(&[0xff; 5]);
            part.behind.extend_from_slice(&[0; 1]);
            part.behind.extend_from_slice(SECRET);
            !is_scan(part)
        }));
        checked[3] += check(with_each(file, "in the segment", |part| {
            let Some(body) = &mut part.body else { return false };
            body.extend_from_slice(SECRET);
            true
        }));
    }
    assert!(checked[0] > 60 && checked[1] > 10 && checked[2] > 60 && checked[3] > 8, "{checked:?}");
}

fn restarts(data: &[u8]) -> usize {
    data.windows(2).filter(|pair| pair[0] == 0xff && (0xd0..0xd8).contains(&pair[1])).count()
}

/// Segments of one table each: quantisation with 8 and 16 bits, DC and AC codes, all numbers.
fn tables() -> Vec<Part> {
    let filled = |length: usize| SECRET.iter().copied().cycle().take(length).collect::<Vec<u8>>();
    let mut parts = Vec::new();
    for number in 0..4 {
        parts.push(part(0xdb, &[&[number][..], &filled(64)].concat()));
        parts.push(part(0xdb, &[&[0x10 | number][..], &filled(128)].concat()));
        // Codes of 16 bits.
        let counts = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 27];
        parts.push(part(0xc4, &[&[0x10 | number][..], &counts, SECRET].concat()));
        // DC symbols are sizes: what a decoder takes has no secret in it.
    }
    parts
}

#[test]
fn tables_that_no_scan_uses() {
    let mut checked = 0;
    for (name, parts) in files() {
        let shown = super::shown(&write(&parts)).unwrap();
        for (index, table) in tables().into_iter().enumerate() {
            // One that is used changes the picture, or is no damage to it: then it counts.
            let files = at_each_place(
                &format!("{name} table {:02x?}", &table.body.as_ref().unwrap()[..1]),
                &parts,
                &table,
                write,
            );
            let unused = one(files, index).filter(|file| super::shown(&file.bytes).as_ref() == Ok(&shown));
            checked += check(unused);
        }
    }
    assert!(checked > 30, "{checked}");
}

#[test]
fn values_that_no_decoder_reads() {
    let mut checked = 0;
    for file in files() {
        checked += check(with_each(file.clone(), "version and density", |part| {
            let body = part.body.as_mut().filter(|body| body.starts_with(b"JFIF\0"));
            body.is_some_and(|body| {
                body[5..12].copy_from_slice(&SECRET[..7]);
                true
            })
        }));
        checked += check(with_each(file, "version and flags", |part| {
            let body = part.body.as_mut().filter(|body| body.starts_with(b"Adobe"));
            body.is_some_and(|body| {
                body[5..11].copy_from_slice(&SECRET[..6]);
                true
            })
        }));
    }
    assert!(checked > 4, "{checked}");
}

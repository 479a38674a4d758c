//! Profiles: header fields, tags, tails of tags, gaps between them.

use super::{Hidden, SECRET, check, hidden, jpeg, png, webp};
use crate::support::read;

/// Signature and content.
type Tag = ([u8; 4], Vec<u8>);

/// Of a JPEG's only profile segment.
fn profile(name: &str) -> Vec<u8> {
    let parts = jpeg::parts(&read(name));
    let bodies = parts.iter().filter_map(|part| part.body.as_ref()?.strip_prefix(b"ICC_PROFILE\0"));
    bodies.flat_map(|body| body[2..].to_vec()).collect()
}

fn tags(profile: &[u8]) -> Vec<Tag> {
    let number = |at: usize| u32::from_be_bytes(*profile[at..].first_chunk().unwrap()) as usize;
    let entries = (0..number(128)).map(|index| 132 + 12 * index);
    entries
        .map(|at| {
            (*profile[at..].first_chunk().unwrap(), profile[number(at + 4)..][..number(at + 8)].to_vec())
        })
        .collect()
}

/// A profile with `gap` in front of each tag and at the end.
fn write(header: &[u8], tags: &[Tag], gap: &[u8]) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
    let mut table = number(tags.len()).to_vec();
    let mut body = Vec::new();
    let start = 132 + 12 * tags.len();
    for (signature, data) in tags {
        body.extend_from_slice(gap);
        body.resize(body.len().next_multiple_of(4), 0);
        table.extend_from_slice(signature);
        table.extend_from_slice(&number(start + body.len()));
        table.extend_from_slice(&number(data.len()));
        body.extend_from_slice(data);
    }
    body.extend_from_slice(gap);
    let size = number(start + body.len());
    [&size, &header[4..128], &table, &body].concat()
}

/// Every profile with the secret somewhere.
fn hide(profile: &[u8]) -> Vec<Hidden> {
    let (header, tags) = (&profile[..128], tags(profile));
    let mut files = Vec::new();
    // Header fields that no conversion reads.
    for at in (4..128).step_by(4).filter(|at| !matches!(at, 8..24 | 36)) {
        let mut header = header.to_vec();
        header[at..at + 4].copy_from_slice(&SECRET[..4]);
        files.push(hidden(format!("header {at}"), write(&header, &tags, &[])));
    }
    files.push(hidden("gaps", write(header, &tags, SECRET)));
    files.push(hidden("behind the end", [profile, SECRET].concat()));
    for at in 0..tags.len() {
        let mut tags = tags.clone();
        let name = String::from_utf8_lossy(&tags[at].0).into_owned();
        tags[at].1.extend_from_slice(SECRET);
        files.push(hidden(format!("tail of {name}"), write(header, &tags, &[])));
        let filled: Vec<u8> = SECRET.iter().copied().cycle().take(4).collect();
        let length = tags[at].1.len() - SECRET.len();
        tags[at].1.truncate(length);
        tags[at].1[4..8].copy_from_slice(&filled);
        files.push(hidden(format!("reserved bytes of {name}"), write(header, &tags, &[])));
    }
    let kinds = [
        "desc", "cprt", "dmnd", "dmdd", "meta", "text", "dscm", "vued", "view", "tech", "targ", "calt",
        "wtpt", "bkpt", "chad", "lumi", "meas", "chrm", "gamt", "B2A0", "B2A1", "B2A2", "D2B0", "B2D0",
        "pre0", "ncl2", "clrt", "rig0", "vcgt", "mmod", "ndin", "aarg", "zzzz", "SECR", "\0\0\0\0",
    ];
    for kind in kinds {
        let signature: [u8; 4] = *kind.as_bytes().first_chunk().unwrap();
        let contents = [
            SECRET.to_vec(),
            [b"text\0\0\0\0".as_slice(), SECRET].concat(),
            [b"XYZ \0\0\0\0".as_slice(), SECRET].concat(),
            [b"curv\0\0\0\0\0\0\0\x08".as_slice(), SECRET].concat(),
            [b"sf32\0\0\0\0".as_slice(), &SECRET.repeat(2)[..36]].concat(),
            [b"mft1\0\0\0\0".as_slice(), SECRET].concat(),
        ];
        for (index, content) in contents.into_iter().enumerate() {
            let mut tags = tags.clone();
            tags.retain(|(known, _)| known != &signature);
            tags.insert(if index % 2 == 0 { 0 } else { tags.len() }, (signature, content));
            files.push(hidden(format!("{kind} {index}"), write(header, &tags, &[])));
        }
    }
    files
}

/// A CMYK profile's table may be longer than a segment, so the profile is split.
fn in_jpeg(name: &str, profile: &[u8]) -> Vec<u8> {
    let mut parts = jpeg::parts(&read(name));
    parts.retain(|part| part.marker != 0xe2);
    let pieces: Vec<&[u8]> = profile.chunks(65_000).collect();
    for (index, piece) in pieces.iter().enumerate().rev() {
        let numbers = [u8::try_from(index + 1).unwrap(), u8::try_from(pieces.len()).unwrap()];
        let body = [b"ICC_PROFILE\0".as_slice(), &numbers, piece].concat();
        parts.insert(1, jpeg::Part { marker: 0xe2, body: Some(body), behind: vec![] });
    }
    jpeg::write(&parts)
}

#[test]
fn profiles_of_jpeg_keep_their_colours_alone() {
    let mut checked = 0;
    // A fifth of the places in each file.
    for (file, name) in [
        "display-p3.jpg",
        "adobe-rgb.jpg",
        "grayscale-gamma.jpg",
        "cmyk-profile.jpg",
        "odd-gray-in-colours.jpg",
    ]
    .into_iter()
    .enumerate()
    {
        let profile = profile(name);
        let files = hide(&profile).into_iter().skip(file).step_by(5).filter_map(|file| {
            let bytes = in_jpeg(name, &file.bytes);
            super::traces(&bytes).then(|| hidden(format!("{name} {}", file.place), bytes))
        });
        checked += check(files);
    }
    assert!(checked > 200, "{checked}");
}

#[test]
fn profiles_of_png_keep_their_colours_alone() {
    let whole = png::chunks(&read("display-p3.png"));
    let at = whole.iter().position(|(kind, _)| kind == b"iCCP").unwrap();
    let files = hide(&profile("display-p3.jpg")).into_iter().map(|file| {
        let mut chunks = whole.clone();
        chunks[at].1 = [b"x\0\0".as_slice(), &png::deflated(&file.bytes)].concat();
        hidden(file.place, png::write(&chunks))
    });
    assert!(check(files) > 200);
}

#[test]
fn profiles_of_webp_keep_their_colours_alone() {
    let whole = webp::chunks(&read("display-p3.webp"));
    let at = whole.iter().position(|(kind, _)| kind == b"ICCP").unwrap();
    let files = hide(&profile("display-p3.jpg")).into_iter().map(|file| {
        let mut chunks = whole.clone();
        chunks[at].1 = file.bytes;
        hidden(file.place, webp::write(&chunks))
    });
    assert!(check(files) > 200);
}

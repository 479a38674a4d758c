//! Blocks, extensions, sub-blocks, tables of colours and the bits that nothing reads.

use super::{Hidden, SECRET, at_each_place, check, hidden, one};
use crate::support::read;

/// Screen with its table, or a block, with what stands in it.
#[derive(Clone)]
enum Part {
    /// Screen descriptor and colour table.
    Screen(Vec<u8>),
    /// Label and sub-blocks.
    Extension(u8, Vec<Vec<u8>>),
    /// Descriptor with its table, code size, sub-blocks.
    Image(Vec<u8>, u8, Vec<Vec<u8>>),
    /// Anything, as it is.
    Raw(Vec<u8>),
}

fn table_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

fn parts(bytes: &[u8]) -> Vec<Part> {
    let mut at = 13 + table_bytes(bytes[10]);
    let mut parts = vec![Part::Screen(bytes[..at].to_vec())];
    let sub_blocks = |at: &mut usize| {
        let mut blocks = Vec::new();
        while bytes[*at] != 0 {
            let length = usize::from(bytes[*at]);
            blocks.push(bytes[*at + 1..=*at + length].to_vec());
            *at += length + 1;
        }
        *at += 1;
        blocks
    };
    loop {
        match bytes[at] {
            0x21 => {
                let label = bytes[at + 1];
                at += 2;
                parts.push(Part::Extension(label, sub_blocks(&mut at)));
            }
            0x2c => {
                let length = 10 + table_bytes(bytes[at + 9]);
                let descriptor = bytes[at..at + length].to_vec();
                at += length + 1;
                let size = bytes[at - 1];
                parts.push(Part::Image(descriptor, size, sub_blocks(&mut at)));
            }
            _ => {
                parts.push(Part::Raw(bytes[at..].to_vec()));
                return parts;
            }
        }
    }
}

fn write(parts: &[Part]) -> Vec<u8> {
    let mut out = Vec::new();
    let put_blocks = |out: &mut Vec<u8>, blocks: &[Vec<u8>]| {
        for block in blocks {
            out.push(u8::try_from(block.len()).unwrap());
            out.extend_from_slice(block);
        }
        out.push(0);
    };
    for part in parts {
        match part {
            Part::Screen(bytes) | Part::Raw(bytes) => out.extend_from_slice(bytes),
            Part::Extension(label, blocks) => {
                out.extend_from_slice(&[0x21, *label]);
                put_blocks(&mut out, blocks);
            }
            Part::Image(descriptor, size, blocks) => {
                out.extend_from_slice(descriptor);
                out.push(*size);
                put_blocks(&mut out, blocks);
            }
        }
    }
    out
}

/// The data of all blocks, so that a secret across two of them is found.
pub(super) fn without_lengths(bytes: &[u8]) -> Vec<u8> {
    parts(bytes)
        .iter()
        .flat_map(|part| match part {
            Part::Screen(bytes) | Part::Raw(bytes) => bytes.clone(),
            Part::Extension(_, blocks) => blocks.concat(),
            Part::Image(descriptor, _, blocks) => [descriptor.clone(), blocks.concat()].concat(),
        })
        .collect()
}

fn files() -> impl Iterator<Item = (&'static str, Vec<Part>)> {
    ["still.gif", "animated.gif", "disposal.gif", "metadata.gif"].into_iter().map(|name| {
        let mut bytes = read(name);
        // Its own secrets would be found where none was put.
        while let Some(at) = bytes.windows(4).position(|window| window == super::TRACE) {
            bytes[at] = b's';
        }
        (name, parts(&bytes))
    })
}

#[test]
fn extensions_of_every_label() {
    // The smallest.
    let (name, parts) = files().last().unwrap();
    let mut checked = 0;
    for label in 0..=0xff {
        let extra = Part::Extension(label, vec![SECRET.to_vec(), SECRET.to_vec()]);
        let files = at_each_place(&format!("{name} {label:02x}"), &parts, &extra, write);
        // Decoders refuse an extension that they do not know at some places.
        let count = files.len();
        let mut files = files.into_iter().cycle().skip(usize::from(label) % count).take(count);
        checked += check(files.find(|file| super::shown(&file.bytes).is_ok()));
    }
    assert!(checked > 250, "{checked}");
}

#[test]
fn extensions_as_those_that_are_read() {
    let netscape = b"NETSCAPE2.0".to_vec();
    let extra = [
        vec![netscape.clone(), vec![1, 0, 0], SECRET.to_vec()],
        vec![netscape.clone(), [&[1, 0, 0][..], SECRET].concat()],
        vec![[&netscape[..], SECRET].concat(), vec![1, 0, 0]],
        vec![netscape.clone(), [&[2][..], SECRET].concat()],
        vec![b"ANIMEXTS1.0".to_vec(), vec![1, 0, 0], SECRET.to_vec()],
        vec![b"XMP DataXMP".to_vec(), SECRET.to_vec()],
        vec![b"ICCRGBG1012".to_vec(), SECRET.to_vec()],
    ];
    let mut checked = 0;
    for (name, parts) in files() {
        for (index, blocks) in extra.iter().enumerate() {
            let extra = Part::Extension(0xff, blocks.clone());
            let files = at_each_place(&format!("{name} application {index}"), &parts, &extra, write);
            checked += check(one(files, index));
        }
        for blocks in [
            vec![vec![0, 0, 0, 0], SECRET.to_vec()],
            vec![[&[0; 4][..], SECRET].concat()],
            vec![SECRET.to_vec()],
        ] {
            let extra = Part::Extension(0xf9, blocks);
            checked += check(at_each_place(&format!("{name} control"), &parts, &extra, write));
        }
    }
    assert!(checked > 30, "{checked}");
}

fn with_each(
    (name, parts): (&str, Vec<Part>),
    what: &str,
    change: impl Fn(&mut Part) -> bool,
) -> Vec<Hidden> {
    (0..parts.len())
        .filter_map(|at| {
            let mut parts = parts.clone();
            change(&mut parts[at]).then(|| hidden(format!("{name} {what} at {at}"), write(&parts)))
        })
        .collect()
}

#[test]
fn data_behind_the_codes_of_an_image() {
    let mut checked = 0;
    for file in files() {
        checked += check(with_each(file.clone(), "in a block of its own", |part| {
            let Part::Image(_, _, blocks) = part else { return false };
            blocks.push(SECRET.to_vec());
            true
        }));
        checked += check(with_each(file.clone(), "in the last block", |part| {
            let Part::Image(_, _, blocks) = part else { return false };
            let mut data = blocks.concat();
            data.extend_from_slice(SECRET);
            *blocks = data.chunks(200).map(<[u8]>::to_vec).collect();
            true
        }));
        // Behind the trailer.
        checked += check(with_each(file, "behind the end", |part| {
            let Part::Raw(bytes) = part else { return false };
            bytes.extend_from_slice(SECRET);
            true
        }));
    }
    assert!(checked > 15, "{checked}");
}

#[test]
fn colours_that_no_pixel_has() {
    let mut checked = 0;
    for file in files() {
        // The largest table, with the secret in the colours that are new.
        let widen = |table: &mut Vec<u8>, flags_at: usize, start: usize| {
            let flags = table[flags_at];
            if flags & 0x80 == 0 || flags & 7 == 7 {
                return false;
            }
            table[flags_at] = flags | 7;
            let length = start + 3 * 256;
            table.extend(SECRET.iter().copied().cycle().take(length - table.len()).collect::<Vec<u8>>());
            true
        };
        checked += check(with_each(file.clone(), "in the table", |part| match part {
            Part::Screen(bytes) => widen(bytes, 10, 13),
            Part::Image(descriptor, ..) => widen(descriptor, 9, 10),
            _ => false,
        }));
    }
    assert!(checked > 3, "{checked}");
}

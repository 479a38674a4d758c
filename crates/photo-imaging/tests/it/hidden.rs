//! A sender's bytes, hidden in every place that a file has: the sanitised original holds none of them, and shows the same.
//!
//! The places are found by walking through files of testdata, not listed: behind, in front of and within whatever the format is
//! made of.

use std::collections::HashMap;
use std::io::Read;

use photo_imaging::{Animation, Format, ImagingError, Limits, OutputFormat, RenderOptions, Rendered, probe};

use crate::support::{inside, render_bytes};

mod gif;
mod icc;
mod jpeg;
mod png;
mod streams;
mod webp;

/// What is hidden.
const SECRET: &[u8] = b"SECRET+hidden+by+the+sender";
/// What is looked for: also where only a part of it has room.
const TRACE: &[u8] = b"SECR";

/// A file with the secret somewhere.
#[derive(Clone)]
struct Hidden {
    place: String,
    bytes: Vec<u8>,
}

fn hidden(place: impl Into<String>, bytes: Vec<u8>) -> Hidden {
    Hidden { place: place.into(), bytes }
}

/// One small variant that moves if the photo does: pixels that are elsewhere show at any size.
fn shown(bytes: &[u8]) -> Result<Rendered, &'static str> {
    let small = RenderOptions::new(vec![inside(64, OutputFormat::WebP)]);
    render_bytes(bytes, &RenderOptions { animation: Animation::Keep, webp_method: 0, ..small })
        .map_err(|e| e.code())
}

/// Checks every file that can be shown: others never get a sanitised original. One that is damaged, or that cannot be written from
/// its coded parts, is encoded anew. Gives how many were written.
fn check(files: impl IntoIterator<Item = Hidden>) -> usize {
    let mut checked = 0;
    // Most files end in the same one.
    let mut known: HashMap<Vec<u8>, Rendered> = HashMap::new();
    for Hidden { place, bytes } in files {
        assert!(traces(&bytes), "{place}: nothing is hidden");
        let Ok(before) = shown(&bytes) else { continue };
        let photo = probe(&bytes, &Limits::default()).unwrap();
        let clean = match photo.sanitize() {
            Ok(clean) if before.damage.is_none() => clean,
            Ok(_) | Err(ImagingError::Corrupt { .. }) => {
                let anew = photo.reencode(&RenderOptions::new(vec![]), 0).unwrap();
                assert!(!traces(&anew.bytes), "{place}: still there, encoded anew");
                continue;
            }
            Err(error) => panic!("{place}: {error}"),
        };
        assert!(!traces(&clean), "{place}: still there");
        let after = known.entry(clean).or_insert_with_key(|clean| {
            assert!(sanitized(clean) == *clean, "{place}: once is not enough");
            shown(clean).unwrap_or_else(|code| panic!("{place}: {code}"))
        });
        assert!(*after == before, "{place}: looks otherwise");
        checked += 1;
    }
    checked
}

fn sanitized(bytes: &[u8]) -> Vec<u8> {
    probe(bytes, &Limits::default()).unwrap().sanitize().unwrap()
}

/// Whether the secret is in a file, as it is or within the streams that the format has.
fn traces(bytes: &[u8]) -> bool {
    let has = |bytes: &[u8]| bytes.windows(TRACE.len()).any(|window| window == TRACE);
    has(bytes)
        || match Format::sniff(bytes).unwrap() {
            Format::Png => png::chunks(bytes).iter().any(|(_, data)| has(&inflated_anywhere(data))),
            Format::Gif => has(&gif::without_lengths(bytes)),
            Format::Jpeg | Format::WebP | Format::Heic => false,
        }
}

/// What comes out of a zlib stream at the start of data, or behind the first zero bytes.
fn inflated_anywhere(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let starts = data.iter().take(100).enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at + 1);
    for start in starts.chain([0]) {
        let _ = flate2::read::DeflateDecoder::new(data.get(start + 2..).unwrap_or(&[])).read_to_end(&mut out);
    }
    out
}

/// What `write` makes of the parts with the secret's part put in at each place between them.
fn at_each_place<T: Clone>(
    name: &str,
    parts: &[T],
    extra: &T,
    write: impl Fn(&[T]) -> Vec<u8>,
) -> Vec<Hidden> {
    (0..=parts.len())
        .map(|at| {
            let mut parts = parts.to_vec();
            parts.insert(at, extra.clone());
            hidden(format!("{name} at {at}"), write(&parts))
        })
        .collect()
}

/// One of the files, the next one each time: together they have each place and each extra, but not each extra at each place.
fn one(mut files: Vec<Hidden>, time: usize) -> Option<Hidden> {
    // In front of a file's start it is no photo any more.
    files.retain(|file| probe(&file.bytes, &Limits::default()).is_ok());
    let count = files.len().max(1);
    files.into_iter().nth(time % count)
}

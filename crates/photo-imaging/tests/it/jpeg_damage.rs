//! Damage of JPEG: what costs no pixel is no damage, and what has arrived is shown.

use photo_imaging::{
    Damage, DamagedPhotos, ImagingError, Limits, OutputFormat, RenderOptions, Rendered, probe,
};
use proptest::prelude::*;

use crate::support::{distance, inside, open, read, render_bytes};

const KINDS: [&str; 6] = [
    "metadata.jpg",
    "progressive.jpg",
    "restart-markers.jpg",
    "subsampling-422.jpg",
    "grayscale.jpg",
    "cmyk.jpg",
];

const STRAY: &[u8] = b"STRAY BYTES OF A SENDER";

fn options() -> RenderOptions {
    RenderOptions::new(vec![inside(64, OutputFormat::Jpeg)])
}

fn shown(bytes: &[u8]) -> Result<Rendered, ImagingError> {
    render_bytes(bytes, &options())
}

/// Segments before the data of the first scan: marker, start and end.
fn segments(bytes: &[u8]) -> Vec<(u8, usize, usize)> {
    let (mut found, mut at): (Vec<(u8, usize, usize)>, usize) = (Vec::new(), 2);
    while found.last().is_none_or(|&(marker, ..)| marker != 0xda) {
        let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        found.push((bytes[at + 1], at, at + 2 + length));
        at += 2 + length;
    }
    found
}

fn data_start(bytes: &[u8]) -> usize {
    segments(bytes).last().unwrap().2
}

fn restarts(bytes: &[u8]) -> Vec<usize> {
    let is_restart = |at: &usize| bytes[*at] == 0xff && matches!(bytes[at + 1], 0xd0..=0xd7);
    (data_start(bytes)..bytes.len() - 1).filter(is_restart).collect()
}

fn exif(orientation: u8) -> Vec<u8> {
    let mut segment =
        b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0".to_vec();
    segment[29] = orientation;
    segment
}

/// Files that lack no pixel, each with what was done to it.
fn undamaged(name: &str, whole: &[u8]) -> Vec<(String, Vec<u8>)> {
    let data = &whole[..whole.len() - 2];
    let mut files = Vec::new();
    let mut add = |what: &str, bytes: Vec<u8>| files.push((format!("{name}: {what}"), bytes));
    add("no EOI", data.to_vec());
    add("half an EOI", [data, &[0xff]].concat());
    add("zeros for EOI", [data, &[0; 4096]].concat());
    add("a trailer for EOI", [data, STRAY, b"\xff\xda\0\x03SEFT"].concat());
    add("a picture for EOI", [data, whole].concat());
    add("a picture behind it", [whole, STRAY, whole].concat());
    add("bytes before EOI", [data, STRAY, &[0xff, 0xd9]].concat());
    add("EXIF behind the scan", [data, &exif(6), &[0xff, 0xd9]].concat());
    add("SOI twice", [&whole[..2], whole].concat());
    for length in [0, 1] {
        add("a comment of no length", [&whole[..2], &[0xff, 0xfe, 0, length], &whole[2..]].concat());
        add("APP5 of no length", [&whole[..2], &[0xff, 0xe5, 0, length], &whole[2..]].concat());
    }
    let restarts = restarts(whole);
    if restarts.len() > 3 {
        let at = restarts[3];
        add("bytes before a restart", [&whole[..at], STRAY, &whole[at..]].concat());
        for off in 1..8 {
            let mut numbered = whole.to_vec();
            numbered[at + 1] = 0xd0 | ((numbered[at + 1] + off) & 7);
            add("a wrong restart number", numbered);
        }
    }
    files
}

#[test]
fn damage_that_costs_no_pixel_is_no_damage() {
    for name in KINDS {
        let whole = read(name);
        let expected = shown(&whole).unwrap();
        let clean = probe(&whole, &Limits::default()).unwrap().sanitize().unwrap();
        for (what, bytes) in undamaged(name, &whole) {
            let rendered = shown(&bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(rendered, expected, "{what}");
            // Written of the coded parts alone, it is the same file.
            let sanitized = probe(&bytes, &Limits::default()).unwrap().sanitize();
            assert!(sanitized.unwrap_or_else(|e| panic!("{what}: {e}")) == clean, "{what}");
        }
    }
}

#[test]
fn a_photo_without_huffman_tables_has_those_of_the_standard() {
    let mut whole = Vec::new();
    let pixels: Vec<u8> = (0..64 * 48 * 3_u32).map(|i| (i * i / 977 % 251) as u8).collect();
    let encoder = jpeg_encoder::Encoder::new(&mut whole, 90);
    encoder.encode(&pixels, 64, 48, jpeg_encoder::ColorType::Rgb).unwrap();
    let mut without = whole.clone();
    for (marker, start, end) in segments(&whole).into_iter().rev() {
        if marker == 0xc4 {
            without.drain(start..end);
        }
    }
    assert!(without.len() < whole.len());
    assert_eq!(shown(&without).unwrap(), shown(&whole).unwrap());
    let clean = |bytes: &[u8]| probe(bytes, &Limits::default()).unwrap().sanitize().unwrap();
    assert!(clean(&without) == clean(&whole), "written with its tables");
}

#[test]
fn an_empty_exif_segment_hides_none_behind_it() {
    let whole = read("subsampling-422.jpg");
    let empty = b"\xff\xe1\0\x08Exif\0\0";
    let bytes = [&whole[..2], empty, &exif(6), &exif(3), &whole[2..]].concat();
    assert_eq!(probe(&bytes, &Limits::default()).unwrap().orientation(), 6);
    let bytes = [&whole[..2], empty, &whole[2..]].concat();
    assert_eq!(probe(&bytes, &Limits::default()).unwrap().orientation(), 1);
}

#[test]
fn a_photo_that_is_cut_off_shows_what_has_arrived() {
    for name in KINDS.into_iter().filter(|&name| name != "progressive.jpg") {
        let whole = read(name);
        let (start, end) = (data_start(&whole), whole.len() - 2);
        let expected = shown(&whole).unwrap();
        let mut last = 0;
        for percent in (5..100).step_by(5) {
            let bytes = &whole[..start + (end - start) * percent / 100];
            match shown(bytes) {
                Err(error) => {
                    assert_eq!(error.code(), "CORRUPT_IMAGE", "{name}");
                    assert!(percent < 70, "{name}, {percent} %: {error}");
                }
                Ok(rendered) => {
                    let Damage { received_percent, reason } = rendered.damage.clone().unwrap();
                    assert!((50..=99).contains(&received_percent) && received_percent >= last, "{name}");
                    assert!(
                        percent > 30,
                        "{name}: {received_percent} % of a picture of {percent} % of the bytes"
                    );
                    last = received_percent;
                    assert_eq!(reason, "a scan ends before its last block");
                    // The upper part is as it should be.
                    let (ours, theirs) = (open(&rendered.variants[0]), open(&expected.variants[0]));
                    let rows = ours.height() * u32::from(received_percent) / 100 * 3 / 4;
                    let upper = |image: &image::DynamicImage| image.crop_imm(0, 0, image.width(), rows);
                    assert!(distance(&upper(&ours), &upper(&theirs)) < 4.0, "{name}, {percent} %");
                }
            }
            let refusing = RenderOptions { damaged_photos: DamagedPhotos::Refuse, ..options() };
            assert_eq!(render_bytes(bytes, &refusing).unwrap_err().code(), "CORRUPT_IMAGE", "{name}");
            assert!(probe(bytes, &Limits::default()).unwrap().sanitize().is_err(), "{name}");
        }
        assert!(last >= 90, "{name}: {last} %");
    }
}

#[test]
fn a_progressive_photo_without_refinements_is_whole() {
    let whole = read("progressive.jpg");
    let expected = open(&shown(&whole).unwrap().variants[0]);
    let scans: Vec<usize> = (0..whole.len() - 1).filter(|&at| whole[at..at + 2] == [0xff, 0xda]).collect();
    let parameters = |at: usize| at + 5 + 2 * usize::from(whole[at + 4]);
    let first_refinement = scans.iter().position(|&at| whole[parameters(at) + 2] >> 4 > 0).unwrap();
    let last_first = scans.iter().rposition(|&at| whole[parameters(at) + 2] >> 4 == 0).unwrap();
    assert!(first_refinement > 3 && last_first < scans.len() - 1);
    for (count, &end) in scans.iter().enumerate().skip(1) {
        for tail in [&[0xff, 0xd9][..], b"", &[0; 100]] {
            let rendered = shown(&[&whole[..end], tail].concat()).unwrap();
            assert_eq!(rendered.damage.is_none(), count > last_first, "{count} scans: {:?}", rendered.damage);
            let apart = distance(&open(&rendered.variants[0]), &expected);
            assert!(apart < if rendered.damage.is_none() { 4.0 } else { 9.0 }, "{count} scans: {apart}");
        }
    }
}

#[test]
fn noise_behind_a_header_is_no_photo() {
    let mut state = 1_u32;
    for name in KINDS {
        let whole = read(name);
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let start = data_start(&whole);
        for _ in 0..10 {
            let mut bytes = whole.clone();
            bytes[start..].fill_with(&mut noise);
            assert_eq!(shown(&bytes).unwrap_err().code(), "CORRUPT_IMAGE", "{name}");
        }
    }
}

proptest! {
    #[test]
    fn what_is_sanitised_is_whole(
        kind in 0..KINDS.len(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        stray in prop::option::of((any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..40))),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = read(KINDS[kind]);
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some((at, stray)) = stray {
            let at = at.index(bytes.len());
            bytes.splice(at..at, stray);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let Ok(probed) = probe(&bytes, &Limits::default()) else { return Ok(()) };
        prop_assume!(probed.width() * probed.height() < 2_000_000);
        if let Ok(clean) = probed.sanitize() {
            let before = probed.render(&options()).map_err(|e| TestCaseError::fail(e.to_string()))?;
            let after = shown(&clean).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(&before, &after);
            prop_assert_eq!(after.damage, None);
        }
    }
}

//! Files made to hurt, and what they may cost.

use std::time::{Duration, Instant};

use photo_imaging::{ImagingError, Limits, OutputFormat, RenderOptions, probe};

use crate::cost::{Job, MIB, measure};
use crate::support::{code, distance, inside, one_webp, open, read, render};

#[test]
fn every_wrong_file_has_its_code() {
    let table = [
        ("empty.jpg", "NOT_AN_IMAGE"),
        ("not-an-image.jpg", "NOT_AN_IMAGE"),
        ("html.png", "NOT_AN_IMAGE"),
        ("unsupported.avif", "UNSUPPORTED_TYPE"),
        ("unsupported.bmp", "UNSUPPORTED_TYPE"),
        ("unsupported.heic", "CORRUPT_IMAGE"),
        ("unsupported.pdf", "UNSUPPORTED_TYPE"),
        ("unsupported.svg", "UNSUPPORTED_TYPE"),
        ("unsupported.tiff", "UNSUPPORTED_TYPE"),
        ("missing-rows.png", "CORRUPT_IMAGE"),
        ("no-frame.gif", "CORRUPT_IMAGE"),
        ("pixel-bomb.png", "TOO_MANY_PIXELS"),
        ("pixel-bomb.jpg", "TOO_MANY_PIXELS"),
        ("pixel-bomb.gif", "TOO_MANY_PIXELS"),
        ("pixel-bomb.webp", "TOO_MANY_PIXELS"),
        ("regression-size-overflow.png", "TOO_MANY_PIXELS"),
    ];
    let found = table.map(|(name, _)| (name, code(name)));
    assert_eq!(found, table.map(|(name, code)| (name, Err(code))));
    assert!(table.iter().all(|(_, code)| ImagingError::CODES.contains(code)));
}

#[test]
fn a_truncated_photo_is_shown_and_says_so() {
    let names = ["png", "gif", "webp"].map(|end| format!("truncated.{end}"));
    let others = ["truncated-interlaced.png", "truncated-lossless.webp"].map(str::to_owned);
    for name in names.into_iter().chain(others) {
        let damage = render(&name, &one_webp()).damage.unwrap_or_else(|| panic!("{name}: no damage"));
        assert!((50..100).contains(&damage.received_percent), "{name}: {damage:?}");
    }
}

#[test]
fn a_bomb_is_refused_by_its_header_before_anything_could_decode_it() {
    for name in ["pixel-bomb.png", "pixel-bomb.jpg", "pixel-bomb.gif", "pixel-bomb.webp"] {
        // Only what `probe` gives can be rendered.
        assert!(probe(&read(name), &Limits::default()).is_err(), "{name}");
    }
}

#[test]
fn compressed_chunks_cannot_inflate_without_bound() {
    for name in ["text-bomb.png", "profile-bomb.png"] {
        let cost = measure(&read(name), &Job::default());
        assert_eq!(cost.outcome, Ok(()), "{name}");
        assert!(cost.peak < 12 * MIB, "{name}: {cost:?}");
    }
}

#[test]
fn a_scan_of_rubbish_is_damage_or_a_picture_but_no_panic() {
    assert!(matches!(code("garbled-scan.jpg"), Ok(()) | Err("CORRUPT_IMAGE")));
}

#[test]
fn each_limit_is_checked_before_anything_is_decoded() {
    let bytes = read("photo-6mp.jpg");
    let fits = Limits::default();
    let least = probe(&bytes, &fits).unwrap().decoder_bytes();
    let table = [
        (Limits { max_bytes: bytes.len(), ..fits }, None),
        (Limits { max_bytes: bytes.len() - 1, ..fits }, Some("TOO_LARGE")),
        (Limits { max_pixels: 6_000_000, ..fits }, None),
        (Limits { max_pixels: 5_999_999, ..fits }, Some("TOO_MANY_PIXELS")),
        (Limits { max_side: 3000, ..fits }, None),
        (Limits { max_side: 2999, ..fits }, Some("TOO_MANY_PIXELS")),
        (Limits { max_decoder_bytes: least, ..fits }, None),
        (Limits { max_decoder_bytes: least - 1, ..fits }, Some("TOO_MANY_PIXELS")),
    ];
    for (limits, expected) in table {
        assert_eq!(probe(&bytes, &limits).err().map(|e| e.code()), expected, "{limits:?}");
    }
}

#[test]
fn a_progressive_photo_is_charged_for_its_coefficients() {
    let decoder_bytes = |name| probe(&read(name), &Limits::default()).unwrap().decoder_bytes();
    // At an eighth, 40 x 27 samples of each component, and a row of blocks of each with 8 bytes to spare.
    assert_eq!(decoder_bytes("subsampling-444.jpg"), 3 * (40 * 27 + 48));
    // The same as planes; 2 x 2 coefficients of two bytes of chroma, which is stored at half size, one of luma, and 8
    // bytes for each block of 20 x 14 units of four and one blocks.
    let planes = 3 * 40 * 27 + 2 * 48 + 2 * 2 * 48;
    assert_eq!(decoder_bytes("progressive.jpg"), planes + 20 * 14 * (4 * (2 + 8) + 2 * (8 + 8)));
}

#[test]
fn a_photo_is_decoded_smaller_before_it_is_refused_for_its_memory() {
    let bytes = read("photo-6mp.jpg");
    let options = RenderOptions::new(vec![inside(1280, OutputFormat::Jpeg)]);
    let render = |max_decoder_bytes| {
        let limits = Limits { max_decoder_bytes, ..Limits::default() };
        probe(&bytes, &limits)?.render(&options)
    };
    let wanted = render(u64::MAX).unwrap();
    // 1500 x 1000 px of luma, a quarter of that of each chroma, and rows of blocks.
    let least = 1500 * 1000 * 3 / 2 + 100_000;
    let smaller = render(least).unwrap();
    assert_eq!((smaller.variants[0].width, smaller.variants[0].height), (1280, 853));
    assert!(distance(&open(&wanted.variants[0]), &open(&smaller.variants[0])) < 3.0);
    // Less than 1280 px would have to be enlarged.
    assert_eq!(render(1280 * 853).map(drop).map_err(|e| e.code()), Err("TOO_MANY_PIXELS"));
}

#[test]
fn after_the_deadline_no_step_is_begun() {
    let bytes = read("photo-6mp.jpg");
    let passed = Limits::default().with_deadline(Instant::now());
    let refused = probe(&bytes, &passed).unwrap().render(&one_webp()).map(drop);
    assert_eq!(refused.map_err(|e| e.to_string()), Err("the deadline passed before decode".to_owned()));
    let later = Limits::default().with_deadline(Instant::now() + Duration::from_mins(10));
    assert!(probe(&bytes, &later).unwrap().render(&one_webp()).is_ok());
}

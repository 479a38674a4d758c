//! Files made to hurt, and what they may cost.

use std::time::{Duration, Instant};

use photo_imaging::{ImagingError, Limits, probe};

use crate::support::{code, one_webp, read};

#[test]
fn every_wrong_file_has_its_code() {
    let table = [
        ("empty.jpg", "NOT_AN_IMAGE"),
        ("not-an-image.jpg", "NOT_AN_IMAGE"),
        ("html.png", "NOT_AN_IMAGE"),
        ("unsupported.avif", "UNSUPPORTED_TYPE"),
        ("unsupported.bmp", "UNSUPPORTED_TYPE"),
        ("unsupported.heic", "UNSUPPORTED_TYPE"),
        ("unsupported.pdf", "UNSUPPORTED_TYPE"),
        ("unsupported.svg", "UNSUPPORTED_TYPE"),
        ("unsupported.tiff", "UNSUPPORTED_TYPE"),
        ("truncated.jpg", "CORRUPT_IMAGE"),
        ("truncated-progressive.jpg", "CORRUPT_IMAGE"),
        ("no-end-marker.jpg", "CORRUPT_IMAGE"),
        ("truncated.png", "CORRUPT_IMAGE"),
        ("truncated-interlaced.png", "CORRUPT_IMAGE"),
        ("missing-rows.png", "CORRUPT_IMAGE"),
        ("truncated.gif", "CORRUPT_IMAGE"),
        ("no-frame.gif", "CORRUPT_IMAGE"),
        ("truncated.webp", "CORRUPT_IMAGE"),
        ("truncated-lossless.webp", "CORRUPT_IMAGE"),
        ("pixel-bomb.png", "TOO_MANY_PIXELS"),
        ("pixel-bomb.jpg", "TOO_MANY_PIXELS"),
        ("pixel-bomb.gif", "TOO_MANY_PIXELS"),
        ("pixel-bomb.webp", "TOO_MANY_PIXELS"),
        ("regression-size-overflow.png", "TOO_MANY_PIXELS"),
        ("frame-bomb.gif", "TOO_MANY_FRAMES"),
        ("frame-bomb.webp", "TOO_MANY_FRAMES"),
    ];
    for (name, expected) in table {
        assert_eq!(code(name), Err(expected), "{name}");
        assert!(ImagingError::CODES.contains(&expected), "{name}");
    }
}

#[test]
fn a_bomb_is_refused_by_its_header_before_anything_could_decode_it() {
    for name in ["pixel-bomb.png", "pixel-bomb.jpg", "pixel-bomb.gif", "pixel-bomb.webp", "frame-bomb.gif"] {
        // Only what `probe` gives can be rendered.
        assert!(probe(&read(name), &Limits::default()).is_err(), "{name}");
    }
}

#[test]
fn compressed_chunks_cannot_inflate_without_bound() {
    for name in ["text-bomb.png", "profile-bomb.png"] {
        let bytes = read(name);
        let small = Limits { max_decoder_bytes: 1 << 20, ..Limits::default() };
        let answer =
            probe(&bytes, &small).and_then(|p| p.render(&one_webp())).map(drop).map_err(|e| e.code());
        assert!(matches!(answer, Ok(()) | Err("CORRUPT_IMAGE")), "{name}: {answer:?}");
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
    let table = [
        (Limits { max_bytes: bytes.len(), ..fits }, None),
        (Limits { max_bytes: bytes.len() - 1, ..fits }, Some("TOO_LARGE")),
        (Limits { max_pixels: 6_000_000, ..fits }, None),
        (Limits { max_pixels: 5_999_999, ..fits }, Some("TOO_MANY_PIXELS")),
        (Limits { max_side: 3000, ..fits }, None),
        (Limits { max_side: 2999, ..fits }, Some("TOO_MANY_PIXELS")),
        (Limits { max_decoder_bytes: 18_000_000, ..fits }, None),
        (Limits { max_decoder_bytes: 17_999_999, ..fits }, Some("TOO_MANY_PIXELS")),
        (Limits { max_frames: 0, ..fits }, Some("TOO_MANY_FRAMES")),
        (Limits { max_frame_pixels: 5_999_999, ..fits }, Some("TOO_MANY_FRAMES")),
    ];
    for (limits, expected) in table {
        assert_eq!(probe(&bytes, &limits).err().map(|e| e.code()), expected, "{limits:?}");
    }
}

#[test]
fn a_progressive_photo_is_charged_for_its_coefficients() {
    let decoder_bytes = |name| probe(&read(name), &Limits::default()).unwrap().decoder_bytes();
    assert_eq!(decoder_bytes("subsampling-444.jpg"), 320 * 213 * 3);
    // 20 x 14 MCUs of 16 px, six blocks each (4:2:0), 64 coefficients of two bytes.
    assert_eq!(decoder_bytes("progressive.jpg"), 320 * 213 * 3 + 20 * 14 * 6 * 64 * 2);
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

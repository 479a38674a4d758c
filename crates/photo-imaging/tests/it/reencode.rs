//! Originals that are encoded anew because they are damaged or cannot be written from their coded parts.

use photo_imaging::{Limits, OutputFormat, RenderOptions, Rendered, probe};

use crate::cost::{Job, measure};
use crate::support::{distance, inside, open, read};

/// The first `percent` % of a file.
fn cut(name: &str, percent: usize) -> Vec<u8> {
    let mut bytes = read(name);
    bytes.truncate(bytes.len() * percent / 100);
    bytes
}

/// Renders one variant in the photo's own size.
fn shown(bytes: &[u8], format: OutputFormat) -> Rendered {
    let photo = probe(bytes, &Limits::default()).unwrap();
    let longest_side = photo.width().max(photo.height());
    photo.render(&RenderOptions::new(vec![inside(longest_side, format)])).unwrap()
}

#[test]
fn a_damaged_original_is_written_whole_as_it_is_shown() {
    let options = RenderOptions::new(vec![]);
    for (name, format) in [
        ("orientation-6.jpg", OutputFormat::Jpeg),
        ("grayscale.jpg", OutputFormat::Jpeg),
        ("alpha.png", OutputFormat::WebP),
        ("lossy.webp", OutputFormat::WebP),
    ] {
        let bytes = cut(name, 90);
        let shown = shown(&bytes, format);
        assert!(shown.damage.is_some(), "{name}");
        let original = probe(&bytes, &Limits::default()).unwrap().reencode(&options, 0).unwrap();
        assert_eq!((original.format, original.width), (format, shown.original.width), "{name}");
        let apart = distance(&open(&original), &open(&shown.variants[0]));
        assert!(apart < 2.0, "{name}: {apart}");

        let again = probe(&original.bytes, &Limits::default()).unwrap();
        assert_eq!((again.orientation(), again.has_icc_profile()), (1, false), "{name}");
        assert_eq!(again.render(&options).unwrap().damage, None, "{name}");
        assert!(again.sanitize().is_ok(), "{name}");
    }
}

#[test]
fn a_whole_original_may_be_written_anew_too() {
    let bytes = read("metadata.jpg");
    let photo = probe(&bytes, &Limits::default()).unwrap();
    let original = photo.reencode(&RenderOptions::new(vec![]), 0).unwrap();
    assert_eq!((original.width, original.height), (photo.width(), photo.height()));
    assert!(!original.bytes.windows(6).any(|window| window == b"SECRET"));
}

#[test]
fn variants_that_are_held_make_a_re_encoded_original_smaller() {
    let bytes = cut("photo-6mp.jpg", 90);
    // Enough for 3,000 × 2,000 px.
    let limits = Limits { max_decoder_bytes: 110 << 20, ..Limits::default() };
    let photo = probe(&bytes, &limits).unwrap();
    let width = |held| photo.reencode(&RenderOptions::new(vec![]), held).unwrap().width;
    assert_eq!(width(0), 3000);
    assert_eq!(width(bytes.len()), 3000, "a copy of the original is free");
    let crowded = width(bytes.len() + (60 << 20));
    assert!((1000..3000).contains(&crowded), "{crowded}");
}

/// In a process with the function's memory: the variants are held while the original is encoded.
#[test]
fn a_re_encoded_original_keeps_to_the_functions_memory() {
    let mut noise = 1_u32;
    let mut next = || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.to_be_bytes()[0]
    };
    let (width, height) = (6000_u16, 4000_u16);
    let pixels: Vec<u8> = (0..usize::from(width) * usize::from(height) * 3).map(|_| next()).collect();
    let mut bytes = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut bytes, 60);
    encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    bytes.truncate(bytes.len() * 9 / 10);
    for memory_mib in [512, 1769] {
        let job = Job {
            memory_mib,
            longest_side: 1920,
            variants: 3,
            format: OutputFormat::Jpeg,
            sanitize: true,
            ..Job::default()
        };
        let cost = measure(&bytes, &job);
        assert_eq!(cost.outcome, Ok(()), "{memory_mib} MiB: {cost:?}");
    }
}

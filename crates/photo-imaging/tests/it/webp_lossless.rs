//! Pictures of few colours: their WebP has no loss where that is smaller.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use photo_imaging::{OutputFormat, RenderOptions, Variant};

use crate::support::{inside, open, read, render_bytes};

/// Lines of marks like letters on white, in a few shades, with a coloured bar: what a screenshot is made of.
fn screenshot(width: u32, height: u32) -> Vec<[u8; 3]> {
    // Eleven rows of eight columns for each of some letters.
    let mark = |letter: u32, x: u32, y: u32| {
        let bits =
            letter.wrapping_mul(0x9e37_79b1) ^ (y / 2).wrapping_mul(0x85eb_ca6b).rotate_left(letter % 32);
        (bits >> (x / 2) & 1 == 1)
            .then_some([20, 20, 20])
            .map(|dark: [u8; 3]| if (x + y).is_multiple_of(5) { [120, 120, 125] } else { dark })
    };
    let pixel = |x: u32, y: u32| {
        if y < height / 16 {
            return [36, 41, 47];
        }
        let (column, line) = (x / 9, y / 18);
        let letter = (column * 7 + line * 13 + column * line % 5) % 23;
        let is_text =
            x % 9 < 8 && (4..15).contains(&(y % 18)) && !letter.is_multiple_of(6) && x < width * 4 / 5;
        is_text.then(|| mark(letter, x % 9, y % 18 - 4)).flatten().unwrap_or([255; 3])
    };
    (0..width * height).map(|i| pixel(i % width, i / width)).collect()
}

fn png(pixels: &[[u8; 3]], width: u32, height: u32) -> Vec<u8> {
    let mut png = Vec::new();
    let rgb = ExtendedColorType::Rgb8;
    PngEncoder::new(&mut png).write_image(pixels.as_flattened(), width, height, rgb).unwrap();
    png
}

fn variants(bytes: &[u8], sides: &[u32]) -> Vec<Variant> {
    let specs = sides.iter().map(|&side| inside(side, OutputFormat::WebP)).collect();
    render_bytes(bytes, &RenderOptions::new(specs)).unwrap().variants
}

fn is_lossless(variant: &Variant) -> bool {
    &variant.bytes[12..16] == b"VP8L"
}

#[test]
fn a_screenshot_of_its_own_size_is_exact_and_small() {
    let (width, height) = (1280, 800);
    let pixels = screenshot(width, height);
    let variants = variants(&png(&pixels, width, height), &[1280, 480, 160]);
    let lengths: Vec<usize> = variants.iter().map(|variant| variant.bytes.len()).collect();
    println!("{lengths:?}");
    // With loss it takes 300 kB.
    assert!(is_lossless(&variants[0]) && lengths[0] < 60_000, "{lengths:?}");
    assert!(open(&variants[0]).to_rgb8().as_raw() == pixels.as_flattened(), "other pixels");
    // Reduced, it has more colours than a palette.
    assert!(!is_lossless(&variants[1]) && !is_lossless(&variants[2]));
}

#[test]
fn a_palette_with_transparency_is_exact() {
    let bytes = read("palette-alpha.png");
    let expected = image::load_from_memory(&bytes).unwrap().to_rgba8();
    let variant = variants(&bytes, &[5000]).remove(0);
    let found = open(&variant).to_rgba8();
    if is_lossless(&variant) {
        for (found, expected) in found.pixels().zip(expected.pixels()) {
            assert!(found == expected || (found[3] == 0 && expected[3] == 0));
        }
    }
    assert_eq!(found.dimensions(), expected.dimensions());
}

#[test]
fn the_smaller_file_is_taken() {
    // One soft shade after the other, each some pixels wide: few colours, and smooth enough for a lossy file.
    let (width, height) = (640, 480);
    let bars: Vec<[u8; 3]> =
        (0..width * height).map(|i| if i % width < 300 { [200, 30, 30] } else { [40; 3] }).collect();
    let variant = variants(&png(&bars, width, height), &[640]).remove(0);
    assert!(is_lossless(&variant) && variant.bytes.len() < 200, "{}", variant.bytes.len());
    assert!(open(&variant).to_rgb8().as_raw() == bars.as_flattened());
}

#[test]
fn photos_stay_lossy() {
    for name in ["rgb.png", "lossy.webp", "metadata.jpg", "still.gif"] {
        for variant in variants(&read(name), &[5000, 100]) {
            let colors: std::collections::HashSet<_> = open(&variant).to_rgba8().pixels().copied().collect();
            assert!(!is_lossless(&variant) || colors.len() <= 256, "{name}");
        }
    }
    assert!(!is_lossless(&variants(&read("rgb.png"), &[5000])[0]));
}

//! Colours: against values worked out from the published primaries and curves by testdata's own arithmetic, which
//! agree with Little CMS 2.19 within one level.

use photo_imaging::{Limits, OutputFormat, RenderOptions, probe};

use crate::support::{inside, open, read, render, render_bytes};

fn patches(name: &str) -> Vec<[u8; 3]> {
    let rendered = render(name, &RenderOptions::new(vec![inside(512, OutputFormat::WebP)]));
    middles(&open(&rendered.variants[0]).to_rgb8())
}

/// The colour in the middle of each 64 px.
fn middles(picture: &image::RgbImage) -> Vec<[u8; 3]> {
    let step = picture.width().min(64);
    (0..picture.width() / step)
        .map(|i| picture.get_pixel(i * step + step / 2, picture.height() / 2).0)
        .collect()
}

#[track_caller]
fn assert_near(name: &str, actual: &[[u8; 3]], expected: &[[u8; 3]], tolerance: u8) {
    assert_eq!(actual.len(), expected.len(), "{name}");
    for (a, e) in actual.iter().zip(expected) {
        assert!(
            a.iter().zip(e).all(|(x, y)| x.abs_diff(*y) <= tolerance),
            "{name}: {actual:?}, not {expected:?}"
        );
    }
}

// Lossy WebP at quality 90 moves a flat patch by up to 3 levels.
const TOLERANCE: u8 = 4;

#[test]
fn wide_gamut_photos_become_srgb() {
    let p3 = [[215, 93, 31], [0, 142, 85], [90, 90, 186], [128, 128, 128]];
    assert_near("display-p3.jpg", &patches("display-p3.jpg"), &p3, TOLERANCE);
    assert_near("display-p3.png", &patches("display-p3.png"), &p3[..1], TOLERANCE);
    assert_near("display-p3.webp", &patches("display-p3.webp"), &p3[..1], TOLERANCE);
    let adobe = [[227, 100, 42], [0, 141, 86], [90, 90, 184], [129, 129, 129]];
    assert_near("adobe-rgb.jpg", &patches("adobe-rgb.jpg"), &adobe, TOLERANCE);
}

#[test]
fn a_broken_profile_is_passed_over() {
    let bytes = read("broken-profile.jpg");
    assert!(probe(&bytes, &Limits::default()).unwrap().has_icc_profile());
    let stored = [[200, 100, 50], [60, 140, 90], [90, 90, 180], [128, 128, 128]];
    assert_near("broken-profile.jpg", &patches("broken-profile.jpg"), &stored, TOLERANCE);
}

#[test]
fn a_gray_profile_is_applied() {
    // Linear light: the mean of the stored levels is 61, that of the same light in sRGB 131.
    let options = RenderOptions::new(vec![inside(320, OutputFormat::WebP)]);
    let picture = open(&render("grayscale-gamma.jpg", &options).variants[0]).to_luma8();
    let sum: u32 = picture.pixels().map(|p| u32::from(p[0])).sum();
    let mean = sum / (picture.width() * picture.height());
    assert!(mean.abs_diff(131) <= 2, "{mean}");
}

#[test]
fn ink_becomes_light_with_and_without_a_profile() {
    let plain = [[255, 255, 255], [0, 255, 255], [255, 127, 0], [95, 111, 119]];
    assert_near("cmyk.jpg", &patches("cmyk.jpg"), &plain, 6);
    let profiled = [[255, 255, 255], [48, 145, 196], [212, 164, 42], [161, 162, 166]];
    assert_near("cmyk-profile.jpg", &patches("cmyk-profile.jpg"), &profiled, 6);
}

#[test]
fn ycck_is_the_same_picture_as_cmyk() {
    // jpeg-encoder writes YCCK as Adobe does; testdata's CMYK comes from libjpeg.
    let inks = [[0, 0, 0, 0], [255, 0, 0, 0], [0, 128, 255, 0], [64, 32, 16, 128]];
    let row: Vec<u8> = inks.iter().flat_map(|ink| ink.repeat(64)).collect();
    let pixels = row.repeat(64);
    let plain = [[255, 255, 255], [0, 255, 255], [255, 127, 0], [95, 111, 119]];
    for (name, kind) in
        [("CMYK", jpeg_encoder::ColorType::Cmyk), ("YCCK", jpeg_encoder::ColorType::CmykAsYcck)]
    {
        // In one scan, and in a scan for each ink, which another decoder takes.
        for optimized in [false, true] {
            let mut bytes = Vec::new();
            let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 95);
            encoder.set_optimized_huffman_tables(optimized);
            encoder.encode(&pixels, 256, 64, kind).unwrap();
            let options = RenderOptions::new(vec![inside(512, OutputFormat::WebP)]);
            let rendered = render_bytes(&bytes, &options).unwrap();
            assert_near(name, &middles(&open(&rendered.variants[0]).to_rgb8()), &plain, 6);
        }
    }
}

#[test]
fn ycck_goes_through_its_profile_as_cmyk_does() {
    let with_profile = read("cmyk-profile.jpg");
    let profile = photo_jpeg::Jpeg::parse(&with_profile).unwrap().icc_profile().unwrap();
    let inks = [[0, 0, 0, 0], [255, 0, 0, 0], [0, 128, 255, 0], [64, 32, 16, 128]];
    let row: Vec<u8> = inks.iter().flat_map(|ink| ink.repeat(64)).collect();
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 95);
    encoder.add_icc_profile(&profile).unwrap();
    encoder.encode(&row.repeat(64), 256, 64, jpeg_encoder::ColorType::CmykAsYcck).unwrap();
    let options = RenderOptions::new(vec![inside(512, OutputFormat::WebP)]);
    let rendered = render_bytes(&bytes, &options).unwrap();
    let profiled = [[255, 255, 255], [48, 145, 196], [212, 164, 42], [161, 162, 166]];
    assert_near("YCCK", &middles(&open(&rendered.variants[0]).to_rgb8()), &profiled, 6);
}

#[test]
fn colours_that_a_png_names_without_a_profile_are_applied_as_browsers_do() {
    let p3 = [[215, 93, 31]];
    assert_near("chunks-cicp.png", &patches("chunks-cicp.png"), &p3, TOLERANCE);
    // A pure gamma of 2.2 where Display P3 has the sRGB curve.
    assert_near("chunks-p3.png", &patches("chunks-p3.png"), &[[216, 93, 24]], TOLERANCE);
    // Linear light: 255 * (1.055 * (v / 255) ^ (1 / 2.4) - 0.055).
    assert_near("chunks-gamma.png", &patches("chunks-gamma.png"), &[[229, 168, 122]], TOLERANCE);
    assert_near("chunks-gamma-gray.png", &patches("chunks-gamma-gray.png"), &[[128, 128, 128]], TOLERANCE);
    // `sRGB` counts for more than `gAMA`.
    assert_near("chunks-srgb.png", &patches("chunks-srgb.png"), &[[200, 100, 50]], TOLERANCE);
    // 3,000 cd/m2 of red, beyond the peak.
    assert_near("chunks-pq.png", &patches("chunks-pq.png"), &[[255, 0, 0]], TOLERANCE);
}

#[test]
fn sixteen_bits_of_linear_light_keep_their_shadows() {
    let options = RenderOptions::new(vec![inside(512, OutputFormat::Jpeg)]);
    let picture = open(&render("linear-16bit.png", &options).variants[0]).to_luma8();
    let mut levels: Vec<u8> = (0..64).map(|step| picture.get_pixel(step * 8 + 4, 4).0[0]).collect();
    // The brightest: 1008 of 65535 in linear light.
    assert!(levels[63].abs_diff(33) <= 2, "{levels:?}");
    levels.dedup();
    assert!(levels.len() > 20, "{} levels: {levels:?}", levels.len());
}

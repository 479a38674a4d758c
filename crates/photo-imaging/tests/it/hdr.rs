//! PQ and HLG, beside what Chromium 156 shows of the same files.

use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use photo_imaging::{OutputFormat, RenderOptions};

use crate::profiles::{be32, chunk, iccp, jpeg_with, lossless_webp_with, png, zlib};
use crate::support::{inside, open, render_bytes};

const SIDE: u32 = 64;
const PATCHES: [[u16; 3]; 6] = [
    [0x4000; 3],
    [0x8000, 0x7000, 0x6000],
    [0x9400; 3],
    [0xb000, 0xa800, 0xa000],
    [0xff00; 3],
    [0x2000, 0x3000, 0x2800],
];
/// The patches if they are taken for sRGB.
const PLAIN: [[u8; 3]; 6] = [[64; 3], [128, 112, 96], [148; 3], [176, 168, 160], [255; 3], [32, 48, 40]];
const PQ: [[u8; 3]; 6] = [[30; 3], [149, 92, 64], [186; 3], [253, 204, 178], [255; 3], [0, 16, 9]];
const HLG: [[u8; 3]; 6] = [[43; 3], [105, 84, 72], [119; 3], [164, 145, 135], [254; 3], [4, 29, 21]];

/// A PNG of the patches in 16 bits. With `alpha` each is as opaque as that.
fn patches(chunks: &[Vec<u8>], alpha: Option<u16>) -> Vec<u8> {
    let pixel = |patch: &[u16; 3]| -> Vec<u8> {
        patch.iter().copied().chain(alpha).flat_map(u16::to_be_bytes).collect()
    };
    let row: Vec<u8> =
        PATCHES.iter().flat_map(|patch| pixel(patch).repeat(usize::try_from(SIDE).unwrap())).collect();
    let rows = (0..SIDE).map(|_| [&[0], &row[..]].concat());
    let colour = if alpha.is_some() { 6 } else { 2 };
    let width = be32(PATCHES.len() * usize::try_from(SIDE).unwrap());
    let header = [&width[..], &SIDE.to_be_bytes(), &[16, colour, 0, 0, 0]].concat();
    let (head, tail) = (chunk(*b"IHDR", &header), chunk(*b"IEND", b""));
    [b"\x89PNG\r\n\x1a\n", &head[..], &chunks.concat(), &chunk(*b"IDAT", &zlib(rows)), &tail].concat()
}

fn cicp(primaries: u8, transfer: u8) -> Vec<u8> {
    chunk(*b"cICP", &[primaries, transfer, 0, 1])
}

/// A profile of BT.2020's primaries and a gamma of 2.2, with a `cicp` tag.
fn profile(cicp: [u8; 4]) -> Vec<u8> {
    let mut profile = moxcms::ColorProfile::new_bt2020();
    profile.cicp = None;
    let curve = moxcms::ToneReprCurve::Parametric(vec![2.2]);
    profile.red_trc = Some(curve.clone());
    profile.green_trc = Some(curve.clone());
    profile.blue_trc = Some(curve);
    let mut icc = profile.encode().unwrap();
    // One entry more in the table of tags: what follows moves by its length, and the tag stands at the end.
    let count = usize::try_from(u32::from_be_bytes(*icc[128..].first_chunk().unwrap())).unwrap();
    icc[128..132].copy_from_slice(&be32(count + 1));
    for entry in 0..count {
        let place = 132 + 12 * entry + 4;
        let start = u32::from_be_bytes(*icc[place..].first_chunk().unwrap()) + 12;
        icc[place..place + 4].copy_from_slice(&start.to_be_bytes());
    }
    let end = 132 + 12 * count;
    let tag = [&b"cicp"[..], &be32(icc.len() + 12), &be32(12)].concat();
    icc.splice(end..end, tag);
    icc.extend([&b"cicp\0\0\0\0"[..], &cicp].concat());
    let length = be32(icc.len());
    icc[..4].copy_from_slice(&length);
    icc
}

fn compressed(profile: &[u8]) -> Vec<u8> {
    iccp(&zlib(std::iter::once(profile.to_vec())))
}

/// The middle of each square of a photo.
fn shown(photo: &[u8]) -> Vec<[u8; 4]> {
    let options = RenderOptions::new(vec![inside(1024, OutputFormat::WebP)]);
    let picture = open(&render_bytes(photo, &options).unwrap().variants[0]).to_rgba8();
    (0..picture.width() / SIDE).map(|i| picture.get_pixel(i * SIDE + SIDE / 2, SIDE / 2).0).collect()
}

#[track_caller]
fn assert_shows(name: &str, photo: &[u8], expected: &[[u8; 3]]) {
    /// Lossy WebP at quality 90 moves a flat patch by up to 3 levels, and Chromium rounds otherwise.
    const TOLERANCE: u8 = 4;
    let actual = shown(photo);
    assert_eq!(actual.len(), expected.len(), "{name}");
    let near = |(a, e): (&[u8; 4], &[u8; 3])| a.iter().zip(e).all(|(a, e)| a.abs_diff(*e) <= TOLERANCE);
    assert!(actual.iter().zip(expected).all(near), "{name}: {actual:?}, not {expected:?}");
}

#[test]
fn pngs_in_pq_and_hlg_are_shown_as_by_chromium() {
    let p3_pq = [[30; 3], [137, 95, 65], [186; 3], [247, 210, 182], [255; 3], [2, 16, 9]];
    let bt709_pq = [[30; 3], [131, 97, 70], [186; 3], [243, 214, 188], [255; 3], [5, 15, 9]];
    let p3_hlg = [[43; 3], [99, 85, 72], [119; 3], [159, 146, 135], [254; 3], [12, 28, 21]];
    let bt709_hlg = [[43; 3], [97, 85, 73], [119; 3], [157, 146, 137], [254; 3], [16, 28, 22]];
    for (primaries, transfer, expected) in
        [(9, 16, PQ), (12, 16, p3_pq), (1, 16, bt709_pq), (9, 18, HLG), (12, 18, p3_hlg), (1, 18, bt709_hlg)]
    {
        let name = format!("primaries {primaries}, transfer {transfer}");
        assert_shows(&name, &patches(&[cicp(primaries, transfer)], None), &expected);
    }
}

#[test]
fn the_peak_that_a_png_names_becomes_white() {
    let bright = [[30; 3], [149, 92, 64], [186; 3], [230, 184, 161], [255; 3], [0, 16, 9]];
    let light = chunk(*b"cLLI", &[40_000_000_u32.to_be_bytes(), [0; 4]].concat());
    assert_shows("4,000 cd/m2", &patches(&[cicp(9, 16), light], None), &bright);
}

#[test]
fn a_profile_whose_tag_names_pq_or_hlg_is_tone_mapped() {
    for (name, tag, colour, gray) in [
        ("PQ", [9, 16, 0, 1], [151, 93, 65], 187),
        ("HLG", [9, 18, 0, 1], [105, 84, 72], 120),
        ("PQ in the profile's primaries", [2, 16, 0, 1], [151, 93, 65], 187),
    ] {
        let icc = profile(tag);
        let pixel = [128, 112, 96];
        assert_shows(name, &jpeg_with(&icc, jpeg_encoder::ColorType::Rgb, &pixel), &[colour]);
        assert_shows(name, &jpeg_with(&icc, jpeg_encoder::ColorType::Luma, &[148]), &[[gray; 3]]);
        let mut webp = Vec::new();
        let mut encoder = WebPEncoder::new_lossless(&mut webp);
        encoder.set_icc_profile(icc.clone()).unwrap();
        encoder.write_image(&pixel.repeat(64 * 64), SIDE, SIDE, ExtendedColorType::Rgb8).unwrap();
        assert_shows(name, &webp, &[colour]);
        for kind in [(8, 0), (16, 0), (8, 2), (16, 2)] {
            assert_shows(name, &png(64, kind, 148, &[compressed(&icc)]), &[[gray; 3]]);
        }
    }
    let deep = patches(&[compressed(&profile([9, 16, 0, 1]))], None);
    assert_shows("16 bits", &deep, &PQ);
}

#[test]
fn code_points_that_no_rgb_picture_can_have_are_ignored() {
    for points in [[9, 16, 0, 0], [2, 16, 0, 1]] {
        assert_shows("chunk", &patches(&[chunk(*b"cICP", &points)], None), &PLAIN);
    }
    // The profile's own curve and primaries.
    let own = [[62; 3], [139, 110, 93], [149; 3], [183, 169, 160], [255; 3], [4, 46, 34]];
    for points in [[9, 16, 0, 0], [9, 16, 9, 0], [9, 2, 0, 1]] {
        let photo = patches(&[compressed(&profile(points))], None);
        assert_shows(&format!("{points:?}"), &photo, &own);
    }
}

#[test]
fn gray_and_alpha_stay_under_tone_mapping() {
    for kind in [(8, 0), (16, 0), (8, 2), (16, 2)] {
        assert_shows("gray", &png(64, kind, 148, &[cicp(9, 16)]), &[[187; 3]]);
    }
    let half = shown(&patches(&[cicp(9, 18)], Some(0x8000)));
    for (actual, expected) in half.iter().zip(HLG) {
        assert!(actual[3].abs_diff(128) <= 1, "{half:?}");
        assert!(actual.iter().zip(expected).all(|(a, e)| a.abs_diff(e) <= 8), "{half:?}, not {HLG:?}");
    }
    // A profile beside it counts for nothing.
    let webp = lossless_webp_with(&profile([9, 16, 0, 1]));
    assert_shows("WebP", &webp, &[[61; 3]]);
}

#[test]
fn a_picture_in_pq_is_reduced_by_rows_too() {
    let photo = png(256, (8, 2), 148, &[cicp(9, 16)]);
    let options = RenderOptions::new(vec![inside(32, OutputFormat::WebP)]);
    let picture = open(&render_bytes(&photo, &options).unwrap().variants[0]).to_rgb8();
    assert!(picture.get_pixel(16, 16).0.iter().all(|level| level.abs_diff(187) <= 4));
}

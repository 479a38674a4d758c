//! HEIC through the whole pipeline. The files are photo-heif's, made by libheif.

use std::path::PathBuf;
use std::time::Duration;

use image::{DynamicImage, GenericImageView, Rgba};
use photo_imaging::{DamagedPhotos, Format, Limits, OutputFormat, RenderOptions, probe};

use crate::cost::{Job, MIB, measure};
use crate::support::{distance, inside, one_webp, open, render_bytes};

pub(crate) fn read(name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "photo-heif", "testdata", name].iter().collect();
    std::fs::read(&path).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// What libheif shows.
fn expected(name: &str) -> DynamicImage {
    image::load_from_memory(&read(name)).unwrap()
}

fn rendered(bytes: &[u8], longest_side: u32) -> DynamicImage {
    let options = RenderOptions::new(vec![inside(longest_side, OutputFormat::WebP)]);
    open(&render_bytes(bytes, &options).unwrap().variants[0])
}

#[test]
fn variants_look_like_what_libheif_shows() {
    for name in ["alpha", "bt709-limited", "gray", "grid-irot", "odd-size", "ten-bit-422", "yuv420", "yuv444"]
    {
        let (bytes, control) = (read(&format!("{name}.heic")), expected(&format!("{name}.png")));
        let probed = probe(&bytes, &Limits::default()).unwrap();
        assert_eq!((probed.format(), probed.frames()), (Format::Heic, 1));
        assert_eq!((probed.width(), probed.height()), control.dimensions(), "{name}");
        for longest_side in [120, 40] {
            let found = rendered(&bytes, longest_side);
            // The same pixels by the way of PNG.
            let mut png = Vec::new();
            control.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
            let apart = distance(&found, &rendered(&png, longest_side));
            assert!(apart < 2.0, "{name} at {longest_side}: {apart}");
        }
    }
}

/// The same file whose `colr` property has other code points.
fn with_colors(name: &str, primaries: u8, transfer: u8, matrix: u8) -> Vec<u8> {
    let mut bytes = read(name);
    let at = bytes.windows(4).position(|window| window == b"nclx").unwrap() + 4;
    bytes[at..at + 6].copy_from_slice(&[0, primaries, 0, transfer, 0, matrix]);
    bytes
}

#[test]
fn code_points_of_wide_and_hdr_colours_count() {
    // Samples stay: what they mean changes.
    let plain = rendered(&with_colors("yuv444.heic", 1, 13, 6), 120);
    let unspecified = rendered(&with_colors("yuv444.heic", 2, 2, 2), 120);
    assert!(distance(&plain, &unspecified) < 0.01);
    // Encoders write the curve of video by default.
    for transfer in [1, 6] {
        let video = rendered(&with_colors("yuv444.heic", 1, transfer, 6), 120);
        assert!(distance(&plain, &video) < 0.01, "{transfer}");
    }
    let wide = rendered(&with_colors("yuv444.heic", 12, 13, 6), 120);
    assert!(distance(&plain, &wide) > 2.0, "Display P3 is wider than sRGB");
    let saturation = |picture: &DynamicImage| -> u32 {
        let spread = |p: &Rgba<u8>| {
            let (most, least) = (p.0[..3].iter().max().unwrap(), p.0[..3].iter().min().unwrap());
            u32::from(most - least)
        };
        picture.to_rgba8().pixels().map(spread).sum()
    };
    assert!(saturation(&wide) > saturation(&plain));
    // BT.2100 PQ in 10 bits: tone-mapped, not taken for sRGB.
    let ten = rendered(&with_colors("ten-bit-422.heic", 1, 13, 6), 120);
    let pq = rendered(&with_colors("ten-bit-422.heic", 9, 16, 6), 120);
    assert!(distance(&ten, &pq) > 5.0);
}

#[test]
fn a_damaged_tile_is_a_loss_that_the_deployment_decides_on() {
    let whole = read("grid-irot.heic");
    // Of four tiles the last: of a tile that is cut off, the rows before the cut are shown.
    let cut = &whole[..whole.len() - 20];
    let shown = render_bytes(cut, &one_webp()).unwrap();
    let percent = shown.damage.unwrap().received_percent;
    assert!((75..100).contains(&percent), "{percent}");
    let options = RenderOptions { damaged_photos: DamagedPhotos::Refuse, ..one_webp() };
    assert_eq!(render_bytes(cut, &options).unwrap_err().code(), "CORRUPT_IMAGE");
    for length in [whole.len() / 2, 300, 40, 12] {
        assert_eq!(render_bytes(&whole[..length], &one_webp()).unwrap_err().code(), "CORRUPT_IMAGE");
    }
    let single = read("yuv420.heic");
    let shown = render_bytes(&single[..single.len() - 40], &one_webp()).unwrap();
    assert!((50..100).contains(&shown.damage.unwrap().received_percent));
    let refused = render_bytes(&single[..single.len() / 2], &one_webp()).unwrap_err();
    assert_eq!(refused.code(), "CORRUPT_IMAGE");
}

#[test]
fn the_original_without_metadata_is_a_jpeg_of_the_same_size() {
    let bytes = read("grid-irot.heic");
    let probed = probe(&bytes, &Limits::default()).unwrap();
    assert_eq!(probed.sanitize().unwrap_err().code(), "UNSUPPORTED_TYPE");
    let original = probed.reencode(&one_webp(), 0).unwrap();
    assert_eq!((original.format, original.width, original.height), (OutputFormat::Jpeg, 80, 120));
    assert!(distance(&open(&original), &expected("grid-irot.png")) < 4.0);
}

#[test]
fn a_passed_deadline_stops_it() {
    let bytes = read("grid-irot.heic");
    let limits = Limits::default().with_deadline(std::time::Instant::now());
    let refused = probe(&bytes, &limits).and_then(|probed| probed.render(&one_webp()));
    assert_eq!(refused.unwrap_err().code(), "PROCESSING_TIMEOUT");
}

/// Boxes of a grid of one coded picture that every tile shows.
fn large_grid(columns: u8, rows: u8) -> Vec<u8> {
    let boxed = |kind: &[u8], body: &[u8]| {
        [&u32::try_from(8 + body.len()).unwrap().to_be_bytes()[..], kind, body].concat()
    };
    let full = |kind: &[u8], body: &[u8]| boxed(kind, &[&[0; 4], body].concat());
    let file = read("yuv420.heic");
    let at = |kind: &[u8]| file.windows(4).position(|window| window == kind).unwrap() - 4;
    let length = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let (hvcc, mdat) = (at(b"hvcC"), at(b"mdat"));
    let tile = &file[mdat + 8..mdat + length(mdat)];
    let tiles = u16::from(columns) * u16::from(rows);
    let size = |width: u32, height: u32| full(b"ispe", &[width.to_be_bytes(), height.to_be_bytes()].concat());
    let (width, height) = (u32::from(columns) * 120, u32::from(rows) * 80);
    let grid = [&[0, 1, rows - 1, columns - 1][..], &width.to_be_bytes(), &height.to_be_bytes()].concat();
    let ids = || 1..=tiles + 1;
    let infe = ids().flat_map(|id| {
        let kind = if id == 1 { b"grid" } else { b"hvc1" };
        boxed(b"infe", &[&[2, 0, 0, 0][..], &id.to_be_bytes(), &[0, 0], kind, &[0]].concat())
    });
    let infe = [&(tiles + 1).to_be_bytes()[..], &infe.collect::<Vec<u8>>()].concat();
    let associations =
        ids().flat_map(|id| [&id.to_be_bytes()[..], if id == 1 { &[1, 3] } else { &[2, 1, 2] }].concat());
    let associations = [&u32::from(tiles + 1).to_be_bytes()[..], &associations.collect::<Vec<u8>>()].concat();
    let ipco =
        boxed(b"ipco", &[&file[hvcc..hvcc + length(hvcc)], &size(120, 80), &size(width, height)].concat());
    let targets: Vec<u8> = (2..=tiles + 1).flat_map(u16::to_be_bytes).collect();
    let dimg = boxed(b"dimg", &[&[0, 1][..], &tiles.to_be_bytes(), &targets].concat());
    let meta = |start: u32| {
        let locations = ids().flat_map(|id| {
            let before = u32::from(id.saturating_sub(2)) * u32::try_from(tile.len()).unwrap();
            let (offset, length) = if id == 1 { (0, grid.len()) } else { (start + before, tile.len()) };
            let length = u32::try_from(length).unwrap().to_be_bytes();
            [&id.to_be_bytes()[..], &[0, u8::from(id == 1), 0, 0, 0, 1], &offset.to_be_bytes(), &length]
                .concat()
        });
        let iloc = [&[1, 0, 0, 0, 0x44, 0][..], &(tiles + 1).to_be_bytes(), &locations.collect::<Vec<u8>>()];
        let parts = [
            full(b"pitm", &[0, 1]),
            boxed(b"iloc", &iloc.concat()),
            full(b"iinf", &infe),
            boxed(b"iprp", &[ipco.clone(), full(b"ipma", &associations)].concat()),
            full(b"iref", &dimg),
            boxed(b"idat", &grid),
        ];
        full(b"meta", &parts.concat())
    };
    let ftyp = boxed(b"ftyp", b"heic\0\0\0\0mif1heic");
    let start = u32::try_from(ftyp.len() + meta(0).len() + 8).unwrap();
    [ftyp, meta(start), boxed(b"mdat", &tile.repeat(tiles.into()))].concat()
}

#[test]
fn a_large_grid_takes_its_estimate_and_time_by_its_pixels() {
    // 48 MP as phones have it, of 4,700 tiles: more than a file may have, and of 3,900, which it may.
    let refused = measure(&large_grid(60, 80), &Job::default());
    assert_eq!(refused.outcome, Err("CORRUPT_IMAGE".to_owned()));
    assert!(refused.cpu < Duration::from_secs(2), "{refused:?}");
    let bytes = large_grid(60, 65);
    for job in [Job::default(), Job { memory_mib: 512, longest_side: 320, ..Job::default() }] {
        let cost = measure(&bytes, &job);
        println!("{cost:?}");
        assert_eq!(cost.outcome, Ok(()));
        assert!(cost.peak < cost.estimate + 48 * MIB, "{cost:?}");
        assert!(cost.estimate < 64 * MIB, "{cost:?}");
    }
    let job = Job { deadline: Some(Duration::from_millis(300)), ..Job::default() };
    let cost = measure(&bytes, &job);
    assert_eq!(cost.outcome, Err("PROCESSING_TIMEOUT".to_owned()));
    assert!(cost.wall < Duration::from_secs(3), "{cost:?}");
}

#[test]
fn a_clean_aperture_hides_no_large_picture_from_the_limits() {
    let bytes = read("odd-size.heic");
    let limits = Limits { max_pixels: 91 * 59, ..Limits::default() };
    let refused = probe(&bytes, &limits).map(drop);
    // libheif codes 92 x 60 and crops: what is decoded counts.
    let is_padded = bytes.windows(4).any(|window| window == b"clap");
    assert_eq!(refused.is_err(), is_padded, "{refused:?}");
}

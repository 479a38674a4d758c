use std::time::Instant;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::*;
use crate::probe::probe;
use crate::raster::Raster;
use crate::resize::resize;

fn file(side: (u32, u32), color: ExtendedColorType, samples: usize) -> Vec<u8> {
    let mut state = 5_u32;
    let mut value = 0_u8;
    let count = side.0 as usize * side.1 as usize * samples;
    let data: Vec<u8> = (0..count)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            value = value.wrapping_add(state.to_be_bytes()[0] % 40);
            if i / 700 % 3 == 0 { 255 } else { value }
        })
        .collect();
    let mut out = Vec::new();
    PngEncoder::new_with_quality(&mut out, CompressionType::Fast, FilterType::Adaptive)
        .write_image(&data, side.0, side.1, color)
        .unwrap();
    out
}

fn pixels(decoded: Decoded<'_>) -> Raster {
    match decoded.source {
        Source::Pixels(raster) => raster,
        Source::Planes(_) => panic!("planes"),
    }
}

#[test]
fn rows_give_the_picture_that_all_of_them_at_once_give() {
    for (color, samples) in [
        (ExtendedColorType::L8, 1),
        (ExtendedColorType::La8, 2),
        (ExtendedColorType::Rgb8, 3),
        (ExtendedColorType::Rgba8, 4),
        (ExtendedColorType::Rgb16, 6),
        (ExtendedColorType::Rgba16, 8),
    ] {
        for (size, target) in [
            ((321, 203), (160, 101)),
            ((97, 301), (40, 124)),
            ((300, 40), (300, 7)),
            ((40, 64), (9, 64)),
            ((33, 500), (1, 3)),
        ] {
            let bytes = file(size, color, samples);
            let probed = probe(&bytes, &Limits::default()).unwrap();
            let found = pixels(probed.decode(target, false, None).unwrap());
            // Not to be reduced is the way by the whole picture.
            let whole = pixels(probed.decode(size, false, None).unwrap());
            assert_eq!((whole.width(), whole.height()), size);
            let expected = resize(&whole, None, target.0, target.1).unwrap();
            assert_eq!(
                (found.width(), found.height(), found.channels()),
                (target.0, target.1, expected.channels())
            );
            let alpha = found.channels().has_alpha();
            let pixels = found
                .data()
                .chunks(found.channels().count())
                .zip(expected.data().chunks(found.channels().count()));
            for (a, b) in pixels {
                // What is hardly seen has hardly a colour: dividing by alpha makes much of one level.
                let most = if alpha { 255 / u16::from(*b.last().unwrap()).max(1) + 1 } else { 1 };
                assert!(
                    a.iter().zip(b).all(|(a, b)| u16::from(a.abs_diff(*b)) <= most),
                    "{color:?} {size:?}: {a:?} {b:?}"
                );
            }
        }
    }
}

#[test]
fn what_is_damage_at_once_is_damage_by_rows() {
    let size = (120, 90);
    let whole = file(size, ExtendedColorType::Rgba8, 4);
    let truncated = (40..whole.len()).step_by(61).map(|length| whole[..length].to_vec());
    let flipped = (33..whole.len()).step_by(47).map(|place| {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        bytes
    });
    let mut damaged = 0;
    for bytes in truncated.chain(flipped) {
        let Ok(probed) = probe(&bytes, &Limits::default()) else { continue };
        let loss =
            |target| probed.decode(target, false, None).map(|decoded| decoded.loss).map_err(|e| e.code());
        let (by_rows, at_once) = (loss((30, 22)), loss(size));
        damaged += usize::from(at_once != Ok(None));
        assert_eq!(by_rows, at_once, "{} bytes", bytes.len());
    }
    assert!(damaged > 100, "{damaged} damaged files");
}

/// Samples of every depth and colour type, as rows without filters.
fn written(width: u32, depth: u8, colour: u8, chunks: &[([u8; 4], &[u8])], rows: &[u8]) -> Vec<u8> {
    let stride = rows.len() / 2;
    let raw: Vec<u8> = rows.chunks(stride).flat_map(|row| [&[0], row].concat()).collect();
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &raw).unwrap();
    let header = [&width.to_be_bytes()[..], &2_u32.to_be_bytes(), &[depth, colour, 0, 0, 0]].concat();
    let data = encoder.finish().unwrap();
    let all = [&[(*b"IHDR", &header[..])], chunks, &[(*b"IDAT", &data), (*b"IEND", &[])]].concat();
    let mut file = crate::probe::png::SIGNATURE.to_vec();
    for (kind, data) in all {
        file.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        file.extend(kind);
        file.extend(data);
        file.extend(crate::probe::png::checksum(kind, data).to_be_bytes());
    }
    file
}

/// Width, depth, colour type, chunks, two rows of bytes, and the samples that come out.
type Case<'a> = (u32, u8, u8, Vec<([u8; 4], &'a [u8])>, Vec<u8>, Vec<u8>);

#[test]
fn every_depth_is_what_pillow_and_chromium_make_of_it() {
    let palette: &[u8] = &[10, 20, 30, 40, 50, 60, 70, 80, 90, 1, 2, 3];
    let plte = (*b"PLTE", palette);
    let transparent = |data: &'static [u8]| (*b"tRNS", data);
    let cases: Vec<Case<'_>> = vec![
        (3, 1, 0, vec![], vec![0b1010_0000, 0b0101_1111], vec![255, 0, 255, 0, 255, 0]),
        (3, 2, 0, vec![], vec![0b0001_1000, 0b1110_0100], vec![0, 85, 170, 255, 170, 85]),
        (3, 4, 0, vec![], vec![0x0f, 0x10, 0x78, 0xaf], vec![0, 255, 17, 119, 136, 170]),
        (1, 16, 0, vec![], vec![0x80, 0x80, 0xff, 0x7e], vec![128, 254]),
        (3, 1, 3, vec![plte], vec![0b1010_0000, 0b0101_1111], {
            [&palette[3..6], &palette[..3], &palette[3..6], &palette[..3], &palette[3..6], &palette[..3]]
                .concat()
        }),
        (
            2,
            2,
            3,
            vec![plte],
            vec![0b1100_0000, 0b0110_0000],
            [&palette[9..], &palette[..3], &palette[3..9]].concat(),
        ),
        (2, 4, 3, vec![plte, transparent(&[9])], vec![0x03, 0x12], {
            vec![10, 20, 30, 9, 1, 2, 3, 255, 40, 50, 60, 255, 70, 80, 90, 255]
        }),
        // The high byte of a sample of few bits counts for nothing.
        (3, 1, 0, vec![transparent(&[7, 1])], vec![0b1010_0000, 0b0100_0000], {
            vec![255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255]
        }),
        // All 16 bits are compared.
        (
            2,
            16,
            0,
            vec![transparent(&[1, 2])],
            vec![1, 2, 1, 3, 1, 2, 0, 2],
            vec![1, 0, 1, 255, 1, 0, 0, 255],
        ),
        (1, 16, 2, vec![transparent(&[0, 1, 0, 2, 0, 3])], vec![0, 1, 0, 2, 0, 3, 0, 1, 0, 2, 0, 4], {
            vec![0, 0, 0, 0, 0, 0, 0, 255]
        }),
        (1, 16, 4, vec![], vec![0xff, 0xff, 0x80, 0x80, 0, 0, 0, 0], vec![255, 128, 0, 0]),
        (1, 16, 6, vec![], vec![0, 127, 0, 129, 1, 1, 0xff, 0xff, 0, 0, 0xff, 0x80, 2, 2, 0, 0], {
            vec![0, 1, 1, 255, 0, 255, 2, 0]
        }),
    ];
    for (width, depth, colour, chunks, rows, expected) in cases {
        let bytes = written(width, depth, colour, &chunks, &rows);
        let probed = probe(&bytes, &Limits::default()).unwrap();
        let found = pixels(probed.decode((width, 2), false, None).unwrap());
        assert_eq!(found.data(), expected, "{depth} bits, colour type {colour}");
    }
}

#[test]
fn a_deadline_that_passes_stops_both_ways() {
    let bytes = file((64, 64), ExtendedColorType::Rgb8, 3);
    let probed = probe(&bytes, &Limits::default()).unwrap();
    let late = Limits::default().with_deadline(Instant::now());
    for target in [(8, 8), (64, 64)] {
        let refused = decode(&bytes, &probed.header, target, None, &late).map(drop);
        assert_eq!(refused.map_err(|e| e.code()), Err("PROCESSING_TIMEOUT"));
    }
}

#[test]
fn sixteen_bits_are_rounded_to_the_nearest_of_eight() {
    let mut data: Vec<u8> = [0_u16, 128, 129, 257, 32_896, 65_406, 65_407, 65_535]
        .into_iter()
        .flat_map(u16::to_be_bytes)
        .collect();
    narrow(&mut data);
    assert_eq!(data, [0, 0, 1, 1, 128, 254, 255, 255]);
}

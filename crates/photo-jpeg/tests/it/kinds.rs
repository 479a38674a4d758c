//! Every kind of file that the encoder at hand can write: sampling, order of scans, colours, restarts.

use jpeg_encoder::{ColorType, SamplingFactor};
use photo_jpeg::{Color, Error, Jpeg};

use crate::support::{decode_at, difference, encoded, painted, read};

const SAMPLINGS: [SamplingFactor; 8] = [
    SamplingFactor::F_1_1,
    SamplingFactor::F_2_1,
    SamplingFactor::F_1_2,
    SamplingFactor::F_2_2,
    SamplingFactor::F_4_1,
    SamplingFactor::F_4_2,
    SamplingFactor::F_1_4,
    SamplingFactor::F_2_4,
];

#[test]
fn every_sampling_and_order_of_scans_gives_the_picture() {
    let size = (101, 67);
    let pixels = painted(size.0, size.1);
    for sampling in SAMPLINGS {
        let mut whole = None;
        for (kind, progressive, optimized, restart) in [
            ("baseline", false, false, 0),
            // A scan for each component.
            ("split", false, true, 0),
            ("progressive", true, false, 0),
            ("baseline with restarts", false, false, 3),
            ("progressive with restarts", true, false, 2),
        ] {
            let bytes = encoded(size, ColorType::Rgb, &pixels, |encoder| {
                encoder.set_sampling_factor(sampling);
                encoder.set_progressive(progressive);
                encoder.set_optimized_huffman_tables(optimized);
                encoder.set_restart_interval(restart);
            });
            for eighths in 1..=8 {
                let picture =
                    decode_at(&bytes, eighths).unwrap_or_else(|e| panic!("{sampling:?} {kind}: {e}"));
                assert_eq!(picture.color, Color::YCbCr);
                if eighths == 8 {
                    let decoded = picture.into_pixels();
                    let (_, ratio) = difference(&decoded, &pixels);
                    // Chroma at a quarter loses much; a block in the wrong place loses everything.
                    assert!(ratio > 22.0, "{sampling:?} {kind}: {ratio:.1} dB");
                    // The coefficients are the same in each order.
                    let first = whole.get_or_insert_with(|| decoded.clone());
                    assert_eq!(*first, decoded, "{sampling:?} {kind}");
                }
            }
        }
    }
}

#[test]
fn four_components_come_out_as_stored() {
    let size = (40, 24);
    let inks: Vec<u8> =
        painted(40, 24).as_chunks::<3>().0.iter().flat_map(|&[a, b, c]| [a, b, c, 77]).collect();
    for (color, expected) in [(ColorType::Cmyk, Color::Cmyk), (ColorType::CmykAsYcck, Color::Ycck)] {
        let bytes = encoded(size, color, &inks, |_| {});
        let jpeg = Jpeg::parse(&bytes).unwrap();
        assert_eq!(jpeg.color(), expected);
        let pixels = decode_at(&bytes, 8).unwrap().into_pixels();
        assert!(pixels.as_chunks::<4>().0.iter().all(|pixel| pixel[3].abs_diff(255 - 77) <= 1));
    }
}

#[test]
fn gray_is_one_plane_of_any_declared_sampling() {
    let gray: Vec<u8> = painted(50, 30).as_chunks::<3>().0.iter().map(|pixel| pixel[0]).collect();
    let mut bytes = encoded((50, 30), ColorType::Luma, &gray, |_| {});
    let plain = decode_at(&bytes, 8).unwrap();
    assert_eq!(plain.color, Color::Gray);
    assert!(difference(&plain.planes[0].samples, &gray).1 > 35.0);
    // A lone component has no units of several blocks, whatever its factors say.
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    bytes[frame + 11] = 0x22;
    assert_eq!(decode_at(&bytes, 8).unwrap().planes[0].samples, plain.planes[0].samples);
}

#[test]
fn a_profile_in_chunks_is_put_together_in_the_order_of_their_numbers() {
    let file = read("progressive.jpg");
    let chunk = |number: u8, count: u8, body: &[u8]| {
        let length = u16::try_from(body.len() + 16).unwrap().to_be_bytes();
        [&[0xff, 0xe2], &length[..], b"ICC_PROFILE\0", &[number, count], body].concat()
    };
    let with = |chunks: &[Vec<u8>]| [&file[..2], &chunks.concat(), &file[2..]].concat();
    let profile = |bytes: &[u8]| Jpeg::parse(bytes).unwrap().icc_profile();
    assert_eq!(profile(&file), None);
    assert_eq!(
        profile(&with(&[chunk(2, 2, b"world"), chunk(1, 2, b"hello ")])),
        Some(b"hello world".to_vec())
    );
    assert_eq!(profile(&with(&[chunk(1, 2, b"hello ")])), None, "a chunk is missing");
    let long = |bytes: usize| {
        let chunks =
            vec![1; bytes].chunks(65_000).zip(1..).map(|(part, n)| chunk(n, 65, part)).collect::<Vec<_>>();
        profile(&with(&chunks)).map(|profile| profile.len())
    };
    assert_eq!(long(4 << 20), Some(4 << 20));
    assert_eq!(long((4 << 20) + 1), None, "too long");
}

#[test]
fn what_is_not_decoded_says_so() {
    let file = read("subsampling-444.jpg");
    let at = file.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let with = |offset: usize, value: u8| {
        let mut bytes = file.clone();
        bytes[at + offset] = value;
        decode_at(&bytes, 8).map(drop)
    };
    for marker in [0xc3, 0xc5, 0xc7, 0xc9, 0xca, 0xcf, 0xf7] {
        assert!(matches!(with(1, marker), Err(Error::Unsupported(_))), "{marker:x}");
    }
    assert!(matches!(with(4, 12), Err(Error::Unsupported(_))), "12 bits");
    let mut flat = file.clone();
    flat[at + 5..at + 7].fill(0);
    assert!(matches!(decode_at(&flat, 8), Err(Error::Unsupported(_))), "height by DNL");
    assert!(matches!(with(11, 0x51), Err(Error::Corrupt(_))), "sampling of 5");
}

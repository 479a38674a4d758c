//! Lossless files of few colours, decoded by two decoders that are not ours and by ours: each sees the very pixels.

use super::lossless::{bitstream, own};
use super::*;

/// Areas of colours, `count` of them if there is room, with an alpha of this least value.
#[expect(clippy::cast_possible_truncation, reason = "wraps")]
fn areas(width: u32, height: u32, count: u32, least_alpha: u8, dots: bool) -> Vec<u8> {
    let mut grain = noise(count);
    let cell = 9;
    let across = width.div_ceil(cell);
    let mut color = |place: u32| {
        let n = (place * 7 + u32::from(dots && grain(0, 0, 0) > 250)) % count;
        let alpha = if least_alpha == 255 || n.is_multiple_of(3) { 255 } else { least_alpha };
        [(n * 37) as u8, (n * 101 + 5) as u8, (n / 2) as u8, alpha]
    };
    (0..width * height).flat_map(|i| color(i / width / cell * across + i % width / cell)).collect()
}

fn rgb(rgba: &[u8]) -> Vec<u8> {
    rgba.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect()
}

/// What decoders see of these pixels, and the file.
fn check(rgba: &[u8], channels: usize, size: (u32, u32)) -> Vec<u8> {
    let samples = if channels == 4 { rgba.to_vec() } else { rgb(rgba) };
    let file = encode_palette(&samples, channels, size).unwrap().unwrap();
    let seen: Vec<u8> = rgba
        .as_chunks::<4>()
        .0
        .iter()
        .flat_map(|pixel| if pixel[3] == 0 { [0; 4] } else { *pixel })
        .collect();
    let (libwebp, width, height) = webpx::decode_rgba(&file).unwrap();
    assert_eq!((width, height), size);
    assert!(libwebp == seen, "libwebp differs");
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(&file)).unwrap();
    let opaque = seen.iter().skip(3).step_by(4).all(|&alpha| alpha == 255);
    assert_eq!(decoder.has_alpha(), !opaque);
    let mut pixels = vec![0; decoder.output_buffer_size().unwrap()];
    decoder.read_image(&mut pixels).unwrap();
    let expected = if opaque { rgb(&seen) } else { seen };
    assert!(pixels == expected, "image-webp differs");
    let own = own(bitstream(&file)).unwrap();
    assert!(own.samples == expected && own.loss.is_none(), "our decoder differs");
    file
}

#[test]
fn pictures_of_few_colours_are_exact_at_every_size() {
    for (width, height) in [
        (1, 1),
        (1, 2),
        (2, 1),
        (9, 7),
        (1, 300),
        (300, 1),
        (131, 67),
        (300, 200),
        (MAX_SIDE, 2),
        (2, MAX_SIDE),
    ] {
        for count in [1, 2, 3, 4, 5, 16, 17, 100, 256] {
            for least_alpha in [255, 128, 0] {
                let pixels = areas(width, height, count, least_alpha, true);
                // What is not made of areas is not for this encoder: a row of nine colours is.
                if width.min(height) > 8 || count == 1 {
                    check(&pixels, 4, (width, height));
                }
            }
            if width.min(height) > 8 || count == 1 {
                check(&areas(width, height, count, 255, true), 3, (width, height));
            }
        }
    }
}

#[test]
fn a_drawing_takes_a_few_hundred_bytes() {
    let file = check(&areas(640, 400, 6, 255, false), 3, (640, 400));
    assert!(file.len() < 600, "{}", file.len());
    let file = check(&areas(640, 400, 1, 255, false), 3, (640, 400));
    assert!(file.len() < 80, "{}", file.len());
}

#[test]
fn photos_and_noise_are_left_to_the_lossy_encoder() {
    let size = (64, 64);
    let tried = |samples: &[u8]| encode_palette(samples, 3, size).unwrap().is_some();
    let mut grain = noise(2);
    let photo: Vec<u8> =
        (0..64 * 64 * 3).map(|i| u8::try_from(i / 3 % 200).unwrap() + grain(0, 0, 0) / 8).collect();
    assert!(!tried(&photo), "too many colours");
    let dithered: Vec<u8> = (0..64 * 64).flat_map(|_| [grain(0, 0, 0) & 0xe0; 3]).collect();
    assert!(!tried(&dithered), "no areas");
    assert!(tried(&rgb(&areas(64, 64, 256, 255, false))));
    // 257 colours, each in an area of its own.
    let many: Vec<u8> = (0..64_u32 * 64).flat_map(|i| (i / 15).to_be_bytes()[1..].to_vec()).collect();
    assert!(!tried(&many));
    let most: Vec<u8> = (0..64_u32 * 64).flat_map(|i| (i / 16).to_be_bytes()[1..].to_vec()).collect();
    assert!(tried(&most), "256 colours");
}

#[test]
fn samples_of_another_size_are_an_error() {
    let refused = |samples: &[u8], channels, size| encode_palette(samples, channels, size).map(drop);
    assert_eq!(refused(&[0; 11], 3, (2, 2)), Err(EncodeError::Samples { found: 11, expected: 12 }));
    assert_eq!(refused(&[0; 8], 2, (2, 2)), Err(EncodeError::Samples { found: 8, expected: 8 }));
    assert_eq!(refused(&[], 3, (0, 2)), Err(EncodeError::Size { width: 0, height: 2 }));
    let side = MAX_SIDE + 1;
    assert_eq!(refused(&[], 3, (side, 1)), Err(EncodeError::Size { width: side, height: 1 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_picture_of_areas_is_exact(
        width in 1_u32..90,
        height in 1_u32..60,
        colors in prop::collection::vec(any::<[u8; 4]>(), 1..300),
        seed: u32,
    ) {
        let mut noise = noise(seed);
        let mut pixels = Vec::new();
        while pixels.len() < (width * height * 4) as usize {
            let color = colors[usize::from(noise(0, 0, 0)) * usize::from(noise(0, 0, 0)) % colors.len()];
            pixels.extend(color.repeat(4 + usize::from(noise(0, 0, 0) % 60)));
        }
        pixels.truncate((width * height * 4) as usize);
        if encode_palette(&pixels, 4, (width, height)).unwrap().is_some() {
            check(&pixels, 4, (width, height));
        }
    }
}

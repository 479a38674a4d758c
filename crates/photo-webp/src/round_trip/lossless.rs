//! Lossless files of libwebp, decoded as libwebp does it.

use webpx::EncoderConfig;

use super::*;

/// Pixels of a kind that libwebp stores in its own way.
pub(super) const KINDS: [&str; 10] = [
    "photo",
    "two colours",
    "four colours",
    "16 colours",
    "100 colours",
    "256 colours",
    "gradient",
    "alpha",
    "noise",
    "related channels",
];

#[expect(clippy::cast_possible_truncation, reason = "wraps")]
pub(super) fn pixels(kind: &str, width: u32, height: u32) -> Vec<u8> {
    let Picture { y, u, v, .. } = scene(width, height);
    let half = width.div_ceil(2);
    let mut grain = noise(9);
    let mut colors = |count: u32, x: u32, y: u32| {
        let n = (x * x / 7 + y * y / 3 + u32::from(grain(0, 0, 0)) / 100) % count;
        [(n * 37) as u8, (n * 101 + 5) as u8, (n * 11 + 90) as u8, 255]
    };
    let mut grain = noise(4);
    (0..width * height)
        .flat_map(|i| {
            let (x, row) = (i % width, i / width);
            let luma = y[i as usize];
            let chroma = (row / 2 * half + x / 2) as usize;
            match kind {
                "photo" => [luma, u[chroma].wrapping_add(grain(0, 0, 0) / 32), v[chroma], 255],
                "two colours" => colors(2, x, row),
                "four colours" => colors(4, x, row),
                "16 colours" => colors(16, x, row),
                "100 colours" => colors(100, x, row),
                "256 colours" => colors(256, x, row),
                "gradient" => [(x + row) as u8, (x * 2) as u8, (row * 3) as u8, 255],
                "alpha" => [luma, u[chroma], v[chroma], (x * 5 + row) as u8],
                "noise" => [(); 4].map(|()| grain(0, 0, 0)),
                _ => {
                    let green = luma.wrapping_add(grain(0, 0, 0) / 64);
                    [green.wrapping_mul(2), green, green.wrapping_add(x as u8 / 9), 255]
                }
            }
        })
        .collect()
}

/// What the `VP8L` chunk holds.
pub(super) fn bitstream(file: &[u8]) -> &[u8] {
    let at = file.windows(4).position(|kind| kind == b"VP8L").unwrap() + 8;
    let length = u32::from_le_bytes(file[at - 4..at].try_into().unwrap()) as usize;
    &file[at..at + length]
}

pub(super) fn own(bitstream: &[u8]) -> Result<LosslessPicture, DecodeError> {
    let limits = &mut DecodeLimits { max_memory_bytes: 1 << 30, should_stop: &mut || false };
    decode_lossless(bitstream, limits)
}

/// Has our decoder find libwebp's pixels, within the memory that it says.
fn check(file: &[u8]) {
    let bitstream = bitstream(file);
    let picture = own(bitstream).unwrap();
    let (expected, width, height) =
        if picture.has_alpha { webpx::decode_rgba(file) } else { webpx::decode_rgb(file) }.unwrap();
    assert_eq!((picture.width, picture.height), (width, height));
    assert!(picture.samples == expected, "our decoder differs");
    let mut known = DecodeLimits { max_memory_bytes: 1 << 30, should_stop: &mut || false };
    let memory = lossless_memory_bytes(bitstream, &mut known).unwrap();
    let mut enough = DecodeLimits { max_memory_bytes: memory, should_stop: &mut || false };
    assert!(decode_lossless(bitstream, &mut enough).is_ok(), "what is known beforehand is enough");
    let mut less = DecodeLimits { max_memory_bytes: memory - 1, should_stop: &mut || false };
    let error = DecodeError::TooMuchMemory { bytes: memory, limit: memory - 1 };
    assert_eq!(decode_lossless(bitstream, &mut less), Err(error));
    assert_eq!(lossless_memory_bytes(bitstream, &mut less), Err(error), "the same before and during");
}

pub(super) fn by_libwebp(kind: &str, (width, height): (u32, u32), config: &EncoderConfig) -> Vec<u8> {
    config.encode_rgba(&pixels(kind, width, height), width, height, webpx::Unstoppable).unwrap()
}

#[test]
fn every_kind_of_picture_is_decoded_as_libwebp_does() {
    for kind in KINDS {
        for method in 0..=6 {
            for quality in [0.0, 50.0, 100.0] {
                let config = EncoderConfig::new_lossless().method(method).quality(quality);
                check(&by_libwebp(kind, (150, 77), &config));
            }
        }
        for near_lossless in [0, 40, 80] {
            let config = EncoderConfig::new_lossless().near_lossless(near_lossless);
            check(&by_libwebp(kind, (150, 77), &config));
        }
        check(&by_libwebp(kind, (150, 77), &EncoderConfig::new_lossless().exact(true)));
    }
}

#[test]
fn pictures_of_any_size_are_decoded_as_libwebp_does() {
    let sizes = [
        (1, 1),
        (2, 1),
        (1, 2),
        (3, 3),
        (1, 300),
        (300, 1),
        (7, 9),
        (8, 8),
        (9, 7),
        (15, 17),
        (16, 16),
        (17, 15),
        (33, 65),
        (129, 31),
        (MAX_SIDE, 3),
        (3, MAX_SIDE),
        (640, 480),
    ];
    for kind in KINDS {
        for size in sizes {
            check(&by_libwebp(kind, size, &EncoderConfig::new_lossless().method(4)));
        }
    }
}

#[test]
fn decoding_stops_when_it_is_asked_to() {
    let file = by_libwebp("photo", (300, 300), &EncoderConfig::new_lossless());
    let looks = |stop_at: u32| {
        let mut asked = 0;
        let mut should_stop = || {
            asked += 1;
            asked == stop_at
        };
        let limits = &mut DecodeLimits { max_memory_bytes: 1 << 30, should_stop: &mut should_stop };
        let stopped = decode_lossless(bitstream(&file), limits).map(drop);
        (stopped, asked)
    };
    let (whole, all) = looks(u32::MAX);
    assert_eq!(whole, Ok(()));
    assert!(all > 10, "{all}");
    for stop_at in 1..=all {
        assert_eq!(looks(stop_at), (Err(DecodeError::Stopped), stop_at));
    }
}

#[test]
fn headers_that_say_what_cannot_be_are_errors() {
    let file = by_libwebp("photo", (20, 20), &EncoderConfig::new_lossless());
    let with = |at: usize, byte: u8| {
        let mut bitstream = bitstream(&file).to_vec();
        bitstream[at] = byte;
        own(&bitstream).map(drop).map_err(|error| error.to_string())
    };
    let last = bitstream(&file)[4];
    assert_eq!(with(0, 0x2f), Ok(()));
    assert_eq!(with(0, 0x2e), Err("invalid VP8L stream".to_owned()));
    assert_eq!(with(4, last | 0x20), Err("invalid VP8L stream".to_owned()), "another version");
    assert_eq!(own(&[0x2f, 0, 0, 0]).map(drop).unwrap_err().to_string(), "the VP8L stream ends too early");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn damage_is_what_libwebp_makes_of_it(
        kind in prop::sample::select(KINDS.to_vec()),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..4),
        method in 0_u8..=6,
    ) {
        let mut file = by_libwebp(kind, (40, 30), &EncoderConfig::new_lossless().method(method));
        // libwebp reads on beyond the chunk. So the byte that pads it belongs to the chunk here.
        let at = file.windows(4).position(|kind| kind == b"VP8L").unwrap() + 8;
        let length = file.len() - at;
        file[at - 4..at].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
        for (place, bit) in flips {
            // Not the size, which could take long.
            file[at + 5 + place.index(length - 5)] ^= 1 << bit;
        }
        let found = own(bitstream(&file));
        let expected = match &found {
            Ok(found) if !found.has_alpha => webpx::decode_rgb(&file),
            _ => webpx::decode_rgba(&file),
        };
        match (found, expected) {
            (Ok(found), Ok((expected, ..))) => {
                prop_assert!(found.samples == expected && found.loss.is_none(), "another picture");
            }
            (Ok(found), Err(_)) => prop_assert!(found.loss.is_some(), "a loss that libwebp alone sees"),
            (Err(_), Err(_)) => {}
            (found, expected) => prop_assert!(false, "{:?}, by libwebp {:?}", found.map(drop), expected.map(drop)),
        }
    }
}

//! Files of libwebp's encoder, which uses what ours does not: each must be decoded to libwebp's own samples.

use webpx::EncoderConfig;

use super::*;

/// The content of the chunk, which is the only one.
pub(super) fn frame_of(file: &[u8]) -> &[u8] {
    let length = u32::from_le_bytes(file[16..20].try_into().unwrap()) as usize;
    &file[20..20 + length]
}

fn pixels(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let Picture { y, u, v, .. } = scene(width, height);
    let half = width.div_ceil(2);
    let mut grain = noise(seed);
    (0..width * height)
        .flat_map(|i| {
            let chroma = (i / width / 2 * half + i % width / 2) as usize;
            [y[i as usize], u[chroma], v[chroma]]
        })
        .map(|level| level.saturating_add(grain(0, 0, 0) / 16))
        .collect()
}

pub(super) fn by_libwebp(width: u32, height: u32, config: &EncoderConfig) -> Vec<u8> {
    config.encode_rgb(&pixels(width, height, 5), width, height, webpx::Unstoppable).unwrap()
}

#[test]
fn files_with_every_feature_of_the_format_are_decoded_as_libwebp_does() {
    let mut files = 0;
    for method in [0, 3, 6] {
        for (filter_type, sharpness) in [(0, 0), (0, 5), (1, 0), (1, 3), (1, 7)] {
            for strength in [0, 10, 60, 100] {
                for (segments, partitions) in [(1, 0), (2, 1), (4, 3)] {
                    let config = EncoderConfig::new()
                        .quality(f32::from(strength) * 0.9 + 5.0)
                        .method(method)
                        .filter_type(filter_type)
                        .filter_sharpness(sharpness)
                        .filter_strength(strength)
                        .segments(segments)
                        .partitions(partitions);
                    decoded(&by_libwebp(150, 77, &config));
                    files += 1;
                }
            }
        }
    }
    assert_eq!(files, 180);
}

#[test]
fn files_of_any_quality_and_size_are_decoded_as_libwebp_does() {
    for quality in (0_u8..=100).step_by(4) {
        for (width, height) in [(1, 1), (16, 16), (17, 5), (64, 65), (129, 31)] {
            let config =
                EncoderConfig::new().quality(f32::from(quality)).autofilter(quality % 8 == 0).pass(2);
            decoded(&by_libwebp(width, height, &config));
        }
    }
}

#[test]
fn headers_that_say_what_cannot_be_are_errors() {
    let file = by_libwebp(20, 20, &EncoderConfig::new());
    let frame = frame_of(&file);
    let with = |at: usize, byte: u8| {
        let mut frame = frame.to_vec();
        frame[at] = byte;
        decode(&frame, &mut || false).map(drop).map_err(|error| error.to_string())
    };
    let error = |reason: &str| Err(reason.to_owned());
    assert_eq!(with(0, frame[0]), Ok(()));
    assert_eq!(with(0, frame[0] | 1), error("not a key frame of VP8"));
    assert_eq!(with(0, frame[0] | 8), error("an unknown profile"));
    assert_eq!(with(0, frame[0] & !16), error("a frame that is not shown"));
    assert_eq!(with(2, 255), error("the frame ends too early"));
    assert_eq!(with(4, 0), error("not a key frame of VP8"));
    assert_eq!(with(6, 0), error("a side is zero"));
}

#[test]
fn decoding_stops_when_it_is_asked_to() {
    let file = by_libwebp(20, 100, &EncoderConfig::new());
    let mut asked = 0;
    let stopped = decode(frame_of(&file), &mut || {
        asked += 1;
        asked == 4
    });
    assert_eq!((stopped, asked), (Err(DecodeError::Stopped), 4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn damage_is_an_error_or_some_picture_of_the_size(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..6),
        partitions in 0_u8..4,
    ) {
        let file = by_libwebp(60, 50, &EncoderConfig::new().partitions(partitions).segments(4));
        let mut frame = frame_of(&file).to_vec();
        for (place, bit) in flips {
            // Not the size, which could take long.
            let place = 10 + place.index(frame.len() - 10);
            frame[place] ^= 1 << bit;
        }
        if let Ok(picture) = decode(&frame, &mut || false) {
            prop_assert_eq!((picture.width, picture.height, picture.y.len()), (60, 50, 3000));
            prop_assert_eq!((picture.u.len(), picture.v.len()), (750, 750));
        }
    }
}

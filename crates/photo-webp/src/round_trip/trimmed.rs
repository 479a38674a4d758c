//! Streams without what stands behind their end: libwebp and image-webp see the same pixels as before.

use webpx::EncoderConfig;

use super::lossless::{KINDS, bitstream, pixels};
use super::others::{by_libwebp, frame_of};
use super::*;

const TAIL: &[u8] = b"SECRET+hidden+by+the+sender";

fn limits(look: &mut dyn FnMut() -> bool) -> DecodeLimits<'_> {
    DecodeLimits { max_memory_bytes: 1 << 30, should_stop: look }
}

fn file(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let length = |length: usize| u32::try_from(length).unwrap().to_le_bytes();
    let mut file = [b"RIFF", &length(0)[..], b"WEBP", &kind, &length(data.len()), data].concat();
    file.resize(file.len().next_multiple_of(2), 0);
    let size = length(file.len() - 8);
    file[4..8].copy_from_slice(&size);
    file
}

/// The frame with a tail behind each of its partitions.
fn with_tails(frame: &[u8], partitions: usize) -> Vec<u8> {
    let longer = |size: &[u8], shift: u32| {
        let size = u32::from_le_bytes([size[0], size[1], size[2], 0]);
        let added = u32::try_from(TAIL.len()).unwrap() << shift;
        ((size >> shift) as usize, (size + added).to_le_bytes()[..3].to_vec())
    };
    let (first, tag) = longer(&frame[..3], 5);
    let (mut out, sizes) = ([&tag, &frame[3..10 + first], TAIL].concat(), &frame[10 + first..]);
    let (sizes, mut rest) = sizes.split_at(3 * (partitions - 1));
    let sizes: Vec<_> = sizes.chunks(3).map(|size| longer(size, 0)).collect();
    out.extend(sizes.iter().flat_map(|(_, size)| size));
    for (size, _) in sizes {
        out.extend([&rest[..size], TAIL].concat());
        rest = &rest[size..];
    }
    [&out, rest, TAIL].concat()
}

#[test]
fn frames_without_tails_show_the_same() {
    for (width, height) in [(1, 1), (17, 5), (16, 40), (150, 77), (40, 300)] {
        for (method, quality) in [(0, 5.0), (1, 99.0), (2, 60.0), (6, 80.0)] {
            for log in 0..4_u8 {
                let config = EncoderConfig::new().method(method).quality(quality).partitions(log);
                let whole = by_libwebp(width, height, &config);
                let frame = frame_of(&whole);
                let [before, _] = decoded(&whole);
                let trimmed = trim_frame(frame, &mut || false).unwrap();
                assert!(trimmed.len() <= frame.len());
                // From method 3 on, libwebp ignores the setting and writes one partition.
                let long = with_tails(frame, if method < 3 { 1 << log } else { 1 });
                assert!(decoded(&file(*b"VP8 ", &long))[0].same(&before), "tails show");
                let cut = trim_frame(&long, &mut || false).unwrap();
                assert!(decoded(&file(*b"VP8 ", &cut))[0].same(&before), "the cut shows");
                assert!(cut.len() <= trimmed.len() + 9, "more than a byte of a tail");
                assert!(!cut.windows(4).any(|window| window == &TAIL[..4]), "a tail is still there");
                assert!(trim_frame(&trimmed, &mut || false).unwrap() == trimmed, "once is not enough");
                let [libwebp, image] = decoded(&file(*b"VP8 ", &trimmed));
                assert!(libwebp.same(&before) && image.same(&before), "{width} x {height}, {log}");
            }
        }
    }
}

#[test]
fn trimming_a_frame_refuses_what_has_a_loss() {
    let whole = by_libwebp(90, 70, &EncoderConfig::new().method(2).partitions(2));
    let frame = frame_of(&whole);
    for length in 0..frame.len() {
        let decoded = decode(&frame[..length], &mut || false);
        let decoded = decoded.and_then(|picture| picture.loss.map_or(Ok(()), |loss| Err(loss.reason)));
        assert_eq!(trim_frame(&frame[..length], &mut || false).map(drop), decoded, "{length}");
    }
    assert_eq!(trim_frame(frame, &mut || true), Err(DecodeError::Stopped));
}

fn by_image_webp(file: &[u8]) -> Vec<u8> {
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(file)).unwrap();
    let mut pixels = vec![0; decoder.output_buffer_size().unwrap()];
    decoder.read_image(&mut pixels).unwrap();
    pixels
}

#[test]
fn lossless_streams_end_where_their_length_says() {
    for kind in KINDS {
        for (width, height) in [(1, 1), (13, 7), (130, 66)] {
            for method in [0, 3, 6] {
                let config = EncoderConfig::new_lossless().method(method);
                let samples = pixels(kind, width, height);
                let whole = config.encode_rgba(&samples, width, height, webpx::Unstoppable).unwrap();
                let stream = bitstream(&whole);
                let long = [stream, TAIL].concat();
                let length = lossless_length(&long, &mut limits(&mut || false)).unwrap();
                assert!(length <= stream.len(), "{length} of {}", stream.len());
                assert_eq!(lossless_length(&stream[..length], &mut limits(&mut || false)), Ok(length));
                assert!(lossless_length(&stream[..length - 1], &mut limits(&mut || false)).is_err());
                let cut = file(*b"VP8L", &stream[..length]);
                assert_eq!(webpx::decode_rgba(&cut).unwrap(), webpx::decode_rgba(&whole).unwrap());
                assert!(by_image_webp(&cut) == by_image_webp(&whole), "{kind}");
            }
        }
    }
}

#[test]
fn alpha_ends_where_its_length_says() {
    for (width, height) in [(1, 1), (13, 7), (130, 66)] {
        for method in [0, 3, 6] {
            let config = EncoderConfig::new().method(method).alpha_quality(100);
            let samples = pixels("alpha", width, height);
            let mut whole = config.encode_rgba(&samples, width, height, webpx::Unstoppable).unwrap();
            assert_eq!(&whole[30..34], b"ALPH");
            let size = u32::from_le_bytes(whole[34..38].try_into().unwrap()) as usize;
            let chunk = whole[38..38 + size].to_vec();
            let of = |chunk: &[u8]| alpha_length(chunk, (width, height), &mut limits(&mut || false));
            let length = of(&[&chunk, TAIL].concat()).unwrap();
            assert!(length <= size, "{length} of {size}");
            assert_eq!(of(&chunk[..length]), Ok(length));
            assert!(of(&chunk[..length - 1]).is_err());
            let before = (webpx::decode_rgba(&whole).unwrap(), by_image_webp(&whole));
            whole.splice(38..38 + size.next_multiple_of(2), chunk[..length].iter().copied());
            if length % 2 == 1 {
                whole.insert(38 + length, 0);
            }
            whole[34..38].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
            let riff = u32::try_from(whole.len() - 8).unwrap().to_le_bytes();
            whole[4..8].copy_from_slice(&riff);
            assert!(before == (webpx::decode_rgba(&whole).unwrap(), by_image_webp(&whole)));
        }
    }
}

//! Files that end too early or are damaged among their pixels: the rows in front of that place are those of the whole file.

use webpx::{ColorMode, DecodeStatus, EncoderConfig, StreamingDecoder};

use super::lossless::{self, KINDS, bitstream, own};
use super::others::{by_libwebp, frame_of};
use super::*;

/// Of a file of one chunk: the file with this content, which may be shorter than the chunk says.
fn with_content(file: &[u8], content: &[u8]) -> Vec<u8> {
    [&file[..20], content].concat()
}

/// How many rows libwebp's incremental decoder shows of a file that has not come whole, and their samples, RGBA.
fn rows_by_libwebp(file: &[u8]) -> (u32, Vec<u8>) {
    let mut decoder = StreamingDecoder::new(ColorMode::Rgba).unwrap();
    match decoder.append(file) {
        Ok(DecodeStatus::Complete | DecodeStatus::Partial(_) | DecodeStatus::NeedMoreData) => {}
        other => panic!("{other:?}"),
    }
    decoder.get_partial().map_or((0, Vec::new()), |(samples, width, rows)| {
        (rows, samples[..4 * width as usize * rows as usize].to_vec())
    })
}

#[test]
fn a_frame_cut_off_gives_the_rows_before_its_end() {
    for (partitions, width, height) in [(0, 90, 150), (2, 90, 150), (0, 16, 16), (0, 33, 17)] {
        let config = EncoderConfig::new().method(2).partitions(partitions);
        let file = by_libwebp(width, height, &config);
        let frame = frame_of(&file);
        let whole = decode(frame, &mut || false).unwrap();
        assert_eq!(whole.loss, None);
        let mut last = 0;
        for length in 0..frame.len() {
            let picture = match decode(&frame[..length], &mut || false) {
                Ok(picture) => picture,
                Err(error) => {
                    assert!(matches!(error, DecodeError::Corrupt(_)) && last == 0, "{length}: {error:?}");
                    continue;
                }
            };
            let Some(loss) = picture.loss else {
                // Of the last byte not every bit need be asked for.
                assert!(length + 2 >= frame.len() && picture == whole, "{length}");
                continue;
            };
            let rows = loss.received_rows;
            assert!(rows >= last && rows < height && rows.is_multiple_of(16), "{length}: {rows} rows");
            last = rows;
            // The filter of the row behind changes three rows at most.
            let same = (rows as usize - 3) * width as usize;
            assert!(picture.y[..same] == whole.y[..same], "{length}: other pixels");
            let half = width.div_ceil(2) as usize;
            assert!(picture.u[..(rows as usize / 2 - 3) * half] == whole.u[..(rows as usize / 2 - 3) * half]);
            assert!(picture.y[(rows * width) as usize..].iter().all(|&y| y == 126), "{length}: not gray");
            assert!(picture.v[rows as usize / 2 * half..].iter().all(|&v| v == 128), "{length}: not gray");
        }
        assert!(last + 16 >= height || partitions > 0, "{last}");
    }
}

#[test]
fn a_frame_cut_off_gives_as_much_as_libwebp_shows() {
    let file = by_libwebp(90, 150, &EncoderConfig::new().method(2));
    let frame = frame_of(&file);
    for length in (frame.len() / 4..frame.len()).step_by(7) {
        let rows = decode(&frame[..length], &mut || false)
            .map_or(0, |picture| picture.loss.map_or(picture.height, |loss| loss.received_rows));
        let (expected, _) = rows_by_libwebp(&with_content(&file, &frame[..length]));
        // libwebp holds back what its filter may still change.
        assert!(rows >= expected && rows <= expected + 32, "{length}: {rows} rows, by libwebp {expected}");
    }
}

#[test]
fn a_stream_cut_off_gives_the_rows_before_its_end() {
    for kind in KINDS {
        for method in [0, 4, 6] {
            let file = lossless::by_libwebp(kind, (61, 47), &EncoderConfig::new_lossless().method(method));
            let bitstream = bitstream(&file);
            let whole = own(bitstream).unwrap();
            let channels = if whole.has_alpha { 4 } else { 3 };
            let mut last = 0;
            for length in 0..bitstream.len() {
                let picture = match own(&bitstream[..length]) {
                    Ok(picture) => picture,
                    Err(error) => {
                        assert!(
                            matches!(error, DecodeError::Corrupt(_)) && last == 0,
                            "{kind}, {length}: {error:?}"
                        );
                        continue;
                    }
                };
                let Some(loss) = picture.loss else {
                    // The last bytes may hold nothing but zeros that fill them up.
                    assert!(length + 2 >= bitstream.len() && picture == whole, "{kind}, {length}");
                    continue;
                };
                let rows = loss.received_rows;
                assert!(rows >= last && rows < 47, "{kind}, {length}: {rows} rows");
                last = rows;
                let received = rows as usize * 61 * channels;
                assert!(picture.samples.len() == whole.samples.len());
                assert!(
                    picture.samples[..received] == whole.samples[..received],
                    "{kind}, {length}: other pixels"
                );
                let missing = if whole.has_alpha { 0 } else { 128 };
                assert!(
                    picture.samples[received..].iter().all(|&sample| sample == missing),
                    "{kind}, {length}"
                );
            }
            assert!(last > 35 || bitstream.len() < 80, "{kind}, {method}: {last} rows of the longest");
        }
    }
}

#[test]
fn a_stream_cut_off_gives_at_least_what_libwebp_shows() {
    let file = lossless::by_libwebp("photo", (90, 150), &EncoderConfig::new_lossless());
    let bitstream = bitstream(&file);
    for length in (bitstream.len() / 4..bitstream.len()).step_by(97) {
        let picture = own(&bitstream[..length]).unwrap();
        let rows = picture.loss.map_or(picture.height, |loss| loss.received_rows);
        let (expected, samples) = rows_by_libwebp(&with_content(&file, &bitstream[..length]));
        assert!(rows >= expected, "{length}: {rows} rows, by libwebp {expected}");
        let opaque: Vec<u8> = samples.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
        assert!(picture.samples[..opaque.len()] == opaque, "{length}");
    }
}

#[test]
fn alpha_cut_off_gives_the_rows_before_its_end() {
    let (width, height) = (61, 47);
    let decode = |chunk: &[u8]| {
        let limits = &mut DecodeLimits { max_memory_bytes: 1 << 30, should_stop: &mut || false };
        decode_alpha(chunk, (width, height), limits)
    };
    let mut noise = noise(3);
    let plane: Vec<u8> =
        (0..width * height).map(|i| noise(0, 0, 0) / 32 + u8::try_from(i % 200).unwrap()).collect();
    let stored = [&[0], &plane[..]].concat();
    for chunk in [stored, crate::alpha::encode(&plane, width as usize)] {
        let mut last = 0;
        assert_eq!(decode(&chunk), Ok(Alpha { samples: plane.clone(), loss: None }));
        for length in 0..chunk.len() {
            let alpha = match decode(&chunk[..length]) {
                Ok(alpha) => alpha,
                Err(error) => {
                    assert!(matches!(error, DecodeError::Corrupt(_)) && last == 0, "{length}: {error:?}");
                    continue;
                }
            };
            let Some(loss) = alpha.loss else {
                assert!(length + 2 >= chunk.len() && alpha.samples == plane, "{length}");
                continue;
            };
            assert!(loss.received_rows >= last && loss.received_rows < height, "{length}");
            last = loss.received_rows;
            let received = (last * width) as usize;
            assert!(alpha.samples[..received] == plane[..received], "{length}");
            assert!(alpha.samples[received..].iter().all(|&alpha| alpha == 255), "{length}: not opaque");
        }
        assert!(last + 2 >= height, "{last}");
    }
}

#[test]
fn alpha_counts_that_the_header_denies() {
    let file = lossless::by_libwebp("alpha", (9, 7), &EncoderConfig::new_lossless());
    let mut stream = bitstream(&file).to_vec();
    let announced = own(&stream).unwrap();
    assert_eq!(announced.samples.len(), 9 * 7 * 4);
    stream[4] &= !0x10;
    assert_eq!(own(&stream), Ok(announced));
}

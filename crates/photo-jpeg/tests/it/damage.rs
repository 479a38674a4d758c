//! Damage that costs pixels: what has arrived comes out, what is missing is gray and counted, the same at every scale.

use photo_jpeg::{Decoded, Error, Jpeg, Scales};
use proptest::prelude::*;

use crate::support::{data_start, decode_at, decoded_at, encoded, markers, painted, read, scale};

const KINDS: [&str; 5] =
    ["progressive.jpg", "subsampling-422.jpg", "restart-markers.jpg", "grayscale.jpg", "cmyk.jpg"];

/// Thousandths of rows that were received, of the whole height.
fn received(decoded: &Decoded) -> u64 {
    decoded.loss.map_or(1000 * u64::from(decoded.picture.height), |loss| {
        assert!(loss.received < loss.total, "{loss:?}");
        loss.received
    })
}

#[test]
fn a_file_cut_off_anywhere_claims_no_more_than_came() {
    for name in KINDS {
        let bytes = read(name);
        let whole = decode_at(&bytes, 8).unwrap();
        let start = data_start(&bytes);
        let mut before = 0;
        for length in (0..bytes.len()).step_by(bytes.len() / 200 + 1) {
            let Ok(decoded) = decoded_at(&bytes[..length], 8) else {
                assert!(length <= start, "{name} cut at {length}");
                continue;
            };
            let rows = received(&decoded) / 1000;
            assert!(rows >= before, "{name} cut at {length}: {rows} rows after {before}");
            before = rows;
            if name != "progressive.jpg" {
                // All rows but those of the last MCU, which may be there in part.
                let sure = (rows as usize).saturating_sub(16) * whole.planes[0].width;
                assert!(
                    decoded.picture.planes[0].samples[..sure] == whole.planes[0].samples[..sure],
                    "{name}"
                );
            }
            let eighths = 1 + (length % 8) as u8;
            assert_eq!(decoded_at(&bytes[..length], eighths).unwrap().loss, decoded.loss, "{name}");
        }
        // A few bytes short of the end; progressive files lack a part of their last refinement only.
        let last = decoded_at(&bytes[..bytes.len() - 8], 8).unwrap();
        assert!(last.loss.is_some() != (name == "progressive.jpg"), "{name}: {:?}", last.loss);
        assert_eq!(decode_at(&bytes[..bytes.len() - 2], 8).unwrap(), whole, "{name} without EOI");
        assert_eq!(decode_at(&bytes[..bytes.len() - 1], 8).unwrap(), whole, "{name} with half of it");
    }
}

#[test]
fn a_cut_file_that_is_closed_or_filled_is_as_damaged() {
    for name in KINDS {
        let bytes = read(name);
        let scan = data_start(&bytes);
        for length in (scan..bytes.len() - 8).step_by((bytes.len() - scan) / 50 + 1) {
            let cut = &bytes[..length];
            if cut.ends_with(&[0xff]) {
                continue;
            }
            let expected = decoded_at(cut, 8).unwrap();
            for tail in
                [&[0xff, 0xd9][..], &[0xff, 0xff], b"\xff\xd8\xff\xe1\0\x04ab", &[0xff, 0xd9, 0, 1, 2]]
            {
                let closed = decoded_at(&[cut, tail].concat(), 8).unwrap();
                assert_eq!(closed.picture, expected.picture, "{name} cut at {length}, then {tail:x?}");
                assert_eq!(received(&closed), received(&expected));
            }
            // Of a long run of zeros, the first may be data.
            let filled = decoded_at(&[cut, &vec![0; bytes.len() - length]].concat(), 8).unwrap();
            assert!(received(&filled) <= received(&expected) + 16_000, "{name}: {:?}", filled.loss);
        }
    }
}

#[test]
fn missing_mcus_are_gray() {
    let bytes = read("subsampling-422.jpg");
    let whole = decode_at(&bytes, 8).unwrap();
    for eighths in [1, 3, 8] {
        let cut = decoded_at(&bytes[..bytes.len() / 2], eighths).unwrap();
        let loss = cut.loss.unwrap();
        assert_eq!(loss.total, 1000 * u64::from(whole.height));
        let first_missing = (loss.received as usize / 1000 + 8) * usize::from(eighths) / 8;
        for plane in &cut.picture.planes {
            let below = &plane.samples[(first_missing + 1) * plane.width..];
            assert!(!below.is_empty() && below.iter().all(|&sample| sample == 128), "{eighths}/8");
        }
    }
}

#[test]
fn a_loss_of_a_low_picture_is_a_share_of_it() {
    for height in [1, 2, 3, 8] {
        // Ten restart intervals of ten blocks.
        let pixels = vec![90; 800 * usize::from(height)];
        let bytes = encoded((800, height), jpeg_encoder::ColorType::Luma, &pixels, |encoder| {
            encoder.set_restart_interval(10);
        });
        let restarts = markers(&bytes);
        for (intervals, &end) in (1..10).zip(&restarts) {
            let loss = decoded_at(&bytes[..end], 8).unwrap().loss.unwrap();
            let expected = (intervals * loss.total / 10, 1000 * u64::from(height));
            assert_eq!(
                (loss.received, loss.total),
                expected,
                "{intervals} of 10 intervals, {height} px high"
            );
        }
    }
}

#[test]
fn a_damaged_restart_interval_costs_itself() {
    let bytes = read("restart-markers.jpg");
    let whole = decode_at(&bytes, 8).unwrap();
    let restarts = markers(&bytes);
    let (from, to) = (restarts[restarts.len() / 2] + 2, restarts[restarts.len() / 2 + 1]);
    // Bits of one: no code of sixteen of them is in a table.
    let garbled = [&bytes[..from], &[0xff, 0].repeat(20), &bytes[to..]].concat();
    let emptied = [&bytes[..from], &bytes[to..]].concat();
    // With the interval goes its marker, or the one behind it.
    let removed = [&bytes[..from - 2], &bytes[to..]].concat();
    let merged = [&bytes[..to], &bytes[to + 2..]].concat();
    for (kind, damaged) in
        [("garbled", garbled), ("emptied", emptied), ("removed", removed), ("merged", merged)]
    {
        for eighths in [2, 8] {
            let decoded = decoded_at(&damaged, eighths).unwrap();
            let loss = decoded.loss.unwrap();
            assert!(loss.received * 100 >= loss.total * 90, "{kind}: {loss:?}");
            let whole = if eighths == 8 { whole.clone() } else { decode_at(&bytes, eighths).unwrap() };
            let wrong = |row: usize| decoded.picture.planes[0].row(row) != whole.planes[0].row(row);
            let rows = whole.planes[0].height;
            assert!(
                (0..rows).any(wrong) && !wrong(0) && !wrong(rows - 1),
                "{kind}: the rest is in its place"
            );
        }
    }
}

#[test]
fn scans_of_a_progressive_file_count_by_what_they_bring() {
    // DC of all; AC of luma in two bands and of chroma, each first and refined.
    let bytes = read("progressive.jpg");
    let whole = decode_at(&bytes, 8).unwrap();
    let scans: Vec<usize> = (0..bytes.len() - 1).filter(|&at| bytes[at..at + 2] == [0xff, 0xda]).collect();
    let is_first = |at: usize| {
        let parameters = at + 5 + 2 * usize::from(bytes[at + 4]);
        bytes[parameters + 2] >> 4 == 0
    };
    let mut before = 0;
    for (count, &end) in scans.iter().enumerate().skip(1) {
        let decoded = decoded_at(&[&bytes[..end], &[0xff, 0xd9]].concat(), 8).unwrap();
        assert!(received(&decoded) >= before, "{count} scans");
        before = received(&decoded);
        let missing_first = scans[count..].iter().any(|&at| is_first(at));
        assert_eq!(decoded.loss.is_some(), missing_first, "{count} scans: {:?}", decoded.loss);
        if count == 1 {
            assert_eq!(before, 500 * u64::from(whole.height), "DC is half of a picture: {before}");
        }
        let far = decoded.picture.planes[0].samples.iter().zip(&whole.planes[0].samples);
        let mean =
            far.map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>() / whole.planes[0].samples.len() as u64;
        assert!(mean < 16, "{count} scans: {mean} levels off");
    }
    // Without one of them; the tables of the others stay.
    let all = markers(&bytes);
    for &scan in &scans {
        let end = all.iter().find(|&&at| at > scan).unwrap();
        let without = [&bytes[..scan], &bytes[*end..]].concat();
        let loss = decoded_at(&without, 8).unwrap().loss;
        // A refinement that builds on a missing one is read wrongly, and says so; the last one of all is not missed.
        if is_first(scan) || scan == scans[scans.len() - 1] {
            assert_eq!(loss.is_some(), is_first(scan), "{loss:?}");
        }
    }
}

#[test]
fn a_component_without_a_scan_is_gray_and_missing() {
    let (size, pixels) = ((64, 48), painted(64, 48));
    // A scan for each component.
    let bytes = encoded(size, jpeg_encoder::ColorType::Rgb, &pixels, |encoder| {
        encoder.set_optimized_huffman_tables(true);
    });
    let whole = decode_at(&bytes, 8).unwrap();
    let scans: Vec<usize> = (0..bytes.len() - 1).filter(|&at| bytes[at..at + 2] == [0xff, 0xda]).collect();
    assert_eq!(scans.len(), 3);
    let luma = decoded_at(&bytes[..scans[1]], 8).unwrap();
    assert_eq!(luma.picture.planes[0], whole.planes[0]);
    assert!(luma.picture.planes[1].samples.iter().all(|&sample| sample == 128));
    assert_eq!(luma.loss.map(|loss| (loss.received, loss.total)), Some((24_000, 48_000)));
    let no_cr = decoded_at(&bytes[..scans[2]], 8).unwrap();
    assert_eq!(no_cr.loss.map(|loss| (loss.received, loss.total)), Some((36_000, 48_000)));
}

#[test]
fn noise_behind_a_header_is_less_than_half_of_a_picture() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for name in KINDS {
        let bytes = read(name);
        let start = data_start(&bytes);
        for _ in 0..40 {
            let noise: Vec<u8> = (start..bytes.len())
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state as u8
                })
                .collect();
            let loss = decoded_at(&[&bytes[..start], &noise].concat(), 1).unwrap().loss.unwrap();
            assert!(2 * loss.received < loss.total, "{name}: {loss:?}");
        }
    }
}

#[test]
fn a_file_without_a_scan_is_refused() {
    let bytes = read("progressive.jpg");
    let scan = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    for length in (0..scan + 10).step_by(7) {
        assert!(matches!(decoded_at(&bytes[..length], 8), Err(Error::Corrupt(_))), "cut at {length}");
    }
    let closed = [&bytes[..scan], &[0xff, 0xd9]].concat();
    assert_eq!(decoded_at(&closed, 8).err(), Some(Error::Corrupt("no scan")));
}

#[test]
fn a_thousand_scans_are_refused_without_decoding() {
    let bytes = read("progressive.jpg");
    let first = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    let end =
        first + 2 + bytes[first + 2..].windows(2).position(|pair| pair[0] == 0xff && pair[1] != 0).unwrap();
    let bomb = [&bytes[..first], &bytes[first..end].repeat(1000), &bytes[end..]].concat();
    let jpeg = Jpeg::parse(&bomb).unwrap();
    assert!(jpeg.scans() >= 1000);
    let mut asked = 0;
    let answer = jpeg.decode(Scales::same(scale(1)), &mut || {
        asked += 1;
        false
    });
    assert_eq!((answer.err(), asked), (Some(Error::Corrupt("too many scans")), 0));
    // Fewer are decoded, as by libjpeg: a second time costs nothing.
    let twice = [&bytes[..first], &bytes[first..end].repeat(2), &bytes[end..]].concat();
    assert_eq!(decode_at(&twice, 8), decode_at(&bytes, 8));
}

#[test]
fn decoding_stops_within_a_row_of_mcus_of_being_asked_to() {
    for (name, rows) in [("photo-6mp.jpg", 125), ("progressive.jpg", 100)] {
        let bytes = read(name);
        let jpeg = Jpeg::parse(&bytes).unwrap();
        for stop_at in [0, 1, 40] {
            let mut asked = 0;
            let answer = jpeg.decode(Scales::same(scale(2)), &mut || {
                asked += 1;
                asked > stop_at
            });
            assert_eq!((answer.err(), asked), (Some(Error::Stopped), stop_at + 1), "{name}");
        }
        let mut asked = 0;
        jpeg.decode(Scales::same(scale(2)), &mut || {
            asked += 1;
            false
        })
        .unwrap();
        assert!(asked >= rows, "{name}: asked {asked} times");
    }
}

proptest! {
    #[test]
    fn flipped_bits_cost_the_same_at_every_scale(
        kind in 0..KINDS.len(), flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..6), eighths in 1..8_u8,
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = read(KINDS[kind]);
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let Ok(jpeg) = Jpeg::parse(&bytes) else { return Ok(()) };
        prop_assume!(jpeg.width() * jpeg.height() < 2_000_000);
        let small = decoded_at(&bytes, eighths).map(|decoded| decoded.loss);
        prop_assert_eq!(small, decoded_at(&bytes, 8).map(|decoded| decoded.loss));
    }

    #[test]
    fn any_bytes_behind_a_header_end(garbage in prop::collection::vec(any::<u8>(), 0..3000), kind in 0..KINDS.len()) {
        let bytes = read(KINDS[kind]);
        let scan = data_start(&bytes);
        let bytes = [&bytes[..scan], &garbage[..], &[0xff, 0xd9]].concat();
        prop_assert!(decoded_at(&bytes, 3).is_ok());
    }
}

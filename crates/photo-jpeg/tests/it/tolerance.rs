//! Damage that costs no pixel: the picture is whole, and a file written of its coded parts has no stray byte.

use photo_jpeg::{Error, Jpeg};

use crate::support::{
    data_start, decode_at, decoded_at, encoded, markers, painted, read, rewritten, segments,
};

const KINDS: [&str; 5] =
    ["progressive.jpg", "subsampling-422.jpg", "restart-markers.jpg", "grayscale.jpg", "cmyk.jpg"];
const STRAY: &[u8] = b"STRAY BYTES OF A SENDER";

/// Holds that a file is as `whole` at some scales, and that nothing of [`STRAY`] is in what is written of it.
fn assert_whole(bytes: &[u8], whole: &[u8], what: &str) {
    for eighths in [1, 3, 8] {
        let picture = decode_at(bytes, eighths).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(picture == decode_at(whole, eighths).unwrap(), "{what} at {eighths}/8");
    }
    let clean = rewritten(bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(!clean.windows(STRAY.len()).any(|window| window == STRAY), "{what}");
    assert!(decode_at(&clean, 8) == decode_at(whole, 8), "{what}, written anew");
    assert!(rewritten(&clean).unwrap() == clean, "{what}, written twice");
}

/// Bytes that may follow a picture.
fn trailers() -> Vec<(&'static str, Vec<u8>)> {
    let picture = read("grayscale.jpg");
    let mut video = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom".to_vec();
    // With every marker, and headers of tables, frames and scans that mean nothing.
    for code in 1..=255 {
        video.extend([0xff, code, 0, 9, 3, code, 0x11, 2, 0x11, 3]);
        video.extend(STRAY);
    }
    vec![
        ("nothing", Vec::new()),
        ("half of a marker", vec![0xff]),
        ("zeros", vec![0; 4096]),
        ("bytes of ones", vec![0xff; 300]),
        ("a phone's trailer", [STRAY, b"SEFH\0\0\0\x01SEFT"].concat()),
        ("a video", video),
        ("a second picture", picture.clone()),
        ("one behind zeros", [&[0; 100], &picture[..]].concat()),
        ("EXIF", [&[0xff, 0xe1, 0, 40][..], b"Exif\0\0MM\0*", STRAY].concat()),
        ("a table that is cut off", vec![0xff, 0xc4, 0xff]),
        ("a scan", vec![0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 1, 2, 3]),
        ("a restart marker", vec![0xff, 0xd0, 1, 2, 3]),
        ("stuffed bytes", [0xff, 0].repeat(50)),
    ]
}

#[test]
fn what_follows_the_last_scan_costs_nothing() {
    for name in KINDS {
        let whole = read(name);
        let data = &whole[..whole.len() - 2];
        assert!(whole.ends_with(&[0xff, 0xd9]));
        for (what, trailer) in trailers() {
            assert_whole(&[data, &trailer].concat(), &whole, &format!("{name} and {what}"));
            let closed = [data, &trailer, &[0xff, 0xd9]].concat();
            assert_whole(&closed, &whole, &format!("{name}, {what} and EOI"));
            let behind = [&whole, &trailer[..]].concat();
            assert_whole(&behind, &whole, &format!("{name}, EOI and {what}"));
        }
    }
}

#[test]
fn left_over_bytes_before_restart_markers_cost_nothing() {
    let whole = read("restart-markers.jpg");
    let restarts = markers(&whole);
    for stray in [STRAY, &[0x55; 9], &[0, 0, 0], &[0xff, 0, 0x12], &[0xff, 0x03, 0x99], &[0xff; 5]] {
        let mut all = whole[..restarts[0]].to_vec();
        for (at, &from) in restarts.iter().enumerate() {
            let to = restarts.get(at + 1).copied().unwrap_or(whole.len());
            all.extend(stray);
            all.extend(&whole[from..to]);
        }
        assert_whole(&all, &whole, &format!("{stray:x?}"));
    }
}

#[test]
fn wrong_restart_numbers_cost_nothing() {
    let whole = read("restart-markers.jpg");
    let restarts = markers(&whole);
    let restarts = &restarts[..restarts.len() - 1];
    let with = |number: &dyn Fn(usize, u8) -> u8| {
        let mut bytes = whole.clone();
        for (index, &at) in restarts.iter().enumerate() {
            bytes[at + 1] = 0xd0 | (number(index, bytes[at + 1] & 7) & 7);
        }
        bytes
    };
    for off in 1..8 {
        for one in [0, 3, restarts.len() - 1] {
            let bytes = with(&|index, number| if index == one { number + off } else { number });
            assert_whole(&bytes, &whole, &format!("number {one} off by {off}"));
        }
        assert_whole(&with(&|_, number| number + off), &whole, &format!("all off by {off}"));
    }
    assert_whole(&with(&|_, _| 0), &whole, "all the same");
    assert_whole(&with(&|index, _| (index * 5) as u8), &whole, "no order");
}

#[test]
fn a_frame_lower_than_its_data_shows_its_own_rows() {
    for name in KINDS {
        let bytes = read(name);
        let whole = decode_at(&bytes, 8).unwrap();
        let frame = segments(&bytes).into_iter().find(|s| matches!(s.0, 0xc0..=0xc2)).unwrap().1;
        let mut lower = bytes.clone();
        lower[frame + 5..frame + 7].copy_from_slice(&(whole.height as u16 / 2).to_be_bytes());
        let picture = decode_at(&lower, 8).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(picture.height, whole.height / 2, "{name}");
        // Scans of one component have fewer blocks then, so that only interleaved ones are read alike.
        if name != "progressive.jpg" {
            let luma = &picture.planes[0];
            assert_eq!(luma.samples, whole.planes[0].samples[..luma.samples.len()], "{name}");
        }
        assert!(rewritten(&lower).unwrap().len() < bytes.len(), "{name}");
    }
}

#[test]
fn a_frame_higher_than_its_data_is_gray_below_and_whole() {
    let pixels = painted(64, 48);
    for restart in [0, 2, 3, 8] {
        let bytes = encoded((64, 48), jpeg_encoder::ColorType::Rgb, &pixels, |encoder| {
            encoder.set_restart_interval(restart);
        });
        let whole = decode_at(&bytes, 8).unwrap();
        let with_height = |height: u16| {
            let frame = segments(&bytes).into_iter().find(|s| s.0 == 0xc0).unwrap().1;
            let mut higher = bytes.clone();
            higher[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
            higher
        };
        let picture = decode_at(&with_height(80), 8).unwrap_or_else(|e| panic!("interval {restart}: {e}"));
        let (above, below) = picture.planes[0].samples.split_at(whole.planes[0].samples.len());
        assert!(above == whole.planes[0].samples, "interval {restart}");
        // As from libjpeg, the padding of the data is in the next MCU.
        assert!(below[16 * 64..].iter().all(|&sample| sample == 128), "interval {restart}");
        assert!(rewritten(&with_height(80)).is_err(), "no rows are written that never were");
        // Most of it is missing, or it is cut off.
        assert!(decoded_at(&with_height(200), 8).unwrap().loss.is_some());
        let higher = with_height(80);
        assert!(decoded_at(&higher[..higher.len() - 2], 8).unwrap().loss.is_some());
    }
}

#[test]
fn missing_huffman_tables_are_those_of_the_standard() {
    let pixels = painted(64, 48);
    let bytes = encoded((64, 48), jpeg_encoder::ColorType::Rgb, &pixels, |_| {});
    let mut without = bytes.clone();
    for (marker, start, end) in segments(&bytes).into_iter().rev() {
        if marker == 0xc4 {
            without.drain(start..end);
        }
    }
    assert!(without.len() + 400 < bytes.len());
    assert_whole(&[&without[..2], &without[2..]].concat(), &bytes, "no DHT");
}

#[test]
fn segments_of_impossible_length_are_empty() {
    let whole = read("subsampling-422.jpg");
    for marker in [0xfe, 0xe0, 0xe1, 0xe2, 0xed, 0xee, 0xef] {
        for length in [0, 1] {
            let bytes = [&whole[..2], &[0xff, marker, 0, length], &whole[2..]].concat();
            assert_whole(&bytes, &whole, &format!("{marker:x} of length {length}"));
        }
    }
}

#[test]
fn a_start_of_image_written_twice_is_one() {
    for name in KINDS {
        let whole = read(name);
        assert_whole(&[&whole[..2], &whole[..]].concat(), &whole, name);
    }
}

#[test]
fn components_of_one_id_are_meant_in_their_order() {
    let whole = read("subsampling-422.jpg");
    let (frame, scan) = (segments(&whole).into_iter().find(|s| s.0 == 0xc0).unwrap().1, data_start(&whole));
    for ids in [[1, 1, 1], [0, 0, 0], [1, 2, 2], [7, 7, 9]] {
        let mut bytes = whole.clone();
        for (index, id) in ids.into_iter().enumerate() {
            bytes[frame + 10 + 3 * index] = id;
            bytes[scan - 9 + 2 * index] = id;
        }
        assert_whole(&bytes, &whole, &format!("{ids:?}"));
    }
}

#[test]
fn exif_and_profiles_behind_the_first_scan_are_ignored() {
    let whole = read("subsampling-422.jpg");
    let exif =
        |body: &[u8]| [&[0xff, 0xe1], &(body.len() as u16 + 8).to_be_bytes()[..], b"Exif\0\0", body].concat();
    let tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let profile = b"\xff\xe2\0\x15ICC_PROFILE\0\x01\x01abcde".to_vec();
    let adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0".to_vec();
    let extra = [exif(tiff), profile, adobe].concat();
    let end = whole.len() - 2;
    let bytes = [&whole[..end], &extra, &whole[end..]].concat();
    let (before, after) = (Jpeg::parse(&whole).unwrap(), Jpeg::parse(&bytes).unwrap());
    assert_eq!((after.exif(), after.icc_profile()), (before.exif(), before.icc_profile()));
    assert_eq!((after.color(), after.has_icc_profile()), (before.color(), before.has_icc_profile()));
    // Between the scans of a progressive file.
    let progressive = read("progressive.jpg");
    let end = progressive.len() - 2;
    let second = end - progressive[..end].iter().rev().position(|&byte| byte == 0xff).unwrap() - 1;
    let at = markers(&progressive)[0].min(second);
    let bytes = [&progressive[..at], &extra, &progressive[at..]].concat();
    assert_eq!(Jpeg::parse(&bytes).unwrap().exif(), Jpeg::parse(&progressive).unwrap().exif());
    assert_whole(&bytes, &progressive, "segments between scans");
}

#[test]
fn the_first_exif_segment_with_content_counts() {
    let whole = encoded((8, 8), jpeg_encoder::ColorType::Rgb, &[90; 192], |_| {});
    let exif =
        |body: &[u8]| [&[0xff, 0xe1], &(body.len() as u16 + 7).to_be_bytes()[..], b"Exif\0", body].concat();
    let with = |segments: &[Vec<u8>]| [&whole[..2], &segments.concat(), &whole[2..]].concat();
    let real = exif(b"\0MM\0*\0\0\0\x08\0\0");
    let second = exif(b"\0II*\0\x08\0\0\0\0\0");
    for empty in [exif(b""), exif(b"\0"), exif(b"\0\0\0\0\0\0\0\0\0"), exif(b"\0MM\0*")] {
        let bytes = with(&[empty, real.clone(), second.clone()]);
        assert_eq!(Jpeg::parse(&bytes).unwrap().exif(), Some(&real[4..]));
    }
    assert_eq!(Jpeg::parse(&with(&[exif(b"\0")])).unwrap().exif(), None);
}

#[test]
fn a_profile_with_a_chunk_twice_is_none() {
    let whole = encoded((8, 8), jpeg_encoder::ColorType::Rgb, &[90; 192], |_| {});
    let chunk = |number: u8, count: u8| {
        [&b"\xff\xe2\0\x12ICC_PROFILE\0"[..], &[number, count, b'a', number]].concat()
    };
    let profile = |chunks: &[Vec<u8>]| {
        Jpeg::parse(&[&whole[..2], &chunks.concat(), &whole[2..]].concat()).unwrap().icc_profile()
    };
    assert_eq!(profile(&[chunk(1, 2), chunk(2, 2)]), Some(b"a\x01a\x02".to_vec()));
    for chunks in [
        vec![chunk(1, 2), chunk(2, 2), chunk(2, 2)],
        vec![chunk(1, 2), chunk(2, 3)],
        vec![chunk(0, 1)],
        vec![chunk(2, 1)],
        vec![chunk(1, 2)],
    ] {
        assert_eq!(profile(&chunks), None);
    }
}

#[test]
fn what_lacks_a_code_is_not_written_anew() {
    for name in KINDS {
        let bytes = read(name);
        let cut = &bytes[..bytes.len() * 9 / 10];
        assert!(matches!(rewritten(cut), Err(Error::Corrupt(_))), "{name}");
    }
}

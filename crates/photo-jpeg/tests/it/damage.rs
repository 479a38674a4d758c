//! Damage ends in an error: at every scale, and never in half a picture.

use photo_jpeg::{Error, Jpeg, Scales};
use proptest::prelude::*;

use crate::support::{decode_at, read, scale};

const KINDS: [&str; 5] =
    ["progressive.jpg", "subsampling-422.jpg", "restart-markers.jpg", "grayscale.jpg", "cmyk.jpg"];

#[test]
fn a_file_cut_off_anywhere_is_damaged() {
    for name in KINDS {
        let bytes = read(name);
        for length in (0..bytes.len()).step_by(bytes.len() / 200 + 1) {
            assert!(decode_at(&bytes[..length], 1 + (length % 8) as u8).is_err(), "{name} cut at {length}");
        }
    }
}

#[test]
fn a_file_cut_off_and_closed_again_is_damaged() {
    for name in KINDS {
        let bytes = read(name);
        // Behind all tables; the last bytes of a scan may be padding.
        let scan = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap() + 20;
        for length in (scan..bytes.len() - 8).step_by((bytes.len() - scan) / 100 + 1) {
            let mut cut = bytes[..length].to_vec();
            if cut.last() == Some(&0xff) {
                cut.pop();
            }
            cut.extend([0xff, 0xd9]);
            for eighths in [1, 4, 8] {
                let answer = decode_at(&cut, eighths).map(drop);
                assert!(matches!(answer, Err(Error::Corrupt(_))), "{name} closed at {length}");
            }
        }
    }
}

#[test]
fn a_missing_scan_is_damage() {
    let bytes = read("progressive.jpg");
    let scans: Vec<usize> = (0..bytes.len() - 1).filter(|&at| bytes[at..at + 2] == [0xff, 0xda]).collect();
    assert!(scans.len() > 5);
    for pair in scans.windows(2) {
        let without = [&bytes[..pair[0]], &bytes[pair[1]..]].concat();
        assert!(matches!(decode_at(&without, 8), Err(Error::Corrupt(_))));
    }
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
    // Fewer, but a second time what was already told.
    let twice = [&bytes[..first], &bytes[first..end].repeat(2), &bytes[end..]].concat();
    assert_eq!(decode_at(&twice, 1).err(), Some(Error::Corrupt("the scans do not follow each other")));
}

#[test]
fn decoding_stops_within_a_row_of_units_of_being_asked_to() {
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
    fn flipped_bits_end_in_a_picture_or_an_error_that_no_scale_changes(
        kind in 0..KINDS.len(), flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..6), eighths in 1..8_u8,
    ) {
        let mut bytes = read(KINDS[kind]);
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        let Ok(jpeg) = Jpeg::parse(&bytes) else { return Ok(()) };
        prop_assume!(jpeg.width() * jpeg.height() < 2_000_000);
        let small = decode_at(&bytes, eighths).map(drop);
        prop_assert_eq!(small, decode_at(&bytes, 8).map(drop));
    }

    #[test]
    fn any_bytes_behind_a_header_end(garbage in prop::collection::vec(any::<u8>(), 0..3000), kind in 0..KINDS.len()) {
        let bytes = read(KINDS[kind]);
        let scan = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap_or(0);
        let bytes = [&bytes[..scan + 14], &garbage[..], &[0xff, 0xd9]].concat();
        let _ = decode_at(&bytes, 3);
    }
}

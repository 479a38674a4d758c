//! Every file cut off everywhere and with every bit at risk: an answer each time, and no panic that gets out.

use photo_imaging::{Animation, ImagingError, OutputFormat, RenderOptions};
use proptest::prelude::*;

use crate::support::{all_files, distance, inside, open, read, render_bytes};

/// `None` for a picture.
fn answer(bytes: &[u8]) -> Option<ImagingError> {
    render_bytes(bytes, &RenderOptions::new(Vec::new())).err()
}

/// The same with animations kept.
fn moving_answer(bytes: &[u8]) -> Option<ImagingError> {
    let small = vec![inside(24, OutputFormat::WebP)];
    let options = RenderOptions { animation: Animation::Keep, webp_method: 0, ..RenderOptions::new(small) };
    render_bytes(bytes, &options).err()
}

/// Small pictures of each kind, so that thousands of cases take seconds.
const KINDS: [&str; 17] = [
    "orientation-bad.jpg",
    "progressive.jpg",
    "cmyk-profile.jpg",
    "display-p3.jpg",
    "palette-alpha.png",
    "gray-1bit.png",
    "display-p3.png",
    "offset-frame.gif",
    "still.gif",
    "lossy-alpha.webp",
    "lossless-alpha.webp",
    "animated.webp",
    "disposal.gif",
    "disposal.webp",
    "metadata.png",
    "chunks-cicp.png",
    "linear-16bit.png",
];

/// Of a refinement that is missing in a progressive file, and of an encoder. In levels of a channel.
const NEARLY_EQUAL: f64 = 3.0;

#[test]
fn a_file_cut_off_anywhere_is_shown_or_refused() {
    let options = RenderOptions::new(vec![inside(48, OutputFormat::WebP)]);
    for name in KINDS {
        let bytes = read(name);
        let whole = render_bytes(&bytes, &options).unwrap();
        assert_eq!(whole.damage, None, "{name}");
        let step = (bytes.len() / 150).max(1);
        let mut received = 0;
        for length in (0..bytes.len()).step_by(step) {
            let cut = format!("{name} cut at {length} of {}", bytes.len());
            match render_bytes(&bytes[..length], &options).map(|shown| (shown.damage.clone(), shown)) {
                Err(error) => {
                    assert!(matches!(error.code(), "NOT_AN_IMAGE" | "CORRUPT_IMAGE"), "{cut}: {error}");
                    assert_eq!(received, 0, "{cut}: less of it was shown");
                }
                Ok((Some(damage), shown)) => {
                    assert!((50..=99).contains(&damage.received_percent), "{cut}: {damage:?}");
                    assert!(damage.received_percent >= received, "{cut}: {damage:?}");
                    assert_eq!(shown.original, whole.original, "{cut}");
                    received = damage.received_percent;
                }
                // What costs no pixel is no damage.
                Ok((None, shown)) => {
                    let apart = distance(&open(&shown.variants[0]), &open(&whole.variants[0]));
                    assert!(apart < NEARLY_EQUAL, "{cut}: {apart} levels");
                    received = 100;
                }
            }
        }
    }
}

#[test]
fn flipped_bits_end_in_a_picture_or_a_code() {
    for name in KINDS {
        let whole = read(name);
        // A fixed sequence, so that a failure can be seen again.
        let mut state = 0x9e37_79b9_u32;
        for round in 0..300 {
            let mut bytes = whole.clone();
            for _ in 0..=round % 3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // The first kilobyte is where the headers are: every other flip goes there.
                let reach = if state & 0x100 == 0 { bytes.len().min(1024) } else { bytes.len() };
                let at = (state >> 9) as usize % reach;
                bytes[at] ^= 1 << (state & 7);
            }
            if let Some(error) = answer(&bytes) {
                assert_ne!(error.code(), "PROCESSING_FAILED", "{name}, round {round}: {error}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_damage_to_any_kind_ends_in_a_picture_or_a_code(
        kind in prop::sample::select(&KINDS[..]),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = read(kind);
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        for error in [answer(&bytes), moving_answer(&bytes)].into_iter().flatten() {
            prop_assert_ne!(error.code(), "PROCESSING_FAILED", "{}: {}", kind, error);
        }
    }
}

#[test]
fn every_file_of_the_folder_has_an_answer() {
    for name in all_files() {
        let code = moving_answer(&read(&name)).map(|e| e.code());
        assert_ne!(code, Some("PROCESSING_FAILED"), "{name}, moving");
        let code = answer(&read(&name)).map(|e| e.code());
        assert_ne!(code, Some("PROCESSING_FAILED"), "{name}");
    }
}

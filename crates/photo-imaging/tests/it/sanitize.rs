//! The original without its metadata: nothing of it left, and not a pixel changed.

use image::{AnimationDecoder, ImageDecoder, codecs::webp::WebPDecoder};
use photo_imaging::{Format, Limits, probe};
use proptest::prelude::*;

use crate::support::{all_files, one_webp, read, render_bytes};

fn sanitized(bytes: &[u8]) -> Vec<u8> {
    probe(bytes, &Limits::default()).unwrap().sanitize().unwrap()
}

fn has(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|w| w == word)
}

/// Every sample as the decoder gives it, of every frame, without orientation or colours applied.
fn pixels(bytes: &[u8]) -> Vec<u8> {
    let cursor = std::io::Cursor::new(bytes);
    match Format::sniff(bytes).unwrap() {
        Format::Heic => panic!("no such file is written"),
        Format::Jpeg => {
            let mut decoder = zune_jpeg::JpegDecoder::new(zune_core::bytestream::ZCursor::new(bytes));
            decoder.decode().unwrap()
        }
        Format::Gif => {
            let decoder = image::codecs::gif::GifDecoder::new(cursor).unwrap();
            decoder.into_frames().flat_map(|frame| frame.unwrap().into_buffer().into_raw()).collect()
        }
        Format::WebP if WebPDecoder::new(cursor.clone()).unwrap().has_animation() => {
            let decoder = WebPDecoder::new(cursor).unwrap();
            decoder.into_frames().flat_map(|frame| frame.unwrap().into_buffer().into_raw()).collect()
        }
        Format::WebP => all_of(WebPDecoder::new(cursor).unwrap()),
        Format::Png => all_of(image::codecs::png::PngDecoder::new(cursor).unwrap()),
    }
}

fn all_of(decoder: impl ImageDecoder) -> Vec<u8> {
    let mut data = vec![0; usize::try_from(decoder.total_bytes()).unwrap()];
    decoder.read_image(&mut data).unwrap();
    data
}

#[test]
fn no_byte_of_metadata_is_left() {
    for name in [
        "metadata.jpg",
        "orientation-6.jpg",
        "photo-6mp.jpg",
        "metadata.png",
        "metadata.webp",
        "metadata.gif",
    ] {
        let clean = sanitized(&read(name));
        for word in [b"SECRET".as_slice(), b"xmp", b"XMP", b"GPS", b"Model 1", b"Photoshop", b"prIv", b"tIME"]
        {
            assert!(!has(&clean, word), "{name}: {:?}", String::from_utf8_lossy(word));
        }
    }
    // Upright ones need no EXIF at all.
    for name in ["metadata.jpg", "orientation-1.jpg", "photo-6mp.jpg", "metadata.gif"] {
        assert!(!has(&sanitized(&read(name)), b"Exif"), "{name}");
    }
}

#[test]
fn every_right_picture_keeps_its_pixels_its_shape_and_its_colours() {
    let mut seen = 0;
    for name in all_files() {
        let bytes = read(&name);
        let Ok(before) = render_bytes(&bytes, &one_webp()) else { continue };
        // Encoded anew instead; of the named photo a refinement is cut off, which costs no pixel.
        if before.damage.is_some() || name == "truncated-progressive.jpg" {
            continue;
        }
        // Files that only strict decoders doubt.
        if ["garbled-scan.jpg", "text-bomb.png", "profile-bomb.png", "frame-bomb.webp"]
            .contains(&name.as_str())
        {
            continue;
        }
        seen += 1;
        let clean = sanitized(&bytes);
        assert!(clean.len() <= bytes.len() + 128, "{name}");
        // These the decoders here refuse; what is rendered of them is compared below.
        let refused = ["frame-outside.webp", "lying-frame.webp", "huge-frame.gif", "alpha-flag.webp"];
        // Decoders differ in the canvas of these.
        let odd =
            name.starts_with("odd-") && probe(&bytes, &Limits::default()).unwrap().format() == Format::Gif;
        if !odd && !refused.contains(&name.as_str()) {
            assert!(pixels(&bytes) == pixels(&clean), "{name}: pixels differ");
        }
        let probed = probe(&bytes, &Limits::default()).unwrap();
        let again = probe(&clean, &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(
            (probed.width(), probed.height(), probed.orientation()),
            (again.width(), again.height(), again.orientation()),
            "{name}"
        );
        // Frames that do not fit are never shown.
        let first_alone = ["frame-outside.webp", "huge-frame.gif"];
        let shown = if first_alone.contains(&name.as_str()) { 1 } else { probed.frames() };
        assert_eq!(again.frames(), shown, "{name}");
        assert!(probed.has_icc_profile() || !again.has_icc_profile(), "{name}");
        // As a viewer shows it: orientation and colours included.
        assert_eq!(before, render_bytes(&clean, &one_webp()).unwrap(), "{name}");
        assert_eq!(sanitized(&clean), clean, "{name}: once is enough");
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn what_stands_after_the_end_is_cut_off() {
    for (name, word) in [
        ("trailing-garbage.jpg", b"garbage".as_slice()),
        ("polyglot-zip.jpg", b"PK\x05\x06"),
        ("polyglot-html.gif", b"<script>"),
    ] {
        let bytes = read(name);
        assert!(has(&bytes, word) && !has(&sanitized(&bytes), word), "{name}");
    }
}

proptest! {
    #[test]
    fn a_flipped_bit_is_sanitised_once_and_for_all(
        file in 0..6_usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..8),
    ) {
        let names = ["metadata.jpg", "metadata.png", "metadata.webp", "metadata.gif", "disposal.webp", "progressive.jpg"];
        let mut bytes = read(names[file]);
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        if let Ok(probed) = probe(&bytes, &Limits::default())
            && let Ok(clean) = probed.sanitize()
        {
            let again = probe(&clean, &Limits::default()).map_err(|e| TestCaseError::fail(e.to_string()))?;
            let again = again.sanitize().map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert!(again == clean);
        }
    }
}

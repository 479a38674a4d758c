//! What is in the files that come out, and what must not be.

use photo_imaging::{OutputFormat, RenderOptions, Variant};

use crate::support::{inside, render};

fn both(name: &str) -> Vec<Variant> {
    render(name, &RenderOptions::new(vec![inside(200, OutputFormat::Jpeg), inside(200, OutputFormat::WebP)]))
        .variants
}

/// Marker codes up to the scan.
fn jpeg_markers(bytes: &[u8]) -> Vec<u8> {
    assert_eq!(bytes[..2], [0xff, 0xd8]);
    let mut markers = Vec::new();
    let mut at = 2;
    loop {
        assert_eq!(bytes[at], 0xff);
        let code = bytes[at + 1];
        markers.push(code);
        if code == 0xda {
            return markers;
        }
        at += 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
    }
}

fn webp_chunks(bytes: &[u8]) -> Vec<[u8; 4]> {
    assert_eq!((&bytes[..4], &bytes[8..12]), (b"RIFF".as_slice(), b"WEBP".as_slice()));
    let mut chunks = Vec::new();
    let mut at = 12;
    while at < bytes.len() {
        chunks.push(bytes[at..at + 4].try_into().unwrap());
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        at += 8 + length + length % 2;
    }
    assert_eq!(at, bytes.len());
    chunks
}

#[test]
fn no_metadata_of_the_photo_gets_into_a_variant() {
    for name in [
        "metadata.jpg",
        "orientation-6.jpg",
        "orientation-6.webp",
        "orientation-6.png",
        "display-p3.webp",
        "alpha.png",
    ] {
        for variant in both(name) {
            let bytes = &variant.bytes;
            for word in ["SECRET", "Exif", "ICC_PROFILE", "xmpmeta", "ns.adobe.com"] {
                assert!(
                    !bytes.windows(word.len()).any(|w| w == word.as_bytes()),
                    "{name}: {word} in {}",
                    variant.format
                );
            }
            match variant.format {
                OutputFormat::Jpeg => {
                    // APP0 (JFIF), tables, frame, scan; no other APPn and no comment.
                    let allowed = |code: &u8| matches!(code, 0xe0 | 0xdb | 0xc0 | 0xc4 | 0xda);
                    let markers = jpeg_markers(bytes);
                    assert!(markers.iter().all(allowed), "{name}: {markers:x?}");
                }
                OutputFormat::WebP => {
                    let chunks = webp_chunks(bytes);
                    assert!(
                        chunks.iter().all(|c| [b"VP8 ", b"VP8L", b"VP8X", b"ALPH"].contains(&c)),
                        "{name}: {chunks:?}"
                    );
                }
                OutputFormat::Avif => panic!("see avif.rs"),
            }
        }
    }
}

#[test]
fn variants_without_transparency_carry_no_alpha() {
    for variant in both("rgb.png") {
        if variant.format == OutputFormat::WebP {
            assert_eq!(webp_chunks(&variant.bytes), [*b"VP8 "]);
        }
    }
}

#[test]
fn quality_changes_the_number_of_bytes() {
    use photo_imaging::{Fit, VariantSpec};
    for format in [OutputFormat::Jpeg, OutputFormat::WebP] {
        let spec =
            |quality| VariantSpec::new("q", Fit::Inside { longest_side: 480 }, format, quality).unwrap();
        let options = RenderOptions::new([20, 50, 80, 95].map(spec).to_vec());
        let sizes: Vec<_> =
            render("photo-6mp.jpg", &options).variants.iter().map(|v| v.bytes.len()).collect();
        assert!(sizes.is_sorted_by(|a, b| a < b), "{format}: {sizes:?}");
    }
}

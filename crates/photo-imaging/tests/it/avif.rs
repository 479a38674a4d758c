//! AVIF that comes out. No decoder of AV1 is linked, so the container is read here; that the pictures open elsewhere was
//! seen with libavif, see docs/adr/019-avif-by-rav1e.md.

use photo_imaging::{Fit, OutputFormat, RenderOptions, Variant, VariantSpec};

use crate::support::render;

fn avif(name: &str, side: u32, quality: u8, speed: u8) -> Variant {
    let fit = Fit::Inside { longest_side: side };
    let spec = VariantSpec::new("v", fit, OutputFormat::Avif, quality).unwrap();
    let options = RenderOptions { avif_speed: speed, ..RenderOptions::new(vec![spec]) };
    render(name, &options).variants.remove(0)
}

/// Kinds and contents of the boxes of one level.
fn boxes(mut bytes: &[u8]) -> Vec<([u8; 4], &[u8])> {
    let mut found = Vec::new();
    while let Some((head, _)) = bytes.split_first_chunk::<8>() {
        let length = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        found.push((head[4..].try_into().unwrap(), &bytes[8..length]));
        bytes = &bytes[length..];
    }
    found
}

fn child(bytes: &[u8], kind: [u8; 4]) -> &[u8] {
    boxes(bytes).into_iter().find(|(k, _)| *k == kind).unwrap_or_else(|| panic!("no {kind:?}")).1
}

/// Width, height and the kinds of all properties.
fn properties(file: &[u8]) -> (u32, u32, Vec<[u8; 4]>) {
    // Version and flags come before the boxes of `meta`.
    let meta = &child(file, *b"meta")[4..];
    let shared = child(child(meta, *b"iprp"), *b"ipco");
    let extent = &child(shared, *b"ispe")[4..];
    let side = |at: usize| u32::from_be_bytes(extent[at..at + 4].try_into().unwrap());
    (side(0), side(4), boxes(shared).into_iter().map(|(kind, _)| kind).collect())
}

#[test]
fn avif_has_the_size_asked_for_and_alpha_only_where_there_is_some() {
    for (name, size, has_alpha) in [
        ("metadata.jpg", (160, 107), false),
        ("orientation-6.jpg", (160, 108), false),
        ("alpha.png", (160, 160), true),
        ("one-pixel.png", (1, 1), false),
        ("wide.png", (160, 1), false),
    ] {
        let variant = avif(name, 160, 70, 10);
        assert_eq!((variant.width, variant.height), size, "{name}");
        let kinds: Vec<_> = boxes(&variant.bytes).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [*b"ftyp", *b"meta", *b"mdat"], "{name}");
        let (width, height, kinds) = properties(&variant.bytes);
        assert_eq!((width, height), size, "{name}");
        assert!(kinds.contains(b"av1C"), "{name}");
        assert_eq!(kinds.contains(b"auxC"), has_alpha, "{name}");
        assert!(!kinds.contains(b"irot") && !kinds.contains(b"imir"), "{name}: it stands upright by itself");
    }
}

#[test]
fn no_metadata_gets_into_avif() {
    for name in ["metadata.jpg", "metadata.png", "metadata.webp", "display-p3.webp"] {
        let bytes = avif(name, 100, 60, 10).bytes;
        for word in ["SECRET", "Exif", "xmp", "ICC", "rdf"] {
            assert!(!bytes.windows(word.len()).any(|w| w == word.as_bytes()), "{name}: {word}");
        }
    }
}

#[test]
fn quality_and_speed_change_the_number_of_bytes() {
    let size = |quality, speed| avif("photo-6mp.jpg", 240, quality, speed).bytes.len();
    assert!(size(30, 10) < size(60, 10) && size(60, 10) < size(90, 10));
    assert_ne!(size(60, 10), size(60, 8));
}

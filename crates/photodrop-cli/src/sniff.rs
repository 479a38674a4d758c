//! The type of a file, told by its first bytes: a name says nothing.

/// How many of a file's first bytes are looked at.
pub(crate) const HEAD_BYTES: usize = 16;

/// The content type that these first bytes tell; none if they are no picture's.
///
/// Types that no stack takes are told too: what is accepted is the stack's to say.
pub(crate) fn content_type(head: &[u8]) -> Option<&'static str> {
    if head.get(4..8) == Some(b"ftyp") {
        return match head.get(8..12) {
            Some(b"avif" | b"avis") => Some("image/avif"),
            Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"mif1" | b"msf1") => Some("image/heic"),
            _ => None,
        };
    }
    if head.starts_with(b"RIFF") {
        return (head.get(8..12) == Some(b"WEBP")).then_some("image/webp");
    }
    let known: [(&[u8], &str); 8] = [
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"BM", "image/bmp"),
        (b"\0\0\x01\0", "image/x-icon"),
    ];
    known.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str) -> Option<&'static str> {
        let bytes = photodrop_tests::photos::photo(name).unwrap();
        content_type(&bytes[..HEAD_BYTES.min(bytes.len())])
    }

    #[test]
    fn the_type_is_told_by_the_first_bytes() {
        for (name, expected) in [
            ("photo-6mp.jpg", Some("image/jpeg")),
            ("alpha.png", Some("image/png")),
            ("lossy.webp", Some("image/webp")),
            ("still.gif", Some("image/gif")),
            ("unsupported.heic", Some("image/heic")),
            ("unsupported.avif", Some("image/avif")),
            ("unsupported.bmp", Some("image/bmp")),
            ("unsupported.tiff", Some("image/tiff")),
            ("unsupported.pdf", None),
            ("html.png", None),
            ("not-an-image.jpg", None),
            ("empty.jpg", None),
        ] {
            assert_eq!(told(name), expected, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_first_bytes_are_looked_at_without_harm(head in proptest::collection::vec(proptest::num::u8::ANY, 0..32)) {
            let _ = content_type(&head);
        }
    }
}

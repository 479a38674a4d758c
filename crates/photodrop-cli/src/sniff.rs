//! The type of a file, told by its first bytes: a name says nothing.

use photo_domain::ContentType;

/// How many of a file's first bytes are looked at.
pub(crate) const HEAD_BYTES: usize = ContentType::SIGNATURE_BYTES;

/// Images of types that no stack takes: the stack refuses them and says which it takes.
const OTHERS: [(usize, &[u8], &str); 7] = [
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypavis", "image/avif"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"BM", "image/bmp"),
    (0, b"\0\0\x01\0", "image/x-icon"),
    // AVIF may begin as a HEIF container of any codec.
    (4, b"ftypmif1", "image/avif"),
];

/// The content type that these first bytes tell; none if they are no picture's.
pub(crate) fn content_type(head: &[u8]) -> Option<&'static str> {
    let is_there = |(offset, magic, _): &&(usize, &[u8], &str)| {
        head.get(*offset..).is_some_and(|rest| rest.starts_with(magic))
    };
    ContentType::of_bytes(head)
        .map(ContentType::as_str)
        .or_else(|| OTHERS.iter().find(is_there).map(|(_, _, name)| *name))
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

    #[test]
    fn an_avif_is_told_from_a_heic_by_all_its_brands() {
        for (head, expected) in [
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafheic".as_slice(), "image/heic"),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafavif", "image/avif"),
            (b"\0\0\0\x1cftypavif\0\0\0\0mif1miafMA1B", "image/avif"),
        ] {
            assert_eq!(content_type(head), Some(expected));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_first_bytes_are_looked_at_without_harm(head in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            let told = content_type(&head);
            // What the stack's functions know by the same bytes.
            if let Some(known) = ContentType::of_bytes(&head) {
                proptest::prop_assert_eq!(told, Some(known.as_str()));
            }
        }
    }
}

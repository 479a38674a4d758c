//! The type that a client declares for a photo, whichever way it writes it.

use std::fmt;
use std::str::FromStr;

use crate::ContentType;
use crate::media::UnsupportedType;

/// The type that a client declares. It is signed, stored and answered in its canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeclaredType {
    /// One type: the bytes must be of it.
    Image(ContentType),
    /// `application/octet-stream`: the type is the one that the bytes have ([RFC 2046, section 4.5.1]).
    ///
    /// [RFC 2046, section 4.5.1]: https://www.rfc-editor.org/rfc/rfc2046#section-4.5.1
    OctetStream,
}

const OCTET_STREAM: &str = "application/octet-stream";

/// The other names that clients send, in lower case.
const ALIASES: [(&str, DeclaredType); 12] = [
    // Android, and programs that take the type from the file name.
    ("image/jpg", DeclaredType::Image(ContentType::Jpeg)),
    // Internet Explorer, for progressive JPEG; Citrix's; Windows's registry for `.jfif`.
    ("image/pjpeg", DeclaredType::Image(ContentType::Jpeg)),
    ("image/x-citrix-jpeg", DeclaredType::Image(ContentType::Jpeg)),
    ("image/pipeg", DeclaredType::Image(ContentType::Jpeg)),
    // Internet Explorer and Citrix's.
    ("image/x-png", DeclaredType::Image(ContentType::Png)),
    ("image/x-citrix-png", DeclaredType::Image(ContentType::Png)),
    // An animated PNG is a PNG; browsers declare it so for `.apng`.
    ("image/apng", DeclaredType::Image(ContentType::Png)),
    // Phones: the general name of the container, and bursts, of which the first picture is taken.
    ("image/heif", DeclaredType::Image(ContentType::Heic)),
    ("image/heic-sequence", DeclaredType::Image(ContentType::Heic)),
    ("image/heif-sequence", DeclaredType::Image(ContentType::Heic)),
    // S3's own name for it.
    ("binary/octet-stream", DeclaredType::OctetStream),
    // Android, where a picker asked for any image and passes on what it asked for.
    ("image/*", DeclaredType::OctetStream),
];

impl DeclaredType {
    /// Returns the media type as it is signed and stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image(content_type) => content_type.as_str(),
            Self::OctetStream => OCTET_STREAM,
        }
    }

    /// Returns whether bytes of this type may be what was declared.
    #[must_use]
    pub fn agrees_with(self, found: ContentType) -> bool {
        match self {
            Self::Image(declared) => declared == found,
            Self::OctetStream => true,
        }
    }
}

impl From<ContentType> for DeclaredType {
    fn from(content_type: ContentType) -> Self {
        Self::Image(content_type)
    }
}

impl fmt::Display for DeclaredType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DeclaredType {
    type Err = UnsupportedType;

    /// Reads the essence of a media type: its case has no meaning (RFC 9110, section 8.3.1), and no parameter has one for an
    /// image.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let essence = text.split(';').next().unwrap_or_default().trim();
        let known = ContentType::ALL.map(|known| (known.as_str(), Self::Image(known)));
        known
            .into_iter()
            .chain([(OCTET_STREAM, Self::OctetStream)])
            .chain(ALIASES)
            .find(|(name, _)| name.eq_ignore_ascii_case(essence))
            .map(|(_, declared)| declared)
            .ok_or(UnsupportedType)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_type_is_normalised() {
        use DeclaredType::{Image, OctetStream};
        for (sent, expected) in [
            ("image/jpeg", Image(ContentType::Jpeg)),
            ("IMAGE/Jpeg", Image(ContentType::Jpeg)),
            (" image/jpeg\t", Image(ContentType::Jpeg)),
            ("image/jpeg; charset=binary", Image(ContentType::Jpeg)),
            ("image/jpeg ;charset=\"a;b\"", Image(ContentType::Jpeg)),
            ("image/png;", Image(ContentType::Png)),
            ("image/jpg", Image(ContentType::Jpeg)),
            ("Image/PJPEG", Image(ContentType::Jpeg)),
            ("image/x-citrix-jpeg", Image(ContentType::Jpeg)),
            ("image/x-png", Image(ContentType::Png)),
            ("image/apng", Image(ContentType::Png)),
            ("image/webp; q=0.9", Image(ContentType::WebP)),
            ("image/gif", Image(ContentType::Gif)),
            ("image/heic", Image(ContentType::Heic)),
            (" image/HEIF; v=1", Image(ContentType::Heic)),
            ("image/heic-sequence", Image(ContentType::Heic)),
            ("application/octet-stream", OctetStream),
            ("Application/Octet-Stream; charset=binary", OctetStream),
            ("binary/octet-stream", OctetStream),
            ("image/*", OctetStream),
        ] {
            let declared: DeclaredType = sent.parse().unwrap();
            assert_eq!(declared, expected, "{sent:?}");
            assert_eq!(declared.as_str().parse(), Ok(declared), "{sent:?} is canonical when it is written");
        }
    }

    #[test]
    fn other_types_are_unsupported() {
        for other in [
            "",
            " ",
            ";",
            "; charset=binary",
            "jpeg",
            "image/",
            "image/jpeg charset=binary",
            "image/jpeg, image/png",
            "image / jpeg",
            "image/svg+xml",
            "image/avif",
            "text/html; image/jpeg",
            "application/json",
            "*/*",
        ] {
            assert_eq!(other.parse::<DeclaredType>(), Err(UnsupportedType), "{other:?}");
        }
    }

    #[test]
    fn bytes_agree_with_their_own_type_and_with_none() {
        for found in ContentType::ALL {
            assert!(DeclaredType::OctetStream.agrees_with(found));
            for declared in ContentType::ALL {
                assert_eq!(DeclaredType::from(declared).agrees_with(found), declared == found);
            }
        }
    }
}

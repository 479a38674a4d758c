//! Content types that come in, formats and names of the variants that go out.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A content type that a client may upload ([IANA image media types]).
///
/// [IANA image media types]: https://www.iana.org/assignments/media-types/media-types.xhtml#image
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContentType {
    /// `image/gif`
    Gif,
    /// `image/heic`: still pictures coded as HEVC in a HEIF container, as phones write them.
    Heic,
    /// `image/jpeg`
    Jpeg,
    /// `image/png`
    Png,
    /// `image/webp`
    WebP,
}

impl ContentType {
    /// Every type that the pipeline can decode.
    pub const ALL: [Self; 5] = [Self::Gif, Self::Heic, Self::Jpeg, Self::Png, Self::WebP];

    /// The media type, as it is signed and stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gif => "image/gif",
            Self::Heic => "image/heic",
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
        }
    }

    /// How many of a file's first bytes [`ContentType::of_bytes`] needs: a `ftyp` box with some ten brands.
    pub const SIGNATURE_BYTES: usize = 64;

    /// What a file is by its first bytes; none if it is nothing that can be decoded. A name and a declared type say
    /// what somebody believed, these say what a decoder will meet
    /// ([MIME Sniffing, section 6.1](https://mimesniff.spec.whatwg.org/#matching-an-image-type-pattern)).
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [a, b, c, d, b'f', b't', b'y', b'p', content @ ..] => {
                let content_bytes = u32::from_be_bytes([*a, *b, *c, *d]).saturating_sub(8) as usize;
                has_heic_brand(&content[..content_bytes.min(content.len())]).then_some(Self::Heic)
            }
            _ => None,
        }
    }
}

/// Returns whether the content of a `ftyp` box announces pictures coded as HEVC (ISO/IEC 23008-12, annex B): the major
/// brand, a version, the compatible brands. `mif1` and `msf1` say "HEIF" and leave the codec to the other brands.
fn has_heic_brand(content: &[u8]) -> bool {
    const HEVC: [&[u8; 4]; 8] = [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"];
    const ANY_CODEC: [&[u8; 4]; 2] = [b"mif1", b"msf1"];
    const OTHER_CODECS: [&[u8; 4]; 6] = [b"avif", b"avis", b"avci", b"avcs", b"jpeg", b"jpgs"];
    let one_of = |list: &[&[u8; 4]], brand: &[u8; 4]| list.contains(&brand);
    let (brands, _) = content.as_chunks::<4>();
    let [major, rest @ ..] = brands else { return false };
    let compatible = rest.get(1..).unwrap_or_default();
    if one_of(&OTHER_CODECS, major) {
        return false;
    }
    one_of(&HEVC, major)
        || compatible.iter().any(|brand| one_of(&HEVC, brand))
        || (one_of(&ANY_CODEC, major) && !compatible.iter().any(|brand| one_of(&OTHER_CODECS, brand)))
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The content type is not one that photodrop can make thumbnails of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unsupported content type")]
pub struct UnsupportedType;

impl FromStr for ContentType {
    type Err = UnsupportedType;

    /// Media types are case-insensitive (RFC 9110, section 8.3.1); parameters have no meaning for images and are refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text)).ok_or(UnsupportedType)
    }
}

/// How a variant is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VariantFormat {
    /// Baseline for every client.
    Jpeg,
    /// Smaller; every browser since 2020.
    #[serde(rename = "webp")]
    WebP,
    /// Smaller still and slow to make; every browser since 2024.
    Avif,
    /// Of a sanitised original alone.
    Png,
    /// Of a sanitised original alone.
    Gif,
}

impl VariantFormat {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Jpeg, Self::WebP, Self::Avif, Self::Png, Self::Gif];

    /// Every format that can be configured, which is what [`FromStr`] understands.
    pub const CONFIGURABLE: [Self; 3] = [Self::Jpeg, Self::WebP, Self::Avif];

    /// The name used in the API, in records and in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::WebP => "webp",
            Self::Avif => "avif",
            Self::Png => "png",
            Self::Gif => "gif",
        }
    }

    /// The media type of a variant's object.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
            Self::Avif => "image/avif",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
        }
    }

    /// The last part of a variant's key.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::WebP => "webp",
            Self::Avif => "avif",
            Self::Png => "png",
            Self::Gif => "gif",
        }
    }
}

/// The text names no variant format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown variant format {0:?}: jpeg, webp or avif is expected")]
pub struct UnknownVariantFormat(String);

impl FromStr for VariantFormat {
    type Err = UnknownVariantFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::CONFIGURABLE
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or_else(|| UnknownVariantFormat(text.to_owned()))
    }
}

/// The longest variant name, in characters.
pub const MAX_VARIANT_NAME_CHARS: usize = 32;

/// A variant's name, such as `small`: lower-case letters, digits and `-`, because it is part of a key and a URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct VariantName(String);

/// The text cannot name a variant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad variant name {0:?}: 1 to {MAX_VARIANT_NAME_CHARS} of a-z, 0-9 and '-' are expected")]
pub struct InvalidVariantName(String);

impl VariantName {
    /// Takes a name from configuration or from a record.
    pub fn parse(text: &str) -> Result<Self, InvalidVariantName> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=MAX_VARIANT_NAME_CHARS).contains(&text.len()) && text.bytes().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidVariantName(text.to_owned()))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VariantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_case_insensitive_and_nothing_else_is_forgiven() {
        assert_eq!("image/JPEG".parse(), Ok(ContentType::Jpeg));
        for known in ContentType::ALL {
            assert_eq!(known.as_str().parse(), Ok(known));
        }
        for other in ["", "image/jpg", "image/svg+xml", "text/html", " image/png", "image/png; charset=utf-8"]
        {
            assert_eq!(other.parse::<ContentType>(), Err(UnsupportedType), "{other}");
        }
    }

    #[test]
    fn a_file_is_what_its_first_bytes_say() {
        for (bytes, expected) in [
            (b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01".as_slice(), Some(ContentType::Jpeg)),
            (b"\x89PNG\r\n\x1a\n\0\0\0\r", Some(ContentType::Png)),
            (b"GIF89a\x01\0\x01\0\0\0", Some(ContentType::Gif)),
            (b"GIF87a", Some(ContentType::Gif)),
            (b"RIFF\x24\0\0\0WEBP", Some(ContentType::WebP)),
            (b"RIFF\x24\0\0\0WAVE", None),
            (b"RIFF\x24\0\0\0WEB", None),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Some(ContentType::Heic)),
            (b"\0\0\0\x18ftypheic", Some(ContentType::Heic)),
            (b"\0\0\0\x18ftypheix\0\0\0\0mif1heix", Some(ContentType::Heic)),
            (b"\0\0\0\x1cftypmsf1\0\0\0\0mif1msf1hevc", Some(ContentType::Heic)),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafheic", Some(ContentType::Heic)),
            (b"\0\0\0\x14ftypmif1\0\0\0\0mif1", Some(ContentType::Heic)),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafavif", None),
            (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", None),
            (b"\0\0\0\x18ftypisom\0\0\0\0mp41mp42", None),
            // The brand behind the box is not one of its brands.
            (b"\0\0\0\x14ftypisom\0\0\0\0mp41heic", None),
            (b"\0\0\0\x08ftypheic", None),
            (b"\0\0\0\x18ftyphei", None),
            (b"\0\0\0\x18ftyp", None),
            (b"\xff\xd8", None),
            (b"GIF88a", None),
            (b"Dear diary,\n", None),
            (b"", None),
        ] {
            assert_eq!(ContentType::of_bytes(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn variant_formats_read_back_what_they_wrote() {
        for known in VariantFormat::ALL {
            assert_eq!(serde_json::to_value(known).unwrap(), known.as_str());
            assert_eq!(serde_json::from_value::<VariantFormat>(known.as_str().into()).unwrap(), known);
            assert_eq!(
                known.as_str().parse::<VariantFormat>().is_ok(),
                VariantFormat::CONFIGURABLE.contains(&known)
            );
        }
        for known in VariantFormat::CONFIGURABLE {
            assert_eq!(known.as_str().parse(), Ok(known));
        }
    }

    #[test]
    fn variant_names_are_safe_in_keys() {
        for good in ["small", "w1280", "retina-2x"] {
            assert_eq!(VariantName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "Small", "a/b", "..", "a.b", "a b", "é", &"x".repeat(33)] {
            assert!(VariantName::parse(bad).is_err(), "{bad}");
        }
    }
}

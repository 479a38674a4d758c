//! The image types that come in and go out, and how the bytes tell them.

use std::fmt;

use crate::error::ImagingError;

/// An image type that is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Baseline, extended or progressive JPEG of 8 bits.
    Jpeg,
    /// PNG of any depth; of an animated PNG its default image.
    Png,
    /// Lossy or lossless WebP; of an animation its first frame.
    WebP,
    /// GIF; of an animation its first frame.
    Gif,
    /// HEIF whose primary item is coded as HEVC; of an image sequence its primary item.
    Heic,
}

impl Format {
    /// Lower-case name: `jpeg`, `png`, `webp`, `gif`, `heic`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::WebP => "webp",
            Self::Gif => "gif",
            Self::Heic => "heic",
        }
    }

    /// The media type, as in a `content-type` header.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
            Self::Heic => "image/heic",
        }
    }

    /// Tells the type by the first bytes alone, of HEIF by the type of the primary item; a name or a declared type is never asked.
    ///
    /// # Errors
    /// [`ImagingError::UnsupportedType`] for a picture or document that is recognised but not decoded,
    /// [`ImagingError::NotAnImage`] for the rest.
    pub fn sniff(bytes: &[u8]) -> Result<Self, ImagingError> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Ok(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Ok(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(Self::WebP),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Ok(Self::Gif),
            [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] if photo_heif::is_heif(bytes) => {
                match photo_heif::check_primary_item(bytes) {
                    Err(_) if brand.starts_with(b"avi") => Err(ImagingError::UnsupportedType("AVIF")),
                    Err(photo_heif::Error::Unsupported(kind)) => Err(ImagingError::UnsupportedType(kind)),
                    // Damage is found when the file is read.
                    _ => Ok(Self::Heic),
                }
            }
            _ => Err(unsupported_name(bytes).map_or(ImagingError::NotAnImage, ImagingError::UnsupportedType)),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An image type that variants are made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputFormat {
    /// Baseline JPEG, 4:2:0 below quality 90; alpha is flattened on the background.
    Jpeg,
    /// Lossy WebP; alpha is kept.
    WebP,
    /// AVIF, 8 bits, 4:4:4; alpha is kept. Slow to make.
    Avif,
}

impl OutputFormat {
    /// Lower-case name: `jpeg`, `webp`, `avif`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::WebP => "webp",
            Self::Avif => "avif",
        }
    }

    /// The media type, as in a `content-type` header.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
            Self::Avif => "image/avif",
        }
    }

    /// The longest side in px that the file format can say (JPEG and AV1: 16 bits, WebP: 14 bits).
    #[must_use]
    pub const fn max_side(self) -> u32 {
        match self {
            Self::Jpeg | Self::Avif => 65_535,
            Self::WebP => 16_383,
        }
    }
}

impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A recognised type gets its own answer ("TIFF is not supported"): its sender did send a picture.
fn unsupported_name(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand.get(..4)? {
            b"crx " => Some("CR3"),
            b"jxl " => Some("JPEG XL"),
            b"jp2 " | b"jpx " => Some("JPEG 2000"),
            _ => None,
        },
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => Some("TIFF"),
        [b'I', b'I', b'+', 0, 8, 0, 0, 0, ..] | [b'M', b'M', 0, b'+', 0, 8, 0, 0, ..] => Some("BigTIFF"),
        [b'I', b'I', 0xbc, ..] => Some("JPEG XR"),
        [b'I', b'I', b'R', b'O' | b'S', ..] | [b'M', b'M', b'O', b'R', ..] => Some("ORF"),
        [b'I', b'I', b'U', 0, ..] => Some("RW2"),
        [0xff, 0x0a, ..] | [0, 0, 0, 0x0c, b'J', b'X', b'L', b' ', ..] => Some("JPEG XL"),
        [0xff, 0x4f, 0xff, 0x51, ..] | [0, 0, 0, 0x0c, b'j', b'P', b' ', b' ', ..] => Some("JPEG 2000"),
        // "BM" alone begins many a text; the size of the second header does not.
        [b'B', b'M', _, _, _, _, _, _, _, _, _, _, _, _, 12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0, ..] => {
            Some("BMP")
        }
        [b'8', b'B', b'P', b'S', ..] => Some("PSD"),
        [b'%', b'P', b'D', b'F', b'-', ..] => Some("PDF"),
        [0, 0, 1, 0, ..] => Some("ICO"),
        _ if bytes.starts_with(b"FUJIFILMCCD-RAW") => Some("RAF"),
        _ => is_svg(bytes).then_some("SVG"),
    }
}

/// An SVG's element may come after an XML declaration, comments and a document type.
fn is_svg(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let head = &text[..text.len().min(4096)];
    let before_it: [&[u8]; 3] = [b"<?xml", b"<!--", b"<!DOCTYPE svg"];
    head.starts_with(b"<svg")
        || (before_it.iter().any(|start| head.starts_with(start)) && head.windows(4).any(|w| w == b"<svg"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_told_by_its_first_bytes() {
        let table: [(&[u8], Result<Format, &str>); 29] = [
            (b"\xff\xd8\xff\xe0", Ok(Format::Jpeg)),
            (b"\x89PNG\r\n\x1a\n", Ok(Format::Png)),
            (b"RIFF\0\0\0\0WEBP", Ok(Format::WebP)),
            (b"GIF87a", Ok(Format::Gif)),
            (b"GIF89a", Ok(Format::Gif)),
            (b"", Err("NOT_AN_IMAGE")),
            (b"\xff\xd8", Err("NOT_AN_IMAGE")),
            (b"RIFF\0\0\0\0WAVE", Err("NOT_AN_IMAGE")),
            (b"\0\0\0\x18ftypheic", Ok(Format::Heic)),
            (b"\0\0\0\x18ftypavif", Err("UNSUPPORTED_TYPE")),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", Ok(Format::Heic)),
            (b"\0\0\0\x18ftypmsf1\0\0\0\0hevcmsf1\0\0\0\x08moov", Err("UNSUPPORTED_TYPE")),
            (b"\0\0\0\x18ftypmp42", Err("NOT_AN_IMAGE")),
            (b"BM is how this text begins, you see", Err("NOT_AN_IMAGE")),
            (b"\xef\xbb\xbf <?xml version='1.0'?><!-- --><svg/>", Err("UNSUPPORTED_TYPE")),
            (b"<!-- by hand --><svg/>", Err("UNSUPPORTED_TYPE")),
            (b"\n<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' ''><svg/>", Err("UNSUPPORTED_TYPE")),
            (b"<!-- a page --><html></html>", Err("NOT_AN_IMAGE")),
            (b"<!DOCTYPE html><svg/>", Err("NOT_AN_IMAGE")),
            (b"II+\0\x08\0\0\0", Err("UNSUPPORTED_TYPE")),
            (b"MM\0+\0\x08\0\0", Err("UNSUPPORTED_TYPE")),
            (b"II\xbc\x01", Err("UNSUPPORTED_TYPE")),
            (b"IIRO\x08", Err("UNSUPPORTED_TYPE")),
            (b"IIRS\x08", Err("UNSUPPORTED_TYPE")),
            (b"MMOR\0", Err("UNSUPPORTED_TYPE")),
            (b"IIU\0\x18", Err("UNSUPPORTED_TYPE")),
            (b"FUJIFILMCCD-RAW 0201", Err("UNSUPPORTED_TYPE")),
            (b"\xff\x4f\xff\x51\0\x29", Err("UNSUPPORTED_TYPE")),
            (b"\0\0\0\x18ftypjp2 ", Err("UNSUPPORTED_TYPE")),
        ];
        for (bytes, expected) in table {
            assert_eq!(Format::sniff(bytes).map_err(|e| e.code()), expected, "{bytes:?}");
        }
    }
}

//! What a client may ask for: each value is checked once, where it comes in, and its type says so from then on.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::{DeclaredType, UploadMethod};

/// A request for an upload, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRequest {
    /// The name that the user's file had; shown, never used in a key.
    pub file_name: Option<FileName>,
    /// What the client says the bytes are; signed, and checked against the bytes later.
    pub content_type: DeclaredType,
    /// How many bytes the client will put; signed.
    pub size_bytes: u64,
    /// The SHA-256 of the bytes, if the client knows it; signed, and checked by S3.
    pub checksum: Option<Checksum>,
    /// The client's own notes.
    pub metadata: Metadata,
    /// How the client will bring the bytes.
    pub method: UploadMethod,
}

impl UploadRequest {
    /// Tells two requests with one idempotency key apart: the SHA-256, in hex, of every field.
    ///
    /// Each part is preceded by its length, so that no two requests have the same bytes under the hash.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(self.content_type.as_str().as_bytes());
        part(&self.size_bytes.to_be_bytes());
        part(self.file_name.as_ref().map_or(&[], |name| name.as_str().as_bytes()));
        part(self.checksum.as_ref().map_or(&[], |checksum| checksum.0.as_slice()));
        for (name, value) in &self.metadata.0 {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        // Names and values come in pairs, so one more part cannot be taken for either. A PUT adds none: it has the
        // fingerprint that it had before there was a choice.
        if self.method != UploadMethod::Put {
            part(self.method.as_str().as_bytes());
        }
        hex(&hash.finalize())
    }

    /// The fingerprint of several requests made as one, in order.
    #[must_use]
    pub fn fingerprint_of_all<'a>(requests: impl IntoIterator<Item = &'a Self>) -> String {
        let mut hash = Sha256::new();
        // Each is of one length, and the word keeps a batch of one apart from the request by itself.
        hash.update(b"batch");
        for request in requests {
            hash.update(request.fingerprint());
        }
        hex(&hash.finalize())
    }
}

/// The longest file name, in characters: the limit of the usual file systems.
pub const MAX_FILE_NAME_CHARS: usize = 255;

/// The longest extension that a shortened file name keeps, in characters with its dot.
const MAX_EXTENSION_CHARS: usize = 16;

/// A file's name as the user has it, without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// Takes a name from a request or a record: drops control characters, and shortens a name over [`MAX_FILE_NAME_CHARS`]
    /// at the end of its stem. Returns none if nothing but white space is left.
    #[must_use]
    pub fn clean(text: &str) -> Option<Self> {
        let name: String = text.chars().filter(|c| !c.is_control()).collect();
        if name.trim().is_empty() {
            return None;
        }
        let length = name.chars().count();
        if length <= MAX_FILE_NAME_CHARS {
            return Some(Self(name));
        }
        let extension = extension(&name);
        let stem = name.chars().take(MAX_FILE_NAME_CHARS - extension.len());
        Some(Self(stem.chain(extension.chars()).collect()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns a name's extension with its dot; empty if it has none of ASCII letters and digits.
fn extension(name: &str) -> &str {
    let dot = name.rfind('.').unwrap_or(name.len());
    let extension = &name[dot..];
    let legal = (2..=MAX_EXTENSION_CHARS).contains(&extension.len())
        && extension.bytes().skip(1).all(|b| b.is_ascii_alphanumeric());
    if legal { extension } else { "" }
}

/// A SHA-256 digest, written in base64 as S3's `x-amz-checksum-sha256` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum([u8; 32]);

/// The text is not a SHA-256 digest in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 digest is expected: 32 bytes in padded base64, 44 characters")]
pub struct InvalidChecksum;

impl Checksum {
    /// Reads the digest from base64.
    pub fn parse(text: &str) -> Result<Self, InvalidChecksum> {
        let bytes = STANDARD.decode(text).map_err(|_| InvalidChecksum)?;
        Ok(Self(bytes.try_into().map_err(|_| InvalidChecksum)?))
    }

    /// Whether it is the digest of these bytes.
    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        Sha256::digest(bytes).as_slice() == self.0
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

/// The most metadata entries of a photo.
pub const MAX_METADATA_ENTRIES: usize = 16;
/// The longest metadata name, in bytes.
pub const MAX_METADATA_NAME_BYTES: usize = 64;
/// The longest metadata value, in bytes.
pub const MAX_METADATA_VALUE_BYTES: usize = 512;

/// A client's own notes on a photo, kept in its record and returned with it.
///
/// Together at most 9 KiB, so that a record stays far below DynamoDB's 400 KB and a read of it costs few units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(BTreeMap<String, String>);

/// The metadata is more than a record takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    /// More entries than [`MAX_METADATA_ENTRIES`].
    #[error("metadata has at most {MAX_METADATA_ENTRIES} entries")]
    TooMany,
    /// A name that is empty or longer than [`MAX_METADATA_NAME_BYTES`].
    #[error("a metadata name has 1 to {MAX_METADATA_NAME_BYTES} bytes")]
    Name,
    /// A control character, of which JSON makes six bytes: a page of photos could be more than a function may answer. Tabs
    /// and line ends may be in values.
    #[error("metadata has no control characters but tabs and line ends in values")]
    Control,
    /// A value longer than [`MAX_METADATA_VALUE_BYTES`].
    #[error("a metadata value has at most {MAX_METADATA_VALUE_BYTES} bytes")]
    Value,
}

impl Metadata {
    /// Takes the entries of a request.
    pub fn new(entries: BTreeMap<String, String>) -> Result<Self, InvalidMetadata> {
        if entries.len() > MAX_METADATA_ENTRIES {
            return Err(InvalidMetadata::TooMany);
        }
        for (name, value) in &entries {
            if !(1..=MAX_METADATA_NAME_BYTES).contains(&name.len()) {
                return Err(InvalidMetadata::Name);
            }
            if value.len() > MAX_METADATA_VALUE_BYTES {
                return Err(InvalidMetadata::Value);
            }
            let line_ends = ['\t', '\n', '\r'];
            if name.chars().any(char::is_control)
                || value.chars().any(|c| c.is_control() && !line_ends.contains(&c))
            {
                return Err(InvalidMetadata::Control);
            }
        }
        Ok(Self(entries))
    }

    /// Takes the entries of a record as they are: an earlier version may have let more through.
    #[must_use]
    pub const fn stored(entries: BTreeMap<String, String>) -> Self {
        Self(entries)
    }

    /// The entries, by name.
    #[must_use]
    pub fn entries(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

/// The longest idempotency key, in characters.
pub const MAX_IDEMPOTENCY_KEY_CHARS: usize = 255;

/// What a client sends as `Idempotency-Key`, so that repeating a request is safe
/// ([draft-ietf-httpapi-idempotency-key-header]).
///
/// [draft-ietf-httpapi-idempotency-key-header]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// The header's value cannot be an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY_CHARS} printable ASCII characters")]
pub struct InvalidIdempotencyKey;

impl IdempotencyKey {
    /// Takes the header's value.
    pub fn parse(text: &str) -> Result<Self, InvalidIdempotencyKey> {
        let legal = (1..=MAX_IDEMPOTENCY_KEY_CHARS).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
            && text.bytes().any(|b| b != b' ');
        if legal { Ok(Self(text.to_owned())) } else { Err(InvalidIdempotencyKey) }
    }

    /// The SHA-256 of the key in hex: of fixed length in the table, and clients put anything into keys.
    #[must_use]
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ContentType;

    fn request() -> UploadRequest {
        UploadRequest {
            file_name: FileName::clean("cat.jpg"),
            content_type: ContentType::Jpeg.into(),
            size_bytes: 1000,
            checksum: None,
            metadata: Metadata::default(),
            method: UploadMethod::Put,
        }
    }

    fn metadata(entries: &[(&str, &str)]) -> Result<Metadata, InvalidMetadata> {
        Metadata::new(entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn equal_requests_have_equal_fingerprints() {
        assert_eq!(request().fingerprint(), request().fingerprint());
        assert_eq!(request().fingerprint().len(), 64);
    }

    #[test]
    fn every_field_changes_the_fingerprint() {
        let digest = Checksum::parse("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").unwrap();
        let others = [
            UploadRequest { file_name: None, ..request() },
            UploadRequest { content_type: ContentType::Png.into(), ..request() },
            UploadRequest { content_type: DeclaredType::OctetStream, ..request() },
            UploadRequest { size_bytes: 1001, ..request() },
            UploadRequest { checksum: Some(digest), ..request() },
            UploadRequest { metadata: metadata(&[("a", "bc")]).unwrap(), ..request() },
            UploadRequest { metadata: metadata(&[("ab", "c")]).unwrap(), ..request() },
            UploadRequest { method: UploadMethod::Post, ..request() },
            UploadRequest { method: UploadMethod::multipart(1000), ..request() },
        ];
        let mut seen: Vec<_> = others.iter().map(UploadRequest::fingerprint).collect();
        seen.push(request().fingerprint());
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn a_batch_has_a_fingerprint_of_its_own() {
        let (one, two) = (request(), UploadRequest { size_bytes: 2, ..request() });
        let of = |requests: &[&UploadRequest]| UploadRequest::fingerprint_of_all(requests.iter().copied());
        let all = [of(&[&one]), of(&[&two]), of(&[&one, &two]), of(&[&two, &one]), one.fingerprint()];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
        assert_eq!(of(&[&one, &two]), of(&[&one, &two]));
    }

    #[test]
    fn a_checksum_knows_its_bytes() {
        let of_nothing = Checksum::parse("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").unwrap();
        assert!(of_nothing.matches(b""));
        assert!(!of_nothing.matches(b"x"));
    }

    #[test]
    fn a_checksum_is_32_bytes_of_padded_base64() {
        let text = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(Checksum::parse(text).unwrap().to_string(), text);
        for bad in [
            "",
            "abc",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "AAAA",
            "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
        ] {
            assert_eq!(Checksum::parse(bad), Err(InvalidChecksum), "{bad}");
        }
    }

    #[test]
    fn a_file_name_keeps_what_can_be_shown() {
        let long = |stem: &str, extension: &str| format!("{}{extension}", stem.repeat(255 - extension.len()));
        for (sent, kept) in [
            ("a", "a"),
            ("Ümläut 1+2.jpg", "Ümläut 1+2.jpg"),
            ("../../etc/passwd", "../../etc/passwd"),
            (r"C:\fakepath\cat.jpg", r"C:\fakepath\cat.jpg"),
            (" a ", " a "),
            ("a\nb\0\t.\u{7f}jpg\u{85}\u{9f}", "ab.jpg"),
            ("\u{1b}[31mred.jpg", "[31mred.jpg"),
            (&"x".repeat(255), &"x".repeat(255)),
            (&"é".repeat(255), &"é".repeat(255)),
            (&"🌞".repeat(255), &"🌞".repeat(255)),
            (&"🌞".repeat(256), &"🌞".repeat(255)),
            (&format!("{}.jpeg", "é".repeat(300)), &long("é", ".jpeg")),
            (&format!("{}.jpeg", "x".repeat(100_000)), &long("x", ".jpeg")),
            (&format!("{}.jp g", "x".repeat(255)), &"x".repeat(255)),
            (
                &format!("{}.{}", "x".repeat(200), "y".repeat(100)),
                &format!("{}.{}", "x".repeat(200), "y".repeat(54)),
            ),
            (&format!("{}.", "x".repeat(255)), &"x".repeat(255)),
            (&format!("{}.jpg", "\0".repeat(300)), ".jpg"),
        ] {
            let name = FileName::clean(sent).unwrap();
            assert_eq!(name.as_str(), kept, "{sent:?}");
            assert_eq!(FileName::clean(kept), Some(name), "the name of a record is the same again");
        }
        for nothing in ["", " ", "\0", "\r\n", "\u{85}\u{2003}", &"\u{1}".repeat(1000)] {
            assert_eq!(FileName::clean(nothing), None, "{nothing:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_file_name_within_limits(text in ".{0,600}") {
            if let Some(name) = FileName::clean(&text) {
                let name = name.as_str();
                proptest::prop_assert!(name.chars().count() <= MAX_FILE_NAME_CHARS);
                proptest::prop_assert!(!name.chars().any(char::is_control));
                let again = FileName::clean(name).unwrap();
                proptest::prop_assert_eq!(again.as_str(), name);
            }
        }
    }

    #[test]
    fn metadata_is_bounded_in_every_direction() {
        assert!(metadata(&[("album", "summer"), ("note", "")]).is_ok());
        assert_eq!(metadata(&[("", "x")]), Err(InvalidMetadata::Name));
        assert_eq!(metadata(&[(&"n".repeat(65), "x")]), Err(InvalidMetadata::Name));
        assert_eq!(metadata(&[("n", &"v".repeat(513))]), Err(InvalidMetadata::Value));
        assert!(metadata(&[("note", "two\r\nlines,\ta tab, \"quotes\" and ümläute")]).is_ok());
        for (name, value) in [("a\nb", "x"), ("n", "\0"), ("n", "\u{1}"), ("n", "\u{7f}"), ("n", "\u{85}")] {
            assert_eq!(metadata(&[(name, value)]), Err(InvalidMetadata::Control), "{name:?}: {value:?}");
        }
        let many = (0..17).map(|i| (i.to_string(), String::new())).collect();
        assert_eq!(Metadata::new(many), Err(InvalidMetadata::TooMany));
    }

    #[test]
    fn idempotency_keys_are_printable_and_bounded() {
        let key = IdempotencyKey::parse("8e03978e-40d5-43dd-bc93-6894a57f9324").unwrap();
        assert_eq!(key.digest().len(), 64);
        for bad in ["", " ", "a\tb", "é", &"k".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(bad), Err(InvalidIdempotencyKey), "{bad:?}");
        }
    }
}

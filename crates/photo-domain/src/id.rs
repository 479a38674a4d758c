//! Identities: the photo's and its owner's.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

/// Everything but unreserved characters that mean nothing to S3, URLs or shells.
///
/// `.` and `~` are encoded too: `.` and `..` as whole path segments are normalised away by some HTTP clients.
const OWNER_RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// Identifies one photo: a UUID version 7 ([RFC 9562]), so ids sort by the time they were made.
///
/// [RFC 9562]: https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PhotoId(Uuid);

impl PhotoId {
    /// A new id that sorts after every id made in an earlier millisecond.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id of a photo that is taken over from elsewhere: always the same for the same `source`, whatever tells it
    /// from every other, so that taking it over twice makes one photo. It sorts by when the source was written.
    #[must_use]
    pub fn of_source(written_at: OffsetDateTime, source: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in source {
            // Each part is preceded by its length, so that no two sources have the same bytes under the hash.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let mut random = [0; 10];
        random.copy_from_slice(&digest[..10]);
        let milliseconds = u64::try_from(written_at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid())
    }

    /// Several new ids, in order, all of one day (UTC): what is counted by the day counts them together.
    #[must_use]
    pub fn generate_many(count: usize) -> Vec<Self> {
        loop {
            let ids: Vec<_> = (0..count).map(|_| Self::generate()).collect();
            let day = |id: Option<&Self>| id.map(|id| id.made_at().date());
            // Midnight was in between: once more, and all of them are of the new day.
            if day(ids.first()) == day(ids.last()) {
                return ids;
            }
        }
    }

    /// The id of these bytes.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Result<Self, InvalidPhotoId> {
        let id = Uuid::from_bytes(bytes);
        if id.get_version_num() == 7 { Ok(Self(id)) } else { Err(InvalidPhotoId) }
    }

    /// Its bytes.
    pub(crate) const fn bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// When it was made, to the millisecond.
    #[must_use]
    pub fn made_at(&self) -> OffsetDateTime {
        // Version 7 begins with 48 bits of Unix time in milliseconds.
        let milliseconds = self.0.as_u128() >> 80;
        let nanoseconds = i128::try_from(milliseconds).unwrap_or_default() * 1_000_000;
        // Past the year 9999, which `time` does not know, no id of ours was made.
        OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The last of its random bytes.
    pub(crate) const fn last_byte(self) -> u8 {
        self.0.as_bytes()[15]
    }
}

impl fmt::Display for PhotoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The text is not a photo id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a photo id: a lower-case hyphenated UUID version 7 is expected")]
pub struct InvalidPhotoId;

impl FromStr for PhotoId {
    type Err = InvalidPhotoId;

    /// Accepts only the canonical form: one photo must not have two names.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = Uuid::parse_str(text).map_err(|_| InvalidPhotoId)?;
        let id = Self(id);
        if id.0.get_version_num() == 7 && id.to_string() == text { Ok(id) } else { Err(InvalidPhotoId) }
    }
}

impl<'de> Deserialize<'de> for PhotoId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The longest `sub` that OpenID Connect allows, in characters ([OIDC Core 1.0, section 2]).
///
/// [OIDC Core 1.0, section 2]: https://openid.net/specs/openid-connect-core-1_0.html#IDToken
pub const MAX_OWNER_CHARS: usize = 255;

/// The longest owner in a key, in bytes: what the longest `sub` in ASCII, as the specification wants it, comes to. With
/// the rest of an object's key it stays below S3's 1,024 bytes.
pub const MAX_ENCODED_OWNER_BYTES: usize = 3 * MAX_OWNER_CHARS;

/// Who owns a photo: the `sub` claim of the caller's token, as the issuer wrote it.
///
/// Issuers use `|`, `:`, `@` and `/` in it, so wherever it becomes part of a key it is percent-encoded
/// by [`OwnerId::encoded`]; the encoding is injective, so no owner can name another's keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnerId(String);

/// The text cannot be an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOwnerId {
    /// A token without a subject.
    #[error("the subject is empty")]
    Empty,
    /// Longer than OpenID Connect allows, or than a key can hold.
    #[error(
        "the subject has more than {MAX_OWNER_CHARS} characters, or {MAX_ENCODED_OWNER_BYTES} bytes encoded"
    )]
    TooLong,
    /// Not the form that [`OwnerId::encoded`] writes.
    #[error("the owner is not percent-encoded as photodrop does it")]
    Encoding,
}

impl OwnerId {
    /// Takes the `sub` claim of a verified token.
    pub fn from_subject(subject: &str) -> Result<Self, InvalidOwnerId> {
        if subject.is_empty() {
            return Err(InvalidOwnerId::Empty);
        }
        if subject.chars().count() > MAX_OWNER_CHARS {
            return Err(InvalidOwnerId::TooLong);
        }
        let owner = Self(subject.to_owned());
        if owner.encoded().len() > MAX_ENCODED_OWNER_BYTES {
            return Err(InvalidOwnerId::TooLong);
        }
        Ok(owner)
    }

    /// Reads back what [`OwnerId::encoded`] wrote, and nothing else.
    pub fn from_encoded(encoded: &str) -> Result<Self, InvalidOwnerId> {
        let subject = percent_decode_str(encoded).decode_utf8().map_err(|_| InvalidOwnerId::Encoding)?;
        let owner = Self::from_subject(&subject)?;
        if owner.encoded() == encoded { Ok(owner) } else { Err(InvalidOwnerId::Encoding) }
    }

    /// The subject as the issuer wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Percent-encoded for object and table keys: everything but `A-Z a-z 0-9 - _`.
    #[must_use]
    pub fn encoded(&self) -> String {
        utf8_percent_encode(&self.0, OWNER_RESERVED).to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_reads_back_what_it_wrote() {
        let id = PhotoId::generate();
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn ids_made_later_sort_later() {
        let ids: Vec<_> = (0..100).map(|_| PhotoId::generate()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn ids_made_together_are_of_one_day_and_in_order() {
        let ids = PhotoId::generate_many(25);
        assert_eq!(ids.len(), 25);
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert_eq!(ids[0].made_at().date(), ids[24].made_at().date());
        assert!(PhotoId::generate_many(0).is_empty());
    }

    #[test]
    fn an_id_knows_when_it_was_made() {
        let id: PhotoId = "01935b7c-0000-7000-8000-000000000001".parse().unwrap();
        assert_eq!(id.made_at().unix_timestamp_nanos(), 0x0193_5b7c_0000 * 1_000_000);
    }

    #[test]
    fn an_id_of_a_source_is_the_same_every_time_and_another_for_every_other_source() {
        let at = time::macros::datetime!(2019-07-01 12:00:00.5 UTC);
        let id = PhotoId::of_source(at, &["bucket", "a/Ümläut 1.jpg", "\"0123\""]);
        assert_eq!(id, PhotoId::of_source(at, &["bucket", "a/Ümläut 1.jpg", "\"0123\""]));
        assert_eq!((id.made_at(), id.to_string().parse()), (at, Ok(id)));
        for other in [
            PhotoId::of_source(at, &["bucket", "a/Ümläut 1.jpg", "\"0124\""]),
            PhotoId::of_source(at, &["bucketa", "/Ümläut 1.jpg", "\"0123\""]),
            PhotoId::of_source(at + time::Duration::SECOND, &["bucket", "a/Ümläut 1.jpg", "\"0123\""]),
        ] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn only_the_canonical_form_of_an_id_is_accepted() {
        let id = PhotoId::generate().to_string();
        for other in [
            id.to_uppercase(),
            id.replace('-', ""),
            format!("{{{id}}}"),
            format!("urn:uuid:{id}"),
            String::new(),
        ] {
            assert_eq!(other.parse::<PhotoId>(), Err(InvalidPhotoId), "{other}");
        }
        // Version 4.
        assert_eq!("f47ac10b-58cc-4372-a567-0e02b2c3d479".parse::<PhotoId>(), Err(InvalidPhotoId));
    }

    #[test]
    fn a_subject_with_separators_stays_one_path_segment() {
        let owner = OwnerId::from_subject("auth0|../a b+é").unwrap();
        assert_eq!(owner.encoded(), "auth0%7C%2E%2E%2Fa%20b%2B%C3%A9");
    }

    #[test]
    fn an_empty_or_endless_subject_is_refused() {
        assert_eq!(OwnerId::from_subject(""), Err(InvalidOwnerId::Empty));
        assert_eq!(OwnerId::from_subject(&"x".repeat(256)), Err(InvalidOwnerId::TooLong));
        assert!(OwnerId::from_subject(&"x".repeat(255)).is_ok());
        assert!(OwnerId::from_subject(&"|".repeat(255)).is_ok());
        assert_eq!(OwnerId::from_subject(&"é".repeat(128)), Err(InvalidOwnerId::TooLong));
        assert!(OwnerId::from_subject(&"é".repeat(127)).is_ok());
    }

    #[test]
    fn another_spelling_of_an_encoded_owner_is_refused() {
        for spelling in ["a%7cb", "%61", "a b", "a%", "%FF"] {
            assert_eq!(OwnerId::from_encoded(spelling), Err(InvalidOwnerId::Encoding), "{spelling}");
        }
    }

    proptest! {
        #[test]
        fn every_subject_survives_encoding_and_has_one_spelling(subject in "\\PC{1,80}") {
            let owner = OwnerId::from_subject(&subject).unwrap();
            let encoded = owner.encoded();
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_%".contains(&b)));
            prop_assert_eq!(OwnerId::from_encoded(&encoded), Ok(owner));
        }
    }
}

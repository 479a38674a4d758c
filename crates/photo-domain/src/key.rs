//! Object keys: the only place where they are formatted or parsed.
//!
//! ```text
//! originals bucket    photos/{owner}/{photo_id}/original
//! thumbnails bucket   photos/{owner}/{photo_id}/{variant}.{jpg|webp|avif|png|gif}
//!                     photos/{owner}/{photo_id}/{variant}.{edition}.{jpg|webp|avif|png|gif}
//! ```
//!
//! The owner comes first so that a busy service spreads over many S3 prefixes, each with its own
//! request rate. A user's file name is never part of a key.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::{OwnerId, PhotoId, VariantFormat, VariantName};

/// The first segment of every key. IAM policies and the S3 notification filter in `template.yaml` name it.
pub const PREFIX: &str = "photos";
const ORIGINAL: &str = "original";

/// Where the client puts the photo's bytes, in the originals bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginalKey {
    /// Whose photo it is.
    pub owner: OwnerId,
    /// Which photo it is.
    pub photo_id: PhotoId,
}

impl fmt::Display for OriginalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}/{}/{}/{ORIGINAL}", self.owner.encoded(), self.photo_id)
    }
}

/// The key is not one that photodrop makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the key of an original: {PREFIX}/{{owner}}/{{photo_id}}/{ORIGINAL} is expected")]
pub struct ForeignKey;

impl OriginalKey {
    /// What the keys of everything of this photo begin with, in both buckets; no other photo's key does.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("{PREFIX}/{}/{}/", self.owner.encoded(), self.photo_id)
    }

    /// The photo that a variant's key belongs to, whatever the variant is called.
    pub fn of_variant(key: &str) -> Result<Self, ForeignKey> {
        let (folder, name) = key.rsplit_once('/').ok_or(ForeignKey)?;
        let (stem, extension) = name.rsplit_once('.').ok_or(ForeignKey)?;
        let known = VariantFormat::ALL.iter().any(|format| format.extension() == extension);
        let name = match stem.rsplit_once('.') {
            Some((name, edition)) => edition.parse::<Edition>().is_ok().then_some(name),
            None => Some(stem),
        };
        if known && name.is_some_and(|name| VariantName::parse(name).is_ok()) {
            return format!("{folder}/{ORIGINAL}").parse();
        }
        Err(ForeignKey)
    }
}

impl FromStr for OriginalKey {
    type Err = ForeignKey;

    /// Parses an object's key as S3 stores it. A key from an S3 event is URL-encoded: decode it first.
    fn from_str(key: &str) -> Result<Self, Self::Err> {
        let mut segments = key.split('/');
        let (Some(PREFIX), Some(owner), Some(photo_id), Some(ORIGINAL), None) =
            (segments.next(), segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err(ForeignKey);
        };
        Ok(Self {
            owner: OwnerId::from_encoded(owner).map_err(|_| ForeignKey)?,
            photo_id: photo_id.parse().map_err(|_| ForeignKey)?,
        })
    }
}

/// One making of variants by a backfill.
///
/// Each has keys of its own. So the variants that the record names stay as they are until the record names the new
/// ones, which is one write; and an object that nobody names can be removed once it is older than any invocation:
/// no later making will ever name it. Time comes first, so editions sort by when they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edition(u64);

impl Edition {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        // Of a UUID version 7: 44 of its bits of Unix time in milliseconds, enough until 2527, and 20 of its last ones,
        // which are random. Those behind the time are not: of one process's ids of one millisecond they count.
        let (high, low) = Uuid::now_v7().as_u64_pair();
        Self(((high >> 16) << 20) | (low & 0xF_FFFF))
    }
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Edition {
    type Err = ForeignKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let edition = u64::from_str_radix(text, 16).map(Self).map_err(|_| ForeignKey)?;
        if edition.to_string() == text { Ok(edition) } else { Err(ForeignKey) }
    }
}

/// Where one variant is, in the thumbnails bucket.
///
/// That of a new photo follows from the original's key and the variant alone, so making a variant again overwrites it
/// with the same bytes: that is what makes duplicate events harmless. What a backfill makes has its [`Edition`] too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VariantKey<'a> {
    /// The photo.
    pub original: &'a OriginalKey,
    /// The variant's name.
    pub name: &'a VariantName,
    /// The variant's encoding.
    pub format: VariantFormat,
    /// By which backfill it was made; none for a new photo's.
    pub edition: Option<Edition>,
}

impl fmt::Display for VariantKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OriginalKey { owner, photo_id } = self.original;
        write!(f, "{PREFIX}/{}/{photo_id}/{}", owner.encoded(), self.name)?;
        if let Some(edition) = self.edition {
            write!(f, ".{edition}")?;
        }
        write!(f, ".{}", self.format.extension())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "01935b7c-0000-7000-8000-000000000001";

    fn original() -> OriginalKey {
        OriginalKey { owner: OwnerId::from_subject("auth0|7").unwrap(), photo_id: ID.parse().unwrap() }
    }

    #[test]
    fn keys_have_the_documented_shape() {
        let original = original();
        assert_eq!(original.to_string(), format!("photos/auth0%7C7/{ID}/original"));
        let name = VariantName::parse("small").unwrap();
        let variant =
            VariantKey { original: &original, name: &name, format: VariantFormat::Jpeg, edition: None };
        assert_eq!(variant.to_string(), format!("photos/auth0%7C7/{ID}/small.jpg"));
        let renewed = VariantKey { edition: Some(Edition(0x0193_5b7c_0000_7abc)), ..variant };
        assert_eq!(renewed.to_string(), format!("photos/auth0%7C7/{ID}/small.01935b7c00007abc.jpg"));
    }

    #[test]
    fn foreign_keys_are_told_apart() {
        for key in [
            "",
            "photos",
            "photos/a",
            &format!("photos/a/{ID}"),
            &format!("photos/a/{ID}/"),
            &format!("photos/a/{ID}/original/"),
            &format!("photos/a/{ID}/small.jpg"),
            &format!("/photos/a/{ID}/original"),
            &format!("photos//{ID}/original"),
            &format!("photos/a|b/{ID}/original"),
            &format!("photos/../{ID}/original"),
            "photos/a/not-an-id/original",
            "holiday photos/Straße 1+2.jpg",
        ] {
            assert_eq!(key.parse::<OriginalKey>(), Err(ForeignKey), "{key}");
        }
    }

    #[test]
    fn no_variant_key_parses_as_an_original() {
        // Were the buckets ever confused, a thumbnail must still not start another thumbnail.
        let original = original();
        for name in ["small", "original"] {
            let name = VariantName::parse(name).unwrap();
            for format in VariantFormat::ALL {
                for edition in [None, Some(Edition::generate())] {
                    let key = VariantKey { original: &original, name: &name, format, edition }.to_string();
                    assert_eq!(key.parse::<OriginalKey>(), Err(ForeignKey));
                }
            }
        }
    }

    #[test]
    fn a_variant_s_key_tells_its_photo() {
        let original = original();
        let name = VariantName::parse("small").unwrap();
        for format in VariantFormat::ALL {
            for edition in [None, Some(Edition::generate())] {
                let key = VariantKey { original: &original, name: &name, format, edition }.to_string();
                assert!(key.starts_with(&original.prefix()));
                assert_eq!(OriginalKey::of_variant(&key), Ok(original.clone()));
            }
        }
        for key in [
            original.to_string(),
            format!("{}x/small.jpg", original.prefix()),
            format!("photos/a/{ID}/small.tiff"),
            format!("photos/a/{ID}/.jpg"),
            format!("photos/a/{ID}/Small.jpg"),
            format!("photos/a/{ID}/small.1.jpg"),
            format!("photos/a/{ID}/small.+1935b7c00007abc.jpg"),
            format!("photos/a/{ID}/small.01935B7C00007abc.jpg"),
            format!("photos/a/{ID}/small.x.01935b7c00007abc.jpg"),
            "small.jpg".to_owned(),
        ] {
            assert_eq!(OriginalKey::of_variant(&key), Err(ForeignKey), "{key}");
        }
    }

    #[test]
    fn two_editions_never_meet_and_sort_by_time() {
        // Most likely of one millisecond.
        let (first, second) = (Edition::generate(), Edition::generate());
        assert_ne!(first, second);
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(first.max(second) < Edition::generate());
        assert_eq!(first.to_string().parse(), Ok(first));
    }

    proptest! {
        #[test]
        fn every_key_reads_back_what_it_wrote(subject in "\\PC{1,60}") {
            let key = OriginalKey { owner: OwnerId::from_subject(&subject).unwrap(), photo_id: PhotoId::generate() };
            prop_assert_eq!(key.to_string().parse(), Ok(key));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            let _ = text.parse::<OriginalKey>();
        }
    }
}

//! What is announced of a photo: `PhotoReady`, `PhotoFailed` and `PhotoDeleted`.
//!
//! `docs/events/` has the JSON schema of each. No file name and no metadata is in them: they go to whoever listens.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use time::OffsetDateTime;

use crate::record::{Outcome, PhotoRecord, Processed, StoredVariant};
use crate::{OwnerId, PhotoId, VariantFormat};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Announcement {
    /// The photo has thumbnails.
    Ready,
    /// The photo can never have thumbnails.
    Failed,
    /// The photo and everything made of it is removed.
    Deleted,
}

impl Announcement {
    /// Every announcement.
    pub const ALL: [Self; 3] = [Self::Ready, Self::Failed, Self::Deleted];

    /// The event's name: `detail-type` on EventBridge.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "PhotoReady",
            Self::Failed => "PhotoFailed",
            Self::Deleted => "PhotoDeleted",
        }
    }
}

impl fmt::Display for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no announcement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown event {0:?}")]
pub struct UnknownAnnouncement(String);

impl FromStr for Announcement {
    type Err = UnknownAnnouncement;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or_else(|| UnknownAnnouncement(text.to_owned()))
    }
}

/// An announcement that a record still owes the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsent {
    /// What happened.
    pub what: Announcement,
    /// When: the time of the write that made it happen.
    pub at: OffsetDateTime,
}

/// The event itself: its `detail` on EventBridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CompletionEvent {
    /// What happened; the event's name, not part of its detail.
    #[serde(skip)]
    pub what: Announcement,
    /// Grows only with a change that is not compatible.
    pub schema_version: u32,
    /// The same for every delivery of one event: by it a consumer knows a repetition.
    pub event_id: String,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub occurred_at: OffsetDateTime,
    /// Which photo.
    pub photo_id: PhotoId,
    /// Whose photo: the subject of the token that it was uploaded with.
    pub owner: String,
    /// `PhotoReady`: what the bytes are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<EventOriginal>,
    /// `PhotoReady`: a placeholder, in padded base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbhash: Option<String>,
    /// `PhotoReady`: `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dominant_color: Option<String>,
    /// `PhotoReady`: the thumbnails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variants: Option<Vec<EventVariant>>,
    /// `PhotoReady`: true if the photo was announced as ready before and its variants are now others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewed: Option<bool>,
    /// `PhotoReady`: true if pixels of the photo are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damaged: Option<bool>,
    /// `PhotoReady`: how much of a damaged photo has arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_percent: Option<u8>,
    /// `PhotoFailed`: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<EventFailure>,
}

/// What the uploaded bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventOriginal {
    /// Their media type.
    pub content_type: &'static str,
    /// Width in pixels, as displayed.
    pub width: u32,
    /// Height in pixels, as displayed.
    pub height: u32,
}

/// One thumbnail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventVariant {
    /// Its name.
    pub name: String,
    /// Its encoding.
    pub format: VariantFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Size of the object in bytes.
    pub size_bytes: u64,
    /// Its key in the thumbnails bucket.
    pub key: String,
}

/// Why a photo has no thumbnails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventFailure {
    /// The stable code.
    pub code: &'static str,
}

impl CompletionEvent {
    /// The version of the schema of what is written here.
    pub const SCHEMA_VERSION: u32 = 1;

    /// The event of a record that owes an announcement. Made again it is the same event with the same id.
    #[must_use]
    pub fn of(record: &PhotoRecord, unsent: Unsent) -> Self {
        let bare = Self::bare(record.photo_id, &record.owner, unsent);
        match (unsent.what, record.outcome()) {
            (Announcement::Ready, Some(Outcome::Ready(processed))) => bare.ready(processed),
            (Announcement::Failed, Some(Outcome::Failed { code, .. })) => {
                Self { failure: Some(EventFailure { code: code.as_str() }), ..bare }
            }
            _ => bare,
        }
    }

    fn bare(photo_id: PhotoId, owner: &OwnerId, Unsent { what, at }: Unsent) -> Self {
        Self {
            what,
            schema_version: Self::SCHEMA_VERSION,
            event_id: format!("{photo_id}.{what}.{}", at.unix_timestamp_nanos() / 1_000_000),
            occurred_at: at,
            photo_id,
            owner: owner.as_str().to_owned(),
            original: None,
            thumbhash: None,
            dominant_color: None,
            variants: None,
            renewed: None,
            damaged: None,
            received_percent: None,
            failure: None,
        }
    }

    fn ready(self, processed: &Processed) -> Self {
        Self {
            original: Some(EventOriginal {
                content_type: processed.format.as_str(),
                width: processed.width,
                height: processed.height,
            }),
            thumbhash: Some(processed.thumbhash.clone()),
            dominant_color: Some(processed.dominant_color.clone()),
            variants: Some(processed.variants.iter().map(EventVariant::of).collect()),
            renewed: processed.renewed.then_some(true),
            damaged: processed.received_percent.map(|_| true),
            received_percent: processed.received_percent,
            ..self
        }
    }
}

impl EventVariant {
    fn of(variant: &StoredVariant) -> Self {
        Self {
            name: variant.name.as_str().to_owned(),
            format: variant.format,
            width: variant.width,
            height: variant.height,
            size_bytes: variant.size_bytes,
            key: variant.key.clone(),
        }
    }
}

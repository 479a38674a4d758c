//! A photo's record: what was asked for, and how far it has come.
//!
//! ```text
//! pending ──▶ ready ───────┐
//!    │  ╲──▶ failed{code} ─┤
//!    ▼     ╱               ├──▶ deleting ──▶ (gone)
//! expired ─────────────────┘
//! ```
//!
//! A backfill gives a `ready` photo other variants, and may make a `failed` one `ready`.
//!
//! Which write may happen in which status is [`Step`]'s to say, for the table's conditions and for the model
//! check alike. Each step is one conditional write, so the first of several writers wins and the others find it
//! done, whatever order they run in.

use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;

use crate::step::Step;
use crate::{ContentType, FailureCode, OwnerId, PhotoId, Recipe, UploadRequest, VariantFormat, VariantName};

/// How far a photo has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// An upload was asked for; its thumbnails are not made yet.
    Pending,
    /// Every variant is in the thumbnails bucket.
    Ready,
    /// The photo can never have thumbnails; the failure code says why.
    Failed,
    /// The bytes did not come in time. Should they come after all, they are processed as ever.
    Expired,
    /// Its owner deleted it; what is left of it is being removed. To clients it is gone.
    Deleting,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Ready, Self::Failed, Self::Expired, Self::Deleting];

    /// The word in records and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Deleting => "deleting",
        }
    }

    /// Whether some [`Step`] takes a record from this status to `next`.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        self != next && Step::ALL.iter().any(|step| step.to() == Some(next) && step.from().contains(&self))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown status {0:?}")]
pub struct UnknownStatus(String);

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

/// One photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhotoRecord {
    /// Which photo it is.
    pub photo_id: PhotoId,
    /// Whose photo it is.
    pub owner: OwnerId,
    /// What the client asked for.
    pub request: UploadRequest,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// How far it has come.
    pub state: State,
}

/// A status with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Waiting for the bytes or for the thumbnails.
    Pending {
        /// When an abandoned upload's record is dropped by the table's TTL.
        expires_at: OffsetDateTime,
    },
    /// Nothing came in time.
    Expired {
        /// When the record is dropped by the table's TTL.
        expires_at: OffsetDateTime,
    },
    /// Done.
    Settled(Outcome),
    /// Being removed, with what it had come to before.
    Deleting(Option<Outcome>),
}

/// How a photo ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has thumbnails.
    Ready(Processed),
    /// It never will.
    Failed {
        /// What the client is told.
        code: FailureCode,
        /// The cause for operators; never sent to a client.
        reason: String,
    },
}

impl Outcome {
    /// The status that the record ends in.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Ready(_) => Status::Ready,
            Self::Failed { .. } => Status::Failed,
        }
    }
}

impl PhotoRecord {
    /// How far it has come, as one word.
    #[must_use]
    pub const fn status(&self) -> Status {
        match &self.state {
            State::Pending { .. } => Status::Pending,
            State::Expired { .. } => Status::Expired,
            State::Settled(outcome) => outcome.status(),
            State::Deleting(_) => Status::Deleting,
        }
    }

    /// What it has come to; a photo that is being deleted still knows.
    #[must_use]
    pub const fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            State::Settled(outcome) | State::Deleting(Some(outcome)) => Some(outcome),
            State::Pending { .. } | State::Expired { .. } | State::Deleting(None) => None,
        }
    }
}

/// What the thumbnail function found out and made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processed {
    /// What the bytes are.
    pub format: ContentType,
    /// The original's width in pixels, as displayed (after its orientation is applied).
    pub width: u32,
    /// The original's height in pixels, as displayed.
    pub height: u32,
    /// A placeholder of about 25 bytes ([`ThumbHash`](https://evanw.github.io/thumbhash/)), in padded base64.
    pub thumbhash: String,
    /// An sRGB colour as CSS has it: `#rrggbb`.
    pub dominant_color: String,
    /// The ETag of the object that the variants were made from.
    pub original_etag: String,
    /// The variants, in configuration order.
    pub variants: Vec<StoredVariant>,
    /// By which settings they were made; none in records from before it was noted.
    pub recipe: Option<Recipe>,
    /// Whether the photo had variants before, which these have replaced.
    pub renewed: bool,
    /// How much of a damaged photo has arrived, 50 to 99; none if the photo is whole.
    pub received_percent: Option<u8>,
}

/// One thumbnail in the thumbnails bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVariant {
    /// Its name, such as `small`.
    pub name: VariantName,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_settles_once_may_come_late_or_be_read_later_and_a_deleted_one_never_comes_back() {
        use Status::{Deleting, Expired, Failed, Pending, Ready};
        let legal = [
            (Pending, Ready),
            (Pending, Failed),
            (Pending, Expired),
            (Expired, Ready),
            (Expired, Failed),
            (Failed, Ready),
            (Pending, Deleting),
            (Ready, Deleting),
            (Failed, Deleting),
            (Expired, Deleting),
        ];
        for from in Status::ALL {
            for to in Status::ALL {
                assert_eq!(from.may_become(to), legal.contains(&(from, to)), "{from} to {to}");
            }
        }
    }

    #[test]
    fn every_status_reads_back_what_it_wrote() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert!("deleted".parse::<Status>().is_err());
    }
}

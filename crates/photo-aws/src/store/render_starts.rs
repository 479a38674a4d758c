//! When renders began, so that a photo that kills the thumbnail function is found.

use aws_sdk_dynamodb::types::AttributeValue;
use photo_domain::{OriginalKey, Step};
use time::OffsetDateTime;

use super::{Changed, PhotoStore};
use crate::AwsError;
use crate::change::Change;

/// A number set of Unix milliseconds: one element for each render that was noted and has not ended.
const RENDER_STARTS: &str = "render_starts";

impl PhotoStore {
    /// Notes that a render begins; false if the photo is deleted by now.
    pub async fn note_start(&self, key: &OriginalKey, at: OffsetDateTime) -> Result<bool, AwsError> {
        let change = Change::within(Step::NoteStart.from()).add(RENDER_STARTS, element(at));
        Ok(self.change(key, change).await? == Changed::Applied)
    }

    /// Takes the note of one render back. It is no error if the note is gone: the write that settles a record removes all notes.
    pub async fn clear_start(&self, key: &OriginalKey, at: OffsetDateTime) -> Result<(), AwsError> {
        let change = Change::within(Step::ClearStart.from()).delete(RENDER_STARTS, element(at));
        self.change(key, change).await.map(drop)
    }

    /// Takes all notes back, those of killed renders too.
    pub async fn clear_starts(&self, key: &OriginalKey) -> Result<(), AwsError> {
        let change = Change::within(Step::ClearStart.from()).remove(&[RENDER_STARTS]);
        self.change(key, change).await.map(drop)
    }
}

fn element(at: OffsetDateTime) -> AttributeValue {
    AttributeValue::Ns(vec![(at.unix_timestamp_nanos() / 1_000_000).to_string()])
}

//! When renders began, so that a photo that kills the thumbnail function is found.

use aws_sdk_dynamodb::types::AttributeValue;
use photo_domain::{OriginalKey, Step};
use time::OffsetDateTime;

use super::{Changed, PhotoStore};
use crate::AwsError;
use crate::change::Change;

/// A number set of Unix milliseconds: one element for each render that was noted since one has ended.
const RENDER_STARTS: &str = "render_starts";

impl PhotoStore {
    /// Notes that a render begins; false if the photo is deleted by now.
    pub async fn note_start(&self, key: &OriginalKey, at: OffsetDateTime) -> Result<bool, AwsError> {
        let change = Change::within(Step::NoteStart.from()).add(RENDER_STARTS, milliseconds(at));
        Ok(self.change(key, change).await? == Changed::Applied)
    }

    /// Removes all notes, those of killed renders too: a photo of which one render has ended kills none. It is no error if
    /// there are none.
    pub async fn clear_starts(&self, key: &OriginalKey) -> Result<(), AwsError> {
        let change = Change::within(Step::ClearStarts.from()).remove(&[RENDER_STARTS]);
        self.change(key, change).await.map(drop)
    }
}

fn milliseconds(at: OffsetDateTime) -> AttributeValue {
    AttributeValue::Ns(vec![(at.unix_timestamp_nanos() / 1_000_000).to_string()])
}

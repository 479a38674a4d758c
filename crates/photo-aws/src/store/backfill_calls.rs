//! What a backfill asks of the table: other variants for a photo that has ended, and records of photos that are taken over
//! from another bucket.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use photo_domain::record::{Outcome, PhotoRecord, Processed, Status};
use photo_domain::{OriginalKey, Step, upkeep};
use time::OffsetDateTime;

use super::{Changed, PhotoStore, Settled};
use crate::AwsError;
use crate::change::{Change, text};
use crate::item::{self, Item};

/// How making a record of a photo that is taken over ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The record is new.
    New,
    /// There is one already, in this status.
    Before(Status),
}

impl PhotoStore {
    /// Has a record name other variants, all of them by one write; the first of several callers with one recipe wins.
    /// `was` is the status that the photo had when it was read: one that had failed is ready from then on.
    ///
    /// The same write notes that the event of it is still to be sent, as [`PhotoStore::settle`] does.
    pub async fn renew(
        &self,
        key: &OriginalKey,
        processed: &Processed,
        was: Status,
        at: OffsetDateTime,
    ) -> Result<Settled, AwsError> {
        const OPERATION: &str = "dynamodb:UpdateItem";
        let attributes = item::from_outcome(&Outcome::Ready(processed.clone()))
            .map_err(|error| AwsError::new(OPERATION, error))?;
        let step = if was == Status::Failed { Step::Recover } else { Step::Renew };
        let mut change = Change::step(step, at).set_all(attributes);
        if let Some(what) = step.announces() {
            change = change
                .set("unsent_event", text(what.as_str()))
                .set("unsent_event_at", text(item::timestamp(at)))
                .due(key.photo_id, at + upkeep::ANNOUNCE_GRACE);
        }
        if was == Status::Failed {
            // A tag `failed` may land after the tag `ready` of the backfill: reconcile tags the original once more.
            change = change.set("tag_due", AttributeValue::Bool(true));
        }
        if let Some(recipe) = &processed.recipe {
            let recipe = [(":recipe", text(recipe.as_str()))];
            change = change.only_if("(attribute_not_exists(recipe) OR recipe <> :recipe)", &recipe);
        }
        change = change.remove(&["failure_code", "failure_reason", "render_starts"]);
        if processed.received_percent.is_none() {
            // The variants of before may have been of a photo that an earlier version took for damaged.
            change = change.remove(&["damaged", "received_percent"]);
        }
        match self.change(key, change).await? {
            Changed::Applied => Ok(Settled::Now),
            Changed::Refused(None) => Ok(Settled::NoRecord),
            Changed::Refused(Some(status)) => Ok(Settled::Before(status)),
        }
    }

    /// Makes the record of a photo that is taken over, unless there is one. It counts for no quota.
    pub async fn import(&self, record: &PhotoRecord) -> Result<Imported, AwsError> {
        const OPERATION: &str = "dynamodb:PutItem";
        match self.put_new(record).await? {
            Ok(()) => Ok(Imported::New),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                let PutItemError::ConditionalCheckFailedException(failure) = error.into_err() else {
                    return Err(AwsError::new(OPERATION, "refused without a reason"));
                };
                let found = failure.item.ok_or_else(|| AwsError::new(OPERATION, "the record is missing"))?;
                item::to_status(&found).map(Imported::Before).map_err(|error| AwsError::new(OPERATION, error))
            }
            Err(error) => Err(AwsError::new(OPERATION, error)),
        }
    }

    /// Notes that a photo was taken over. The note stays when its owner deletes the photo: it does not come back.
    pub async fn note_import(&self, key: &OriginalKey, at: OffsetDateTime) -> Result<(), AwsError> {
        let mut item = import_key(key);
        item.insert("imported_at".to_owned(), text(item::timestamp(at)));
        let put = self.client.put_item().table_name(&self.table_name).set_item(Some(item));
        put.send().await.map(drop).map_err(|error| AwsError::new("dynamodb:PutItem", error))
    }

    /// Whether a photo was taken over before.
    pub async fn was_imported(&self, key: &OriginalKey) -> Result<bool, AwsError> {
        self.get_at(import_key(key)).await.map(|item| item.is_some())
    }
}

fn import_key(key: &OriginalKey) -> Item {
    HashMap::from([
        ("pk".to_owned(), text(item::partition(&key.owner))),
        ("sk".to_owned(), text(item::import_sort_key(key.photo_id))),
    ])
}

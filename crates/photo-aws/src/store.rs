//! The DynamoDB table.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure};
use photo_domain::event::Unsent;
use photo_domain::quota::{Exceeded, Quotas};
use photo_domain::record::{Outcome, PhotoRecord, Status};
use photo_domain::{IdempotencyKey, OriginalKey, Step, upkeep};
use time::OffsetDateTime;

use crate::AwsError;
use crate::change::{Change, text};
use crate::contention;
use crate::item::{self, IdempotencyItem, Item};

mod backfill_calls;
mod bind_upload;
mod count_render;
mod list;
mod render_starts;
mod upkeep_calls;

pub use backfill_calls::Imported;
pub use bind_upload::Bound;
pub use count_render::RenderCount;
pub use list::PhotoPage;
pub use upkeep_calls::{DUE_INDEX, DueCursor, DuePage, DuePhoto, Known};

/// How long an idempotency key stands for its photo.
pub const IDEMPOTENCY_WINDOW: Duration = Duration::from_hours(24);

/// Photos' records.
#[derive(Clone, Debug)]
pub struct PhotoStore {
    pub(crate) client: Client,
    pub(crate) table_name: String,
    pub(crate) quotas: Quotas,
}

/// A request that its client may repeat.
#[derive(Clone, Copy, Debug)]
pub struct IdempotentRequest<'a> {
    /// What the client sent as `Idempotency-Key`.
    pub key: &'a IdempotencyKey,
    /// Tells whether a repeated request is the same one.
    pub fingerprint: &'a str,
}

/// How a record's creation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// The record is new.
    New,
    /// Nothing was written: the owner has taken all that one may.
    QuotaExceeded(Exceeded),
    /// Nothing was written, nor will be tomorrow: an empty day has no room for it either.
    BeyondQuota(Exceeded),
    /// The idempotency key has been used before.
    Replay {
        /// The photos that it stands for, in order: one, unless they were asked for together.
        photo_ids: Vec<photo_domain::PhotoId>,
        /// Whether the request was the same.
        same_request: bool,
    },
}

/// How settling a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// This call did it.
    Now,
    /// Another call had done it.
    Before(Status),
    /// There is no such record: the photo was deleted, or its upload was abandoned too long ago.
    NoRecord,
}

/// How a conditional update ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Applied,
    /// The condition did not hold: the status that was found instead, if there is a record.
    Refused(Option<Status>),
}

impl PhotoStore {
    /// A store in `table_name`.
    #[must_use]
    pub fn new(client: Client, table_name: String) -> Self {
        Self { client, table_name, quotas: Quotas::default() }
    }

    /// Counts what owners take, and holds it against these limits.
    #[must_use]
    pub fn with_quotas(self, quotas: Quotas) -> Self {
        Self { quotas, ..self }
    }

    /// Creates a record by one conditional write.
    ///
    /// With an idempotency key the record and the key are written in one transaction: of any number of
    /// concurrent requests with one key exactly one creates a photo.
    pub async fn create(
        &self,
        record: &PhotoRecord,
        idempotent: Option<IdempotentRequest<'_>>,
    ) -> Result<Created, AwsError> {
        match idempotent {
            None if self.quotas.are_off() => self.put(record).await,
            _ => self.create_all(std::slice::from_ref(record), idempotent).await,
        }
    }

    async fn put(&self, record: &PhotoRecord) -> Result<Created, AwsError> {
        match self.put_new(record).await? {
            Ok(()) => Ok(Created::New),
            Err(error) => Err(AwsError::new("dynamodb:PutItem", error)),
        }
    }

    /// Writes a record unless there is one; that one then comes with the refusal. A record that an earlier attempt of this
    /// very write has left, whose answer was lost, is new.
    pub(crate) async fn put_new(
        &self,
        record: &PhotoRecord,
    ) -> Result<Result<(), SdkError<PutItemError>>, AwsError> {
        let item = item::from_record(record).map_err(|error| AwsError::new("dynamodb:PutItem", error))?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table_name)
            .set_item(Some(item.clone()))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match contention::write(&self.client, || put.clone().send()).await {
            Ok(_) => Ok(Ok(())),
            Err(SdkError::ServiceError(error)) if is_own_write(error.err(), &item) => Ok(Ok(())),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Writes an idempotency key unless it is taken; then its item comes with the refusal.
    pub(crate) fn put_key(
        &self,
        record: &PhotoRecord,
        further: &[PhotoRecord],
        request: IdempotentRequest<'_>,
    ) -> Result<Put, AwsError> {
        const OPERATION: &str = "dynamodb:TransactWriteItems";
        let now = record.created_at.unix_timestamp();
        let key_item = IdempotencyItem {
            pk: item::partition(&record.owner),
            sk: item::idempotency_sort_key(&request.key.digest()),
            photo_id: record.photo_id,
            further_photo_ids: further.iter().map(|record| record.photo_id).collect(),
            fingerprint: request.fingerprint.to_owned(),
            expires_at: now.saturating_add_unsigned(IDEMPOTENCY_WINDOW.as_secs()),
        };
        self.put_request(serde_dynamo::to_item(&key_item).map_err(|error| AwsError::new(OPERATION, error))?)
            // The table's TTL may delete an expired item days late.
            .condition_expression("attribute_not_exists(pk) OR expires_at < :now")
            .expression_attribute_values(":now", AttributeValue::N(now.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| AwsError::new(OPERATION, error))
    }

    /// The item of an idempotency key, if the key stands for a request now.
    pub(crate) async fn get_key(
        &self,
        record: &PhotoRecord,
        request: IdempotentRequest<'_>,
    ) -> Result<Option<Item>, AwsError> {
        let sort_key = item::idempotency_sort_key(&request.key.digest());
        let primary_key = HashMap::from([
            ("pk".to_owned(), AttributeValue::S(item::partition(&record.owner))),
            ("sk".to_owned(), AttributeValue::S(sort_key)),
        ]);
        let Some(found) = self.get_at(primary_key).await? else { return Ok(None) };
        let key = IdempotencyItem::from_item(found.clone())
            .map_err(|error| AwsError::new("dynamodb:GetItem", error))?;
        // The table's TTL may delete an expired item days late.
        Ok((key.expires_at >= record.created_at.unix_timestamp()).then_some(found))
    }

    pub(crate) fn put_request(&self, item: Item) -> aws_sdk_dynamodb::types::builders::PutBuilder {
        Put::builder().table_name(&self.table_name).set_item(Some(item))
    }

    /// Reads a record as the last write left it.
    pub async fn get(&self, key: &OriginalKey) -> Result<Option<PhotoRecord>, AwsError> {
        let item = self.get_item(key).await?;
        item.map(|item| item::to_record(item).map_err(|error| AwsError::new("dynamodb:GetItem", error)))
            .transpose()
    }

    pub(crate) async fn get_item(&self, key: &OriginalKey) -> Result<Option<Item>, AwsError> {
        self.get_at(photo_key(key)).await
    }

    /// What stands under this primary key now: read consistently.
    pub(crate) async fn get_at(&self, primary_key: Item) -> Result<Option<Item>, AwsError> {
        self.client
            .get_item()
            .table_name(&self.table_name)
            .set_key(Some(primary_key))
            .consistent_read(true)
            .send()
            .await
            .map(|output| output.item)
            .map_err(|error| AwsError::new("dynamodb:GetItem", error))
    }

    /// Takes a record to its end; the first of several callers wins. The same write notes that the event of it is
    /// still to be sent, so no crash can lose it: see [`PhotoStore::announced`].
    pub async fn settle(
        &self,
        key: &OriginalKey,
        outcome: &Outcome,
        at: OffsetDateTime,
    ) -> Result<Settled, AwsError> {
        let attributes =
            item::from_outcome(outcome).map_err(|error| AwsError::new("dynamodb:UpdateItem", error))?;
        let step = match outcome {
            Outcome::Ready(_) => Step::Succeed,
            Outcome::Failed { .. } => Step::Fail,
        };
        let mut change = Change::step(step, at).set_all(attributes);
        let unsent = step.announces().map(|what| Unsent { what, at });
        if let Some(Unsent { what, at }) = unsent {
            change = change
                .set("unsent_event", text(what.as_str()))
                .set("unsent_event_at", text(item::timestamp(at)))
                .due(key.photo_id, at + upkeep::ANNOUNCE_GRACE);
        }
        // A settled photo is kept: the TTL is for abandoned uploads.
        match self.change_of_arrived(key, change.remove(&["expires_at", "render_starts"])).await? {
            Changed::Applied => Ok(Settled::Now),
            Changed::Refused(None) => Ok(Settled::NoRecord),
            Changed::Refused(Some(status)) => Ok(Settled::Before(status)),
        }
    }

    /// Makes one conditional update.
    pub(crate) async fn change(&self, key: &OriginalKey, change: Change) -> Result<Changed, AwsError> {
        const OPERATION: &str = "dynamodb:UpdateItem";
        let written = change.written();
        let update = self
            .client
            .update_item()
            .table_name(&self.table_name)
            .set_key(Some(photo_key(key)))
            .update_expression(written.expression)
            .condition_expression(written.condition)
            .set_expression_attribute_names(Some(written.names))
            .set_expression_attribute_values(Some(written.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match contention::write(&self.client, || update.clone().send()).await {
            Ok(_) => Ok(Changed::Applied),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                let UpdateItemError::ConditionalCheckFailedException(failure) = error.into_err() else {
                    return Ok(Changed::Refused(None));
                };
                let status = failure.item.map(|found| item::to_status(&found)).transpose();
                Ok(Changed::Refused(status.map_err(|error| AwsError::new(OPERATION, error))?))
            }
            Err(error) => Err(AwsError::new(OPERATION, error)),
        }
    }

    /// Whether the table can be read: a read of a key that no photo has.
    pub async fn check(&self) -> Result<(), AwsError> {
        self.client
            .get_item()
            .table_name(&self.table_name)
            .key("pk", AttributeValue::S("health".to_owned()))
            .key("sk", AttributeValue::S("health".to_owned()))
            .send()
            .await
            .map(drop)
            .map_err(|error| AwsError::new("dynamodb:GetItem", error))
    }
}

pub(crate) fn photo_key(key: &OriginalKey) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(item::partition(&key.owner))),
        ("sk".to_owned(), AttributeValue::S(item::photo_sort_key(key.photo_id))),
    ])
}

/// Whether the item that stands in a write's way is the one that was being written: then an earlier
/// attempt, whose answer was lost, had succeeded.
pub(crate) fn is_own_write(error: &PutItemError, written: &Item) -> bool {
    matches!(error, PutItemError::ConditionalCheckFailedException(failure) if failure.item.as_ref() == Some(written))
}

/// What an idempotency key that is taken means for a request.
pub(crate) fn replayed(
    item: Item,
    record: &PhotoRecord,
    request: IdempotentRequest<'_>,
) -> Result<Created, AwsError> {
    let taken = IdempotencyItem::from_item(item)
        .map_err(|error| AwsError::new("dynamodb:TransactWriteItems", error))?;
    // A retry by the SDK after a lost answer finds what its first attempt wrote.
    Ok(if taken.photo_id == record.photo_id {
        Created::New
    } else {
        Created::Replay {
            photo_ids: taken.photo_ids(),
            same_request: taken.fingerprint == request.fingerprint,
        }
    })
}

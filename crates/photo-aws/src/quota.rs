//! Quotas in the table: what an owner takes is counted in the very transaction that writes the record.
//!
//! One item per owner and day, `owner#{owner}` / `quota#{day}`, holds photos, bytes and how many of them are pending.
//! A request stays at one write call: the transaction puts the record (and the idempotency key) and adds to the
//! counter under the condition that there is room. What cancels it has written nothing, so a replay counts nothing.
//!
//! The counter goes down in the transaction that takes the record out of `pending`, under the same condition: an event
//! that comes twice finds the record settled and gives nothing back. A record says by `quota_day` that it holds a slot,
//! and that write removes the attribute; one that has none, such as one from before quotas were turned on, is changed
//! without a transaction. An expired one says by `quota_returned` what it gave back; should its bytes arrive after all,
//! they are counted again, room or not: otherwise an owner could ask, wait for the expiry and upload, without end. A
//! delete is one write in the request path: the slot of a photo that was pending is given back when the reconcile
//! function removes the record.

mod release;

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use photo_domain::OwnerId;
use photo_domain::quota::{Counter, Exceeded, Quotas, day};
use photo_domain::record::PhotoRecord;
use time::{Date, OffsetDateTime, Time};

use crate::AwsError;
use crate::config::Environment;
use crate::contention::{Backoff, Busy};
use crate::item::{self, Item};
use crate::store::{Created, IdempotentRequest, PhotoStore, replayed};

const OPERATION: &str = "dynamodb:TransactWriteItems";

/// The attribute by which a record says for which day it was counted.
const QUOTA_DAY: &str = "quota_day";

/// The attribute by which an expired record says how many bytes it has given back: what comes after all counts again.
const QUOTA_RETURNED: &str = "quota_returned";

/// How long a day's counter is kept after it: longer than an event can wait in the failure queue (14 days), so that a
/// late end still finds it.
const KEPT: Duration = Duration::from_hours(16 * 24);

/// Reads `PHOTODROP_OWNER_PHOTOS_PER_DAY`, `PHOTODROP_OWNER_BYTES_PER_DAY` and `PHOTODROP_OWNER_PENDING_PHOTOS`.
pub fn read(env: &mut Environment<'_>) -> Option<Quotas> {
    let photos_per_day = env.number("PHOTODROP_OWNER_PHOTOS_PER_DAY", 0..=1_000_000_000);
    let bytes_per_day = env.number("PHOTODROP_OWNER_BYTES_PER_DAY", 0..=1_000_000_000_000_000);
    let pending = env.number("PHOTODROP_OWNER_PENDING_PHOTOS", 0..=1_000_000);
    Some(Quotas { photos_per_day: photos_per_day?, bytes_per_day: bytes_per_day?, pending: pending? })
}

impl PhotoStore {
    /// Creates records of one owner and one day by one transaction, or none of them. They are counted if anything is
    /// limited. Of any number of concurrent requests with one idempotency key exactly one creates photos.
    pub async fn create_all(
        &self,
        records: &[PhotoRecord],
        idempotent: Option<IdempotentRequest<'_>>,
    ) -> Result<Created, AwsError> {
        let Some((first, further)) = records.split_first() else {
            return Err(AwsError::new(OPERATION, "there is nothing to create"));
        };
        let photos = records.len() as u64;
        let bytes = records.iter().fold(0_u64, |sum, record| sum.saturating_add(record.request.size_bytes));
        // What is larger than a whole day's quota does not fit into an empty day either. An idempotency key still stands
        // for what it stood for before the limit was lowered.
        let beyond = self.quotas.refusal(Counter::default(), photos, bytes);
        let counted_for = (!self.quotas.are_off()).then(|| day(first.photo_id));
        // A refused transaction consumes write units too. Where it would be large, or can only be refused, a read of the counter
        // and one of the key come first; the transaction's conditions still decide.
        let mut refusal = beyond.map(Created::BeyondQuota);
        if let (None, Some(day), false) = (&refusal, counted_for, further.is_empty()) {
            let used = self.get_at(counter_key(&first.owner, day)).await?.as_ref().map(counter);
            let exceeded = self.quotas.refusal(used.unwrap_or_default(), photos, bytes);
            refusal = exceeded.map(Created::QuotaExceeded);
        }
        // After the counter: the same request that was counted meanwhile has written its key too.
        if let Some(request) = idempotent
            && (refusal.is_some() || !further.is_empty())
            && let Some(key) = self.get_key(first, request).await?
        {
            return replayed(key, first, request);
        }
        if let Some(refusal) = refusal {
            return Ok(refusal);
        }
        // In this order: the counter, the photos, the key.
        let photos_at = usize::from(counted_for.is_some());
        let key_at = photos_at + records.len();
        let mut writes = Vec::with_capacity(key_at + 1);
        if let Some(day) = counted_for {
            let reserve = self.reserve(&first.owner, day, photos, bytes)?;
            writes.push(TransactWriteItem::builder().update(reserve).build());
        }
        let mut items = Vec::with_capacity(records.len());
        for record in records {
            let mut photo = item::from_record(record).map_err(|error| AwsError::new(OPERATION, error))?;
            if let Some(day) = counted_for {
                photo.insert(QUOTA_DAY.to_owned(), AttributeValue::S(day.to_string()));
            }
            let put_photo = self
                .put_request(photo.clone())
                .condition_expression("attribute_not_exists(pk)")
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .build()
                .map_err(|error| AwsError::new(OPERATION, error))?;
            writes.push(TransactWriteItem::builder().put(put_photo).build());
            items.push(photo);
        }
        if let Some(request) = idempotent {
            let put_key = self.put_key(first, further, request)?;
            writes.push(TransactWriteItem::builder().put(put_key).build());
        }
        let Some(reasons) = self.transact(writes, counted_for.map(|_| 0)).await? else {
            return Ok(Created::New);
        };
        // A key that is taken comes first: its photos were counted when they were made, whatever is left today.
        if let (Some(request), Some(key)) = (idempotent, refused(&reasons, key_at)) {
            let key = met(key).ok_or_else(|| AwsError::new(OPERATION, "the taken key's item is missing"))?;
            return replayed(key, first, request);
        }
        if let Some(found) = refused(&reasons, photos_at) {
            // Two ids never meet: an earlier attempt, whose answer was lost, had succeeded.
            return if met(found).as_ref() == items.first() {
                Ok(Created::New)
            } else {
                Err(AwsError::new(OPERATION, "the photo's id is taken"))
            };
        }
        if let (Some(_), Some(found)) = (counted_for, refused(&reasons, 0)) {
            let used = met(found).as_ref().map_or_else(Counter::default, counter);
            // The item comes with the refusal. Should it not, a day is the safe thing to say.
            return Ok(Created::QuotaExceeded(
                self.quotas.refusal(used, photos, bytes).unwrap_or(Exceeded::Photos),
            ));
        }
        Err(AwsError::new(OPERATION, format!("cancelled: {}", codes(&reasons))))
    }

    /// What counts so many more photos, if there is room.
    fn reserve(
        &self,
        owner: &OwnerId,
        counted_for: Date,
        photos: u64,
        bytes: u64,
    ) -> Result<Update, AwsError> {
        let mut conditions = Vec::new();
        let mut sums = Vec::new();
        let mut update = self.count(owner, counted_for);
        // Each limit as what may be there already, and what is added.
        for (name, limit, added) in [
            ("photos", self.quotas.photos_per_day, photos),
            ("bytes", self.quotas.bytes_per_day, bytes),
            ("pending", self.quotas.pending, photos),
        ] {
            // A day's photos and bytes are worth knowing even where one of them alone is limited.
            if limit != 0 || name != "pending" {
                sums.push(format!("#{name} :{name}"));
                update = update
                    .expression_attribute_names(format!("#{name}"), name)
                    .expression_attribute_values(format!(":{name}"), AttributeValue::N(added.to_string()));
            }
            if limit != 0 {
                conditions.push(format!("(attribute_not_exists(#{name}) OR #{name} <= :most_{name})"));
                let room = limit.saturating_sub(added);
                update = update.expression_attribute_values(
                    format!(":most_{name}"),
                    AttributeValue::N(room.to_string()),
                );
            }
        }
        update
            .update_expression(format!("SET expires_at = :expires ADD {}", sums.join(", ")))
            .condition_expression(conditions.join(" AND "))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| AwsError::new(OPERATION, error))
    }

    fn count(&self, owner: &OwnerId, counted_for: Date) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        let expires = OffsetDateTime::new_utc(counted_for, Time::MIDNIGHT) + KEPT;
        Update::builder()
            .table_name(&self.table_name)
            .set_key(Some(counter_key(owner, counted_for)))
            .expression_attribute_values(":expires", AttributeValue::N(expires.unix_timestamp().to_string()))
    }

    /// Writes all or nothing. `None`: all was written; otherwise why it was not, write by write.
    ///
    /// Transactions that meet on one counter are refused, so they are sent again for a while. A condition that a record or
    /// a key does not meet decides although the counter is busy. A full counter decides only if nothing else is busy: a
    /// busy key may be that of the same request, which is repeated and not refused.
    async fn transact(
        &self,
        writes: Vec<TransactWriteItem>,
        counter: Option<usize>,
    ) -> Result<Option<Vec<CancellationReason>>, AwsError> {
        let mut backoff = Backoff::of(&self.client);
        loop {
            // The SDK makes a token for each of these calls and sends it with each of its own retries: an attempt
            // whose answer was lost does not count twice.
            let sent = self.client.transact_write_items().set_transact_items(Some(writes.clone()));
            let Err(error) = sent.send().await else { return Ok(None) };
            let reasons = cancellation(&error).map(<[_]>::to_vec);
            let Some(reasons) = reasons else { return Err(AwsError::new(OPERATION, error)) };
            let decided =
                (0..reasons.len()).any(|write| Some(write) != counter && refused(&reasons, write).is_some());
            match Busy::of_all(&reasons) {
                Some(busy) if !decided => {
                    if !backoff.wait(busy).await {
                        return Err(AwsError::new(OPERATION, error));
                    }
                }
                _ => return Ok(Some(reasons)),
            }
        }
    }
}

fn counter_key(owner: &OwnerId, counted_for: Date) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(item::partition(owner))),
        ("sk".to_owned(), AttributeValue::S(item::quota_sort_key(counted_for))),
    ])
}

fn cancellation<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<&[CancellationReason]> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => {
            Some(cancelled.cancellation_reasons())
        }
        _ => None,
    }
}

/// The refusal of a write by its condition, if it was one.
fn refused(reasons: &[CancellationReason], write: usize) -> Option<&CancellationReason> {
    reasons.get(write).filter(|reason| reason.code() == Some("ConditionalCheckFailed"))
}

/// The item that a refused write met.
fn met(reason: &CancellationReason) -> Option<Item> {
    reason.item.clone().filter(|item| !item.is_empty())
}

fn codes(reasons: &[CancellationReason]) -> String {
    reasons.iter().map(|reason| reason.code().unwrap_or("?")).collect::<Vec<_>>().join(", ")
}

fn counter(item: &Item) -> Counter {
    // A counter below zero counts as none: it was made by the end of a photo whose day had expired.
    let number = |name: &str| {
        item.get(name)
            .and_then(|value| value.as_n().ok())
            .and_then(|text| text.parse().ok())
            .unwrap_or_default()
    };
    Counter { photos: number("photos"), bytes: number("bytes"), pending: number("pending") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_read_as_far_as_it_is_there() {
        let item = Item::from([
            ("photos".to_owned(), AttributeValue::N("3".to_owned())),
            ("pending".to_owned(), AttributeValue::N("-1".to_owned())),
        ]);
        assert_eq!(counter(&item), Counter { photos: 3, bytes: 0, pending: 0 });
    }
}

//! What the reconcile function asks of the table, and the owner's delete.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use photo_domain::event::Unsent;
use photo_domain::quota::Release;
use photo_domain::record::Status;
use photo_domain::{Announcement, OriginalKey, OwnerId, Recipe, Step, upkeep};
use time::OffsetDateTime;

use super::{Changed, PhotoStore, photo_key};
use crate::AwsError;
use crate::change::{Change, number, seconds, text};
use crate::contention;
use crate::item::{self, Item, Tracked};

/// The sparse index of records for which something is to be done.
pub const DUE_INDEX: &str = "due";

/// The most keys that one `BatchGetItem` takes.
const BATCH_KEYS: usize = 100;

/// How often keys that DynamoDB left out of an answer are asked for again.
const BATCH_ATTEMPTS: u32 = 5;

/// How many due photos are asked for at once.
const DUE_PAGE: i32 = 1_000;

/// The partition of what is nobody's photo.
const SYSTEM_PARTITION: &str = "system#reconcile";

/// What a listing needs to know of an object's photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Its record.
    Record {
        /// How far it has come.
        status: Status,
        /// The keys of its variants.
        variant_keys: Vec<String>,
        /// The last write to it.
        updated_at: OffsetDateTime,
        /// By which settings its variants were made, if it has any and it was noted.
        recipe: Option<Recipe>,
    },
    /// There is a record, and this version of photodrop cannot read it: it is not to be touched.
    Unreadable,
}

/// A photo that is due, as the index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuePhoto {
    /// Which photo.
    pub key: OriginalKey,
    /// Since when it is due, in Unix seconds.
    pub due_at: i64,
}

/// A part of one partition of the index.
#[derive(Clone, Debug)]
pub struct DuePage {
    /// The photos, the longest due first.
    pub photos: Vec<DuePhoto>,
    /// What asks for the next page; none at the end.
    pub next: Option<DueCursor>,
}

/// Where a page of the index ended.
#[derive(Clone, Debug)]
pub struct DueCursor(Item);

impl PhotoStore {
    /// Marks a photo as deleted, by one write and without reading it: to clients it is gone from then on. A missing record
    /// is no error. The photo becomes due when every earlier signature has expired.
    pub async fn mark_deleted(&self, key: &OriginalKey, at: OffsetDateTime) -> Result<bool, AwsError> {
        let change = Change::step(Step::Delete, at)
            .set("deleted_at", text(item::timestamp(at)))
            .due(key.photo_id, at + upkeep::DELETE_WAIT)
            .remove(&["expires_at"]);
        Ok(self.change(key, change).await? == Changed::Applied)
    }

    /// Reads a record with what is still to be done for it.
    pub async fn track(&self, key: &OriginalKey) -> Result<Option<Tracked>, AwsError> {
        const OPERATION: &str = "dynamodb:GetItem";
        let item = self.get_item(key).await?;
        item.map(|item| item::to_tracked(item).map_err(|error| AwsError::new(OPERATION, error))).transpose()
    }

    /// One page of the photos of one partition of the index that are due, the longest due first. The index lags behind
    /// the table: look at the record before doing anything.
    pub async fn due(
        &self,
        shard: u8,
        now: OffsetDateTime,
        after: Option<DueCursor>,
    ) -> Result<DuePage, AwsError> {
        const OPERATION: &str = "dynamodb:Query";
        let output = self
            .client
            .query()
            .table_name(&self.table_name)
            .index_name(DUE_INDEX)
            .key_condition_expression("due_shard = :shard AND due_at <= :now")
            .expression_attribute_values(":shard", text(shard.to_string()))
            .expression_attribute_values(":now", seconds(now))
            .set_exclusive_start_key(after.map(|cursor| cursor.0))
            .limit(DUE_PAGE)
            .send()
            .await
            .map_err(|error| AwsError::new(OPERATION, error))?;
        let photo = |item: &Item| {
            let due_at = item.get("due_at").and_then(|value| value.as_n().ok()?.parse().ok());
            Some(DuePhoto { key: photo_of(item)?, due_at: due_at.unwrap_or(0) })
        };
        Ok(DuePage {
            photos: output.items.unwrap_or_default().iter().filter_map(photo).collect(),
            next: output.last_evaluated_key.filter(|key| !key.is_empty()).map(DueCursor),
        })
    }

    /// Ends an upload of `size_bytes` that never came and gives back all that it was counted for; false if it is no
    /// longer pending.
    pub async fn expire(
        &self,
        key: &OriginalKey,
        size_bytes: u64,
        at: OffsetDateTime,
    ) -> Result<bool, AwsError> {
        let change = Change::step(Step::Expire, at).remove(&["due_at"]);
        let release = Release::Everything { size_bytes };
        Ok(self.change_and_release(key, change, release).await? == Changed::Applied)
    }

    /// Claims the next attempt at a photo whose bytes are there; false if another run has claimed it, or if there
    /// is nothing left to try.
    pub async fn claim_retry(
        &self,
        key: &OriginalKey,
        seen_attempts: u32,
        at: OffsetDateTime,
    ) -> Result<bool, AwsError> {
        let attempt = seen_attempts + 1;
        let change = Change::step(Step::Retry, at)
            .set("attempts", number(attempt.into()))
            // Its bytes are there: it is not abandoned.
            .set("expires_at", seconds(at + upkeep::ARRIVED_RETENTION))
            .due(key.photo_id, at + upkeep::backoff(attempt));
        let change = if seen_attempts == 0 {
            change.only_if("attribute_not_exists(attempts)", &[])
        } else {
            change.only_if("attempts = :seen", &[(":seen", number(seen_attempts.into()))])
        };
        Ok(self.change(key, change).await? == Changed::Applied)
    }

    /// Reschedules an arrived photo without counting an attempt, if `due_at` is unchanged; false if it has changed. The photo is
    /// not abandoned: the record's TTL moves as an attempt moves it.
    pub async fn reschedule(
        &self,
        key: &OriginalKey,
        seen: &Tracked,
        now: OffsetDateTime,
        due_at: OffsetDateTime,
    ) -> Result<bool, AwsError> {
        let Some(seen_due_at) = seen.due_at else { return Ok(false) };
        let change = Change::within(Step::Retry.from())
            .only_if("due_at = :seen", &[(":seen", seconds(seen_due_at))])
            .set("expires_at", seconds(now + upkeep::ARRIVED_RETENTION))
            .due(key.photo_id, due_at);
        Ok(self.change(key, change).await? == Changed::Applied)
    }

    /// Makes an unsettled photo due now, unless its attempts have begun: those have times of their own.
    pub async fn hasten(&self, key: &OriginalKey, at: OffsetDateTime) -> Result<bool, AwsError> {
        let change = Change::within(Step::Retry.from())
            .due(key.photo_id, at)
            .only_if("(attribute_not_exists(due_at) OR attribute_not_exists(attempts))", &[]);
        Ok(self.change(key, change).await? == Changed::Applied)
    }

    /// Notes that the event of a write was sent, unless another event is unsent by now. A photo whose original is still to
    /// be tagged stays due: a failed photo, and a ready photo that had failed before.
    pub async fn announced(&self, key: &OriginalKey, sent: Unsent) -> Result<(), AwsError> {
        // A deleted photo is due for its removal, which sends all unsent events.
        let sent_at = [(":sent", text(item::timestamp(sent.at)))];
        let clear_event = || {
            Change::within(&[Status::Ready, Status::Failed])
                .only_if("unsent_event_at = :sent", &sent_at)
                .remove(&["unsent_event", "unsent_event_at"])
        };
        if sent.what != Announcement::Failed {
            let clear_all = clear_event().only_if("attribute_not_exists(tag_due)", &[]).remove(&["due_at"]);
            if self.change(key, clear_all).await? != Changed::Refused(Some(Status::Ready)) {
                return Ok(());
            }
        }
        self.change(key, clear_event()).await.map(drop)
    }

    /// Makes a failed photo due when its renewal has ended; false if the photo is not failed, or if its event is unsent.
    pub async fn begin_renewal(&self, key: &OriginalKey, at: OffsetDateTime) -> Result<bool, AwsError> {
        let change = Change::within(&[Status::Failed])
            .only_if("attribute_not_exists(unsent_event)", &[])
            .due(key.photo_id, at + upkeep::RENEWAL_WINDOW);
        Ok(self.change(key, change).await? == Changed::Applied)
    }

    /// Takes a record out of the index for which there is nothing to do; false if something has come up since. The original
    /// has its tag by then.
    pub async fn rest(&self, key: &OriginalKey, seen: &Tracked) -> Result<bool, AwsError> {
        let Some(due_at) = seen.due_at else { return Ok(true) };
        let change = Change::within(&[seen.record.status()])
            .only_if("due_at = :seen AND attribute_not_exists(unsent_event)", &[(":seen", seconds(due_at))])
            .remove(&["due_at", "tag_due"]);
        Ok(self.change(key, change).await? == Changed::Applied)
    }

    /// Makes a record due at another time, unless something has come up since.
    pub async fn look_again(
        &self,
        key: &OriginalKey,
        seen: &Tracked,
        due_at: OffsetDateTime,
    ) -> Result<(), AwsError> {
        let Some(seen_due_at) = seen.due_at else { return Ok(()) };
        let change = Change::within(&[seen.record.status()])
            .only_if("due_at = :seen", &[(":seen", seconds(seen_due_at))])
            .due(key.photo_id, due_at);
        self.change(key, change).await.map(drop)
    }

    /// Removes the record of a deleted photo, the last that was left of it.
    pub async fn remove(&self, key: &OriginalKey) -> Result<(), AwsError> {
        let change = Change::within(Step::Remove.from());
        if self.remove_and_release(key, &change).await? {
            return Ok(());
        }
        let written = change.written();
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table_name)
            .set_key(Some(photo_key(key)))
            .condition_expression(written.condition)
            .set_expression_attribute_names(Some(written.names))
            .set_expression_attribute_values(Some(written.values));
        match contention::write(&self.client, || delete.clone().send()).await {
            Ok(_) => Ok(()),
            // Another run was quicker.
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                Ok(())
            }
            Err(error) => Err(AwsError::new("dynamodb:DeleteItem", error)),
        }
    }

    /// What is known of these photos, as the last writes left them. A photo that is not in the answer has no
    /// record; an answer that is not whole is an error, never a photo without a record.
    pub async fn known(&self, keys: &[OriginalKey]) -> Result<HashMap<OriginalKey, Known>, AwsError> {
        let mut known = HashMap::new();
        for batch in keys.chunks(BATCH_KEYS) {
            self.known_batch(batch, &mut known).await?;
        }
        Ok(known)
    }

    async fn known_batch(
        &self,
        keys: &[OriginalKey],
        known: &mut HashMap<OriginalKey, Known>,
    ) -> Result<(), AwsError> {
        const OPERATION: &str = "dynamodb:BatchGetItem";
        let request = KeysAndAttributes::builder()
            .set_keys(Some(keys.iter().map(photo_key).collect()))
            .consistent_read(true)
            .build()
            .map_err(|error| AwsError::new(OPERATION, error))?;
        let mut asked = HashMap::from([(self.table_name.clone(), request)]);
        for attempt in 0..BATCH_ATTEMPTS {
            let output = self
                .client
                .batch_get_item()
                .set_request_items(Some(std::mem::take(&mut asked)))
                .send()
                .await
                .map_err(|error| AwsError::new(OPERATION, error))?;
            for item in output.responses.unwrap_or_default().into_values().flatten() {
                let key = photo_of(&item)
                    .ok_or_else(|| AwsError::new(OPERATION, "an answer to another question"))?;
                let found = match item::to_tracked(item) {
                    Ok(tracked) => Known::of(&tracked),
                    Err(error) => {
                        tracing::error!(photo_id = %key.photo_id, %error, "a record cannot be read");
                        Known::Unreadable
                    }
                };
                known.insert(key, found);
            }
            asked = output.unprocessed_keys.unwrap_or_default();
            if asked.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
        }
        Err(AwsError::new(OPERATION, "some keys were never answered"))
    }

    /// How far the listing of a bucket has come: the last key that was looked at.
    pub async fn checkpoint(&self, name: &str) -> Result<Option<String>, AwsError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table_name)
            .set_key(Some(checkpoint_key(name)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| AwsError::new("dynamodb:GetItem", error))?;
        Ok(output.item.and_then(|item| item.get("after").and_then(|value| value.as_s().ok()).cloned()))
    }

    /// Notes how far the listing of a bucket has come; `None` begins it anew.
    pub async fn save_checkpoint(
        &self,
        name: &str,
        after: Option<&str>,
        at: OffsetDateTime,
    ) -> Result<(), AwsError> {
        let mut item = checkpoint_key(name);
        item.insert("updated_at".to_owned(), text(item::timestamp(at)));
        if let Some(after) = after {
            item.insert("after".to_owned(), text(after));
        }
        let put = self.client.put_item().table_name(&self.table_name).set_item(Some(item));
        put.send().await.map(drop).map_err(|error| AwsError::new("dynamodb:PutItem", error))
    }
}

/// How long after the end of its retention the note of an orphan goes: S3's lifecycle has removed the object by then.
const NOTE_OUTLIVES_RETENTION: Duration = Duration::from_hours(14 * 24);

impl PhotoStore {
    /// Since when an original is known to have no record.
    pub async fn orphan_since(&self, key: &OriginalKey) -> Result<Option<OffsetDateTime>, AwsError> {
        const OPERATION: &str = "dynamodb:GetItem";
        let get = self.client.get_item().table_name(&self.table_name).set_key(Some(orphan_key(key)));
        let output =
            get.consistent_read(true).send().await.map_err(|error| AwsError::new(OPERATION, error))?;
        let since =
            output.item.and_then(|item| item.get("since").and_then(|value| value.as_n().ok()).cloned());
        since
            .map(|seconds| {
                let seconds = seconds.parse().map_err(|error| AwsError::new(OPERATION, error))?;
                OffsetDateTime::from_unix_timestamp(seconds).map_err(|error| AwsError::new(OPERATION, error))
            })
            .transpose()
    }

    /// Notes that an original has no record; the note goes by itself some time after `retention`.
    pub async fn note_orphan(
        &self,
        key: &OriginalKey,
        at: OffsetDateTime,
        retention: Duration,
    ) -> Result<(), AwsError> {
        let mut item = orphan_key(key);
        let number = |at: OffsetDateTime| AttributeValue::N(at.unix_timestamp().to_string());
        item.insert("since".to_owned(), number(at));
        item.insert("expires_at".to_owned(), number(at + retention + NOTE_OUTLIVES_RETENTION));
        let put = self.client.put_item().table_name(&self.table_name).set_item(Some(item));
        put.send().await.map(drop).map_err(|error| AwsError::new("dynamodb:PutItem", error))
    }
}

impl Known {
    fn of(tracked: &Tracked) -> Self {
        let processed = match tracked.record.outcome() {
            Some(photo_domain::Outcome::Ready(processed)) => Some(processed),
            _ => None,
        };
        let variants = processed.map_or(&[][..], |processed| processed.variants.as_slice());
        Self::Record {
            status: tracked.record.status(),
            variant_keys: variants.iter().map(|variant| variant.key.clone()).collect(),
            updated_at: tracked.updated_at,
            recipe: processed.and_then(|processed| processed.recipe.clone()),
        }
    }
}

fn orphan_key(key: &OriginalKey) -> Item {
    HashMap::from([
        ("pk".to_owned(), text(SYSTEM_PARTITION)),
        ("sk".to_owned(), text(format!("orphan#{key}"))),
    ])
}

fn checkpoint_key(name: &str) -> Item {
    HashMap::from([
        ("pk".to_owned(), text(SYSTEM_PARTITION)),
        ("sk".to_owned(), text(format!("checkpoint#{name}"))),
    ])
}

/// Which photo an item is, by its key alone; none if it is no photo's.
fn photo_of(item: &Item) -> Option<OriginalKey> {
    let part = |name: &str, prefix: &str| {
        let value = item.get(name).and_then(|value: &AttributeValue| value.as_s().ok());
        value.and_then(|value| value.strip_prefix(prefix)).map(str::to_owned)
    };
    let owner = OwnerId::from_encoded(&part("pk", "owner#")?).ok()?;
    Some(OriginalKey { owner, photo_id: part("sk", "photo#")?.parse().ok()? })
}

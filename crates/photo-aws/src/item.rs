//! The table's items: how a record is written and read back.
//!
//! One table holds everything of an owner in one partition:
//!
//! | pk | sk | holds |
//! | --- | --- | --- |
//! | `owner#{owner}` | `photo#{photo_id}` | a photo's record |
//! | `owner#{owner}` | `idempotency#{SHA-256 of the key}` | which photo an idempotency key stands for |
//! | `owner#{owner}` | `quota#{day}` | what the owner has taken of a day |
//! | `owner#{owner}` | `import#{photo_id}` | that a photo was taken over from another bucket once |
//! | `system#reconcile` | `checkpoint#{bucket}` | how far a bucket's listing has come |
//! | `system#reconcile` | `orphan#{key}` | since when an original is known to have no record |
//!
//! A photo for which something is still to be done has `due_at`, and with it a place in the sparse index `due`.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use photo_domain::event::Unsent;
use photo_domain::record::{Outcome, PhotoRecord, Processed, State, Status, StoredVariant};
use photo_domain::{
    Checksum, FileName, Metadata, OwnerId, PhotoId, Recipe, UploadRequest, VariantFormat, VariantName, upkeep,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

mod idempotency;
mod method;

pub(crate) use idempotency::IdempotencyItem;
use method::MethodAttributes;

/// A DynamoDB item.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// An item that is not what this version of photodrop writes.
#[derive(Debug, thiserror::Error)]
#[error("the item's {attribute} cannot be read: {problem}")]
pub(crate) struct BadItem {
    attribute: &'static str,
    problem: String,
}

pub(crate) fn partition(owner: &OwnerId) -> String {
    format!("owner#{}", owner.encoded())
}

/// What the sort key of every photo begins with.
pub(crate) const PHOTO_SORT_PREFIX: &str = "photo#";

pub(crate) fn photo_sort_key(photo_id: PhotoId) -> String {
    format!("{PHOTO_SORT_PREFIX}{photo_id}")
}

pub(crate) fn idempotency_sort_key(digest: &str) -> String {
    format!("idempotency#{digest}")
}

pub(crate) fn quota_sort_key(day: time::Date) -> String {
    format!("quota#{day}")
}

pub(crate) fn import_sort_key(photo_id: PhotoId) -> String {
    format!("import#{photo_id}")
}

pub(crate) fn timestamp(at: OffsetDateTime) -> String {
    // RFC 3339 can write every year that a clock of this century can read.
    at.format(&Rfc3339).unwrap_or_else(|_| at.unix_timestamp().to_string())
}

/// A photo as the table has it: flat, so that it can be read in the console and in queries.
#[derive(Debug, Default, Serialize, Deserialize)]
struct PhotoItem {
    pk: String,
    sk: String,
    photo_id: String,
    owner: String,
    status: String,
    content_type: String,
    size_bytes: u64,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    method: MethodAttributes,
    #[serde(flatten)]
    outcome: OutcomeAttributes,
    #[serde(flatten)]
    upkeep: UpkeepAttributes,
}

/// What the reconcile function goes by.
#[derive(Debug, Default, Serialize, Deserialize)]
struct UpkeepAttributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    due_shard: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsent_event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsent_event_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<String>,
    /// A number set: Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    render_starts: Option<Vec<i64>>,
}

/// A record with what is still to be done for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// The record.
    pub record: PhotoRecord,
    /// When it is to be looked after; none if there is nothing to do.
    pub due_at: Option<OffsetDateTime>,
    /// How often it was processed again.
    pub attempts: u32,
    /// The event that is still to be sent.
    pub unsent: Option<Unsent>,
    /// When its owner deleted it.
    pub deleted_at: Option<OffsetDateTime>,
    /// The last write.
    pub updated_at: OffsetDateTime,
    /// S3's ids of the multipart uploads that parts were signed for.
    pub upload_ids: Vec<String>,
    /// When renders began whose end is not noted.
    pub render_starts: Vec<OffsetDateTime>,
}

/// What settling a photo adds to its item.
#[derive(Debug, Default, Serialize, Deserialize)]
struct OutcomeAttributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbhash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dominant_color: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variants: Option<Vec<VariantItem>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renewed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    damaged: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received_percent: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct VariantItem {
    name: String,
    format: VariantFormat,
    width: u32,
    height: u32,
    size_bytes: u64,
    key: String,
}

impl OutcomeAttributes {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Ready(processed) => Self {
                format: Some(processed.format.as_str().to_owned()),
                width: Some(processed.width),
                height: Some(processed.height),
                thumbhash: Some(processed.thumbhash.clone()),
                dominant_color: Some(processed.dominant_color.clone()),
                original_etag: Some(processed.original_etag.clone()),
                variants: Some(processed.variants.iter().map(VariantItem::of).collect()),
                recipe: processed.recipe.as_ref().map(Recipe::to_string),
                renewed: processed.renewed.then_some(true),
                damaged: processed.received_percent.map(|_| true),
                received_percent: processed.received_percent.map(u32::from),
                ..Self::default()
            },
            Outcome::Failed { code, reason } => Self {
                failure_code: Some(code.as_str().to_owned()),
                failure_reason: Some(reason.clone()),
                ..Self::default()
            },
        }
    }

    fn into_outcome(self, status: Status) -> Result<Option<Outcome>, BadItem> {
        Ok(match status {
            Status::Deleting if self.variants.is_some() => self.into_outcome(Status::Ready)?,
            Status::Deleting if self.failure_code.is_some() => self.into_outcome(Status::Failed)?,
            Status::Pending | Status::Expired | Status::Deleting => None,
            Status::Ready => Some(Outcome::Ready(Processed {
                format: parsed("format", &required("format", self.format)?)?,
                width: required("width", self.width)?,
                height: required("height", self.height)?,
                thumbhash: required("thumbhash", self.thumbhash)?,
                dominant_color: required("dominant_color", self.dominant_color)?,
                original_etag: required("original_etag", self.original_etag)?,
                variants: required("variants", self.variants)?
                    .into_iter()
                    .map(VariantItem::into_variant)
                    .collect::<Result<_, _>>()?,
                recipe: self.recipe.map(|text| parsed("recipe", &text)).transpose()?,
                renewed: self.renewed.unwrap_or(false),
                received_percent: self
                    .received_percent
                    .filter(|_| self.damaged == Some(true))
                    .map(|percent| u8::try_from(percent).unwrap_or(u8::MAX).min(99)),
            })),
            Status::Failed => Some(Outcome::Failed {
                code: parsed("failure_code", &required("failure_code", self.failure_code)?)?,
                reason: self.failure_reason.unwrap_or_default(),
            }),
        })
    }
}

impl VariantItem {
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

    fn into_variant(self) -> Result<StoredVariant, BadItem> {
        let Self { name, format, width, height, size_bytes, key } = self;
        let name = VariantName::parse(&name).map_err(|error| bad("variants", &error))?;
        Ok(StoredVariant { name, format, width, height, size_bytes, key })
    }
}

/// Writes a whole record.
pub(crate) fn from_record(record: &PhotoRecord) -> Result<Item, serde_dynamo::Error> {
    let request = &record.request;
    let expires_at = match &record.state {
        State::Pending { expires_at } | State::Expired { expires_at } => Some(expires_at.unix_timestamp()),
        State::Settled(_) | State::Deleting(_) => None,
    };
    // From its first moment on somebody looks after it.
    let due_at = matches!(record.state, State::Pending { .. })
        .then(|| (record.created_at + upkeep::UPLOAD_WINDOW).unix_timestamp());
    serde_dynamo::to_item(PhotoItem {
        pk: partition(&record.owner),
        sk: photo_sort_key(record.photo_id),
        photo_id: record.photo_id.to_string(),
        owner: record.owner.as_str().to_owned(),
        status: record.status().as_str().to_owned(),
        content_type: request.content_type.as_str().to_owned(),
        size_bytes: request.size_bytes,
        created_at: timestamp(record.created_at),
        updated_at: timestamp(record.created_at),
        expires_at,
        checksum_sha256: request.checksum.map(|checksum| checksum.to_string()),
        file_name: request.file_name.as_ref().map(|name| name.as_str().to_owned()),
        metadata: request.metadata.entries().clone(),
        method: MethodAttributes::of(request.method),
        outcome: record.outcome().map(OutcomeAttributes::of).unwrap_or_default(),
        upkeep: UpkeepAttributes {
            due_shard: Some(shard(record.photo_id)),
            due_at,
            ..UpkeepAttributes::default()
        },
    })
}

/// A photo's partition in the index of due records.
pub(crate) fn shard(photo_id: PhotoId) -> String {
    upkeep::shard(photo_id).to_string()
}

/// The attributes that settling a record sets.
pub(crate) fn from_outcome(outcome: &Outcome) -> Result<Item, serde_dynamo::Error> {
    serde_dynamo::to_item(OutcomeAttributes::of(outcome))
}

/// Reads a whole record.
pub(crate) fn to_record(item: Item) -> Result<PhotoRecord, BadItem> {
    to_tracked(item).map(|tracked| tracked.record)
}

/// Reads a whole record with what is still to be done for it.
pub(crate) fn to_tracked(item: Item) -> Result<Tracked, BadItem> {
    let item: PhotoItem = serde_dynamo::from_item(item).map_err(|error| bad("item", &error))?;
    let status: Status = parsed("status", &item.status)?;
    let upkeep = item.upkeep;
    let unsent = match (upkeep.unsent_event, upkeep.unsent_event_at) {
        (Some(what), Some(at)) => {
            Some(Unsent { what: parsed("unsent_event", &what)?, at: moment("unsent_event_at", &at)? })
        }
        _ => None,
    };
    let outcome = item.outcome.into_outcome(status)?;
    let state = match (status, outcome) {
        (Status::Deleting, outcome) => State::Deleting(outcome),
        (_, Some(outcome)) => State::Settled(outcome),
        (status, None) => {
            let expires_at = unix_time("expires_at", required("expires_at", item.expires_at)?)?;
            if status == Status::Expired {
                State::Expired { expires_at }
            } else {
                State::Pending { expires_at }
            }
        }
    };
    let upload_ids = item.method.upload_ids.clone().unwrap_or_default();
    let record = PhotoRecord {
        photo_id: parsed("photo_id", &item.photo_id)?,
        owner: OwnerId::from_subject(&item.owner).map_err(|error| bad("owner", &error))?,
        request: UploadRequest {
            file_name: item.file_name.and_then(|name| FileName::clean(&name)),
            content_type: parsed("content_type", &item.content_type)?,
            size_bytes: item.size_bytes,
            checksum: item
                .checksum_sha256
                .map(|text| Checksum::parse(&text).map_err(|error| bad("checksum_sha256", &error)))
                .transpose()?,
            metadata: Metadata::stored(item.metadata),
            method: item.method.into_method()?,
        },
        created_at: moment("created_at", &item.created_at)?,
        state,
    };
    Ok(Tracked {
        record,
        due_at: upkeep.due_at.map(|seconds| unix_time("due_at", seconds)).transpose()?,
        attempts: upkeep.attempts.unwrap_or(0),
        unsent,
        deleted_at: upkeep.deleted_at.map(|at| moment("deleted_at", &at)).transpose()?,
        updated_at: moment("updated_at", &item.updated_at)?,
        upload_ids,
        render_starts: upkeep
            .render_starts
            .unwrap_or_default()
            .into_iter()
            .map(|milliseconds| unix_milliseconds("render_starts", milliseconds))
            .collect::<Result<_, _>>()?,
    })
}

/// Reads the status alone, for a writer that came too late.
pub(crate) fn to_status(item: &Item) -> Result<Status, BadItem> {
    let text = item.get("status").and_then(|value| value.as_s().ok());
    parsed("status", required("status", text)?)
}

fn bad(attribute: &'static str, problem: &dyn std::fmt::Display) -> BadItem {
    BadItem { attribute, problem: problem.to_string() }
}

fn required<T>(attribute: &'static str, value: Option<T>) -> Result<T, BadItem> {
    value.ok_or_else(|| bad(attribute, &"it is missing"))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    attribute: &'static str,
    text: &str,
) -> Result<T, BadItem> {
    text.parse().map_err(|error| bad(attribute, &error))
}

fn unix_time(attribute: &'static str, seconds: i64) -> Result<OffsetDateTime, BadItem> {
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|error| bad(attribute, &error))
}

fn unix_milliseconds(attribute: &'static str, milliseconds: i64) -> Result<OffsetDateTime, BadItem> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000)
        .map_err(|error| bad(attribute, &error))
}

fn moment(attribute: &'static str, text: &str) -> Result<OffsetDateTime, BadItem> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|error| bad(attribute, &error))
}

#[cfg(test)]
#[path = "item_tests.rs"]
mod tests;

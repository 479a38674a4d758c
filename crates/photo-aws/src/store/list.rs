//! An owner's photos, page by page.

use aws_sdk_dynamodb::types::AttributeValue;
use photo_domain::record::{PhotoRecord, Status};
use photo_domain::{Cursor, OriginalKey, OwnerId};

use super::{PhotoStore, photo_key};
use crate::AwsError;
use crate::change::text;
use crate::item::{self, Item};

const OPERATION: &str = "dynamodb:Query";

/// How often a page is asked on for. Where an owner has just deleted many photos, one question may find few others; the
/// page is then short, and its cursor goes on behind what was looked at.
const MOST_QUERIES: usize = 3;

/// Some of an owner's photos.
#[derive(Clone, Debug)]
pub struct PhotoPage {
    /// The photos, the newest first. There may be fewer than were asked for, or none, before the end.
    pub photos: Vec<PhotoRecord>,
    /// Where the next page begins; none at the end.
    pub next: Option<Cursor>,
}

impl PhotoStore {
    /// An owner's photos, the newest first, without those that are being deleted: up to `limit` after `cursor`.
    pub async fn list(
        &self,
        owner: &OwnerId,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<PhotoPage, AwsError> {
        let mut page = PhotoPage { photos: Vec::new(), next: cursor };
        for _ in 0..MOST_QUERIES {
            let wanted = limit - page.photos.len();
            page.next = self.list_some(owner, page.next, wanted, &mut page.photos).await?;
            if page.next.is_none() || page.photos.len() >= limit {
                break;
            }
        }
        Ok(page)
    }

    /// One question: it looks at `limit` records and finds as many or fewer.
    async fn list_some(
        &self,
        owner: &OwnerId,
        after: Option<Cursor>,
        limit: usize,
        photos: &mut Vec<PhotoRecord>,
    ) -> Result<Option<Cursor>, AwsError> {
        let key = |cursor: Cursor| photo_key(&OriginalKey { owner: owner.clone(), photo_id: cursor.after });
        let output = self
            .client
            .query()
            .table_name(&self.table_name)
            .key_condition_expression("pk = :owner AND begins_with(sk, :photo)")
            .filter_expression("#status <> :deleting")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":owner", text(item::partition(owner)))
            .expression_attribute_values(":photo", text(item::PHOTO_SORT_PREFIX))
            .expression_attribute_values(":deleting", text(Status::Deleting.as_str()))
            // Ids sort by the time they were made.
            .scan_index_forward(false)
            // Whoever has just been given a photo finds it.
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(after.map(key))
            .send()
            .await
            .map_err(|error| AwsError::new(OPERATION, error))?;
        for item in output.items.unwrap_or_default() {
            match item::to_record(item) {
                Ok(record) => photos.push(record),
                // One that this version cannot read must not hide all the others.
                Err(error) => tracing::error!(%error, "a record cannot be read: left out of the list"),
            }
        }
        output.last_evaluated_key.as_ref().map(cursor_at).transpose()
    }
}

fn cursor_at(last: &Item) -> Result<Cursor, AwsError> {
    last.get("sk")
        .and_then(|value: &AttributeValue| value.as_s().ok())
        .and_then(|key| key.strip_prefix(item::PHOTO_SORT_PREFIX))
        .and_then(|id| id.parse().ok())
        .map(|after| Cursor { after })
        .ok_or_else(|| AwsError::new(OPERATION, "the last key is no photo's"))
}

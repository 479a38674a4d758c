//! What an idempotency key stands for.

use photo_domain::PhotoId;
use serde::{Deserialize, Serialize};

use super::{BadItem, Item, bad};

/// The item of an idempotency key.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IdempotencyItem {
    pub(crate) pk: String,
    pub(crate) sk: String,
    /// The photo, or the first of several.
    pub(crate) photo_id: PhotoId,
    /// The photos after the first, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) further_photo_ids: Vec<PhotoId>,
    pub(crate) fingerprint: String,
    pub(crate) expires_at: i64,
}

impl IdempotencyItem {
    pub(crate) fn from_item(item: Item) -> Result<Self, BadItem> {
        serde_dynamo::from_item(item).map_err(|error| bad("idempotency item", &error))
    }

    /// Every photo that it stands for, in order.
    pub(crate) fn photo_ids(&self) -> Vec<PhotoId> {
        std::iter::once(self.photo_id).chain(self.further_photo_ids.iter().copied()).collect()
    }
}

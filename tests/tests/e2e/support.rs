//! What the cases share.

use photodrop_tests::aws::{self, Item, event_for};
use photodrop_tests::{Api, Aws, Stack};
use serde_json::Value;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Held for reading by who needs the thumbnail function as it is, for writing by who breaks it.
static THUMBNAIL_FUNCTION: RwLock<()> = RwLock::const_new(());

/// A client, the services behind it, and whose token the client has.
pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) api: Api,
    pub(crate) aws: Aws,
    pub(crate) owner: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let stack = Stack::load().unwrap();
        let api = Api::new(&stack).unwrap();
        let owner = aws::subject(&stack.token).unwrap();
        Self { api, aws: Aws::new(&stack).await, owner, stack }
    }

    /// The key of one of the demo user's originals.
    pub(crate) fn key(&self, photo_id: &str) -> String {
        format!("photos/{}/{photo_id}/original", self.owner)
    }

    /// The prefix of one of the demo user's photos in both buckets.
    pub(crate) fn prefix(&self, photo_id: &str) -> String {
        format!("photos/{}/{photo_id}/", self.owner)
    }

    /// S3's event for an original.
    pub(crate) fn event(&self, photo_id: &str, etag: Option<&str>) -> Value {
        event_for(&self.stack.originals_bucket, &self.key(photo_id), etag)
    }

    /// What there is in the thumbnails bucket of one of the demo user's photos.
    pub(crate) async fn thumbnails(&self, photo_id: &str) -> Vec<(String, String)> {
        self.aws.objects(&self.stack.thumbnails_bucket, &self.prefix(photo_id)).await.unwrap()
    }

    /// A photo's item.
    pub(crate) async fn item(&self, photo_id: &str) -> Item {
        self.aws.item(&self.owner, photo_id).await.unwrap().expect("the record is there")
    }
}

/// The thumbnail function works as deployed while this is held.
pub(crate) async fn function_works() -> RwLockReadGuard<'static, ()> {
    THUMBNAIL_FUNCTION.read().await
}

/// Nobody else needs the thumbnail function while this is held.
pub(crate) async fn function_is_mine() -> RwLockWriteGuard<'static, ()> {
    THUMBNAIL_FUNCTION.write().await
}

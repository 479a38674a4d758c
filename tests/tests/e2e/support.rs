//! What the cases share.

use aws_sdk_dynamodb::types::AttributeValue;
use photodrop_tests::aws::{self, Item, event_for};
use photodrop_tests::{Api, Aws, Stack};
use serde_json::{Value, json};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Held for reading by who needs the thumbnail function as it is, for writing by who breaks it.
static THUMBNAIL_FUNCTION: RwLock<()> = RwLock::const_new(());

/// `BackfillBucket` of the test stack: it is there once a test has made it.
pub(crate) const FOREIGN_BUCKET: &str = "somebody-elses-photos";

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

    /// One reconcile run of some parts; its summary.
    pub(crate) async fn reconcile(&self, parts: &[&str]) -> Value {
        self.reconcile_as(&json!({ "parts": parts })).await
    }

    pub(crate) async fn reconcile_as(&self, request: &Value) -> Value {
        let summary = self.aws.invoke(&self.stack.reconcile_function, request).await.unwrap();
        assert_eq!(summary["errors"], 0, "{summary}");
        summary
    }

    /// The tag of a failed photo's original after the reconcile run that it is due for.
    pub(crate) async fn tag_when_due(&self, photo_id: &str) -> Option<String> {
        self.announced(photo_id).await;
        self.make_due(photo_id).await;
        self.reconcile(&["due"]).await;
        self.aws.state_tag(&self.key(photo_id)).await.unwrap()
    }

    /// Lets a photo's time come, whatever it waits for.
    pub(crate) async fn make_due(&self, photo_id: &str) {
        let due = [("due_at", AttributeValue::N("1".to_owned()))];
        self.aws.set_attributes(&self.owner, photo_id, &due).await.unwrap();
    }

    /// Makes a deleted photo due whose owner deleted it so long ago that nothing signed before can still be used.
    pub(crate) async fn make_delete_due(&self, photo_id: &str) {
        let long_ago = [
            ("due_at", AttributeValue::N("1".to_owned())),
            ("deleted_at", AttributeValue::S("2026-11-01T12:00:00Z".to_owned())),
        ];
        self.aws.set_attributes(&self.owner, photo_id, &long_ago).await.unwrap();
    }

    /// Makes a photo so many minutes older.
    pub(crate) async fn age(&self, photo_id: &str, minutes: i64) {
        let at = time::OffsetDateTime::now_utc() - time::Duration::minutes(minutes);
        let at = at.format(&time::format_description::well_known::Rfc3339).unwrap();
        let created = [("created_at", AttributeValue::S(at))];
        self.aws.set_attributes(&self.owner, photo_id, &created).await.unwrap();
    }

    /// A photo whose bytes are there and whose event was lost. Nobody else may need S3's events meanwhile.
    pub(crate) async fn upload_unheard(&self, bytes: &[u8]) -> String {
        let notifications = self.aws.silence(&self.stack.originals_bucket).await.unwrap();
        let uploaded = self.api.upload("image/jpeg", bytes).await;
        self.aws.notify(&self.stack.originals_bucket, notifications).await.unwrap();
        uploaded.unwrap()
    }

    /// What there is in the originals bucket of one of the demo user's photos.
    pub(crate) async fn originals(&self, photo_id: &str) -> Vec<(String, String)> {
        self.aws.objects(&self.stack.originals_bucket, &self.prefix(photo_id)).await.unwrap()
    }

    /// A photo's item.
    pub(crate) async fn item(&self, photo_id: &str) -> Item {
        self.aws.item(&self.owner, photo_id).await.unwrap().expect("the record is there")
    }

    /// The same once its event is sent, see [`Aws::announced`].
    pub(crate) async fn announced(&self, photo_id: &str) -> Item {
        self.aws.announced(&self.owner, photo_id).await.unwrap()
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

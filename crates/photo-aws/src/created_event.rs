//! The events by which the reconcile function has an original processed: messages of the thumbnail queue, as S3's are.

use photo_domain::OriginalKey;
use serde_json::{Value, json};

use crate::objects::FoundObject;

/// The event that S3 would send of an original; its name says that it is not S3's.
#[must_use]
pub fn created_event(bucket: &str, key: &OriginalKey, object: &FoundObject) -> Value {
    event("Reconcile", bucket, key, object)
}

/// The same of an original whose photo may have ended before: its variants are made again.
#[must_use]
pub fn backfill_event(bucket: &str, key: &OriginalKey, object: &FoundObject) -> Value {
    event("Backfill", bucket, key, object)
}

fn event(cause: &str, bucket: &str, key: &OriginalKey, object: &FoundObject) -> Value {
    json!({ "Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "",
        "eventTime": crate::item::timestamp(object.written_at),
        "eventName": format!("ObjectCreated:{cause}"),
        "userIdentity": {},
        "requestParameters": {},
        "responseElements": {},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "reconcile",
            "bucket": { "name": bucket, "ownerIdentity": {}, "arn": format!("arn:aws:s3:::{bucket}") },
            "object": {
                // Encoded once more, as S3 does in its events: our keys have `%` and no space.
                "key": key.to_string().replace('%', "%25"),
                "size": object.size_bytes,
                "eTag": object.etag.trim_matches('"'),
            },
        },
    }] })
}

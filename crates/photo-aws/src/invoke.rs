//! Having an original processed again.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use photo_domain::OriginalKey;
use serde_json::{Value, json};

use crate::AwsError;
use crate::objects::FoundObject;

/// The thumbnail function, as S3 invokes it.
#[derive(Clone, Debug)]
pub struct ThumbnailFunction {
    client: Client,
    name: String,
}

impl ThumbnailFunction {
    /// The function called `name`.
    #[must_use]
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Hands over one original: Lambda queues the event, retries it and keeps its failure, as it does with S3's.
    pub async fn process(&self, event: &Value) -> Result<(), AwsError> {
        self.client
            .invoke()
            .function_name(&self.name)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(event.to_string()))
            .send()
            .await
            .map(drop)
            .map_err(|error| AwsError::new("lambda:InvokeFunction", error))
    }
}

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

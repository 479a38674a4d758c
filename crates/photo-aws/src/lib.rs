//! What photodrop asks of AWS, and nothing else: this is the only crate that names an AWS SDK.
//!
//! | module | holds |
//! | --- | --- |
//! | [`config`] | the environment as typed values, every mistake reported at once |
//! | [`clients`] | SDK clients with the timeouts that the request path and the pipeline need |
//! | [`store`] | the DynamoDB table: create, get and settle a photo; find those that are due |
//! | [`objects`] | the S3 buckets: presign, read an original, write a variant; list and remove |
//! | `events` | the EventBridge bus, with the feature `events` |
//! | `queues`, `invoke` | the failure queue and the thumbnail function, with the feature `reconcile` |
//! | [`telemetry`] | JSON logs |
//! | `replay` | for tests, with the feature `test-util`: written-down answers of AWS |
//!
//! Every error here is about AWS, never about the photo: trying again later may help.

mod change;
pub mod clients;
pub mod config;
#[cfg(feature = "events")]
pub mod events;
#[cfg(feature = "reconcile")]
pub mod invoke;
mod item;
pub mod objects;
#[cfg(feature = "reconcile")]
pub mod queues;
#[cfg(feature = "test-util")]
pub mod replay;
pub mod store;
pub mod telemetry;

pub use clients::{Clients, Timeouts};
pub use config::{ConfigError, Environment, Storage};
#[cfg(feature = "events")]
pub use events::EventBus;
#[cfg(feature = "reconcile")]
pub use invoke::ThumbnailFunction;
pub use item::Tracked;
pub use objects::{Bucket, FoundObject, Objects, OriginalTag, PresignedUpload, ReadError};
#[cfg(feature = "reconcile")]
pub use queues::{Message, Queue};
pub use store::{Created, IdempotentRequest, Known, PhotoStore, Settled};

/// A call to AWS that did not succeed; the photo is not to blame, and a later try may succeed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct AwsError {
    /// The API operation, such as `dynamodb:PutItem`.
    pub operation: &'static str,
    /// The SDK's error, with its own chain of causes.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl AwsError {
    fn new(operation: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { operation, source: source.into() }
    }
}

/// Writes an error with all its causes, as the log needs it: the SDK's own `Display` says only "service error".
#[must_use]
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut text = String::new();
    for cause in causes {
        let cause = cause.to_string();
        if text.ends_with(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}

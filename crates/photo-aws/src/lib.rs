//! What photodrop asks of AWS, and nothing else: this is the only crate that names an AWS SDK.
//!
//! | module | holds |
//! | --- | --- |
//! | [`config`] | the environment as typed values, every mistake reported at once |
//! | [`clients`] | SDK clients with the timeouts that the request path and the pipeline need |
//! | [`store`] | the DynamoDB table: create, get and settle a photo; find those that are due |
//! | [`quota`] | what each owner has taken, counted in the record's own transaction |
//! | [`signer`] | a form's POST and the requests of an upload in parts, signed |
//! | [`objects`] | the S3 buckets: presign, read an original, write a variant; list and remove |
//! | `events` | the EventBridge bus, with the feature `events` |
//! | `queues` | the thumbnail queue and its dead-letter queue, with the feature `queues` |
//! | `created_event` | the events that reconcile and backfills send, with the feature `reconcile` |
//! | `operator` | what an operator asks a function from a terminal, with the feature `operator` |
//! | [`telemetry`] | JSON logs |
//! | [`metrics`] | CloudWatch metrics by lines of the log (EMF) |
//! | [`usage`] | memory, CPU time and calls of an invocation |
//! | `replay` | for tests, with the feature `test-util`: written-down answers of AWS |
//!
//! Every error here is about AWS, never about the photo: trying again later may help.

mod calls;
mod change;
pub mod clients;
pub mod config;
mod contention;
#[cfg(feature = "reconcile")]
pub mod created_event;
#[cfg(feature = "events")]
pub mod events;
mod item;
pub mod metrics;
pub mod objects;
#[cfg(feature = "operator")]
pub mod operator;
#[cfg(feature = "queues")]
pub mod queues;
pub mod quota;
#[cfg(feature = "test-util")]
pub mod replay;
pub mod signer;
pub mod store;
pub mod telemetry;
pub mod usage;

pub use clients::{Clients, Timeouts};
pub use config::{ConfigError, Environment, Storage};
#[cfg(feature = "events")]
pub use events::EventBus;
pub use item::Tracked;
pub use objects::{Bucket, FoundObject, Objects, OriginalTag, PresignedUpload, ReadError};
#[cfg(feature = "reconcile")]
pub use objects::{Peeked, Taken};
#[cfg(feature = "queues")]
pub use queues::Queue;
pub use signer::{PartsRequest, SignedForm, SignedRequest, UploadSigner};
pub use store::{
    Bound, Created, DueCursor, DuePage, DuePhoto, IdempotentRequest, Imported, Known, PhotoPage, PhotoStore,
    RenderCount, Settled,
};

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
    without_owners(&text)
}

/// AWS names what it refused ("is not authorized to perform … on resource …"), and keys have their owner in them.
fn without_owners(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, prefix)) =
        ["photos/", "owner#"].into_iter().filter_map(|prefix| Some((rest.find(prefix)?, prefix))).min()
    {
        let (before, owner) = rest.split_at(at + prefix.len());
        clean.push_str(before);
        // An owner is percent-encoded in keys: `OwnerId::encoded`.
        let end =
            owner.find(|c: char| !c.is_ascii_alphanumeric() && !"-_%".contains(c)).unwrap_or(owner.len());
        if end > 0 {
            clean.push_str("[owner]");
        }
        rest = &owner[end..];
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_in_what_aws_says_is_not_passed_on() {
        let said = "not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::b/photos/auth0%7Cjane/01/original\" \
                    nor on owner#auth0%7Cjane, photos/*";
        let error = AwsError::new("s3:PutObject", said);
        assert_eq!(
            error_chain(&error),
            "s3:PutObject failed: not authorized to perform: s3:PutObject on resource: \
             \"arn:aws:s3:::b/photos/[owner]/01/original\" nor on owner#[owner], photos/*"
        );
    }
}

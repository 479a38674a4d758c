//! The failure queue: events that the thumbnail function failed on three times.
//!
//! The photo's record is what counts, not the message: it says how often the photo was tried and when it is due
//! again. So a message is read, its photos are made due, and it is removed; the sweep does the rest. A message about
//! which nothing can be done is kept aside in the parking queue.

use std::time::Duration;

use aws_lambda_events::event::s3::S3Event;
use percent_encoding::percent_decode_str;
use photo_aws::metrics::{self, Document};
use photo_aws::{AwsError, Message};
use photo_domain::record::State;
use photo_domain::{OriginalKey, upkeep};
use serde::Deserialize;
use serde_json::Value;

use crate::run::Run;

/// Longer than a run: a message that a run has taken is another run's only if the first one died.
const TAKEN_FOR: Duration = Duration::from_mins(10);

/// What Lambda sends to a failure destination, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Failure {
    #[serde(rename = "requestPayload")]
    event: S3Event,
    #[serde(default, rename = "responsePayload")]
    response: Value,
}

impl Run<'_> {
    /// Takes messages off the failure queue until there are none.
    pub(crate) async fn redrive(&mut self) {
        if self.is_dry() {
            // Taking a message would hide it for a while: a dry run only counts.
            match self.tools.failures.waiting().await {
                Ok(waiting) => self.summary.failures = waiting,
                Err(error) => self.stopped("redrive", &error),
            }
            return;
        }
        while self.has_time() {
            let messages = match self.tools.failures.receive(TAKEN_FOR).await {
                Ok(messages) => messages,
                Err(error) => return self.stopped("redrive", &error),
            };
            if messages.is_empty() {
                return;
            }
            for message in messages {
                self.summary.failures += 1;
                if let Err(error) = self.take_message(&message).await {
                    // It shows up again.
                    self.failed("redrive", &error);
                }
            }
        }
    }

    async fn take_message(&mut self, message: &Message) -> Result<(), AwsError> {
        let body: Value =
            serde_json::from_str(&message.body).unwrap_or_else(|_| Value::String(message.body.clone()));
        match serde_json::from_value::<Failure>(body.clone()) {
            Ok(failure) => self.take_failure(&failure, &body).await?,
            Err(error) => {
                tracing::error!(%error, "a message that is no failure of ours: parked");
                self.park("not a failed S3 event", &body).await?;
            }
        }
        self.tools.failures.remove(message).await
    }

    async fn take_failure(&mut self, failure: &Failure, body: &Value) -> Result<(), AwsError> {
        let keys: Vec<_> = failure.event.records.iter().filter_map(key_of).collect();
        if keys.is_empty() {
            tracing::error!("a failure of no photo of ours: parked");
            return self.park("no photo of ours", body).await;
        }
        let is_backfill =
            failure.event.records.iter().any(|record| {
                record.event_name.as_deref().is_some_and(|name| name == "ObjectCreated:Backfill")
            });
        for key in keys {
            let Some(tracked) = self.tools.store.track(&key).await? else { continue };
            let cause = failure.response["errorMessage"].as_str().unwrap_or("unknown");
            if !matches!(tracked.record.state, State::Pending { .. } | State::Expired { .. }) {
                if is_backfill {
                    tracing::warn!(photo_id = %key.photo_id, cause, "not renewed: left to the next backfill");
                    Document::new().count(metrics::RENEWALS_FAILED).emit();
                }
                continue;
            }
            if tracked.attempts >= upkeep::MAX_ATTEMPTS {
                let reason = format!("failed after {} attempts, at last: {cause}", tracked.attempts);
                self.give_up(&key, &tracked.record, &reason, body).await?;
            } else {
                self.tools.store.hasten(&key, self.now).await?;
                tracing::warn!(photo_id = %key.photo_id, attempts = tracked.attempts, cause, "failure taken up");
            }
        }
        Ok(())
    }
}

/// The original that a record of an event is about.
fn key_of(record: &aws_lambda_events::event::s3::S3EventRecord) -> Option<OriginalKey> {
    let spaces = record.s3.object.key.as_deref()?.replace('+', " ");
    percent_decode_str(&spaces).decode_utf8().ok()?.parse().ok()
}

//! One invocation: the messages that the queue delivers, or an event of S3 without a queue.
//!
//! A message whose events are processed is deleted by Lambda when the invocation succeeds. After a failure that may pass the
//! message waits longer each time, and the invocation fails, so that it counts as an error. A message that is no event of S3
//! can never succeed: it goes to the dead-letter queue at once.

use std::time::Instant;

use photo_aws::metrics::Document;
use photo_aws::usage::Meter;
use photo_aws::{AwsError, error_chain};
use photo_domain::upkeep;
use tracing::Instrument as _;

use crate::error::InvocationError;
use crate::event::{Invocation, Message, Notification, OriginalCreated, original_key};
use crate::process::Pipeline;

/// How many records an invocation had, and which of them failed.
#[derive(Default)]
struct Tally {
    records: usize,
    failures: Vec<String>,
}

impl Pipeline {
    /// Processes what one invocation brings. An error means that the queue shall deliver it again; what was done by then is
    /// found done.
    pub async fn handle(&self, invocation: Invocation, deadline: Instant) -> Result<(), InvocationError> {
        let meter = Meter::start();
        let mut tally = Tally::default();
        match invocation {
            Invocation::Direct(notification) => {
                self.process_notification(notification, 1, deadline, &mut tally).await;
            }
            Invocation::Queue(delivery) => {
                for message in &delivery.messages {
                    self.receive(message, deadline, &mut tally).await;
                }
            }
        }
        let Tally { records, failures } = tally;
        meter.report(Document::new(), self.config.memory_mib).property("records", records).emit();
        let failed = failures.len();
        failures.into_iter().next().map_or(Ok(()), |first| Err(InvocationError { records, failed, first }))
    }

    async fn receive(&self, message: &Message, deadline: Instant, tally: &mut Tally) {
        let failed_before = tally.failures.len();
        match serde_json::from_str(&message.body) {
            Ok(notification) => {
                self.process_notification(notification, message.receive_count(), deadline, tally).await;
            }
            Err(error) => {
                tally.records += 1;
                if let Err(error) = self.move_to_dead_letter_queue(message, &error).await {
                    tally.failures.push(error_chain(&error));
                }
            }
        }
        if tally.failures.len() > failed_before {
            self.change_visibility(message).await;
        }
    }

    /// Processes the records of one event of S3.
    async fn process_notification(
        &self,
        notification: Notification,
        receive_count: u32,
        deadline: Instant,
        tally: &mut Tally,
    ) {
        let records = match notification {
            Notification::Objects(event) => event.records,
            Notification::Test(_) => return tracing::info!("S3 test event received"),
        };
        tally.records += records.len();
        for record in &records {
            match OriginalCreated::from_record(record, self.objects.originals_bucket()) {
                Ok(created) => {
                    let span = tracing::info_span!("photo", photo_id = %created.key.photo_id);
                    // Boxed: the compiler gives up on the layout of a future that is nested so deeply.
                    let processed = Box::pin(self.process(&created, receive_count, deadline));
                    if let Err(error) = processed.instrument(span).await {
                        tally.failures.push(error_chain(&error));
                    }
                }
                // The record is not a photodrop original; a retry cannot change that.
                Err(ignored) => tracing::warn!(
                    event_name = record.event_name,
                    bucket = record.s3.bucket.name,
                    // Not its key, which may be a person's: the sequencer finds it in S3's own log.
                    sequencer = record.s3.object.sequencer,
                    photo_id = original_key(record).map(|key| tracing::field::display(key.photo_id)),
                    reason = %ignored,
                    "record ignored"
                ),
            }
        }
    }

    /// Moves a message that is no event of S3 to the dead-letter queue, for a person.
    async fn move_to_dead_letter_queue(
        &self,
        message: &Message,
        error: &serde_json::Error,
    ) -> Result<(), AwsError> {
        self.failures.send(&message.body).await?;
        tracing::error!(
            message_id = message.message_id,
            %error,
            "a message that is no event of S3: moved to the failure queue"
        );
        Ok(())
    }

    /// Hides a message until its next delivery. If this fails, the queue's visibility timeout applies.
    async fn change_visibility(&self, message: &Message) {
        let receive_count = message.receive_count();
        let wait = upkeep::redelivery_wait(receive_count);
        match self.queue.change_visibility(&message.receipt_handle, wait).await {
            Ok(()) => {
                let wait_s = wait.as_secs();
                tracing::info!(
                    message_id = message.message_id,
                    receive_count,
                    wait_s,
                    "delivered again later"
                );
            }
            Err(error) => tracing::warn!(
                message_id = message.message_id,
                receive_count,
                operation = error.operation,
                error = error_chain(&error),
                "not postponed: delivered again after the queue's visibility timeout"
            ),
        }
    }
}

//! Announcing photos on EventBridge.

use std::time::SystemTime;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use photo_domain::CompletionEvent;

use crate::AwsError;

/// The `source` of every event of ours.
pub const SOURCE: &str = "photodrop";

/// An event bus.
#[derive(Clone, Debug)]
pub struct EventBus {
    client: Client,
    name: String,
}

impl EventBus {
    /// The bus called `name`.
    #[must_use]
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Sends one event. An error means that it may not have been sent: send it again, its id is the same.
    pub async fn announce(&self, event: &CompletionEvent) -> Result<(), AwsError> {
        const OPERATION: &str = "events:PutEvents";
        let detail = serde_json::to_string(event).map_err(|error| AwsError::new(OPERATION, error))?;
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE)
            .detail_type(event.what.as_str())
            .detail(detail)
            .time(SystemTime::from(event.occurred_at).into())
            .build();
        let output = self
            .client
            .put_events()
            .entries(entry)
            .send()
            .await
            .map_err(|error| AwsError::new(OPERATION, error))?;
        if output.failed_entry_count == 0 {
            return Ok(());
        }
        let refusals = output.entries.unwrap_or_default();
        let reason = refusals.iter().find_map(|entry| {
            entry.error_code().map(|code| format!("{code}: {}", entry.error_message().unwrap_or_default()))
        });
        Err(AwsError::new(OPERATION, reason.unwrap_or_else(|| "the event was refused".to_owned())))
    }
}

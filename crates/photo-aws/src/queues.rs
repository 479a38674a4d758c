//! The thumbnail queue and its dead-letter queue.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;

use crate::AwsError;

/// A queue.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// The queue at `url`.
    #[must_use]
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Adds a message.
    pub async fn send(&self, body: &str) -> Result<(), AwsError> {
        let request = self.client.send_message().queue_url(&self.url).message_body(body);
        request.send().await.map(drop).map_err(|error| AwsError::new("sqs:SendMessage", error))
    }

    /// Sets the message's visibility timeout to `wait`.
    pub async fn change_visibility(&self, receipt_handle: &str, wait: Duration) -> Result<(), AwsError> {
        let seconds = i32::try_from(wait.as_secs()).unwrap_or(i32::MAX);
        let request = self.client.change_message_visibility().queue_url(&self.url);
        let request = request.receipt_handle(receipt_handle).visibility_timeout(seconds);
        request.send().await.map(drop).map_err(|error| AwsError::new("sqs:ChangeMessageVisibility", error))
    }

    /// About how many messages can be received now: neither those that are being processed, nor those that wait for their
    /// next delivery.
    pub async fn waiting(&self) -> Result<u64, AwsError> {
        const OPERATION: &str = "sqs:GetQueueAttributes";
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let request = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone());
        let output = request.send().await.map_err(|error| AwsError::new(OPERATION, error))?;
        let count = output.attributes.and_then(|attributes| attributes.get(&name)?.parse().ok());
        count.ok_or_else(|| AwsError::new(OPERATION, "the answer has no number of messages"))
    }
}

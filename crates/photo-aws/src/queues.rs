//! The failure queue, and the queue in which messages are kept aside.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;

use crate::AwsError;

/// The most messages that one call gives.
const BATCH: i32 = 10;

/// A queue.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    url: String,
}

/// A message that was taken off a queue for a while.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its text.
    pub body: String,
    receipt: String,
}

impl Queue {
    /// The queue at `url`.
    #[must_use]
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Up to ten messages; whoever takes one and does not [remove](Queue::remove) it leaves it for another try later.
    pub async fn receive(&self, visible_again_after: Duration) -> Result<Vec<Message>, AwsError> {
        let seconds = i32::try_from(visible_again_after.as_secs()).unwrap_or(i32::MAX);
        let output = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(BATCH)
            .visibility_timeout(seconds)
            .send()
            .await
            .map_err(|error| AwsError::new("sqs:ReceiveMessage", error))?;
        let messages = output.messages.unwrap_or_default().into_iter();
        Ok(messages
            .filter_map(|message| Some(Message { body: message.body?, receipt: message.receipt_handle? }))
            .collect())
    }

    /// Removes a message for good.
    pub async fn remove(&self, message: &Message) -> Result<(), AwsError> {
        let request = self.client.delete_message().queue_url(&self.url).receipt_handle(&message.receipt);
        request.send().await.map(drop).map_err(|error| AwsError::new("sqs:DeleteMessage", error))
    }

    /// Adds a message.
    pub async fn send(&self, body: &str) -> Result<(), AwsError> {
        let request = self.client.send_message().queue_url(&self.url).message_body(body);
        request.send().await.map(drop).map_err(|error| AwsError::new("sqs:SendMessage", error))
    }

    /// About how many messages wait.
    pub async fn waiting(&self) -> Result<u64, AwsError> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let request = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone());
        let output = request.send().await.map_err(|error| AwsError::new("sqs:GetQueueAttributes", error))?;
        let count = output.attributes.and_then(|attributes| attributes.get(&name)?.parse().ok());
        Ok(count.unwrap_or(0))
    }
}

//! Moving dead letters back to the queue that they came from.

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName as Name;
use serde::Deserialize;

use super::{Operator, OperatorError, refused};

const GET_ATTRIBUTES: &str = "sqs:GetQueueAttributes";

/// A dead-letter queue and the queue whose redrive policy names it.
#[derive(Clone, Debug)]
pub struct DeadLetterQueue {
    client: Client,
    url: String,
    arn: String,
    source_arn: String,
}

/// The newest message movement task of a dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveTask {
    /// How far it is.
    pub status: MoveStatus,
    /// Messages that are in their queue again, approximately.
    pub moved: u64,
    /// Why it failed.
    pub failure: Option<String>,
    /// When it started, in milliseconds since 1970: tells one task from another.
    pub started: i64,
}

/// The status of a message movement task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveStatus {
    /// `RUNNING` or `CANCELLING`.
    Running,
    /// `COMPLETED`.
    Completed,
    /// Any other, by its name: `FAILED`, `CANCELLED`.
    Ended(String),
}

#[derive(Deserialize)]
struct RedrivePolicy {
    #[serde(rename = "deadLetterTargetArn")]
    target: String,
}

impl Operator {
    /// Finds the dead-letter queue of the queue called `name`.
    pub async fn dead_letter_queue(&self, name: &str) -> Result<DeadLetterQueue, OperatorError> {
        let client = Client::new(&self.config);
        let source = url(&client, name).await?;
        let attributes = attributes(&client, &source, &[Name::QueueArn, Name::RedrivePolicy]).await?;
        let missing = |missing| OperatorError::Incomplete { operation: GET_ATTRIBUTES, missing };
        let source_arn = attributes.get(&Name::QueueArn).ok_or(missing("QueueArn"))?.clone();
        let arn = attributes
            .get(&Name::RedrivePolicy)
            .and_then(|policy| serde_json::from_str::<RedrivePolicy>(policy).ok())
            .ok_or(missing("RedrivePolicy"))?
            .target;
        let url = url(&client, arn.rsplit(':').next().unwrap_or_default()).await?;
        Ok(DeadLetterQueue { client, url, arn, source_arn })
    }
}

impl DeadLetterQueue {
    /// About how many messages are in it, those that somebody has received among them. Nothing is received: that would
    /// hide a message for a while and count as a receive.
    pub async fn waiting(&self) -> Result<u64, OperatorError> {
        let names = [Name::ApproximateNumberOfMessages, Name::ApproximateNumberOfMessagesNotVisible];
        let attributes = attributes(&self.client, &self.url, &names).await?;
        Ok(names.iter().filter_map(|name| attributes.get(name)?.parse::<u64>().ok()).sum())
    }

    /// Starts to move every message to the queue that the dead letters come from: `sqs:StartMessageMoveTask`. Returns at once.
    ///
    /// The destination is named. Otherwise a message that no redrive policy has moved, such as one that was sent by hand, makes
    /// the task fail with `CouldNotDetermineMessageSource`:
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/troubleshooting-dlq-redrive.html>
    pub async fn start_move(&self, per_second: Option<i32>) -> Result<(), OperatorError> {
        let call = self
            .client
            .start_message_move_task()
            .source_arn(&self.arn)
            .destination_arn(&self.source_arn)
            .set_max_number_of_messages_per_second(per_second);
        call.send().await.map(drop).map_err(|error| refused("sqs:StartMessageMoveTask", &error))
    }

    /// Returns the newest task, be it running or ended: `sqs:ListMessageMoveTasks`.
    pub async fn newest_move(&self) -> Result<Option<MoveTask>, OperatorError> {
        let call = self.client.list_message_move_tasks().source_arn(&self.arn).max_results(1);
        let output = call.send().await.map_err(|error| refused("sqs:ListMessageMoveTasks", &error))?;
        let newest = output.results.unwrap_or_default().into_iter().next();
        Ok(newest.map(|task| MoveTask {
            status: match task.status.as_deref() {
                Some("RUNNING" | "CANCELLING") => MoveStatus::Running,
                Some("COMPLETED") => MoveStatus::Completed,
                other => MoveStatus::Ended(other.unwrap_or("UNKNOWN").to_owned()),
            },
            moved: u64::try_from(task.approximate_number_of_messages_moved).unwrap_or_default(),
            failure: task.failure_reason,
            started: task.started_timestamp,
        }))
    }
}

async fn url(client: &Client, name: &str) -> Result<String, OperatorError> {
    let operation = "sqs:GetQueueUrl";
    let output =
        client.get_queue_url().queue_name(name).send().await.map_err(|error| refused(operation, &error))?;
    output.queue_url.ok_or(OperatorError::Incomplete { operation, missing: "QueueUrl" })
}

async fn attributes(
    client: &Client,
    url: &str,
    names: &[Name],
) -> Result<HashMap<Name, String>, OperatorError> {
    let call = client.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
    let output = call.send().await.map_err(|error| refused(GET_ATTRIBUTES, &error))?;
    Ok(output.attributes.unwrap_or_default())
}

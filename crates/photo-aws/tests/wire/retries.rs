//! What becomes of each refusal that AWS documents, in one table: how often the call is sent, and what the caller learns.
//!
//! Sources: botocore's models (the errors of each operation); Amazon DynamoDB Developer Guide, [Error handling][dynamodb];
//! Amazon S3 API Reference, [Error responses][s3]; Amazon SQS API Reference, [Common errors][sqs].
//!
//! [dynamodb]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
//! [s3]: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
//! [sqs]: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html

use photo_aws::replay::{Answer, Sent, answered_clients};
use photo_aws::{AwsError, EventBus, Objects, OriginalTag, PhotoStore, Queue, ReadError, Timeouts};
use photo_domain::event::{CompletionEvent, Unsent};
use photo_domain::{Announcement, PhotoRecord};
use serde_json::json;
use time::macros::datetime;

use crate::quota::ALL;
use crate::table::{exception, key, record};

/// A call of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Put,
    Update,
    Transact,
    Get,
    List,
    BatchGet,
    ReadOriginal,
    TagOriginal,
    SendMessage,
    CountMessages,
    PutEvents,
}

/// How often a refused call is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sends {
    /// Once: the same call would be refused again.
    Once,
    /// Three times, by the SDK.
    Thrice,
    /// Until the time of a call is over, by `photo_aws` itself.
    WhileTime,
}

/// What the caller learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Learns {
    /// An [`AwsError`]: a later try may succeed. The API answers 503, the queue delivers the event again.
    Later,
    /// What the table or the bucket has: an answer.
    Answer,
}

use Call::*;
use Learns::{Answer as Known, Later};
use Sends::{Once, Thrice, WhileTime};

const ALL_OF_THE_TABLE: &[Call] = &[Put, Update, Transact, Get, List, BatchGet];
const PLAIN_WRITES: &[Call] = &[Put, Update];
const ALL_OF_THE_BUCKET: &[Call] = &[ReadOriginal, TagOriginal];
const ALL_OF_THE_QUEUE: &[Call] = &[SendMessage, CountMessages];

#[rustfmt::skip]
const TABLE: &[(&[Call], u16, &str, Sends, Learns)] = &[
    // DynamoDB: what AWS calls "OK to retry".
    (ALL_OF_THE_TABLE, 400, "ProvisionedThroughputExceededException", Thrice, Later),
    (ALL_OF_THE_TABLE, 400, "RequestLimitExceeded", Thrice, Later),
    (ALL_OF_THE_TABLE, 400, "ThrottlingException", Thrice, Later),
    (ALL_OF_THE_TABLE, 400, "LimitExceededException", Thrice, Later),
    (ALL_OF_THE_TABLE, 500, "InternalServerError", Thrice, Later),
    (ALL_OF_THE_TABLE, 503, "ServiceUnavailable", Thrice, Later),
    (&[Transact], 400, "TransactionInProgressException", Thrice, Later),
    (PLAIN_WRITES, 400, "TransactionConflictException", WhileTime, Later),
    (&[Transact], 400, "TransactionCanceledException: TransactionConflict", WhileTime, Later),
    (&[Transact], 400, "TransactionCanceledException: ThrottlingError", WhileTime, Later),
    (&[Transact], 400, "TransactionCanceledException: ProvisionedThroughputExceeded", WhileTime, Later),
    // Two regions of a global table with strong consistency, which the stack's is not.
    (PLAIN_WRITES, 409, "ReplicatedWriteConflictException", Thrice, Later),
    // "OK to retry" with another signature or after a deletion: not at once.
    (ALL_OF_THE_TABLE, 400, "UnrecognizedClientException", Once, Later),
    (PLAIN_WRITES, 400, "ItemCollectionSizeLimitExceededException", Once, Later),
    // DynamoDB: what the same call does not get over. A deployment or a policy may.
    (ALL_OF_THE_TABLE, 400, "AccessDeniedException", Once, Later),
    (ALL_OF_THE_TABLE, 400, "ResourceNotFoundException", Once, Later),
    (ALL_OF_THE_TABLE, 400, "ValidationException", Once, Later),
    (&[Transact], 400, "IdempotentParameterMismatchException", Once, Later),
    (&[Transact], 400, "TransactionCanceledException: ValidationError", Once, Later),
    (&[Transact], 400, "TransactionCanceledException: ItemCollectionSizeLimitExceeded", Once, Later),
    (&[Update], 400, "ConditionalCheckFailedException", Once, Known),
    (&[Transact], 400, "TransactionCanceledException: ConditionalCheckFailed", Once, Known),
    // S3.
    (ALL_OF_THE_BUCKET, 500, "InternalError", Thrice, Later),
    (ALL_OF_THE_BUCKET, 503, "SlowDown", Thrice, Later),
    (ALL_OF_THE_BUCKET, 503, "ServiceUnavailable", Thrice, Later),
    (ALL_OF_THE_BUCKET, 400, "RequestTimeout", Thrice, Later),
    (ALL_OF_THE_BUCKET, 409, "OperationAborted", Once, Later),
    (ALL_OF_THE_BUCKET, 400, "ExpiredToken", Once, Later),
    (ALL_OF_THE_BUCKET, 403, "AccessDenied", Once, Later),
    (ALL_OF_THE_BUCKET, 404, "NoSuchBucket", Once, Later),
    (&[ReadOriginal], 404, "NoSuchKey", Once, Known),
    (&[ReadOriginal], 412, "PreconditionFailed", Once, Known),
    // SQS.
    (ALL_OF_THE_QUEUE, 400, "RequestThrottled", Thrice, Later),
    (ALL_OF_THE_QUEUE, 400, "ThrottlingException", Thrice, Later),
    (ALL_OF_THE_QUEUE, 500, "InternalFailure", Thrice, Later),
    (ALL_OF_THE_QUEUE, 503, "ServiceUnavailable", Thrice, Later),
    (ALL_OF_THE_QUEUE, 400, "OverLimit", Once, Later),
    (ALL_OF_THE_QUEUE, 400, "KmsThrottled", Once, Later),
    (ALL_OF_THE_QUEUE, 400, "QueueDoesNotExist", Once, Later),
    // EventBridge.
    (&[PutEvents], 500, "InternalException", Thrice, Later),
    (&[PutEvents], 400, "ThrottlingException", Thrice, Later),
    (&[PutEvents], 400, "AccessDeniedException", Once, Later),
];

/// The refusal as the service writes it.
fn refusal(call: Call, status: u16, code: &str) -> Answer {
    if ALL_OF_THE_BUCKET.contains(&call) {
        return (status, format!("<Error><Code>{code}</Code><Message>m</Message></Error>"));
    }
    let (name, reason) = code.split_once(": ").unwrap_or((code, ""));
    let mut body = json!({ "message": "m" });
    if !reason.is_empty() {
        // Of the record; the counter has no fault.
        body["CancellationReasons"] = json!([{ "Code": "None" }, { "Code": reason }]);
        if call == Transact && reason == "ConditionalCheckFailed" {
            body["CancellationReasons"] = json!([{ "Code": reason }, { "Code": "None" }]);
        }
    }
    (status, exception(name, body).1)
}

/// Makes a call that is always refused: whether the caller got an answer, and what was sent.
async fn refused(call: Call, answer: Answer) -> (Result<(), AwsError>, Sent) {
    let (clients, sent) = answered_clients(Timeouts::REQUEST, vec![answer; 2000]);
    let queue = |clients: &photo_aws::Clients| -> Queue {
        let [queue] = clients.queues(["https://sqs.eu-central-1.amazonaws.com/123456789012/q".to_owned()]);
        queue
    };
    let bus: EventBus = clients.event_bus("photodrop".to_owned());
    let thumbnail_queue = queue(&clients);
    let store = PhotoStore::new(clients.dynamodb, "photos".to_owned());
    let objects = Objects::new(clients.s3, "originals".to_owned(), "thumbnails".to_owned());
    let at = datetime!(2026-11-24 12:01:00 UTC);
    let PhotoRecord { owner, .. } = record();
    let result = match call {
        Put => store.create(&record(), None).await.map(drop),
        Update => store.mark_deleted(&key(), at).await.map(drop),
        Transact => store.with_quotas(ALL).create(&record(), None).await.map(drop),
        Get => store.get(&key()).await.map(drop),
        List => store.list(&owner, None, 10).await.map(drop),
        BatchGet => store.known(&[key()]).await.map(drop),
        ReadOriginal => match objects.read_original(&key(), None, 10).await {
            Err(ReadError::Aws(error)) => Err(error),
            _ => Ok(()),
        },
        TagOriginal => objects.tag_original(&key(), OriginalTag::Ready).await,
        SendMessage => thumbnail_queue.send("m").await,
        CountMessages => thumbnail_queue.waiting().await.map(drop),
        PutEvents => bus.announce(&event()).await,
    };
    (result, sent)
}

fn event() -> CompletionEvent {
    let at = datetime!(2026-11-24 12:01:00 UTC);
    CompletionEvent::of(&record(), Unsent { what: Announcement::Deleted, at })
}

#[tokio::test(start_paused = true)]
async fn each_documented_refusal_is_retried_as_documented() {
    let mut wrong = Vec::new();
    for (calls, status, code, sends, learns) in TABLE {
        for call in *calls {
            let (result, sent) = refused(*call, refusal(*call, *status, code)).await;
            let times = sent.all().len();
            let as_documented = match sends {
                Once => times == 1,
                Thrice => times == 3,
                WhileTime => times > 5,
            };
            let learned = if result.is_err() { Later } else { Known };
            if !as_documented || learned != *learns {
                wrong.push(format!("{call:?} {status} {code}: sent {times} times, {learned:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_has_every_call() {
    for call in [
        Put,
        Update,
        Transact,
        Get,
        List,
        BatchGet,
        ReadOriginal,
        TagOriginal,
        SendMessage,
        CountMessages,
        PutEvents,
    ] {
        let passing = TABLE.iter().filter(|(calls, _, _, sends, _)| calls.contains(&call) && *sends != Once);
        assert!(passing.count() >= 2, "{call:?}");
    }
}

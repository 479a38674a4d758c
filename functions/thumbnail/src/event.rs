//! The queue's messages, S3's events, and the originals that they name.

use aws_lambda_events::event::s3::{S3Event, S3EventRecord};
use percent_encoding::percent_decode_str;
use photo_domain::OriginalKey;
use serde::Deserialize;
use time::OffsetDateTime;

/// What the function is invoked with. Anything else does not parse.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Invocation {
    /// Messages of the thumbnail queue.
    Queue(Delivery),
    /// An event of S3 without a queue, as `sam local invoke` sends one.
    Direct(Notification),
}

/// What Lambda delivers from the queue
/// ([AWS Lambda Developer Guide, "Using Lambda with Amazon SQS"](https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html)).
#[derive(Clone, Debug, Deserialize)]
pub struct Delivery {
    /// The messages: one, by the mapping's `BatchSize`.
    #[serde(rename = "Records")]
    pub messages: Vec<Message>,
}

/// A message of the queue.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The queue's own name for it.
    pub message_id: String,
    /// What stands for this delivery of it.
    pub receipt_handle: String,
    /// A [`Notification`].
    pub body: String,
    attributes: MessageAttributes,
}

#[derive(Clone, Debug, Deserialize)]
struct MessageAttributes {
    #[serde(rename = "ApproximateReceiveCount")]
    receive_count: String,
}

impl Message {
    /// How often it was delivered, this time included.
    #[must_use]
    pub fn receive_count(&self) -> u32 {
        self.attributes.receive_count.parse().unwrap_or(1)
    }
}

/// An event of S3: what a message holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Notification {
    /// Objects were created.
    Objects(S3Event),
    /// S3 tries whether it may call: it sends this when the notification is configured.
    Test(TestEvent),
}

/// The message that S3 sends when a notification is configured
/// ([Amazon S3 User Guide, "Event message structure"](https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html)).
#[derive(Clone, Debug, Deserialize)]
pub struct TestEvent {
    /// The one kind of test event that there is.
    #[serde(rename = "Event")]
    pub event: TestEventName,
}

/// The name of the test event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum TestEventName {
    /// `s3:TestEvent`
    #[serde(rename = "s3:TestEvent")]
    TestEvent,
}

/// An original has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalCreated {
    /// Which one.
    pub key: OriginalKey,
    /// The object that the event is about, in the quotes of an `ETag` header.
    pub etag: Option<String>,
    /// When S3 had it, by the event.
    pub arrived_at: Option<OffsetDateTime>,
    /// Its sender.
    pub cause: Cause,
}

/// Sender of an event. Reconcile uses event names that S3 does not define.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// S3: bytes have arrived.
    Upload,
    /// Reconcile: the photo is still unsettled. The record's attempt counter limits these events.
    Reconcile,
    /// A backfill: the variants are made again, even if the photo has ended.
    Backfill,
}

/// Why a record of an event is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// Not a creation.
    #[error("not an ObjectCreated event")]
    NotCreated,
    /// Not the originals bucket.
    #[error("not the originals bucket")]
    OtherBucket,
    /// Not a key that photodrop makes.
    #[error("not the key of an original")]
    ForeignKey,
}

impl OriginalCreated {
    /// Reads one record of an event.
    pub fn from_record(record: &S3EventRecord, originals_bucket: &str) -> Result<Self, Ignored> {
        // Without prefix in messages to Lambda, with it in the documentation's table of event types.
        let name = record.event_name.as_deref().unwrap_or_default();
        let name = name.strip_prefix("s3:").unwrap_or(name);
        if !name.starts_with("ObjectCreated:") {
            return Err(Ignored::NotCreated);
        }
        if record.s3.bucket.name.as_deref() != Some(originals_bucket) {
            return Err(Ignored::OtherBucket);
        }
        let key = original_key(record).ok_or(Ignored::ForeignKey)?;
        let etag = record.s3.object.e_tag.as_deref().map(|etag| format!("\"{}\"", etag.trim_matches('"')));
        let cause = match name {
            "ObjectCreated:Reconcile" => Cause::Reconcile,
            "ObjectCreated:Backfill" => Cause::Backfill,
            _ => Cause::Upload,
        };
        // An event that `aws_lambda_events` reads without a time has its own default, long ago. What a backfill asks for
        // arrived long ago too.
        let milliseconds = i128::from(record.event_time.timestamp_millis());
        let arrived_at = (milliseconds > 0 && cause != Cause::Backfill)
            .then(|| OffsetDateTime::from_unix_timestamp_nanos(milliseconds * 1_000_000).ok())
            .flatten();
        Ok(Self { key, etag, arrived_at, cause })
    }
}

/// The key in a record, if it is one that photodrop makes, in any bucket.
pub(crate) fn original_key(record: &S3EventRecord) -> Option<OriginalKey> {
    decoded(record.s3.object.key.as_deref()?)?.parse().ok()
}

/// S3 encodes keys in events as HTML forms do: a space is `+`, other bytes are `%XX`.
fn decoded(key: &str) -> Option<String> {
    let spaces = key.replace('+', " ");
    percent_decode_str(&spaces).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "01935b7c-0000-7000-8000-000000000001";

    fn record(name: &str, bucket: &str, key: &str) -> S3EventRecord {
        serde_json::from_value(json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
            "eventTime": "2026-11-24T12:00:00.000Z", "eventName": name,
            "userIdentity": { "principalId": "AWS:x" }, "requestParameters": { "sourceIPAddress": "192.0.2.1" },
            "responseElements": {},
            "s3": { "s3SchemaVersion": "1.0", "configurationId": "c",
                "bucket": { "name": bucket, "ownerIdentity": { "principalId": "x" }, "arn": "arn:aws:s3:::b" },
                "object": { "key": key, "size": 1, "eTag": "d41d8cd98f00b204e9800998ecf8427e", "sequencer": "00" } }
        }))
        .unwrap()
    }

    #[test]
    fn an_encoded_key_is_decoded_once() {
        // The owner `auth0|7 a` is `auth0%7C7%20a` in the key, and S3 encodes the key's percent signs.
        let record = record("ObjectCreated:Put", "b", &format!("photos/auth0%257C7%2520a/{ID}/original"));
        let created = OriginalCreated::from_record(&record, "b").unwrap();
        assert_eq!(created.key.owner.as_str(), "auth0|7 a");
        assert_eq!(created.etag.as_deref(), Some("\"d41d8cd98f00b204e9800998ecf8427e\""));
        assert_eq!(created.arrived_at, Some(time::macros::datetime!(2026-11-24 12:00 UTC)));
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        let ours = format!("photos/a/{ID}/original");
        let cases = [
            ("ObjectRemoved:Delete", "b", ours.as_str(), Ignored::NotCreated),
            ("ObjectTagging:Put", "b", &ours, Ignored::NotCreated),
            ("ObjectCreated:Put", "other", &ours, Ignored::OtherBucket),
            ("ObjectCreated:Put", "b", "holiday+photos/Stra%C3%9Fe+1%2B2.jpg", Ignored::ForeignKey),
            ("ObjectCreated:Put", "b", "%FF%FE", Ignored::ForeignKey),
            ("ObjectCreated:Put", "b", &format!("photos/a/{ID}/small.jpg"), Ignored::ForeignKey),
        ];
        for (name, bucket, key, expected) in cases {
            let result = OriginalCreated::from_record(&record(name, bucket, key), "b");
            assert_eq!(result, Err(expected), "{name} {bucket} {key}");
        }
    }

    #[test]
    fn every_way_of_creating_an_object_counts() {
        for name in [
            "ObjectCreated:Put",
            "ObjectCreated:Post",
            "ObjectCreated:CompleteMultipartUpload",
            "s3:ObjectCreated:Copy",
        ] {
            let record = record(name, "b", &format!("photos/a/{ID}/original"));
            assert!(OriginalCreated::from_record(&record, "b").is_ok(), "{name}");
        }
    }

    #[test]
    fn an_event_s_name_tells_who_sent_it() {
        for (name, cause) in [
            ("ObjectCreated:Backfill", Cause::Backfill),
            ("ObjectCreated:Reconcile", Cause::Reconcile),
            ("ObjectCreated:Post", Cause::Upload),
            ("ObjectCreated:Copy", Cause::Upload),
        ] {
            let record = record(name, "b", &format!("photos/a/{ID}/original"));
            let created = OriginalCreated::from_record(&record, "b").unwrap();
            let has_no_age = cause == Cause::Backfill;
            assert_eq!((created.cause, created.arrived_at.is_none()), (cause, has_no_age), "{name}");
        }
    }

    #[test]
    fn a_message_of_the_queue_is_told_from_an_event_of_s3() {
        let message = |count: &str| {
            json!({ "Records": [{ "messageId": "m-1", "receiptHandle": "r-1", "body": "{}", "eventSource": "aws:sqs",
                "attributes": { "ApproximateReceiveCount": count, "SentTimestamp": "1" }, "messageAttributes": {} }] })
        };
        for (count, expected) in [("1", 1), ("20", 20), ("?", 1)] {
            let Invocation::Queue(delivery) = serde_json::from_value(message(count)).unwrap() else {
                panic!("{count}: not taken for a message")
            };
            let [message] = delivery.messages.try_into().unwrap();
            assert_eq!((message.receive_count(), message.body.as_str()), (expected, "{}"), "{count}");
        }
        let direct = json!({ "Records": [record("ObjectCreated:Put", "b", "k")] });
        assert!(matches!(serde_json::from_value(direct).unwrap(), Invocation::Direct(_)));
        for other in [json!({ "hello": "world" }), json!({ "Records": [{ "body": "{}" }] }), json!("")] {
            assert!(serde_json::from_value::<Invocation>(other.clone()).is_err(), "{other}");
        }
    }

    #[test]
    fn the_test_event_is_known_and_other_messages_are_errors() {
        let test = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-24T12:00:00.000Z",
            "Bucket": "b", "RequestId": "x", "HostId": "y" });
        assert!(matches!(serde_json::from_value(test).unwrap(), Notification::Test(_)));
        for other in
            [json!({}), json!({ "Event": "s3:Other" }), json!({ "Records": [{}] }), json!([]), json!(null)]
        {
            assert!(serde_json::from_value::<Notification>(other.clone()).is_err(), "{other}");
        }
    }
}

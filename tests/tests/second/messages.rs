//! Queues and events, one call after another. moto verifies no signature and no message's digest.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_eventbridge::types::Target;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use photo_aws::{EventBus, Queue};
use photo_domain::event::Unsent;
use photo_domain::record::{PhotoRecord, State};
use photo_domain::{Announcement, CompletionEvent, PhotoId};
use photodrop_tests::schemas::mistakes;
use serde_json::{Value, json};
use thumbnail::event::{Invocation, Notification, OriginalCreated};

use crate::s3::new_key;
use crate::support::{clients, failed, local, now, ready, record};

/// A queue of the test's own.
pub(crate) struct TestQueue {
    pub(crate) queue: Queue,
    pub(crate) client: aws_sdk_sqs::Client,
    pub(crate) url: String,
}

impl TestQueue {
    pub(crate) async fn new() -> Self {
        Self::with(HashMap::new()).await
    }

    pub(crate) async fn with(attributes: HashMap<QueueAttributeName, String>) -> Self {
        let clients = clients();
        let client = aws_sdk_sqs::Client::new(&clients.shared);
        let create = client.create_queue().queue_name(format!("q-{}", PhotoId::generate()));
        let created = create.set_attributes(Some(attributes)).send().await.unwrap();
        let url = created.queue_url.unwrap();
        let [queue] = clients.queues([url.clone()]);
        Self { queue, client, url }
    }

    pub(crate) async fn arn(&self) -> String {
        let name = QueueAttributeName::QueueArn;
        let asked = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone());
        asked.send().await.unwrap().attributes.unwrap()[&name].clone()
    }

    /// Receives a message as Lambda does, by long polling.
    pub(crate) async fn receive(&self) -> Option<Message> {
        let receive = self.client.receive_message().queue_url(&self.url).wait_time_seconds(1);
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::All);
        receive.send().await.unwrap().messages.unwrap_or_default().pop()
    }

    pub(crate) async fn delete(&self, message: &Message) {
        let receipt = message.receipt_handle().unwrap();
        self.client.delete_message().queue_url(&self.url).receipt_handle(receipt).send().await.unwrap();
    }

    /// What a function is invoked with for a message
    /// ([AWS Lambda Developer Guide, "Using Lambda with Amazon SQS"](https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html)).
    pub(crate) async fn delivery(&self, message: &Message) -> Invocation {
        let attributes = message.attributes.as_ref().unwrap().iter();
        let attributes: serde_json::Map<_, _> =
            attributes.map(|(name, value)| (name.as_str().to_owned(), json!(value))).collect();
        let record = json!({
            "messageId": message.message_id, "receiptHandle": message.receipt_handle, "body": message.body,
            "attributes": attributes, "messageAttributes": {}, "md5OfBody": message.md5_of_body,
            "eventSource": "aws:sqs", "eventSourceARN": self.arn().await, "awsRegion": "us-east-1",
        });
        serde_json::from_value(json!({ "Records": [record] })).unwrap()
    }
}

/// A bus of the test's own, whose events end in a queue.
pub(crate) async fn bus() -> (EventBus, TestQueue) {
    let (clients, queue) = (clients(), TestQueue::new().await);
    let client = aws_sdk_eventbridge::Client::new(&clients.shared);
    let name = format!("bus-{}", PhotoId::generate());
    client.create_event_bus().name(&name).send().await.unwrap();
    let pattern = json!({ "source": [photo_aws::events::SOURCE] }).to_string();
    client.put_rule().name("all").event_bus_name(&name).event_pattern(pattern).send().await.unwrap();
    let target = Target::builder().id("queue").arn(queue.arn().await).build().unwrap();
    client.put_targets().rule("all").event_bus_name(&name).targets(target).send().await.unwrap();
    (clients.event_bus(name), queue)
}

#[tokio::test]
async fn a_message_is_counted_received_and_deleted() {
    let messages = TestQueue::new().await;
    let body = json!({ "key": "photos/ä/%25", "text": "<&>\u{1f4f7}" }).to_string();
    messages.queue.send(&body).await.unwrap();
    assert_eq!(messages.queue.waiting().await.unwrap(), 1);
    let message = messages.receive().await.unwrap();
    assert_eq!(message.body.as_deref(), Some(body.as_str()));
    assert_eq!(messages.queue.waiting().await.unwrap(), 0, "a message in flight does not wait");
    assert!(messages.receive().await.is_none());
    messages.delete(&message).await;
    assert_eq!(messages.queue.waiting().await.unwrap(), 0);
}

#[tokio::test]
async fn a_postponed_message_comes_again_when_it_says() {
    let hidden = (QueueAttributeName::VisibilityTimeout, "360".to_owned());
    let messages = TestQueue::with([hidden].into()).await;
    messages.queue.send("body").await.unwrap();
    for count in 1..=2 {
        let message = messages.receive().await.unwrap();
        let Invocation::Queue(delivery) = messages.delivery(&message).await else { panic!("{message:?}") };
        let [delivered] = delivery.messages.try_into().unwrap();
        assert_eq!((delivered.receive_count(), delivered.body.as_str()), (count, "body"));
        messages.queue.change_visibility(&delivered.receipt_handle, Duration::from_secs(4)).await.unwrap();
        assert!(messages.receive().await.is_none(), "hidden for four seconds");
        tokio::time::sleep(Duration::from_secs(4)).await;
    }
}

#[tokio::test]
async fn a_message_that_never_succeeds_is_moved() {
    let failures = TestQueue::new().await;
    let redrive = json!({ "deadLetterTargetArn": failures.arn().await, "maxReceiveCount": "2" });
    let attributes = [
        (QueueAttributeName::RedrivePolicy, redrive.to_string()),
        (QueueAttributeName::VisibilityTimeout, "1".to_owned()),
    ];
    let messages = TestQueue::with(attributes.into()).await;
    messages.queue.send("body").await.unwrap();
    for _ in 0..2 {
        assert!(messages.receive().await.is_some());
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert!(messages.receive().await.is_none());
    assert_eq!(failures.queue.waiting().await.unwrap(), 1);
    assert_eq!(failures.receive().await.unwrap().body.as_deref(), Some("body"));
}

#[tokio::test]
async fn an_event_matches_its_schema_on_the_bus() {
    let (bus, queue) = bus().await;
    for (outcome, what) in [(ready(), Announcement::Ready), (failed(), Announcement::Failed)] {
        let photo = PhotoRecord { state: State::Settled(outcome), ..record(1000) };
        let event = CompletionEvent::of(&photo, Unsent { what, at: now() });
        bus.announce(&event).await.unwrap();
        let message = queue.receive().await.unwrap();
        queue.delete(&message).await;
        let delivered: Value = serde_json::from_str(message.body().unwrap()).unwrap();
        assert_eq!(
            (&delivered["source"], &delivered["detail-type"]),
            (&json!("photodrop"), &json!(what.as_str()))
        );
        assert_eq!(delivered["detail"], serde_json::to_value(&event).unwrap());
        assert_eq!(mistakes(what.as_str(), &delivered["detail"]).unwrap(), Vec::<String>::new());
    }
}

/// moto writes S3's events itself: a second opinion on their shape and on how keys are encoded in them.
#[tokio::test]
async fn an_event_of_s3_in_a_message_is_understood() {
    use aws_sdk_s3::types::{Event, NotificationConfiguration, QueueConfiguration};
    let messages = TestQueue::new().await;
    let url = local("AWS_ENDPOINT_URL_SQS");
    let s3 = aws_sdk_s3::Client::from_conf(clients().s3.config().to_builder().endpoint_url(url).build());
    let bucket = format!("b-{}", PhotoId::generate());
    s3.create_bucket().bucket(&bucket).send().await.unwrap();
    let queue = QueueConfiguration::builder().queue_arn(messages.arn().await).events(Event::S3ObjectCreated);
    let notify = NotificationConfiguration::builder().queue_configurations(queue.build().unwrap()).build();
    let put = s3.put_bucket_notification_configuration().bucket(&bucket);
    put.notification_configuration(notify).send().await.unwrap();
    let test: Notification = serde_json::from_str(messages.receive().await.unwrap().body().unwrap()).unwrap();
    assert!(matches!(test, Notification::Test(_)), "{test:?}");

    let key = new_key();
    let put = s3.put_object().bucket(&bucket).key(key.to_string()).body(b"bytes".to_vec().into());
    let etag = put.send().await.unwrap().e_tag.unwrap();
    let message = messages.receive().await.unwrap();
    let Invocation::Queue(delivery) = messages.delivery(&message).await else { panic!("{message:?}") };
    let mut body: Value = serde_json::from_str(&delivery.messages[0].body).unwrap();
    // S3 documents members that moto leaves out.
    let record = &mut body["Records"][0];
    for missing in ["userIdentity", "requestParameters", "responseElements"] {
        assert_eq!(std::mem::replace(&mut record[missing], json!({})), Value::Null, "{missing}");
    }
    record["s3"]["bucket"]["ownerIdentity"] = json!({});
    let Notification::Objects(event) = serde_json::from_value(body).unwrap() else { panic!("no event") };
    let created = OriginalCreated::from_record(&event.records[0], &bucket).unwrap();
    assert_eq!((created.key, created.etag), (key, Some(etag)));
}

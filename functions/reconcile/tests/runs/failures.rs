//! The failure queue.

use serde_json::{Value, json};

use crate::support::{Answers, ID, announced, body, found, ok, ready, run, run_with, writes};

fn failure(key: &str) -> Value {
    json!({
        "requestContext": { "condition": "RetriesExhausted", "approximateInvokeCount": 3 },
        "requestPayload": { "Records": [{
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
            "eventTime": "2026-11-24T12:00:00.000Z", "eventName": "ObjectCreated:Put", "userIdentity": {},
            "requestParameters": {}, "responseElements": {},
            "s3": { "bucket": { "name": "originals" }, "object": { "key": key, "size": 1, "eTag": "0123" } } }] },
        "responsePayload": { "errorMessage": "s3:GetObject failed", "errorType": "TransientFailure" },
    })
}

fn ours() -> Value {
    failure(&format!("photos/auth0%257C7/{ID}/original"))
}

/// The queue's answers: one message, taken and removed, then none.
fn one(message: &str) -> Vec<photo_aws::replay::Answer> {
    let received = json!({ "Messages": [{ "MessageId": "1", "ReceiptHandle": "r-1", "Body": message }] });
    vec![(200, received.to_string()), ok(), ok()]
}

/// How many messages were removed.
fn removed(sent: &photo_aws::replay::Sent) -> usize {
    sent.all().iter().filter(|request| request.target.ends_with("DeleteMessage")).count()
}

#[tokio::test]
async fn a_failed_photo_is_made_due_and_its_message_removed() {
    let answers = Answers {
        table: vec![found(ID, &json!({})), ok()],
        failures: one(&ours().to_string()),
        ..Answers::default()
    };
    let (summary, calls) = run("failures", answers).await;
    assert_eq!((summary.failures, summary.parked, summary.errors), (1, 0, 0));
    assert_eq!(removed(&calls.failures), 1);
    let hasten = body(&calls.table.all()[1]);
    assert!(hasten["ConditionExpression"].as_str().unwrap().ends_with("OR attribute_not_exists(attempts))"));
    assert!(calls.thumbnails.all().is_empty(), "the sweep invokes, and counts");
}

#[tokio::test]
async fn a_photo_that_was_settled_meanwhile_needs_nothing() {
    for record in [found(ID, &ready()), ok()] {
        let answers =
            Answers { table: vec![record], failures: one(&ours().to_string()), ..Answers::default() };
        let (summary, calls) = run("failures", answers).await;
        assert_eq!((summary.errors, removed(&calls.failures), writes(&calls.table).len()), (0, 1, 0));
    }
}

#[tokio::test]
async fn a_photo_that_failed_too_often_is_given_up_with_its_cause_and_its_message_kept_aside() {
    let answers = Answers {
        table: vec![found(ID, &json!({ "attempts": { "N": "5" } })), ok(), ok()],
        failures: one(&ours().to_string()),
        ..Answers::default()
    };
    let (summary, calls) = run("failures", answers).await;
    assert_eq!((summary.gave_up, summary.parked, summary.errors), (1, 1, 0));
    let parked = body(&calls.parking.all()[0]).to_string();
    assert!(parked.contains("s3:GetObject failed") && parked.contains(ID), "{parked}");
    assert_eq!(announced(&calls.bus)[0].0, "PhotoFailed");
    assert_eq!(removed(&calls.failures), 1);
}

#[tokio::test]
async fn what_is_no_failure_of_a_photo_is_kept_aside() {
    for message in ["no json", r#"{"hello":"world"}"#, &failure("holiday/1.jpg").to_string()] {
        let answers = Answers { failures: one(message), ..Answers::default() };
        let (summary, calls) = run("failures", answers).await;
        assert_eq!((summary.parked, summary.errors, removed(&calls.failures)), (1, 0, 1), "{message}");
        assert_eq!(calls.parking.all().len(), 1);
    }
}

#[tokio::test]
async fn a_message_stays_while_its_record_cannot_be_read() {
    let answers = Answers { failures: one(&ours().to_string()), ..Answers::default() };
    let (summary, calls) = run("failures", answers).await;
    assert_eq!((summary.errors, removed(&calls.failures)), (1, 0));
}

#[tokio::test]
async fn a_dry_run_counts_messages_and_takes_none() {
    let counted = (200, r#"{"Attributes":{"ApproximateNumberOfMessages":"7"}}"#.to_owned());
    let answers = Answers { failures: vec![counted], ..Answers::default() };
    let (summary, calls) = run_with(&json!({ "dry_run": true, "parts": ["failures"] }), &[], answers).await;
    assert_eq!((summary.failures, summary.errors), (7, 0));
    let [request] = calls.failures.all().try_into().unwrap();
    assert!(request.target.ends_with("GetQueueAttributes"));
}

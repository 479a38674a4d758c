//! Messages of the queue: what is delivered again, what never can succeed, and photos that kill the function.

use std::time::Instant;

use photo_aws::replay::{self, Answer, Lines, Sent};
use photo_domain::upkeep;
use serde_json::{Value, json};

use crate::renew::{again, ready};
use crate::support::{
    calls, delivered, delivery, far, found, found_by, key, ok, photo, pipeline, pipeline_without_original,
    record, settled, written,
};

fn down() -> Answer {
    (500, String::new())
}

/// A record in whose notes renders began so many seconds ago.
fn with_starts(answer: Answer, seconds_ago: &[i64]) -> Answer {
    let (status, body) = answer;
    let mut body: Value = serde_json::from_str(&body).unwrap();
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let starts: Vec<_> = seconds_ago.iter().map(|ago| ((now - ago) * 1_000).to_string()).collect();
    if !starts.is_empty() {
        body["Item"]["render_starts"] = json!({ "NS": starts });
    }
    (status, body.to_string())
}

/// What was sent to the table: the operation of a read, and what an update does to the notes, or the status that it sets.
fn operations(table: &Sent) -> Vec<String> {
    let operation = |request: replay::Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let Some(expression) = body["UpdateExpression"].as_str() else { return "read".to_owned() };
        let names = body["ExpressionAttributeNames"].as_object().unwrap();
        let status =
            names.iter().find(|(placeholder, name)| placeholder.starts_with("#a") && *name == "status");
        match status {
            Some((placeholder, _)) => {
                let removes = expression.split("REMOVE ").nth(1).unwrap_or_default();
                assert!(removes.contains("render_starts"), "the end takes all notes: {expression}");
                let status = &body["ExpressionAttributeValues"][placeholder.replace('#', ":")]["S"];
                status.as_str().unwrap().to_owned()
            }
            None => expression.replace(":add_render_starts", "+"),
        }
    };
    table.all().into_iter().map(operation).collect()
}

/// For how many seconds each delivery was hidden.
fn waits(queue: &Sent) -> Vec<u64> {
    let wait = |request: replay::Request| {
        assert_eq!(request.target, "AmazonSQS.ChangeMessageVisibility");
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["ReceiptHandle"], "r-1");
        body["VisibilityTimeout"].as_u64().unwrap()
    };
    queue.all().into_iter().map(wait).collect()
}

const NOTED: [&str; 2] = ["ADD render_starts +", "REMOVE render_starts"];
const ANNOUNCED: &str = "REMOVE unsent_event, unsent_event_at, due_at";

#[tokio::test]
async fn a_table_away_for_twenty_deliveries_costs_no_photo() {
    let answers = [vec![down(); 20], vec![found("pending", "image/jpeg"), ok(), ok(), ok(), ok()]].concat();
    let (mut pipeline, table, _) = pipeline(photo("orientation-1.jpg"), answers, written(4));
    let (queue, sent) = replay::queue(vec![ok(); 20]);
    pipeline.queue = queue;
    for receive_count in 1..=20 {
        let failed = pipeline.handle(delivered(&record(&key()), receive_count), far()).await;
        assert!(failed.unwrap_err().first.contains("dynamodb:GetItem"), "{receive_count}");
    }
    pipeline.handle(delivered(&record(&key()), 21), far()).await.unwrap();
    let expected: Vec<_> = (1..=20).map(|count| upkeep::redelivery_wait(count).as_secs()).collect();
    assert_eq!(waits(&sent), expected);
    assert_eq!(operations(&table)[20..], ["read", NOTED[0], NOTED[1], "ready", ANNOUNCED]);
}

#[tokio::test]
async fn a_first_delivery_writes_no_note() {
    let answers = vec![found("pending", "image/jpeg"), ok(), ok()];
    let (pipeline, table, _) = pipeline(photo("orientation-1.jpg"), answers, written(4));
    pipeline.handle(delivered(&record(&key()), 1), far()).await.unwrap();
    assert_eq!(operations(&table), ["read", "ready", ANNOUNCED]);
}

#[tokio::test]
async fn notes_are_removed_however_a_render_ends() {
    let announced_failure = "REMOVE unsent_event, unsent_event_at";
    let cases = [
        ("orientation-1.jpg", [written(1), vec![down()]].concat(), Err(()), vec![]),
        ("orientation-1.jpg", written(4), Ok(()), vec!["ready", ANNOUNCED]),
        ("not-an-image.jpg", written(1), Ok(()), vec!["failed", announced_failure]),
    ];
    for (name, buckets, ends, then) in cases {
        let answers = vec![found("pending", "image/jpeg"), ok(), ok(), ok(), ok()];
        let (pipeline, table, _) = pipeline(photo(name), answers, buckets);
        let ended = pipeline.handle(delivered(&record(&key()), 2), far()).await;
        assert_eq!(ended.map_err(drop), ends, "{name}");
        assert_eq!(operations(&table), [vec!["read", NOTED[0], NOTED[1]], then].concat(), "{name}");
    }
}

#[tokio::test]
async fn notes_are_written_to_a_record_that_exists() {
    let answers = vec![found("pending", "image/jpeg"), ok(), ok(), ok(), ok()];
    let (pipeline, table, _) = pipeline(photo("orientation-1.jpg"), answers, written(4));
    pipeline.handle(delivered(&record(&key()), 2), far()).await.unwrap();
    let body = |at: usize| serde_json::from_slice::<Value>(&table.all()[at].body).unwrap();
    let (noted, cleared) = (body(1), body(2));
    assert_eq!(noted["ExpressionAttributeValues"][":add_render_starts"]["NS"].as_array().unwrap().len(), 1);
    for update in [noted, cleared] {
        // Without the condition an update would make a record where there is none.
        assert_eq!(update["ConditionExpression"], "#status IN (:from0, :from1, :from2, :from3)");
    }
}

#[tokio::test]
async fn an_original_that_cannot_be_read_leaves_no_note() {
    let answers = vec![found("pending", "image/jpeg")];
    let (pipeline, table, _) = pipeline_without_original(answers, vec![down()]);
    pipeline.handle(delivered(&record(&key()), 9), far()).await.unwrap_err();
    assert_eq!(operations(&table), ["read"]);
}

#[tokio::test]
async fn a_note_whose_answer_is_lost_is_removed() {
    let answers = vec![found("pending", "image/jpeg"), down(), ok()];
    let (pipeline, table, _) = pipeline(photo("orientation-1.jpg"), answers, vec![]);
    pipeline.handle(delivered(&record(&key()), 2), far()).await.unwrap_err();
    assert_eq!(operations(&table), ["read", NOTED[0], NOTED[1]]);
}

#[tokio::test]
async fn the_removal_of_notes_is_tried_twice_and_fails_no_photo() {
    let answers = vec![found("pending", "image/jpeg"), ok(), down(), down(), ok(), ok()];
    let (pipeline, table, _) = pipeline(photo("orientation-1.jpg"), answers, written(4));
    pipeline.handle(delivered(&record(&key()), 2), far()).await.unwrap();
    assert_eq!(operations(&table), ["read", NOTED[0], NOTED[1], NOTED[1], "ready", ANNOUNCED]);
}

/// How old each note is that stands after these writes, of which the table has refused some. A delivery later is a day later.
fn standing(notes: &[i64], table: &Sent, answers: &[Answer]) -> Vec<i64> {
    let mut notes: Vec<_> = notes.iter().map(|age| age + 24 * 3600).collect();
    for (operation, _) in operations(table).iter().zip(answers).filter(|(_, (status, _))| *status == 200) {
        match operation.as_str() {
            "ADD render_starts +" => notes.push(24 * 3600),
            "REMOVE render_starts" => notes.clear(),
            other => assert!(["read", "ready", ANNOUNCED].contains(&other), "{other}"),
        }
    }
    notes
}

#[tokio::test]
async fn a_table_that_goes_away_during_two_renders_costs_no_photo() {
    let hang = || vec![found("pending", "image/jpeg"), ok(), down(), down(), down()];
    let works = || vec![found("pending", "image/jpeg"), ok(), ok(), ok(), ok()];
    let mut notes = vec![];
    // In between the render ends in an orderly way, and S3 is away.
    for (answers, buckets) in [(hang(), written(4)), (works(), vec![down()]), (hang(), written(4))] {
        let mut given = answers.clone();
        given[0] = with_starts(given[0].clone(), &notes);
        let (pipeline, table, _) = pipeline(photo("orientation-1.jpg"), given, buckets);
        pipeline.handle(delivered(&record(&key()), 2), far()).await.unwrap_err();
        notes = standing(&notes, &table, &answers);
    }
    assert_eq!(notes.len(), 1, "{notes:?}");
    let mut answers = works();
    answers[0] = with_starts(answers[0].clone(), &notes);
    let (pipeline, table, _) = pipeline(photo("orientation-1.jpg"), answers, written(4));
    pipeline.handle(delivered(&record(&key()), 5), far()).await.unwrap();
    assert_eq!(operations(&table), ["read", NOTED[0], NOTED[1], "ready", ANNOUNCED]);
}

#[tokio::test]
async fn a_render_that_began_late_fails_no_photo_by_timeout() {
    // The table has taken the time before the render: as if the deadline had come.
    for event in [record(&key()), again()] {
        let found = if event == again() { ready(&json!({})) } else { found("pending", "image/jpeg") };
        let lines = Lines::capture();
        let (pipeline, table, _) = pipeline(photo("orientation-1.jpg"), vec![found], vec![]);
        let error = pipeline.handle(delivered(&event, 1), Instant::now()).await.unwrap_err();
        assert!(error.first.contains("before it may fail the photo"), "{}", error.first);
        assert_eq!(operations(&table), ["read"]);
        assert_eq!(lines.with("message", "will be retried").len(), 1);
    }
}

#[tokio::test]
async fn a_redriven_message_of_a_photo_given_up_is_a_warning() {
    for (code, receive_count, warned) in
        [("RETRIES_EXHAUSTED", 1, 1), ("RETRIES_EXHAUSTED", 2, 0), ("CORRUPT_IMAGE", 1, 0)]
    {
        let lines = Lines::capture();
        let (status, body) = found("failed", "image/jpeg");
        let answers = vec![(status, body.replace("NOT_AN_IMAGE", code))];
        let (pipeline, ..) = pipeline(photo("orientation-1.jpg"), answers, vec![]);
        pipeline.handle(delivered(&record(&key()), receive_count), far()).await.unwrap();
        assert_eq!(lines.with("level", "WARN").len(), warned, "{code} {receive_count}");
    }
}

#[tokio::test]
async fn a_photo_that_killed_two_renders_fails_unrendered() {
    // By the queue, and by S3's event without a queue: the notes decide, and not the count.
    for message in [
        delivered(&record(&key()), 4),
        delivered(&record(&key()), 1),
        crate::support::event(&[record(&key())]),
    ] {
        for method in ["PUT", "POST"] {
            let lines = Lines::capture();
            let answers = vec![with_starts(found_by(method, "pending"), &[400, 800]), ok(), ok()];
            let (pipeline, table, buckets) = pipeline(photo("orientation-1.jpg"), answers, vec![]);
            pipeline.handle(message.clone(), far()).await.unwrap();
            let end = settled(&table);
            assert_eq!(
                (&end["status"]["S"], &end["failure_code"]["S"]),
                (&json!("failed"), &json!("PROCESSING_TIMEOUT"))
            );
            assert!(end["failure_reason"]["S"].as_str().unwrap().contains("2 renders"), "{end}");
            assert_eq!(calls(&buckets), [""; 0]);
            let [line] = lines.with("message", "photo failed").try_into().unwrap();
            assert!(line["reason"].as_str().unwrap().contains("killed"), "{line}");
            assert_eq!(lines.having("FailuresByCode").len(), 1);
        }
    }
}

#[tokio::test]
async fn one_killed_render_or_one_that_still_runs_fails_no_photo() {
    for starts in [&[400][..], &[400, 10], &[100, 50, 10]] {
        let answers = vec![with_starts(found("pending", "image/jpeg"), starts), ok(), ok(), ok(), ok()];
        let (pipeline, table, _) = pipeline(photo("orientation-1.jpg"), answers, written(4));
        pipeline.handle(delivered(&record(&key()), 3), far()).await.unwrap();
        assert_eq!(operations(&table)[1..4], [NOTED[0], NOTED[1], "ready"], "{starts:?}");
    }
}

#[tokio::test]
async fn a_backfill_of_a_photo_that_killed_two_renders_is_dropped() {
    let lines = Lines::capture();
    let answers = vec![with_starts(ready(&json!({})), &[400, 800]), ok()];
    let (pipeline, table, buckets) = pipeline(photo("orientation-1.jpg"), answers, vec![]);
    pipeline.handle(delivered(&again(), 4), far()).await.unwrap();
    // The next backfill begins anew.
    assert_eq!(operations(&table), ["read", "REMOVE render_starts"]);
    assert_eq!((calls(&buckets).len(), lines.metric("RenewalsFailed")), (0, vec![1.0]));
    assert_eq!(lines.with("message", "not renewed: left as it was").len(), 1);
}

#[tokio::test]
async fn a_backfill_that_is_delivered_again_notes_its_render() {
    let answers = vec![ready(&json!({})), ok(), ok(), ok(), ok()];
    let (pipeline, table, _) = pipeline(photo("orientation-1.jpg"), answers, written(4));
    pipeline.handle(delivered(&again(), 2), far()).await.unwrap();
    assert_eq!(operations(&table)[..3], ["read", NOTED[0], NOTED[1]]);
    let renewed: Value = serde_json::from_slice(&table.all()[3].body).unwrap();
    assert!(renewed["UpdateExpression"].as_str().unwrap().contains("render_starts"), "{renewed}");
}

#[tokio::test]
async fn a_message_that_is_no_event_goes_to_the_failure_queue_at_once() {
    for body in ["", "no json", r#"{"hello":"world"}"#, r#"{"Records":[{}]}"#] {
        let lines = Lines::capture();
        let (mut pipeline, table, _) = pipeline(vec![], vec![], vec![]);
        let ((queue, postponed), (failures, moved)) =
            (replay::queue(vec![]), replay::queue(vec![replay::message_taken()]));
        (pipeline.queue, pipeline.failures) = (queue, failures);
        pipeline.handle(delivery(body, 1), far()).await.unwrap();
        let [message] = moved.all().try_into().unwrap();
        let message: Value = serde_json::from_slice(&message.body).unwrap();
        assert_eq!(message["MessageBody"], body, "a redrive moves back what came");
        assert_eq!((postponed.all().len(), table.all().len()), (0, 0), "{body}");
        assert_eq!(lines.with("level", "ERROR").len(), 1, "{body}");
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_set_aside_comes_again() {
    let (mut pipeline, ..) = pipeline(vec![], vec![], vec![]);
    let ((queue, postponed), (failures, _)) = (replay::queue(vec![ok()]), replay::queue(vec![down()]));
    (pipeline.queue, pipeline.failures) = (queue, failures);
    let error = pipeline.handle(delivery("no json", 7), far()).await.unwrap_err();
    assert!(error.first.contains("sqs:SendMessage"), "{}", error.first);
    assert_eq!(waits(&postponed), [900]);
}

#[tokio::test]
async fn a_delivery_that_cannot_be_postponed_fails_all_the_same() {
    let lines = Lines::capture();
    let (mut pipeline, ..) = pipeline(vec![], vec![down()], vec![]);
    let (queue, _) = replay::queue(vec![down()]);
    pipeline.queue = queue;
    let error = pipeline.handle(delivered(&record(&key()), 1), far()).await.unwrap_err();
    assert!(error.first.contains("dynamodb:GetItem"), "{}", error.first);
    let line = "not postponed: delivered again after the queue's visibility timeout";
    assert_eq!(lines.with("message", line).len(), 1);
}

#[tokio::test]
async fn a_test_event_and_foreign_objects_need_no_second_delivery() {
    let test = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-24T12:00:00.000Z",
        "Bucket": "originals", "RequestId": "x", "HostId": "y" });
    for body in [test.to_string(), json!({ "Records": [record("holiday.jpg")] }).to_string()] {
        let (mut pipeline, table, _) = pipeline(vec![], vec![], vec![]);
        let ((queue, postponed), (failures, moved)) = (replay::queue(vec![]), replay::queue(vec![]));
        (pipeline.queue, pipeline.failures) = (queue, failures);
        pipeline.handle(delivery(&body, 1), far()).await.unwrap();
        assert_eq!((table.all().len(), postponed.all().len(), moved.all().len()), (0, 0, 0), "{body}");
    }
}

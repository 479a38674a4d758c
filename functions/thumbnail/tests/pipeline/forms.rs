//! A form can be sent again and again: its renders are counted. No other upload pays for that.

use photo_aws::replay::{Lines, Sent};
use serde_json::{Value, json};

use crate::support::{
    calls, delivered, event, far, found_by, key, ok, photo, pipeline, record, refused, settled, written,
};

/// The operations that were sent to the table, in order.
fn operations(table: &Sent) -> Vec<String> {
    let operation = |target: &str| target.rsplit('.').next().unwrap_or_default().to_owned();
    table.all().iter().map(|request| operation(&request.target)).collect()
}

/// S3's event of a form, or one of the same photo with another name.
fn named(name: &str) -> Value {
    let mut record = record(&key());
    record["eventName"] = json!(name);
    record
}

fn posted() -> Value {
    named("ObjectCreated:Post")
}

#[tokio::test]
async fn a_render_of_a_form_is_counted_by_one_conditional_update() {
    for status in ["pending", "expired"] {
        let answers = vec![found_by("POST", status), ok(), ok(), ok()];
        let (pipeline, table, _) = pipeline(photo("orientation-1.jpg"), answers, written(4));
        pipeline.handle(event(&[posted()]), far()).await.unwrap();
        assert_eq!(settled(&table)["status"]["S"], "ready");
        assert_eq!(operations(&table), ["GetItem", "UpdateItem", "UpdateItem", "UpdateItem"]);
        let count: Value = serde_json::from_slice(&table.all()[1].body).unwrap();
        assert!(count["UpdateExpression"].as_str().unwrap().ends_with("ADD renders :add_renders"), "{count}");
        let condition = count["ConditionExpression"].as_str().unwrap();
        assert!(condition.contains("(attribute_not_exists(renders) OR renders < :most)"), "{condition}");
        assert_eq!(count["ExpressionAttributeValues"][":most"]["N"], "3");
        // An expired record is not due, and a pending one may expire before this write: should every render die, the
        // reconcile function would not see it. A record that is due keeps its time.
        let expression = count["UpdateExpression"].as_str().unwrap();
        assert!(expression.contains("due_at = if_not_exists(due_at, :due_at)"), "{status}: {expression}");
        let names = count["ExpressionAttributeNames"].as_object().unwrap();
        assert!(names.values().any(|name| name == "due_shard"), "{status}: {count}");
    }
}

#[tokio::test]
async fn a_form_sent_too_often_is_neither_read_nor_rendered() {
    for status in ["pending", "expired"] {
        let lines = Lines::capture();
        let answers = vec![found_by("POST", status), refused(status)];
        let (pipeline, table, buckets) = pipeline(photo("orientation-1.jpg"), answers, written(4));
        pipeline.handle(event(&[posted()]), far()).await.unwrap();
        assert_eq!(operations(&table), ["GetItem", "UpdateItem"]);
        assert_eq!(calls(&buckets), [""; 0]);
        assert_eq!(lines.with("message", "form sent too often: not rendered again").len(), 1);
        assert_eq!(lines.with("message", "variants written").len(), 0);
    }
}

#[tokio::test]
async fn a_form_after_the_end_of_its_photo_costs_one_read() {
    for status in ["failed", "deleting"] {
        let answers = vec![found_by("POST", status)];
        let (pipeline, table, buckets) = pipeline(photo("orientation-1.jpg"), answers, vec![]);
        pipeline.handle(event(&[posted()]), far()).await.unwrap();
        assert_eq!((operations(&table), calls(&buckets)), (vec!["GetItem".to_owned()], vec![]));
    }
}

#[tokio::test]
async fn a_form_whose_photo_ends_between_read_and_count_is_left() {
    for status in ["ready", "failed", "deleting"] {
        let answers = vec![found_by("POST", "pending"), refused(status)];
        let (pipeline, table, buckets) = pipeline(photo("orientation-1.jpg"), answers, vec![]);
        pipeline.handle(event(&[posted()]), far()).await.unwrap();
        assert_eq!((table.all().len(), buckets.all().len()), (2, 0), "{status}");
    }
    let gone = (400, json!({ "__type": "ConditionalCheckFailedException" }).to_string());
    let answers = vec![found_by("POST", "pending"), gone];
    let (pipeline, table, buckets) = pipeline(photo("orientation-1.jpg"), answers, vec![]);
    pipeline.handle(event(&[posted()]), far()).await.unwrap();
    assert_eq!((table.all().len(), buckets.all().len()), (2, 0), "no record");
}

#[tokio::test]
async fn a_count_that_the_table_does_not_answer_is_tried_again() {
    let answers = vec![found_by("POST", "pending"), (500, String::new())];
    let (pipeline, _, buckets) = pipeline(photo("orientation-1.jpg"), answers, vec![]);
    let error = pipeline.handle(event(&[posted()]), far()).await.unwrap_err();
    assert!(error.first.contains("dynamodb:UpdateItem"), "{}", error.first);
    assert_eq!(buckets.all().len(), 0);
}

#[tokio::test]
async fn a_form_s_message_is_counted_at_its_first_delivery_alone() {
    for (receive_count, counted) in [(1, true), (2, false), (40, false)] {
        let answers = vec![found_by("POST", "pending"), ok(), ok(), ok(), ok()];
        let (pipeline, table, _) = pipeline(photo("orientation-1.jpg"), answers, written(4));
        pipeline.handle(delivered(&posted(), receive_count), far()).await.unwrap();
        let is_count = |request: &photo_aws::replay::Request| {
            String::from_utf8_lossy(&request.body).contains("ADD renders :add_renders")
        };
        assert_eq!(table.all().iter().any(is_count), counted, "{receive_count}");
        assert_eq!(settled_after_notes(&table), "ready", "{receive_count}");
    }
}

/// The status that an update sets.
fn settled_after_notes(table: &Sent) -> &'static str {
    let mut bodies = table.all().into_iter().map(|request| String::from_utf8(request.body).unwrap());
    bodies.find_map(|body| body.contains(r#""S":"ready""#).then_some("ready")).unwrap_or("none")
}

#[tokio::test]
async fn a_put_and_a_multipart_upload_pay_no_further_write() {
    for (method, name) in [
        ("PUT", "ObjectCreated:Put"),
        ("multipart", "ObjectCreated:CompleteMultipartUpload"),
        // An import is a copy of an object into the record of a PUT.
        ("PUT", "ObjectCreated:Copy"),
    ] {
        let answers = vec![found_by(method, "pending"), ok(), ok()];
        let (pipeline, table, _) = pipeline(photo("orientation-1.jpg"), answers, written(4));
        pipeline.handle(event(&[named(name)]), far()).await.unwrap();
        assert_eq!(settled(&table)["status"]["S"], "ready");
        // Read, settled, noted as announced.
        assert_eq!(operations(&table), ["GetItem", "UpdateItem", "UpdateItem"], "{method} {name}");
    }
}

#[tokio::test]
async fn reconcile_and_backfill_render_a_form_whatever_was_counted() {
    for name in ["ObjectCreated:Reconcile", "ObjectCreated:Backfill"] {
        for status in ["pending", "expired"] {
            let answers = vec![found_by("POST", status), ok(), ok()];
            let (pipeline, table, _) = pipeline(photo("orientation-1.jpg"), answers, written(4));
            pipeline.handle(event(&[named(name)]), far()).await.unwrap();
            assert_eq!(settled(&table)["status"]["S"], "ready", "{name}");
            assert_eq!(operations(&table), ["GetItem", "UpdateItem", "UpdateItem"], "{name} {status}");
        }
    }
}

//! `POST /api/v4/photo/upload`

use photo_domain::quota::Quotas;
use serde_json::json;

use crate::support::{Call, app, asked_for, found, ok, ready};

const PATH: &str = "/api/v4/photo/upload";
const BODY: &str = r#"{"file_name":"cat.jpg","content_type":"image/jpeg","size_bytes":123456}"#;

fn post(body: &str) -> Call {
    Call::new("POST", PATH).body(body)
}

#[tokio::test]
async fn an_upload_costs_one_write_and_no_call_to_s3() {
    let (app, table, buckets) = app(vec![ok()], vec![]);
    let reply = post(BODY).to(&app).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    assert_eq!(table.all().len(), 1);
    assert_eq!(buckets.all().len(), 0);
}

#[tokio::test]
async fn the_answer_tells_how_to_upload() {
    let (app, ..) = app(vec![ok()], vec![]);
    let reply = post(BODY).to(&app).await;
    let photo_id = reply.body["photo_id"].as_str().unwrap();
    assert_eq!(reply.header("location"), Some(format!("/api/v4/photo/{photo_id}").as_str()));
    assert_eq!(reply.header("cache-control"), Some("private, no-store"));
    assert_eq!(reply.header("idempotency-replayed"), None);
    assert_eq!(reply.body["status"], "pending");
    let upload = &reply.body["upload"];
    assert_eq!(upload["method"], "PUT");
    assert_eq!(
        upload["headers"],
        json!({ "content-type": "image/jpeg", "content-length": "123456", "if-none-match": "*" })
    );
    let url = upload["url"].as_str().unwrap();
    assert!(url.contains(&format!("/photos/auth0%257C7/{photo_id}/original?")), "{url}");
    assert!(upload["expires_at"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn the_signed_type_is_the_normalised_one() {
    for (sent, expected) in [
        (" Image/JPG; charset=binary", "image/jpeg"),
        ("image/x-png", "image/png"),
        ("application/octet-stream", "application/octet-stream"),
    ] {
        let body = json!({ "content_type": sent, "size_bytes": 1 }).to_string();
        for body in [body.clone(), format!("\u{feff}{body}")] {
            let (app, table, _) = app(vec![ok()], vec![]);
            let reply = post(&body).to(&app).await;
            assert_eq!(reply.body["upload"]["headers"]["content-type"], expected, "{sent}: {}", reply.body);
            let stored: serde_json::Value = serde_json::from_slice(&table.all()[0].body).unwrap();
            assert!(
                stored.to_string().contains(&format!(r#""content_type":{{"S":"{expected}"}}"#)),
                "{stored}"
            );
        }
    }
}

#[tokio::test]
async fn a_refused_type_is_told_what_is_taken() {
    let (app, ..) = app(vec![], vec![]);
    let reply = post(r#"{"content_type":"image/heic","size_bytes":1}"#).to(&app).await;
    let said = &reply.body["errors"][0]["detail"];
    for known in ["image/jpeg", "image/gif", "application/octet-stream"] {
        assert!(said.as_str().unwrap().contains(known), "{said}");
    }
}

#[tokio::test]
async fn the_user_s_file_name_is_in_the_record_and_not_in_the_url() {
    let (app, table, _) = app(vec![ok()], vec![]);
    let reply =
        post(r#"{"file_name":"../secret.jpg","content_type":"image/jpeg","size_bytes":1}"#).to(&app).await;
    assert!(!reply.body["upload"]["url"].as_str().unwrap().contains("secret"));
    assert!(String::from_utf8(table.all()[0].body.clone()).unwrap().contains("../secret.jpg"));
}

#[tokio::test]
async fn a_refused_request_writes_nothing() {
    for (call, status, code) in [
        (Call::new("POST", PATH), 400, "MISSING_FILE"),
        (post(""), 400, "MISSING_FILE"),
        (post("not json"), 400, "INVALID_REQUEST"),
        (post(BODY).header("idempotency-key", "\u{e9}"), 400, "INVALID_REQUEST"),
        (post(BODY).header("idempotency-key", " "), 400, "INVALID_REQUEST"),
        (post(r#"{"content_type":"text/html","size_bytes":1}"#), 415, "UNSUPPORTED_TYPE"),
        (post(r#"{"content_type":"image/heic","size_bytes":1}"#), 415, "UNSUPPORTED_TYPE"),
        (post(r#"{"content_type":"image/avif","size_bytes":1}"#), 415, "UNSUPPORTED_TYPE"),
        (post(r#"{"content_type":"","size_bytes":1}"#), 415, "UNSUPPORTED_TYPE"),
        (post(r#"{"size_bytes":1}"#), 400, "INVALID_REQUEST"),
        (post(r#"{"content_type":"image/png","size_bytes":1000001}"#), 413, "TOO_LARGE"),
        (post(BODY).anonymous(), 401, "UNAUTHENTICATED"),
        (Call::new("GET", PATH), 405, "METHOD_NOT_ALLOWED"),
        (Call::new("POST", "/api/v4/photos"), 404, "NOT_FOUND"),
    ] {
        let (app, table, buckets) = app(vec![], vec![]);
        let reply = call.to(&app).await;
        assert_eq!(reply.status, status, "{}", reply.body);
        assert_eq!(reply.body["code"], code);
        assert_eq!(reply.body["request_id"], "req-1");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        assert_eq!(table.all().len() + buckets.all().len(), 0, "{code}");
    }
}

#[tokio::test]
async fn a_table_that_does_not_answer_is_a_503_without_its_cause() {
    let error = json!({ "__type": "InternalServerError", "message": "host 10.1.2.3 is down" });
    let (app, ..) = app(vec![(500, error.to_string())], vec![]);
    let reply = post(BODY).to(&app).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert_eq!(reply.body["code"], "UNAVAILABLE");
    assert!(!reply.body.to_string().contains("10.1.2.3"));
}

/// DynamoDB's refusal of an idempotency key that stands for the photo of [`found`].
fn taken(fingerprint: &str) -> (u16, String) {
    let item = json!({
        "pk": { "S": "owner#auth0%7C7" }, "sk": { "S": "idempotency#x" }, "photo_id": { "S": crate::support::ID },
        "fingerprint": { "S": fingerprint }, "expires_at": { "N": "1796817600" },
    });
    let reasons = json!([{ "Code": "None" }, { "Code": "ConditionalCheckFailed", "Item": item }]);
    (400, json!({ "__type": "TransactionCanceledException", "CancellationReasons": reasons }).to_string())
}

async fn fingerprint() -> String {
    let (app, table, _) = app(vec![ok()], vec![]);
    post(BODY).header("idempotency-key", "k").to(&app).await;
    let body: serde_json::Value = serde_json::from_slice(&table.all()[0].body).unwrap();
    body["TransactItems"][1]["Put"]["Item"]["fingerprint"]["S"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_repeated_request_gets_its_photo_signed_anew_in_time() {
    for minutes_ago in [0, 14] {
        let answers = vec![taken(&Box::pin(fingerprint()).await), found(&asked_for(minutes_ago))];
        let (app, table, _) = app(answers, vec![]);
        let reply = post(BODY).header("idempotency-key", "k").to(&app).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        assert_eq!(reply.header("idempotency-replayed"), Some("true"));
        assert_eq!(reply.body["photo_id"], crate::support::ID);
        assert!(reply.body["upload"]["url"].as_str().unwrap().contains(crate::support::ID));
        assert_eq!(table.all().len(), 2);
    }
}

#[tokio::test]
async fn a_request_repeated_too_late_is_signed_no_more() {
    let parts = json!({ "upload_method": { "S": "multipart" }, "part_size_bytes": { "N": "5242880" } });
    let form = json!({ "upload_method": { "S": "POST" } });
    for (method, minutes) in [(json!({}), 15), (form, 15), (parts, 24 * 60)] {
        for (minutes_ago, signed) in [(minutes - 1, true), (minutes, false), (10 * minutes, false)] {
            let mut record = asked_for(minutes_ago);
            record.as_object_mut().unwrap().extend(method.as_object().unwrap().clone());
            let (app, ..) = app(vec![taken(&Box::pin(fingerprint()).await), found(&record)], vec![]);
            let reply = post(BODY).header("idempotency-key", "k").to(&app).await;
            assert_eq!((reply.status, &reply.body["status"]), (201, &json!("pending")), "{}", reply.body);
            assert_eq!(reply.body["upload"].is_object(), signed, "{method} {minutes_ago}: {}", reply.body);
            assert_eq!(reply.body.to_string().contains("X-Amz-Signature"), signed && method == json!({}));
        }
    }
}

#[tokio::test]
async fn a_request_repeated_for_a_deleted_photo_is_a_conflict() {
    for minutes_ago in [0, 14, 60] {
        let mut record = asked_for(minutes_ago);
        record["status"] = json!({ "S": "deleting" });
        let (app, ..) = app(vec![taken(&Box::pin(fingerprint()).await), found(&record)], vec![]);
        let reply = post(BODY).header("idempotency-key", "k").to(&app).await;
        assert_eq!((reply.status, &reply.body["code"]), (409, &json!("IDEMPOTENCY_CONFLICT")));
    }
}

#[tokio::test]
async fn a_repeated_request_whose_photo_is_done_gets_no_url() {
    let (app, ..) = app(vec![taken(&Box::pin(fingerprint()).await), found(&ready())], vec![]);
    let reply = post(BODY).header("idempotency-key", "k").to(&app).await;
    assert_eq!((reply.status, &reply.body["status"]), (201, &json!("ready")));
    assert!(reply.body["upload"].is_null());
}

#[tokio::test]
async fn a_key_that_stands_for_something_else_is_a_conflict() {
    for answers in [vec![taken("another")], vec![taken(&Box::pin(fingerprint()).await), ok()]] {
        let (app, ..) = app(answers, vec![]);
        let reply = post(BODY).header("idempotency-key", "k").to(&app).await;
        assert_eq!((reply.status, &reply.body["code"]), (409, &json!("IDEMPOTENCY_CONFLICT")));
    }
}

/// DynamoDB's refusal of the counter's update, with what the owner has taken.
fn used_up(photos: u64, pending: u64) -> (u16, String) {
    let item = json!({ "photos": { "N": photos.to_string() }, "pending": { "N": pending.to_string() } });
    let reasons = json!([{ "Code": "ConditionalCheckFailed", "Item": item }, { "Code": "None" }]);
    (400, json!({ "__type": "TransactionCanceledException", "CancellationReasons": reasons }).to_string())
}

#[tokio::test]
async fn an_owner_who_has_taken_enough_is_told_when_to_come_again() {
    let quotas = Quotas { photos_per_day: 5, bytes_per_day: 0, pending: 2 };
    for (answer, at_most) in [(used_up(5, 0), 86_400), (used_up(1, 2), 30)] {
        let (mut app, table, _) = app(vec![answer], vec![]);
        app.store = app.store.with_quotas(quotas);
        let reply = post(BODY).to(&app).await;
        assert_eq!((reply.status, &reply.body["code"]), (429, &json!("QUOTA_EXCEEDED")));
        let retry_after: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=at_most).contains(&retry_after), "{retry_after}");
        assert_eq!(table.all().len(), 1, "one write call, quotas or not");
    }
}

#[tokio::test]
async fn a_photo_that_no_day_has_room_for_is_too_large_and_nobody_is_told_to_come_again() {
    let (mut app, table, _) = app(vec![], vec![]);
    app.store = app.store.with_quotas(Quotas { photos_per_day: 0, bytes_per_day: 123_455, pending: 0 });
    let reply = post(BODY).to(&app).await;
    assert_eq!((reply.status, &reply.body["code"]), (413, &json!("TOO_LARGE")));
    assert_eq!((reply.header("retry-after"), table.all().len()), (None, 0));
}

#[tokio::test]
async fn a_counted_upload_is_still_one_write_call() {
    let (mut app, table, buckets) = app(vec![ok()], vec![]);
    app.store = app.store.with_quotas(Quotas { photos_per_day: 5, bytes_per_day: 10_000_000, pending: 2 });
    let reply = post(BODY).header("idempotency-key", "k").to(&app).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    assert_eq!((table.all().len(), buckets.all().len()), (1, 0));
}

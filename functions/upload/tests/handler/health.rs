//! `GET /health` and `GET /health/ready`

use serde_json::json;

use crate::support::{Call, app, ok};

fn location() -> (u16, String) {
    let body = r#"<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-central-1</LocationConstraint>"#;
    (200, body.to_owned())
}

#[tokio::test]
async fn health_needs_no_caller_and_no_storage() {
    let (app, table, buckets) = app(vec![], vec![]);
    let reply = Call::new("GET", "/health").anonymous().to(&app).await;
    assert_eq!((reply.status, &reply.body["status"]), (200, &json!("ok")));
    assert_eq!(table.all().len() + buckets.all().len(), 0);
}

#[tokio::test]
async fn ready_asks_the_table_and_both_buckets() {
    let (app, table, buckets) = app(vec![ok()], vec![location(), location()]);
    let reply = Call::new("GET", "/health/ready").anonymous().to(&app).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(
        reply.body,
        json!({ "status": "ready", "checks": { "table": "ok", "originals_bucket": "ok", "thumbnails_bucket": "ok" } })
    );
    assert_eq!((table.all().len(), buckets.all().len()), (1, 2));
}

#[tokio::test]
async fn ready_is_a_503_that_says_what_is_down() {
    let (app, ..) = app(vec![ok()], vec![location(), (500, String::new())]);
    let reply = Call::new("GET", "/health/ready").anonymous().to(&app).await;
    assert_eq!(reply.status, 503);
    assert_eq!(
        reply.body["checks"],
        json!({ "table": "ok", "originals_bucket": "ok", "thumbnails_bucket": "failed" })
    );
}

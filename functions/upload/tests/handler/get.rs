//! `GET /api/v4/photo/{photo_id}`

use serde_json::json;

use crate::support::{Call, ID, app, found, ok, ready};

fn get(photo_id: &str) -> Call {
    Call::new("GET", &format!("/api/v4/photo/{photo_id}"))
}

#[tokio::test]
async fn a_pending_photo_says_when_to_ask_again() {
    let (app, ..) = app(vec![found(&json!({}))], vec![]);
    let reply = get(ID).to(&app).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("retry-after"), Some("1"));
    insta::assert_json_snapshot!(reply.body);
}

#[tokio::test]
async fn a_ready_photo_has_its_variants_with_urls() {
    let (app, _, buckets) = app(vec![found(&ready())], vec![]);
    let mut reply = get(ID).to(&app).await;
    assert_eq!((reply.status, reply.header("retry-after")), (200, None));
    assert_eq!(buckets.all().len(), 0, "signing must not use the network");
    let url = reply.body["variants"][0]["url"].as_str().unwrap().to_owned();
    assert!(
        url.starts_with(&format!(
            "https://thumbnails.s3.eu-central-1.amazonaws.com/photos/auth0%257C7/{ID}/small.webp?"
        )),
        "{url}"
    );
    assert!(url.contains("X-Amz-Expires=900"));
    reply.body["variants"][0]["url"] = json!("[signed]");
    insta::assert_json_snapshot!(reply.body);
}

#[tokio::test]
async fn a_damaged_photo_says_how_much_of_it_came() {
    let mut damaged = ready();
    damaged["damaged"] = json!({ "BOOL": true });
    damaged["received_percent"] = json!({ "N": "87" });
    let (app, ..) = app(vec![found(&damaged)], vec![]);
    let reply = get(ID).to(&app).await;
    assert_eq!((&reply.body["status"], &reply.body["damaged"]), (&json!("ready"), &json!(true)));
    assert_eq!(reply.body["received_percent"], 87);
}

#[tokio::test]
async fn a_failed_photo_has_its_code_and_not_its_cause() {
    let failed = json!({
        "status": { "S": "failed" }, "failure_code": { "S": "CORRUPT_IMAGE" }, "failure_reason": { "S": "internal cause" },
    });
    let (app, ..) = app(vec![found(&failed)], vec![]);
    let reply = get(ID).to(&app).await;
    assert_eq!(reply.body["failure"], json!({ "code": "CORRUPT_IMAGE" }));
    assert!(!reply.body.to_string().contains("internal cause"));
}

#[tokio::test]
async fn an_unknown_photo_and_a_bad_id_are_the_same_404() {
    let (app, table, _) = app(vec![ok()], vec![]);
    assert_eq!(get(ID).to(&app).await.status, 404);
    assert_eq!(get("not-an-id").to(&app).await.status, 404);
    assert_eq!(get(&ID.to_uppercase()).to(&app).await.status, 404);
    assert_eq!(table.all().len(), 1, "a bad id is not looked up");
}

#[tokio::test]
async fn the_lookup_is_in_the_caller_s_own_partition() {
    let (app, table, _) = app(vec![ok()], vec![]);
    get(ID).to(&app).await;
    let body: serde_json::Value = serde_json::from_slice(&table.all()[0].body).unwrap();
    assert_eq!(body["Key"]["pk"]["S"], "owner#auth0%7C7");
    let (app, table, _) = crate::support::app(vec![ok()], vec![]);
    assert_eq!(get(ID).anonymous().to(&app).await.status, 401);
    assert_eq!(table.all().len(), 0);
}

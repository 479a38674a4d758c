//! A request ends before the function does, also when AWS is silent or refuses for as long as it is asked.

use std::time::Duration;

use photo_aws::replay::{Lines, answered_clients, silent_clients};
use photo_aws::{Clients, Objects, PhotoStore, Timeouts};
use photo_domain::quota::Quotas;
use serde_json::json;
use tokio::time::Instant;
use upload::App;

use crate::support::{Call, ID, app};

/// The function's timeout in `template.yaml`.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(10);

/// An app with these clients, and limits that no request reaches.
fn served_by(clients: Clients) -> App {
    let (mut app, ..) = app(vec![], vec![]);
    app.config.quotas = Quotas { photos_per_day: 1000, bytes_per_day: 1_000_000_000, pending: 100 };
    app.store = PhotoStore::new(clients.dynamodb, "photos".to_owned()).with_quotas(app.config.quotas);
    app.objects = Objects::new(clients.s3, "originals".to_owned(), "thumbnails".to_owned());
    app
}

/// Every route that asks AWS, with what takes it the most calls.
fn calls() -> [Call; 7] {
    let upload = r#"{"content_type":"image/jpeg","size_bytes":7}"#;
    let photo = format!("/api/v4/photo/{ID}");
    [
        Call::new("POST", "/api/v4/photo/upload").header("idempotency-key", "k").body(upload),
        Call::new("POST", "/api/v4/photo/uploads")
            .header("idempotency-key", "k")
            .body(&format!("{{\"uploads\":[{upload},{upload}]}}")),
        Call::new("POST", &format!("{photo}/sign"))
            .body(r#"{"operation":"UploadPart","upload_id":"u","part_number":1}"#),
        Call::new("GET", "/api/v4/photo"),
        Call::new("GET", &photo),
        Call::new("DELETE", &photo),
        Call::new("GET", "/health/ready"),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_request_to_a_silent_aws_is_answered_in_time() {
    let lines = Lines::capture();
    for call in calls() {
        let app = served_by(silent_clients(Timeouts::REQUEST));
        let began = Instant::now();
        let reply = call.to(&app).await;
        assert_eq!(reply.status, 503, "{}", reply.body);
        let took = began.elapsed();
        assert!(took + Duration::from_secs(1) <= FUNCTION_TIMEOUT, "{took:?}");
    }
    // Each document names the call that the request waited for.
    for document in lines.having("aws_calls") {
        assert!(document["aws_slowest"].is_string(), "{document}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_aws_always_refuses_is_answered_in_time() {
    let conflict = json!({
        "__type": "TransactionCanceledException",
        "CancellationReasons": [{ "Code": "ThrottlingError" }, { "Code": "TransactionConflict" }],
    });
    let ongoing = json!({ "__type": "TransactionConflictException" });
    let throttled = json!({ "__type": "ThrottlingException" });
    for refusal in [conflict, ongoing, throttled] {
        for call in calls() {
            let (clients, _) = answered_clients(Timeouts::REQUEST, vec![(400, refusal.to_string()); 5000]);
            let app = served_by(clients);
            let began = Instant::now();
            let reply = call.to(&app).await;
            assert_eq!(reply.status, 503, "{}", reply.body);
            let took = began.elapsed();
            assert!(took + Duration::from_secs(1) <= FUNCTION_TIMEOUT, "{took:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_runs_out_of_time_says_so() {
    let lines = Lines::capture();
    // Reads that are answered late, one after another: no call is too slow by itself.
    let (app, ..) = app(vec![], vec![]);
    let app = App { store: slow_store(), ..app };
    let reply = Call::new("GET", "/api/v4/photo").query("limit=100").to(&app).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert_eq!(reply.body["code"], "UNAVAILABLE");
    let errors = lines.with("level", "ERROR");
    assert_eq!(errors[0]["operation"], "GET /api/v4/photo");
    let document = &lines.having("aws_calls")[0];
    assert_eq!((&document["aws_calls"], &document["aws_slowest"]), (&3.into(), &"dynamodb:Query".into()));
}

/// A table of which each query takes nearly as long as a call may, and finds photos that are being deleted.
fn slow_store() -> PhotoStore {
    let page = json!({ "Items": [], "LastEvaluatedKey": { "sk": { "S": format!("photo#{ID}") } } });
    let clients = photo_aws::replay::slow_clients(
        Timeouts { attempt: Duration::from_secs(4), ..Timeouts::REQUEST },
        Duration::from_millis(3_900),
        (200, page.to_string()),
    );
    PhotoStore::new(clients.dynamodb, "photos".to_owned())
}

//! The API's refusals, and its health.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::World;

const NOBODYS_ID: &str = "01935b7c-0000-7000-8000-000000000001";

fn assert_problem(reply: &photodrop_tests::Reply, status: u16, code: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.header("content-type"), "application/problem+json");
    let problem = reply.json();
    assert_eq!(problem["code"], code, "{problem}");
    assert_eq!(problem["status"], status);
    assert!(!problem["request_id"].as_str().unwrap_or_default().is_empty(), "{problem}");
    assert!(!problem["detail"].as_str().unwrap_or_default().is_empty(), "{problem}");
}

#[tokio::test]
async fn each_bad_request_is_a_problem_with_its_code() {
    let world = World::new().await;
    let too_large = json!({ "content_type": "image/jpeg", "size_bytes": 33_554_433 }).to_string();
    let not_a_digest =
        json!({ "content_type": "image/jpeg", "size_bytes": 1, "checksum_sha256": "abc" }).to_string();
    for (body, status, code) in [
        ("", 400, "MISSING_FILE"),
        ("{}", 400, "MISSING_FILE"),
        (" \n", 400, "MISSING_FILE"),
        ("not json", 400, "INVALID_REQUEST"),
        ("[]", 400, "INVALID_REQUEST"),
        (r#"{"content_type":"image/jpeg","size_bytes":-1}"#, 400, "INVALID_REQUEST"),
        (r#"{"content_type":"image/jpeg","size_bytes":1.5}"#, 400, "INVALID_REQUEST"),
        (r#"{"content_type":"image/jpeg","size_bytes":0}"#, 400, "INVALID_REQUEST"),
        (&not_a_digest, 400, "INVALID_CHECKSUM"),
        (r#"{"content_type":"image/svg+xml","size_bytes":1}"#, 415, "UNSUPPORTED_TYPE"),
        (&too_large, 413, "TOO_LARGE"),
    ] {
        assert_problem(&world.api.post(body, &[]).await.unwrap(), status, code);
    }
    let good = r#"{"content_type":"image/jpeg","size_bytes":1}"#;
    let long_key = "k".repeat(256);
    for key in ["", "tab\there", &long_key] {
        let reply = world.api.post(good, &[("idempotency-key", key)]).await.unwrap();
        assert_problem(&reply, 400, "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn the_answer_says_where_the_photo_will_be_and_the_largest_photo_is_taken() {
    let world = World::new().await;
    let largest = r#"{"content_type":"image/jpeg","size_bytes":33554432}"#;
    let reply = world.api.post(largest, &[]).await.unwrap();
    assert_eq!(reply.status, 201, "{}", reply.text());
    let location = reply.header("location");
    assert_eq!(location, format!("/api/v4/photo/{}", reply.json()["photo_id"].as_str().unwrap()));
    let photo = world.api.get(location).await.unwrap();
    assert_eq!((photo.status.as_u16(), photo.header("cache-control")), (200, "private, no-cache"));
}

#[tokio::test]
async fn a_bad_request_names_every_field_that_is_wrong() {
    let world = World::new().await;
    let reply = world.api.post(r#"{"size_bytes":"x","file_name":7}"#, &[]).await.unwrap();
    let pointers: Vec<Value> =
        reply.json()["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
    assert_eq!(pointers, [json!("/content_type"), json!("/size_bytes"), json!("/file_name")]);
}

#[tokio::test]
async fn a_photo_that_is_not_there_is_a_404() {
    let world = World::new().await;
    for id in [NOBODYS_ID, "not-an-id", &NOBODYS_ID.to_uppercase()] {
        assert_problem(&world.api.photo(id).await.unwrap(), 404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_path_that_is_not_there_is_a_404() {
    let world = World::new().await;
    for path in ["/", "/api/v4/photo/a/b/c", "/api/v3/photo/upload"] {
        assert_eq!(world.api.get(path).await.unwrap().status, 404, "{path}");
    }
}

#[tokio::test]
async fn health_answers_without_a_token() {
    let world = World::new().await;
    let anonymous = world.api.with_token(None);
    let health = anonymous.get("/health").await.unwrap();
    assert_eq!((health.status.as_u16(), health.json()["status"].as_str()), (200, Some("ok")));
    let ready = anonymous.get("/health/ready").await.unwrap();
    assert_eq!(ready.status, 200, "{}", ready.text());
    assert_eq!(
        ready.json()["checks"],
        json!({ "table": "ok", "originals_bucket": "ok", "thumbnails_bucket": "ok" })
    );
}

#[tokio::test]
async fn browsers_of_allowed_origins_may_call_and_others_may_not() {
    let world = World::new().await;
    let url = format!("{}/api/v4/photo/upload", world.stack.api_url);
    let preflight = |origin: &'static str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type"),
        ];
        let (api, url) = (world.api.with_token(None), url.clone());
        async move { api.send(Method::OPTIONS, &url, &headers, vec![]).await.unwrap() }
    };
    let allowed = preflight("http://localhost:3000").await;
    assert_eq!(allowed.header("access-control-allow-origin"), "http://localhost:3000");
    assert!(allowed.header("access-control-allow-headers").to_lowercase().contains("idempotency-key"));
    assert_eq!(preflight("https://evil.example").await.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn browsers_of_allowed_origins_may_put_originals_with_every_signed_header() {
    let world = World::new().await;
    let digest = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let body = json!({ "content_type": "image/jpeg", "size_bytes": 1, "checksum_sha256": digest });
    let created = world.api.create_with(&body).await.unwrap();
    let upload = created.upload().unwrap();
    // A browser sets `content-length` by itself and does not ask for it.
    let asked: Vec<&str> =
        upload.headers.keys().map(String::as_str).filter(|name| *name != "content-length").collect();
    let asked = asked.join(",");
    for (origin, allowed) in [("http://localhost:3000", true), ("https://evil.example", false)] {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", &asked),
        ];
        let reply = world.api.send(Method::OPTIONS, &upload.url, &headers, vec![]).await.unwrap();
        let expected = if allowed { origin } else { "" };
        assert_eq!(
            reply.header("access-control-allow-origin"),
            expected,
            "{}: {}",
            reply.status,
            reply.text()
        );
    }
}

//! What the handler writes into its log: every line can be found, none tells who it was about.

use std::process::Command;

use photo_aws::metrics::BY_VERSION_VARIABLE;
use photo_aws::replay::Lines;
use serde_json::json;

use crate::support::{Call, ID, OWNER, app, found, ok, ready};

const REQUEST_ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";
const TRACE: &str = "1-67891233-abcdef012345678912345678";

/// What must never be in a log, wherever it came in.
const PLANTED: [&str; 7] =
    [OWNER, "auth0%7C7", "jane-at-the-beach", "eyJhbGciOi", "192.0.2.1", "X-Amz-Signature", "AKIDEXAMPLE"];

fn call(method: &str, path: &str) -> Call {
    Call::new(method, path)
        .header("authorization", "Bearer eyJhbGciOiJub25lIn0.e30.")
        .header("x-forwarded-for", "192.0.2.1")
        .context(REQUEST_ID, &format!("Root={TRACE};Parent=463ac35c9f6413ad;Sampled=1"))
}

fn create() -> Call {
    call("POST", "/api/v4/photo/upload").body(
        r#"{"file_name":"jane-at-the-beach.jpg","content_type":"image/jpeg","size_bytes":7,"metadata":{"who":"jane-at-the-beach"}}"#,
    )
}

/// Every way through the handler, good and bad.
async fn every_line() -> Vec<serde_json::Value> {
    let denied = json!({
        "__type": "AccessDeniedException",
        "message": "not authorized to perform: dynamodb:PutItem on owner#auth0%7C7 for photos/auth0%7C7/x/original",
    });
    let get = || call("GET", &format!("/api/v4/photo/{ID}"));
    let calls = [
        (create(), vec![ok()]),
        (create().header("idempotency-key", "jane-at-the-beach"), vec![ok()]),
        (create(), vec![(400, denied.to_string())]),
        (create().body(r#"{"file_name":"jane-at-the-beach"#), vec![]),
        (create().body(r#"{"content_type":"jane-at-the-beach","size_bytes":1}"#), vec![]),
        (get(), vec![found(&json!({}))]),
        (get(), vec![found(&ready())]),
        (get(), vec![(500, "jane".to_owned())]),
        (call("GET", "/api/v4/photo/jane-at-the-beach"), vec![]),
        (call("GET", "/jane-at-the-beach"), vec![]),
        (call("GET", "/health/ready"), vec![(400, denied.to_string())]),
    ];
    let lines = Lines::capture();
    for (call, answers) in calls {
        let (app, ..) = app(answers, vec![]);
        call.to(&app).await;
    }
    lines.all()
}

#[tokio::test]
async fn no_line_holds_personal_data() {
    let lines = every_line().await;
    assert!(lines.len() > 20, "{lines:#?}");
    for line in lines {
        for planted in PLANTED {
            assert!(!line.to_string().contains(planted), "{planted} is in {line}");
        }
    }
}

#[tokio::test]
async fn every_line_leads_to_its_request_and_its_trace() {
    for line in every_line().await {
        assert_eq!((&line["request_id"], &line["trace_id"]), (&json!(REQUEST_ID), &json!(TRACE)), "{line}");
        assert!(line["cold_start"].is_boolean(), "{line}");
    }
}

#[tokio::test]
async fn lines_about_a_photo_have_its_id() {
    let lines = Lines::capture();
    let (app, ..) = app(vec![found(&json!({}))], vec![]);
    call("GET", &format!("/api/v4/photo/{ID}")).to(&app).await;
    let served = lines.with("message", "request served");
    assert_eq!(served[0]["photo_id"], ID);
}

#[tokio::test]
async fn an_error_is_one_line_with_all_its_causes() {
    let lines = Lines::capture();
    let error = json!({ "__type": "InternalServerError", "message": "the disk is on fire" });
    let (app, ..) = app(vec![(500, error.to_string())], vec![]);
    create().to(&app).await;
    let errors: Vec<_> =
        lines.with("target", "upload::app").into_iter().filter(|line| line["code"].is_string()).collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!((&errors[0]["level"], &errors[0]["code"]), (&json!("ERROR"), &json!("UNAVAILABLE")));
    assert_eq!(errors[0]["operation"], "dynamodb:PutItem");
    assert!(errors[0]["error"].as_str().unwrap().contains("the disk is on fire"), "{}", errors[0]);
}

#[tokio::test]
async fn a_created_upload_counts_and_a_refused_one_does_not() {
    let lines = Lines::capture();
    let (app, ..) = app(vec![ok()], vec![]);
    create().to(&app).await;
    create().body("").to(&app).await;
    assert_eq!(lines.metric("UploadsCreated"), [1.0]);
    assert_eq!(lines.metric("MemoryUsed").len(), 2);
}

#[tokio::test]
async fn failed_requests_count_for_the_version_that_serves() {
    const NAME: &str = "logs::failed_requests_count_for_the_version_that_serves";
    // What is split by version is decided by the process's environment, once: a process of its own has one.
    if std::env::var_os(BY_VERSION_VARIABLE).is_none() {
        let test = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME])
            .envs([(BY_VERSION_VARIABLE, "true"), ("AWS_LAMBDA_FUNCTION_VERSION", "7")])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&test.stdout);
        assert!(test.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let lines = Lines::capture();
    let error = json!({ "__type": "InternalServerError", "message": "the disk is on fire" });
    let (app, ..) = app(vec![(500, error.to_string()), ok()], vec![]);
    create().to(&app).await;
    create().to(&app).await;
    create().body("").to(&app).await;
    // 503, 201 and 400.
    assert_eq!(lines.metric("RequestsFailed"), [1.0, 0.0, 0.0]);
    assert!(lines.with("Version", "7").len() >= 3);
}

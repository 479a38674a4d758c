//! What an operator has: logs, metrics, alarms, doctor.

use std::process::Command;

use photodrop_tests::photos::photo;
use photodrop_tests::stack::root;
use serde_json::{Value, json};

use crate::support::{World, function_is_mine, function_works};

/// Whether one of the project's commands went well, and what it said; by `PHOTODROP_STACK` it looks at the stack under test.
fn make(target: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let output = Command::new("make")
        .args(["--silent", target])
        .current_dir(root())
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(!complaints.contains("Traceback"), "{complaints}");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn a_photo_s_whole_life_is_in_the_logs_and_nothing_of_its_owner() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo("orientation-6.jpg").unwrap();
    let body = json!({ "content_type": "image/jpeg", "size_bytes": bytes.len(), "file_name": "jane-at-the-beach.jpg" });
    let created = world.api.create_with(&body).await.unwrap();
    world.api.put(created.upload().unwrap(), bytes).await.unwrap();
    world.api.settled(&created.photo_id).await.unwrap();

    let mut lines = Vec::new();
    for group in [&world.stack.upload_log_group, &world.stack.thumbnail_log_group] {
        lines.extend(world.aws.log_lines(group, 0).await.unwrap());
    }
    let secrets = [&world.owner, &world.stack.token, "jane-at-the-beach", "X-Amz-Signature", "127.0.0.1"];
    let mut documents = Vec::new();
    for line in &lines {
        for secret in secrets {
            assert!(!line.contains(secret), "{secret} is in {line}");
        }
        let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
        assert!(entry["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{line}");
        // The runtime has lines of its own, outside of what our functions know.
        let is_ours = !entry["target"].as_str().is_some_and(|target| target.starts_with("lambda_runtime"));
        assert!(!is_ours || entry["cold_start"].is_boolean(), "{line}");
        if entry["photo_id"] == created.photo_id {
            documents.push(entry);
        }
    }
    let has = |member: &str| documents.iter().any(|entry| entry.get(member).is_some());
    for member in
        ["UploadsCreated", "PhotosReady", "AgeFromRequest", "AgeFromArrival", "DecodeTime", "EncodeTime"]
    {
        assert!(has(member), "{member} is missing: {documents:#?}");
    }
    assert!(documents.iter().any(|entry| entry["message"] == "upload created"));
    assert!(documents.iter().any(|entry| entry["message"] == "photo settled"));
}

#[tokio::test]
async fn doctor_status_and_logs_tell_how_the_stack_is() {
    // Other tests break the function on purpose.
    let _function = function_is_mine().await;
    let (_, text) = make("doctor", &[("JSON", "1")]);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let level = |check: &str| {
        let findings = report["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["check"] == check);
        found.unwrap_or_else(|| panic!("no {check}: {text}"))["level"].as_str().unwrap().to_owned()
    };
    for check in [
        "stack",
        "api health",
        "api ready",
        "api refuses",
        "clock",
        "originals private",
        "originals encrypted",
        "originals CORS",
        "thumbnails private",
        "notification",
        "mapping",
        "thumbnail queue",
        "account",
        "table",
        "table TTL",
        "upload function",
        "upload concurrency",
        "upload logs",
        "thumbnail function",
    ] {
        assert_eq!(level(check), "ok", "{check}: {text}");
    }
    assert_eq!(level("alarm topic"), "warn", "the test stack has no AlarmEmail: {text}");
    let (well, text) = make("status", &[]);
    assert!(well && text.contains("failure queue"), "{text}");
    let (well, text) = make("logs", &[("FUNCTION", "upload")]);
    assert!(well && text.contains("request served"), "{text}");
}

#[tokio::test]
async fn an_alarm_rings_for_what_is_wrong_and_stops_when_it_is_mended() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let state = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.split_whitespace().nth(1) == Some(name));
        line.unwrap_or_else(|| panic!("no {name}: {text}")).split_whitespace().next().unwrap().to_owned()
    };
    // A dead letter that the function takes without a photo: what S3 sends when a bucket gets a notification.
    let body = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-24T12:00:00.000Z",
        "Bucket": world.stack.originals_bucket })
    .to_string();
    world
        .aws
        .sqs
        .send_message()
        .queue_url(&world.stack.failure_queue_url)
        .message_body(body)
        .send()
        .await
        .unwrap();
    let (_, text) = make("alarms", &[]);
    assert_eq!(state(&text, "failure-queue-depth"), "ALARM", "{text}");
    let (well, text) = make("redrive", &[]);
    assert!(well && text.contains("1 moved, 0 in the dead-letter queue"), "{text}");
    let (well, text) = make("status", &[]);
    assert!(well && text.contains("0 waiting and 0 taken in the failure queue"), "{text}");

    let (well, text) = make("alarms", &[("RAISE", "concurrency")]);
    assert!(well, "{text}");
    let (_, text) = make("alarms", &[]);
    assert_eq!(
        state(&text, "concurrency"),
        "OK",
        "an alarm raised by hand is over with the next look: {text}"
    );
}

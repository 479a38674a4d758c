//! S3's answers byte for byte, and what the command line does after each.

use std::fs;
use std::process::Output;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::server::{Asked, Said, Server};
use crate::{Cli, ID, stderr};

/// All answers that S3 documents and a client meets; the tests of every client read this file.
fn answers() -> Vec<Value> {
    serde_json::from_str(include_str!("../../../../tests/s3-answers.json")).unwrap()
}

fn said(answer: &Value) -> Said {
    let headers = answer["headers"].as_object().unwrap().iter();
    Said {
        status: u16::try_from(answer["status"].as_u64().unwrap()).unwrap(),
        headers: headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect(),
        body: answer["body"].as_str().unwrap().into(),
    }
}

/// The answer of this name.
fn named(name: &str) -> Said {
    said(answers().iter().find(|answer| answer["name"] == name).unwrap())
}

fn as_json(value: &Value) -> Said {
    (200, value.to_string().into_bytes()).into()
}

fn upload(cli: &Cli, server: &Server, retries: &str, name: &str) -> Output {
    let mut command = cli.command(&["upload", name, "--json", "--retries", retries, "--api", &server.url]);
    command.env("PHOTODROP_TOKEN", "mine").output().unwrap()
}

/// The requests to a path below `/s3/`.
fn sent(server: &Server, what: &str) -> usize {
    server.asked().iter().filter(|asked| asked.target.starts_with(&format!("/s3/{what}"))).count()
}

fn assert_one_authentication(server: &Server) {
    for asked in server.asked() {
        let is_api = asked.target.starts_with("/api/");
        assert_eq!(asked.head.contains("\nauthorization:"), is_api, "{}", asked.head);
    }
}

/// An API with one photo, and an S3 that gives the first PUT this answer.
fn put_stack(first: Value) -> Server {
    let first = Mutex::new(Some(first));
    Server::start(move |asked: &Asked, url: &str| match asked.target.as_str() {
        "/s3/put" => first.lock().unwrap().take().map_or_else(|| named("stored"), |answer| said(&answer)),
        target if target.ends_with("/upload") => as_json(&json!({ "photo_id": ID, "status": "pending",
            "upload": { "method": "PUT", "url": format!("{url}/s3/put"), "headers": { "content-length": "6" } } })),
        _ => as_json(&json!({ "photo_id": ID, "status": "ready" })),
    })
}

#[test]
fn a_put_does_after_each_answer_of_s3_what_s3_documents() {
    for answer in answers() {
        let name = answer["name"].as_str().unwrap().to_owned();
        let expected = match answer["action"].as_str().unwrap() {
            "done" | "present" => (0, 1, 1),
            "again" => (0, 1, 2),
            "sign" => (0, 2, 2),
            _ => (1, 1, 1),
        };
        let server = put_stack(answer);
        let cli = Cli::new();
        fs::write(cli.path("below").join("a.gif"), "GIF89a").unwrap();
        let output = upload(&cli, &server, "1", "a.gif");
        let asked = server.asked();
        let keys: Vec<_> =
            asked.iter().filter_map(|asked| asked.head.split("idempotency-key: ").nth(1)).collect();
        let seen = (output.status.code().unwrap(), keys.len(), sent(&server, "put"));
        assert_eq!(seen, expected, "{name}: {output:?}");
        assert!(keys.iter().all(|key| key.lines().next() == keys[0].lines().next()), "{name}: one photo");
        assert_one_authentication(&server);
    }
}

/// An API that signs parts, and an S3 that gives the `nth` request of a kind this answer.
fn multipart_stack(kind: &'static str, nth: usize, answer: &'static str) -> Server {
    let seen = Mutex::new((0, 0));
    Server::start(move |asked: &Asked, url: &str| {
        if asked.target.ends_with("/upload") {
            return as_json(&json!({ "photo_id": ID, "status": "pending",
                "upload": { "method": "multipart", "part_size_bytes": 5 << 20, "part_count": 2 } }));
        }
        if asked.target.ends_with("/sign") {
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            let operation = body["operation"].as_str().unwrap().to_lowercase();
            let url = format!("{url}/s3/{operation}/{}", body["part_number"]);
            return as_json(&json!({ "method": "POST", "url": url, "headers": {} }));
        }
        let Some(operation) = asked.target.strip_prefix("/s3/") else {
            return as_json(&json!({ "photo_id": ID, "status": "pending" }));
        };
        let mut seen = seen.lock().unwrap();
        if operation.starts_with(kind) {
            seen.0 += 1;
            if seen.0 == nth {
                return named(answer);
            }
        }
        if operation.starts_with("createmultipartupload") {
            seen.1 += 1;
            return (200, format!("<UploadId>u{}</UploadId>", seen.1).into_bytes()).into();
        }
        (200, b"<CompleteMultipartUploadResult/>".to_vec()).into()
    })
}

#[test]
fn a_multipart_upload_goes_on_after_each_answer_of_s3() {
    // Requests by kind: begun, parts, completed, signatures asked for.
    for (kind, nth, answer, expected) in [
        ("uploadpart", 2, "session credentials expired", (1, 3, 1, 5)),
        ("uploadpart", 2, "signature expired", (1, 3, 1, 5)),
        ("uploadpart", 1, "connection idle", (1, 3, 1, 4)),
        ("uploadpart", 1, "slow down", (1, 3, 1, 4)),
        ("createmultipartupload", 1, "session credentials expired", (2, 2, 1, 5)),
        ("createmultipartupload", 1, "internal error", (2, 2, 1, 4)),
        ("completemultipartupload", 1, "session credentials expired", (1, 2, 2, 5)),
        ("completemultipartupload", 1, "connection idle", (1, 2, 2, 4)),
        ("completemultipartupload", 1, "internal error behind a 200", (1, 2, 2, 4)),
        ("completemultipartupload", 1, "session expired behind a 200", (1, 2, 2, 5)),
        ("completemultipartupload", 1, "object present", (1, 2, 1, 4)),
        // S3 wants the parts again: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
        ("completemultipartupload", 1, "conditional request conflict", (2, 4, 2, 8)),
    ] {
        let server = multipart_stack(kind, nth, answer);
        let cli = Cli::new();
        let mut gif = b"GIF89a".to_vec();
        gif.resize(9 << 20, 0);
        fs::write(cli.path("below").join("large.gif"), gif).unwrap();
        let output = upload(&cli, &server, "1", "large.gif");
        assert_eq!(output.status.code(), Some(0), "{kind} {answer}: {output:?}");
        let signed = server.asked().iter().filter(|asked| asked.target.ends_with("/sign")).count();
        let seen = (
            sent(&server, "createmultipartupload"),
            sent(&server, "uploadpart"),
            sent(&server, "completemultipartupload"),
            signed,
        );
        assert_eq!(seen, expected, "{kind} {answer}: {output:?}");
        assert_one_authentication(&server);
    }
}

#[test]
fn an_s3_that_stays_so_is_asked_a_bounded_number_of_times() {
    for (name, asked, code) in
        [("slow down", 1, "STORAGE_REFUSED"), ("session credentials expired", 3, "BAD_ANSWER")]
    {
        let server = Server::start(move |asked: &Asked, url: &str| {
            if asked.target == "/s3/put" {
                return named(name);
            }
            as_json(&json!({ "photo_id": ID, "status": "pending",
                "upload": { "method": "PUT", "url": format!("{url}/s3/put"), "headers": {} } }))
        });
        let cli = Cli::new();
        fs::write(cli.path("below").join("a.gif"), "GIF89a").unwrap();
        let output = upload(&cli, &server, "2", "a.gif");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(code), "{output:?} {}", stderr(&output));
        assert_eq!(sent(&server, "put"), 3, "{name}");
        assert_eq!(server.asked().len() - 3, asked, "{name}");
    }
}

#[test]
fn a_lost_connection_after_the_expiry_signs_again() {
    for (expires_at, creates) in [("2020-01-01T00:00:00Z", 2), ("2999-01-01T00:00:00.5Z", 1)] {
        let lost = Mutex::new(true);
        let server = Server::start(move |asked: &Asked, url: &str| match asked.target.as_str() {
            "/s3/put" if std::mem::take(&mut *lost.lock().unwrap()) => Said::hang_up(),
            "/s3/put" => named("stored"),
            target if target.ends_with("/upload") => as_json(&json!({ "photo_id": ID, "status": "pending",
                "upload": { "method": "PUT", "url": format!("{url}/s3/put"), "headers": {}, "expires_at": expires_at } })),
            _ => as_json(&json!({ "photo_id": ID, "status": "ready" })),
        });
        let cli = Cli::new();
        fs::write(cli.path("below").join("a.gif"), "GIF89a").unwrap();
        let output = upload(&cli, &server, "1", "a.gif");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(
            (server.asked().len() - sent(&server, "put"), sent(&server, "put")),
            (creates, 2),
            "{expires_at}"
        );
    }
}

#[test]
fn a_part_whose_connection_is_lost_after_the_expiry_is_signed_again() {
    let lost = Mutex::new(true);
    let server = Server::start(move |asked: &Asked, url: &str| {
        if asked.target.ends_with("/upload") {
            return as_json(&json!({ "photo_id": ID, "status": "pending",
                "upload": { "method": "multipart", "part_size_bytes": 5 << 20, "part_count": 2 } }));
        }
        if asked.target.ends_with("/sign") {
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            let url = format!("{url}/s3/{}", body["operation"].as_str().unwrap());
            return as_json(
                &json!({ "method": "POST", "url": url, "headers": {}, "expires_at": "2020-01-01T00:00:00Z" }),
            );
        }
        if asked.target.ends_with("/UploadPart") && std::mem::take(&mut *lost.lock().unwrap()) {
            return Said::hang_up();
        }
        (200, b"<UploadId>u1</UploadId>".to_vec()).into()
    });
    let cli = Cli::new();
    let mut gif = b"GIF89a".to_vec();
    gif.resize(9 << 20, 0);
    fs::write(cli.path("below").join("large.gif"), gif).unwrap();
    let output = upload(&cli, &server, "1", "large.gif");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let signed = server.asked().iter().filter(|asked| asked.target.ends_with("/sign")).count();
    assert_eq!((sent(&server, "UploadPart"), signed), (3, 5));
}

//! An upload whose time is over before its bytes came, as the API answers it.

use std::fs;
use std::process::Output;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::server::{Asked, Server};
use crate::{Cli, ID};

/// The photo that a second key stands for.
const SECOND: &str = "01998a2e-7b7c-7cc0-8000-000000000002";

/// What the API knows of the first photo.
#[derive(Default)]
struct Known {
    keys: Vec<String>,
    /// How often the first key was asked for.
    requests: u32,
    looks: u32,
}

/// An API that signs the first key `signed` times, with a URL that has expired. Then the photo is pending with no upload,
/// and at the second look at it what it `becomes`. Another key's photo is signed, and ready.
fn api(signed: u32, becomes: &'static str) -> impl Fn(&Asked, &str) -> (u16, Vec<u8>) + Send + 'static {
    let known = Mutex::<Known>::default();
    move |asked, url| {
        let mut known = known.lock().unwrap();
        let how = |path: &str| json!({ "method": "PUT", "url": format!("{url}{path}"), "headers": {} });
        let answer = match asked.target.as_str() {
            "/api/v4/photo/upload" => {
                let key = asked.head.split("idempotency-key: ").nth(1).unwrap().lines().next().unwrap();
                if !known.keys.iter().any(|other| other == key) {
                    known.keys.push(key.to_owned());
                }
                if known.keys[0] != key {
                    json!({ "photo_id": SECOND, "status": "pending", "upload": how("/s3/second") })
                } else if known.looks > 1 {
                    json!({ "photo_id": ID, "status": becomes, "upload": null })
                } else {
                    known.requests += 1;
                    let upload = (known.requests <= signed).then(|| how("/s3/late"));
                    json!({ "photo_id": ID, "status": "pending", "upload": upload })
                }
            }
            "/s3/late" => {
                return (
                    403,
                    b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
                        .to_vec(),
                );
            }
            "/s3/second" => return (200, Vec::new()),
            target if target.ends_with(SECOND) => json!({ "photo_id": SECOND, "status": "ready" }),
            _ => {
                known.looks += 1;
                let status = if known.looks > 1 { becomes } else { "pending" };
                json!({ "photo_id": ID, "status": status, "failure":
                    (status == "failed").then(|| json!({ "code": "NOT_AN_IMAGE" })) })
            }
        };
        (200, answer.to_string().into_bytes())
    }
}

/// Uploads a file and gives how it ended, the last line, and how often bytes came to the second photo.
fn upload(server: &Server, arguments: &[&str]) -> (Output, Value, usize) {
    let cli = Cli::new();
    fs::write(cli.path("below").join("a.gif"), "GIF89a").unwrap();
    let mut command = cli.command(&["upload", "a.gif", "--json", "--retries", "0", "--api", &server.url]);
    let output = command.args(arguments).env("PHOTODROP_TOKEN", "mine").output().unwrap();
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    let line = serde_json::from_str(stdout.lines().next().unwrap_or("null")).unwrap();
    let sent = server.asked().iter().filter(|asked| asked.target == "/s3/second").count();
    (output, line, sent)
}

#[test]
fn a_photo_whose_bytes_did_not_come_in_time_is_sent_anew() {
    // An earlier run's photo, and one whose URL expires while it is sent.
    for signed in [0, 1] {
        for arguments in [&[][..], &["--wait"]] {
            let (output, line, sent) = upload(&Server::start(api(signed, "expired")), arguments);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            assert_eq!((line["photo_id"].as_str(), sent), (Some(SECOND), 1), "{output:?}");
            assert_eq!(line["already"], false);
        }
    }
}

#[test]
fn a_photo_whose_bytes_came_is_not_sent_anew() {
    for signed in [0, 1] {
        let (output, line, sent) = upload(&Server::start(api(signed, "ready")), &[]);
        assert_eq!((output.status.code(), sent), (Some(0), 0), "{output:?}");
        assert_eq!((&line["photo_id"], &line["status"]), (&json!(ID), &json!("ready")));
        let (output, line, sent) = upload(&Server::start(api(signed, "failed")), &[]);
        assert_eq!((output.status.code(), sent), (Some(1), 0), "{output:?}");
        assert_eq!(line["error"]["code"], "NOT_AN_IMAGE");
    }
}

#[test]
fn a_photo_that_stays_pending_without_bytes_is_no_success() {
    let (output, line, sent) = upload(&Server::start(api(0, "pending")), &["--wait-timeout", "1"]);
    assert_eq!((output.status.code(), sent), (Some(1), 0), "{output:?}");
    assert_eq!((&line["photo_id"], &line["error"]["code"]), (&json!(ID), &json!("STILL_PENDING")));
}

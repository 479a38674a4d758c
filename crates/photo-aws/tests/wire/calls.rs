//! What the log says about calls to AWS.

use photo_aws::metrics::Document;
use photo_aws::replay::{Answer, Lines, answered_clients, signers_of_a_role, silent_clients};
use photo_aws::usage::Meter;
use photo_aws::{Objects, PhotoStore, Timeouts};
use serde_json::Value;

use crate::table::{exception, key, ok, record};

fn throttled() -> Answer {
    exception("ThrottlingException", serde_json::json!({ "message": "slow down" }))
}

/// The document of an invocation that ends now.
fn document(meter: &Meter, lines: &Lines) -> Value {
    meter.report(Document::new(), 512).emit();
    lines.having("aws_calls").pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_call_is_a_line_at_debug_and_their_sum_a_document() {
    let lines = Lines::capture_at(tracing::Level::DEBUG);
    let answers = vec![throttled(), throttled(), ok(), ok(), (404, String::new())];
    let (clients, sent) = answered_clients(Timeouts::REQUEST, answers);
    let store = PhotoStore::new(clients.dynamodb, "photos".to_owned());
    let objects = Objects::new(clients.s3, "originals".to_owned(), "thumbnails".to_owned());
    let meter = Meter::start();
    store.create(&record(), None).await.unwrap();
    store.get(&key()).await.unwrap();
    assert!(objects.read_original(&key(), None, 100).await.is_err());
    assert_eq!(sent.all().len(), 5);

    let called = lines.with("message", "AWS called");
    let seen: Vec<_> = called
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            (text("operation"), text("outcome"), line["status"].as_u64(), line["retries"].as_u64())
        })
        .collect();
    let expected = [
        ("dynamodb:PutItem", "answered", 200, 2),
        ("dynamodb:GetItem", "answered", 200, 0),
        ("s3:GetObject", "refused", 404, 0),
    ];
    let expected: Vec<_> = expected
        .map(|(operation, outcome, status, retries)| {
            (operation.to_owned(), outcome.to_owned(), Some(status), Some(retries))
        })
        .into();
    assert_eq!(seen, expected);
    assert!(called.iter().all(|line| line["duration_us"].is_u64() && line["level"] == "DEBUG"));
    for line in &called {
        assert!(!line.to_string().contains("auth0"), "{line}");
    }

    let document = document(&meter, &lines);
    assert_eq!((&document["aws_calls"], &document["aws_retries"]), (&3.into(), &2.into()));
    assert!(document["aws_ms"].as_f64().unwrap() >= document["aws_slowest_ms"].as_f64().unwrap());
    assert!(document["aws_slowest"].is_string(), "{document}");
}

#[tokio::test]
async fn a_signature_is_no_call() {
    let lines = Lines::capture_at(tracing::Level::DEBUG);
    let meter = Meter::start();
    let (objects, signer) = signers_of_a_role("token");
    let (now, minute) = (time::OffsetDateTime::now_utc(), std::time::Duration::from_mins(1));
    objects.presign_upload(&key(), &record().request, now, minute).await.unwrap();
    objects.presign_variant("photos/x/small.webp", now, minute).await.unwrap();
    signer.sign_form(&key(), &record().request, now, minute).await.unwrap();
    let document = document(&meter, &lines);
    assert_eq!((&document["aws_calls"], &document["aws_ms"]), (&0.into(), &0.0.into()));
    assert!(document.get("aws_slowest").is_none(), "{document}");
    assert_eq!(lines.with("message", "AWS called").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_is_counted_however_it_ends() {
    let lines = Lines::capture_at(tracing::Level::DEBUG);
    let meter = Meter::start();
    let store = PhotoStore::new(silent_clients(Timeouts::REQUEST).dynamodb, "photos".to_owned());
    assert!(store.get(&key()).await.is_err());
    let hasty = tokio::time::timeout(std::time::Duration::from_millis(100), store.get(&key())).await;
    assert!(hasty.is_err());
    let called = lines.with("message", "AWS called");
    let outcomes: Vec<_> = called.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["timed out", "cancelled"]);
    assert_eq!(called[0]["status"], 0);
    let document = document(&meter, &lines);
    assert_eq!((&document["aws_calls"], &document["aws_slowest"]), (&2.into(), &"dynamodb:GetItem".into()));
    assert!(document["aws_retries"].as_u64().unwrap() >= 1, "{document}");
}

#[tokio::test]
async fn at_info_there_is_the_sum_alone() {
    let lines = Lines::capture();
    let (clients, _) = answered_clients(Timeouts::REQUEST, vec![ok()]);
    let store = PhotoStore::new(clients.dynamodb, "photos".to_owned());
    let meter = Meter::start();
    store.get(&key()).await.unwrap();
    assert_eq!(document(&meter, &lines)["aws_calls"], 1);
    assert_eq!(lines.with("message", "AWS called").len(), 0);
    // The next invocation begins anew.
    assert_eq!(document(&Meter::start(), &lines)["aws_calls"], 0);
}

/// The sum is a thread's: see `photo_aws`'s module `calls`.
#[test]
fn every_function_runs_on_one_thread() {
    for function in ["upload", "thumbnail", "reconcile"] {
        let path = format!("{}/../../functions/{function}/src/main.rs", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("#[tokio::main(flavor = \"current_thread\")]"), "{path}");
    }
}

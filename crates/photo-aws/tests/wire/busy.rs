//! Writes that DynamoDB refuses for a moment are sent again, for as long as a call may take.

use std::time::Duration;

use photo_aws::replay::{self, answered_clients};
use photo_aws::{Created, IdempotentRequest, PhotoStore, Settled, Timeouts};
use photo_domain::IdempotencyKey;
use photo_domain::quota::{Exceeded, Quotas};
use serde_json::{Value, json};
use time::macros::datetime;
use tokio::time::Instant;

use crate::quota::{ALL, counter, counting, failed, failure, none, operations, refused_for};
use crate::table::{body, conflict, exception, key, ok, record, taken};

/// What DynamoDB's documentation names as passing, for a transaction.
const PASSING: [&str; 3] = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];

/// What tokio's timers round up to.
const TICK: Duration = Duration::from_millis(1);

fn busy(code: &'static str) -> (&'static str, Value) {
    (code, Value::Null)
}

#[tokio::test(start_paused = true)]
async fn a_busy_counter_is_tried_again() {
    for code in PASSING {
        let refused = || refused_for(&[busy(code), none()]);
        let (store, sent) = counting(ALL, vec![refused(), refused(), ok()]);
        assert_eq!(store.create(&record(), None).await.unwrap(), Created::New, "{code}");
        let sent = sent.all();
        assert_eq!(sent.len(), 3, "{code}");
        let tokens: Vec<_> = sent.iter().map(|sent| body(sent)["ClientRequestToken"].clone()).collect();
        assert!(
            tokens[0] != tokens[1] && tokens[1] != tokens[2],
            "a cancelled transaction is over: {tokens:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_photo_or_key_is_tried_again() {
    let key = IdempotencyKey::parse("k").unwrap();
    let request = IdempotentRequest { key: &key, fingerprint: "f" };
    for code in PASSING {
        for quotas in [ALL, Quotas::default()] {
            for at in 0..2 {
                let mut reasons = vec![none(); if quotas.are_off() { 2 } else { 3 }];
                let at = reasons.len() - 1 - at;
                reasons[at] = busy(code);
                let (store, sent) = counting(quotas, vec![refused_for(&reasons), ok()]);
                assert_eq!(store.create(&record(), Some(request)).await.unwrap(), Created::New, "{code}");
                assert_eq!(sent.all().len(), 2, "{code} of write {at}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_counter_is_given_up_after_the_time_of_a_call() {
    for code in PASSING {
        for timeouts in [Timeouts::REQUEST, Timeouts::PIPELINE] {
            let answers = vec![refused_for(&[busy(code), none()]); 2000];
            let (clients, sent) = answered_clients(timeouts, answers);
            let store = PhotoStore::new(clients.dynamodb, "photos".to_owned()).with_quotas(ALL);
            let began = Instant::now();
            assert!(store.create(&record(), None).await.is_err(), "{code}");
            let took = began.elapsed();
            assert!(took <= timeouts.operation + TICK && took > timeouts.operation / 2, "{code}: {took:?}");
            // A table without capacity is not asked as often as a counter that is free in a moment.
            let attempts = sent.all().len();
            let most = took.as_millis() / if code == "TransactionConflict" { 40 } else { 200 } + 10;
            assert!(attempts as u128 <= most && attempts > 5, "{code}: {attempts} in {took:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_taken_key_is_answered_though_the_counter_is_busy() {
    let key = IdempotencyKey::parse("k").unwrap();
    let request = IdempotentRequest { key: &key, fingerprint: "f" };
    let (_, text) = taken("01935b7c-0000-7000-8000-0000000000ff", "f");
    let item = serde_json::from_str::<Value>(&text).unwrap()["CancellationReasons"][1]["Item"].clone();
    for code in PASSING {
        let (store, sent) = counting(ALL, vec![refused_for(&[busy(code), none(), failed(item.clone())])]);
        let created = store.create(&record(), Some(request)).await.unwrap();
        assert!(matches!(created, Created::Replay { same_request: true, .. }), "{created:?}");
        assert_eq!(sent.all().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_counter_does_not_refuse_while_the_key_is_busy() {
    let key = IdempotencyKey::parse("k").unwrap();
    let request = IdempotentRequest { key: &key, fingerprint: "f" };
    let (_, text) = taken("01935b7c-0000-7000-8000-0000000000ff", "f");
    let item = serde_json::from_str::<Value>(&text).unwrap()["CancellationReasons"][1]["Item"].clone();
    let full = || failed(counter(10, 0, 0));
    for code in PASSING {
        // The same request takes the last room at this moment: this one is its repetition.
        let answers = vec![
            refused_for(&[full(), none(), busy(code)]),
            refused_for(&[full(), none(), failed(item.clone())]),
        ];
        let (store, _) = counting(ALL, answers);
        let created = store.create(&record(), Some(request)).await.unwrap();
        assert!(matches!(created, Created::Replay { same_request: true, .. }), "{created:?}");
        // Another request took it: this one is refused.
        let answers =
            vec![refused_for(&[full(), none(), busy(code)]), refused_for(&[full(), none(), none()])];
        let (store, _) = counting(ALL, answers);
        let created = store.create(&record(), Some(request)).await.unwrap();
        assert_eq!(created, Created::QuotaExceeded(Exceeded::Photos));
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_meets_a_busy_counter_gives_its_slot_back_once() {
    let at = datetime!(2026-11-24 12:01:00 UTC);
    for code in PASSING {
        for reasons in [[none(), busy(code)], [busy(code), none()]] {
            let (store, sent) = counting(ALL, vec![refused_for(&reasons), ok()]);
            assert_eq!(store.settle(&key(), &failure(), at).await.unwrap(), Settled::Now);
            assert_eq!(operations(&sent), ["TransactWriteItems"; 2]);
        }
        // The record has ended: a busy counter does not matter.
        let ended =
            exception("ConditionalCheckFailedException", json!({ "Item": { "status": { "S": "ready" } } }));
        let (store, sent) = counting(ALL, vec![refused_for(&[failed(Value::Null), busy(code)]), ended]);
        let settled = store.settle(&key(), &failure(), at).await.unwrap();
        assert!(matches!(settled, Settled::Before(_)), "{settled:?}");
        assert_eq!(operations(&sent), ["TransactWriteItems", "UpdateItem"]);
    }
}

/// Each plain write of a photo's record, by what it is called.
async fn write(name: &str, store: &PhotoStore) -> bool {
    let at = datetime!(2026-11-24 12:01:00 UTC);
    match name {
        "create" => store.create(&record(), None).await.is_ok_and(|created| created == Created::New),
        "import" => store.import(&record()).await.is_ok(),
        "settle" => store.settle(&key(), &failure(), at).await.is_ok(),
        "delete" => store.mark_deleted(&key(), at).await.unwrap_or(false),
        "bind" => store.bind_upload(&key(), "upload").await.is_ok(),
        "render" => store.count_render(&key(), at).await.is_ok(),
        "expire" => store.expire(&key(), 7, at).await.unwrap_or(false),
        "retry" => store.claim_retry(&key(), 0, at).await.unwrap_or(false),
        "remove" => store.remove(&key()).await.is_ok(),
        other => panic!("no such write: {other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_plain_write_that_meets_a_transaction_is_tried_again() {
    for name in ["create", "import", "settle", "delete", "bind", "render", "expire", "retry", "remove"] {
        let (store, sent) = replay::store(vec![conflict(), conflict(), ok()]);
        assert!(write(name, &store).await, "{name}");
        let operations = operations(&sent);
        assert!(
            operations.len() == 3 && operations.iter().all(|sent| *sent == operations[0]),
            "{operations:?}"
        );

        let (clients, _) = answered_clients(Timeouts::REQUEST, vec![conflict(); 2000]);
        let store = PhotoStore::new(clients.dynamodb, "photos".to_owned());
        let began = Instant::now();
        assert!(!write(name, &store).await, "{name}");
        let took = began.elapsed();
        assert!(
            took <= Timeouts::REQUEST.operation + TICK && took > Duration::from_secs(2),
            "{name}: {took:?}"
        );
    }
}

//! Quotas: one call that writes all or nothing, and what each refusal means.

use photo_aws::replay::{Answer, Sent, store};
use photo_aws::{Created, IdempotentRequest, PhotoStore, Settled};
use photo_domain::quota::{Exceeded, Quotas, Release};
use photo_domain::record::{Outcome, Status};
use photo_domain::{FailureCode, IdempotencyKey};
use serde_json::{Value, json};
use time::macros::datetime;

use crate::table::{body, cancelled, key, ok, record, taken};

pub(crate) const ALL: Quotas = Quotas { photos_per_day: 10, bytes_per_day: 5000, pending: 3 };
const OTHER_ID: &str = "01935b7c-0000-7000-8000-0000000000ff";

pub(crate) fn counting(quotas: Quotas, answers: Vec<Answer>) -> (PhotoStore, Sent) {
    let (store, sent) = store(answers);
    (store.with_quotas(quotas), sent)
}

/// One reason for each write, in order: counter, photo, idempotency key.
pub(crate) fn refused_for(codes: &[(&str, Value)]) -> Answer {
    let reasons: Vec<_> = codes
        .iter()
        .map(
            |(code, item)| {
                if item.is_null() { json!({ "Code": code }) } else { json!({ "Code": code, "Item": item }) }
            },
        )
        .collect();
    cancelled(&json!(reasons))
}

pub(crate) fn counter(photos: u64, bytes: u64, pending: u64) -> Value {
    let number = |value: u64| json!({ "N": value.to_string() });
    json!({ "pk": { "S": "owner#x" }, "photos": number(photos), "bytes": number(bytes), "pending": number(pending) })
}

pub(crate) fn none() -> (&'static str, Value) {
    ("None", Value::Null)
}

pub(crate) fn failed(item: Value) -> (&'static str, Value) {
    ("ConditionalCheckFailed", item)
}

#[tokio::test]
async fn a_counted_upload_is_one_call() {
    let (store, sent) = counting(ALL, vec![ok()]);
    assert_eq!(store.create(&record(), None).await.unwrap(), Created::New);
    let sent = sent.all();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].target.ends_with("TransactWriteItems"), "{}", sent[0].target);
    let mut request = body(&sent[0]);
    // The SDK's own: its retries carry the same one, so that none counts twice.
    assert!(request["ClientRequestToken"].as_str().is_some_and(|token| !token.is_empty()));
    request["ClientRequestToken"] = json!("[token]");
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!(request) });
}

#[tokio::test]
async fn without_quotas_it_is_the_plain_write_that_it_was() {
    let (store, sent) = counting(Quotas::default(), vec![ok(), ok()]);
    store.create(&record(), None).await.unwrap();
    store.settle(&key(), &failure(), datetime!(2026-11-24 12:01:00 UTC)).await.unwrap();
    let targets: Vec<_> = sent.all().iter().map(|request| request.target.clone()).collect();
    assert!(targets[0].ends_with("PutItem") && targets[1].ends_with("UpdateItem"), "{targets:?}");
}

#[tokio::test]
async fn a_limit_that_is_off_has_no_condition_and_no_slot_to_give_back() {
    let quotas = Quotas { photos_per_day: 10, ..Quotas::default() };
    let (store, sent) = counting(quotas, vec![ok(), ok()]);
    store.create(&record(), None).await.unwrap();
    let update = &body(&sent.all()[0])["TransactItems"][0]["Update"];
    assert_eq!(update["ConditionExpression"], "(attribute_not_exists(#photos) OR #photos <= :most_photos)");
    assert!(!update["UpdateExpression"].as_str().unwrap().contains("pending"));
    store.settle(&key(), &failure(), datetime!(2026-11-24 12:01:00 UTC)).await.unwrap();
    assert!(sent.all()[1].target.ends_with("UpdateItem"), "settling costs what it always did");
}

#[tokio::test]
async fn each_limit_that_is_reached_is_told_apart() {
    for (used, expected) in [
        (counter(10, 0, 0), Exceeded::Photos),
        (counter(1, 4001, 0), Exceeded::Bytes),
        (counter(5, 100, 3), Exceeded::Pending),
        (Value::Null, Exceeded::Photos),
    ] {
        let (store, _) = counting(ALL, vec![refused_for(&[failed(used), none()])]);
        assert_eq!(store.create(&record(), None).await.unwrap(), Created::QuotaExceeded(expected));
    }
}

#[tokio::test]
async fn what_no_day_has_room_for_is_refused_without_a_call() {
    let (store, sent) = counting(Quotas { bytes_per_day: 999, ..ALL }, vec![]);
    let created = store.create(&record(), None).await.unwrap();
    assert_eq!((created, sent.all().len()), (Created::BeyondQuota(Exceeded::Bytes), 0));
}

#[tokio::test]
async fn what_was_made_before_the_limit_was_lowered_is_still_found_by_its_key() {
    let key = IdempotencyKey::parse("k").unwrap();
    let request = IdempotentRequest { key: &key, fingerprint: "f" };
    let (_, text) = taken(OTHER_ID, "f");
    let item = serde_json::from_str::<Value>(&text).unwrap()["CancellationReasons"][1]["Item"].clone();
    let lowered = Quotas { bytes_per_day: 999, ..ALL };
    let mut expired = item.clone();
    expired["expires_at"] = json!({ "N": "1" });
    let (store, sent) = counting(lowered, vec![read(&item), ok(), read(&expired)]);
    let photo_id = OTHER_ID.parse().unwrap();
    let found = store.create(&record(), Some(request)).await.unwrap();
    assert_eq!(found, Created::Replay { photo_ids: vec![photo_id], same_request: true });
    for _ in ["no key", "a key that has expired"] {
        let made = store.create(&record(), Some(request)).await.unwrap();
        assert_eq!(made, Created::BeyondQuota(Exceeded::Bytes));
    }
    assert_eq!(operations(&sent), ["GetItem"; 3]);
}

/// DynamoDB's answer to a read of this item.
fn read(item: &Value) -> Answer {
    (200, json!({ "Item": item }).to_string())
}

pub(crate) fn operations(sent: &Sent) -> Vec<String> {
    sent.all().iter().filter_map(|request| request.target.rsplit('.').next().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_refused_batch_sends_no_transaction() {
    let key = IdempotencyKey::parse("k").unwrap();
    let ids = photo_domain::PhotoId::generate_many(3);
    let records: Vec<_> =
        ids.iter().map(|id| photo_domain::PhotoRecord { photo_id: *id, ..record() }).collect();
    let (_, text) = taken(OTHER_ID, "f");
    let item = serde_json::from_str::<Value>(&text).unwrap()["CancellationReasons"][1]["Item"].clone();
    let replay = |same_request| Created::Replay { photo_ids: vec![OTHER_ID.parse().unwrap()], same_request };
    let quotas = Quotas { bytes_per_day: 1_000_000, ..ALL };
    let full = || read(&counter(8, 0, 0));
    let refused = Created::QuotaExceeded(Exceeded::Photos);
    for (fingerprint, answers, expected, reads) in [
        (None, vec![full()], refused.clone(), 1),
        (Some("f"), vec![full(), ok()], refused, 2),
        (Some("f"), vec![ok(), read(&item)], replay(true), 2),
        (Some("another"), vec![ok(), read(&item)], replay(false), 2),
        // The same request has taken the last room: it is repeated, not refused.
        (Some("f"), vec![full(), read(&item)], replay(true), 2),
    ] {
        let (store, sent) = counting(quotas, answers);
        let request = fingerprint.map(|fingerprint| IdempotentRequest { key: &key, fingerprint });
        assert_eq!(store.create_all(&records, request).await.unwrap(), expected);
        assert_eq!(operations(&sent), vec!["GetItem"; reads]);
    }
    // With room for all three the transaction decides, and its refusal is known as before.
    let (store, sent) = counting(quotas, vec![ok(), refused_for(&[failed(counter(9, 0, 0)), none()])]);
    let created = store.create_all(&records, None).await.unwrap();
    assert_eq!(created, Created::QuotaExceeded(Exceeded::Photos));
    assert_eq!(operations(&sent), ["GetItem", "TransactWriteItems"]);
}

#[tokio::test]
async fn a_repeated_request_is_answered_though_the_quota_is_used_up() {
    let key = IdempotencyKey::parse("k").unwrap();
    let request = IdempotentRequest { key: &key, fingerprint: "f" };
    let item = |photo_id: &str| {
        let (_, text) = taken(photo_id, "f");
        serde_json::from_str::<Value>(&text).unwrap()["CancellationReasons"][1]["Item"].clone()
    };
    let answer = refused_for(&[failed(counter(10, 0, 0)), none(), failed(item(OTHER_ID))]);
    let (store, sent) = counting(ALL, vec![answer]);
    let photo_id = OTHER_ID.parse().unwrap();
    assert_eq!(
        store.create(&record(), Some(request)).await.unwrap(),
        Created::Replay { photo_ids: vec![photo_id], same_request: true }
    );
    assert_eq!(sent.all().len(), 1, "what was cancelled has counted nothing");
}

#[tokio::test]
async fn an_attempt_that_had_succeeded_is_found_and_does_not_count_again() {
    let (first, sent) = counting(ALL, vec![ok()]);
    first.create(&record(), None).await.unwrap();
    let written = body(&sent.all()[0])["TransactItems"][1]["Put"]["Item"].clone();
    let (again, _) = counting(ALL, vec![refused_for(&[failed(counter(10, 0, 0)), failed(written)])]);
    assert_eq!(again.create(&record(), None).await.unwrap(), Created::New);
}

pub(crate) fn failure() -> Outcome {
    Outcome::Failed { code: FailureCode::CorruptImage, reason: "x".to_owned() }
}

#[tokio::test]
async fn a_photo_s_end_gives_its_slot_back_in_the_same_transaction() {
    let (store, sent) = counting(ALL, vec![ok()]);
    let at = datetime!(2026-11-24 12:01:00 UTC);
    assert_eq!(store.settle(&key(), &failure(), at).await.unwrap(), Settled::Now);
    let sent = sent.all();
    assert_eq!(sent.len(), 1);
    let request = body(&sent[0]);
    let [record, release] = request["TransactItems"].as_array().unwrap().as_slice() else {
        panic!("two writes are expected")
    };
    assert_eq!(
        record["Update"]["ConditionExpression"],
        "#status IN (:from0, :from1) AND attribute_not_exists(quota_returned) AND quota_day = :quota_day"
    );
    // Once only: whatever comes later finds no slot.
    assert!(
        record["Update"]["UpdateExpression"]
            .as_str()
            .unwrap()
            .ends_with("REMOVE expires_at, render_starts, quota_day")
    );
    assert_eq!(release["Update"]["Key"]["sk"]["S"], "quota#2024-11-24");
    assert_eq!(release["Update"]["ExpressionAttributeValues"][":pending"]["N"], "-1");
    assert!(
        release["Update"]["ConditionExpression"].is_null(),
        "a counter that has expired must not stop it"
    );
}

#[tokio::test]
async fn an_end_that_comes_twice_gives_nothing_back() {
    let at = datetime!(2026-11-24 12:01:00 UTC);
    let settled =
        json!({ "__type": "ConditionalCheckFailedException", "Item": { "status": { "S": "ready" } } });
    for (answer, expected) in [
        ((400, settled.to_string()), Settled::Before(Status::Ready)),
        ((400, json!({ "__type": "ConditionalCheckFailedException" }).to_string()), Settled::NoRecord),
    ] {
        let (store, sent) = counting(ALL, vec![refused_for(&[failed(Value::Null), none()]), answer]);
        assert_eq!(store.settle(&key(), &failure(), at).await.unwrap(), expected);
        let targets: Vec<_> = sent.all().iter().map(|request| request.target.clone()).collect();
        // All or nothing was written by the first, and the second knows no counter.
        assert!(
            targets[0].ends_with("TransactWriteItems") && targets[1].ends_with("UpdateItem"),
            "{targets:?}"
        );
    }
}

#[tokio::test]
async fn a_record_from_before_the_quotas_is_settled_without_them() {
    let (store, sent) = counting(ALL, vec![refused_for(&[failed(Value::Null), none()]), ok()]);
    let at = datetime!(2026-11-24 12:01:00 UTC);
    assert_eq!(store.settle(&key(), &failure(), at).await.unwrap(), Settled::Now);
    assert!(sent.all()[1].target.ends_with("UpdateItem"));
}

#[tokio::test]
async fn an_upload_that_expires_gives_back_all_that_it_took() {
    let (store, _) = counting(ALL, vec![]);
    let update = store.release(&key(), Release::Everything { size_bytes: 1000 }).unwrap();
    let values = update.expression_attribute_values().unwrap();
    for (name, expected) in [(":photos", "-1"), (":bytes", "-1000"), (":pending", "-1")] {
        assert_eq!(values[name].as_n().unwrap(), expected);
    }
}

#[tokio::test]
async fn an_expired_record_says_what_it_gave_back() {
    let (store, sent) = counting(ALL, vec![ok()]);
    assert!(store.expire(&key(), 1000, datetime!(2026-11-24 12:20:00 UTC)).await.unwrap());
    let update = &body(&sent.all()[0])["TransactItems"][0]["Update"];
    let names = update["ExpressionAttributeNames"].as_object().unwrap();
    let (place, _) = names.iter().find(|(_, name)| *name == "quota_returned").unwrap();
    assert_eq!(update["ExpressionAttributeValues"][place.replace('#', ":")]["N"], "1000");
}

#[tokio::test]
async fn what_arrives_after_it_expired_is_counted_again_with_its_end() {
    let expired =
        json!({ "__type": "ConditionalCheckFailedException", "Item": { "status": { "S": "expired" } } });
    let found = json!({ "Item": { "status": { "S": "expired" }, "quota_returned": { "N": "1000" } } });
    let at = datetime!(2026-11-24 12:21:00 UTC);
    for quotas in [ALL, Quotas { pending: 0, ..ALL }] {
        let mut answers = vec![(400, expired.to_string()), (200, found.to_string()), ok()];
        if quotas.pending != 0 {
            answers.insert(0, refused_for(&[failed(Value::Null), none()]));
        }
        let (store, sent) = counting(quotas, answers);
        assert_eq!(store.settle(&key(), &failure(), at).await.unwrap(), Settled::Now);
        let sent = sent.all();
        let refused = body(&sent[sent.len() - 3]);
        assert!(
            refused["ConditionExpression"]
                .as_str()
                .unwrap()
                .ends_with("attribute_not_exists(quota_returned)")
        );
        let request = body(sent.last().unwrap());
        let [record, counter] = request["TransactItems"].as_array().unwrap().as_slice() else {
            panic!("two writes are expected")
        };
        let record = &record["Update"];
        assert!(record["ConditionExpression"].as_str().unwrap().ends_with("AND quota_returned = :returned"));
        assert!(
            record["UpdateExpression"]
                .as_str()
                .unwrap()
                .ends_with("REMOVE expires_at, render_starts, quota_returned"),
            "it counts once"
        );
        let counter = &counter["Update"];
        assert_eq!(counter["Key"]["sk"]["S"], "quota#2024-11-24");
        assert_eq!(counter["ExpressionAttributeValues"][":photos"]["N"], "1");
        assert_eq!(counter["ExpressionAttributeValues"][":bytes"]["N"], "1000");
        assert!(counter["ConditionExpression"].is_null(), "what has come is worked on, room or not");
    }
}

#[tokio::test]
async fn a_late_arrival_that_another_call_has_ended_counts_nothing() {
    let expired =
        json!({ "__type": "ConditionalCheckFailedException", "Item": { "status": { "S": "expired" } } });
    let ended =
        json!({ "__type": "ConditionalCheckFailedException", "Item": { "status": { "S": "ready" } } });
    let found = json!({ "Item": { "status": { "S": "expired" }, "quota_returned": { "N": "1000" } } });
    let answers = vec![
        (400, expired.to_string()),
        (200, found.to_string()),
        refused_for(&[failed(Value::Null), none()]),
        (400, ended.to_string()),
    ];
    let (store, _) = counting(Quotas { pending: 0, ..ALL }, answers);
    let settled = store.settle(&key(), &failure(), datetime!(2026-11-24 12:21:00 UTC)).await.unwrap();
    assert_eq!(settled, Settled::Before(Status::Ready));
}

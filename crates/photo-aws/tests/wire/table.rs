//! The table: one write for each creation, and what each refusal means.

use photo_aws::{Created, IdempotentRequest, Settled};
use photo_domain::record::{Outcome, PhotoRecord, State, Status};
use photo_domain::{
    ContentType, FailureCode, IdempotencyKey, Metadata, OriginalKey, OwnerId, PhotoId, UploadRequest,
};
use serde_json::{Value, json};
use time::macros::datetime;

use photo_aws::replay::{Answer, Request, store};

const OTHER_ID: &str = "01935b7c-0000-7000-8000-0000000000ff";

pub(crate) fn record() -> PhotoRecord {
    PhotoRecord {
        photo_id: "01935b7c-0000-7000-8000-000000000001".parse().unwrap(),
        owner: OwnerId::from_subject("auth0|7").unwrap(),
        request: UploadRequest {
            file_name: None,
            content_type: ContentType::Jpeg.into(),
            size_bytes: 1000,
            checksum: None,
            metadata: Metadata::default(),
            method: photo_domain::UploadMethod::Put,
        },
        created_at: datetime!(2026-11-24 12:00:00 UTC),
        state: State::Pending { expires_at: datetime!(2026-12-09 12:00:00 UTC) },
    }
}

pub(crate) fn key() -> OriginalKey {
    let PhotoRecord { owner, photo_id, .. } = record();
    OriginalKey { owner, photo_id }
}

pub(crate) fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

pub(crate) fn ok() -> Answer {
    (200, "{}".to_owned())
}

pub(crate) fn exception(name: &str, mut body: Value) -> Answer {
    body["__type"] = json!(format!("com.amazonaws.dynamodb.v20120810#{name}"));
    (400, body.to_string())
}

/// DynamoDB's answer to a plain write of an item that a transaction has.
pub(crate) fn conflict() -> Answer {
    exception("TransactionConflictException", json!({ "message": "Transaction is ongoing for the item" }))
}

pub(crate) fn cancelled(reasons: &Value) -> Answer {
    exception(
        "TransactionCanceledException",
        json!({ "Message": "cancelled", "CancellationReasons": reasons }),
    )
}

pub(crate) fn taken(photo_id: &str, fingerprint: &str) -> Answer {
    let item = json!({
        "pk": { "S": "owner#auth0%7C7" }, "sk": { "S": "idempotency#x" }, "photo_id": { "S": photo_id },
        "fingerprint": { "S": fingerprint }, "expires_at": { "N": "1796817600" },
    });
    cancelled(&json!([{ "Code": "None" }, { "Code": "ConditionalCheckFailed", "Item": item }]))
}

async fn create_once(answers: Vec<Answer>) -> (Result<Created, photo_aws::AwsError>, usize) {
    let (store, sent) = store(answers);
    let key = IdempotencyKey::parse("key-1").unwrap();
    let idempotent = IdempotentRequest { key: &key, fingerprint: "same" };
    let created = store.create(&record(), Some(idempotent)).await;
    (created, sent.all().len())
}

#[tokio::test]
async fn a_photo_is_created_by_one_conditional_write() {
    let (store, sent) = store(vec![ok()]);
    assert_eq!(store.create(&record(), None).await.unwrap(), Created::New);
    let [request] = sent.all().try_into().unwrap();
    assert_eq!(request.target, "DynamoDB_20120810.PutItem");
    let body = body(&request);
    assert_eq!(body["TableName"], "photos");
    assert_eq!(body["ConditionExpression"], "attribute_not_exists(pk)");
    assert_eq!(body["Item"]["status"]["S"], "pending");
    assert_eq!(body["Item"]["pk"]["S"], "owner#auth0%7C7");
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_recognised_as_our_own() {
    let (first, sent) = store(vec![ok()]);
    first.create(&record(), None).await.unwrap();
    let written = body(&sent.all()[0])["Item"].clone();

    let (again, _) = store(vec![exception("ConditionalCheckFailedException", json!({ "Item": written }))]);
    assert_eq!(again.create(&record(), None).await.unwrap(), Created::New);

    let mut foreign = written.clone();
    foreign["created_at"]["S"] = json!("2020-01-01T00:00:00Z");
    let (again, _) = store(vec![exception("ConditionalCheckFailedException", json!({ "Item": foreign }))]);
    assert!(again.create(&record(), None).await.is_err());
}

#[tokio::test]
async fn an_idempotency_key_and_its_photo_are_one_transaction() {
    let (store, sent) = store(vec![ok()]);
    let key = IdempotencyKey::parse("key-1").unwrap();
    let idempotent = IdempotentRequest { key: &key, fingerprint: "same" };
    assert_eq!(store.create(&record(), Some(idempotent)).await.unwrap(), Created::New);
    let [request] = sent.all().try_into().unwrap();
    assert_eq!(request.target, "DynamoDB_20120810.TransactWriteItems");
    let body = body(&request);
    let items = body["TransactItems"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(items[1]["Put"]["ConditionExpression"], "attribute_not_exists(pk) OR expires_at < :now");
    assert_eq!(items[0]["Put"]["Item"]["photo_id"], items[1]["Put"]["Item"]["photo_id"]);
    assert!(body["ClientRequestToken"].is_string());
}

#[tokio::test]
async fn a_taken_key_tells_its_photo_and_whether_the_request_is_the_same() {
    let other: PhotoId = OTHER_ID.parse().unwrap();
    for (fingerprint, same_request) in [("same", true), ("different", false)] {
        let (created, _) = create_once(vec![taken(OTHER_ID, fingerprint)]).await;
        assert_eq!(created.unwrap(), Created::Replay { photo_ids: vec![other], same_request });
    }
    // Our own earlier attempt.
    let own = record().photo_id.to_string();
    assert_eq!(create_once(vec![taken(&own, "same")]).await.0.unwrap(), Created::New);
}

#[tokio::test(start_paused = true)]
async fn transactions_that_meet_are_tried_again() {
    let conflict = || cancelled(&json!([{ "Code": "TransactionConflict" }, { "Code": "None" }]));
    let (created, calls) = create_once(vec![conflict(), conflict(), taken(OTHER_ID, "same")]).await;
    assert!(matches!(created.unwrap(), Created::Replay { same_request: true, .. }));
    assert_eq!(calls, 3);
}

#[tokio::test]
async fn a_record_settles_by_one_conditional_update_that_owes_its_event_and_drops_the_ttl() {
    let (store, sent) = store(vec![ok()]);
    let outcome = Outcome::Failed { code: FailureCode::NotAnImage, reason: "text".to_owned() };
    let at = datetime!(2026-11-24 12:00:05 UTC);
    assert_eq!(store.settle(&key(), &outcome, at).await.unwrap(), Settled::Now);
    let body = body(&sent.all()[0]);
    assert_eq!(body["ConditionExpression"], "#status IN (:from0, :from1)");
    let values = &body["ExpressionAttributeValues"];
    assert_eq!((&values[":from0"]["S"], &values[":from1"]["S"]), (&json!("pending"), &json!("expired")));
    let expression = body["UpdateExpression"].as_str().unwrap();
    assert!(
        expression.starts_with("SET ") && expression.ends_with(" REMOVE expires_at, render_starts"),
        "{expression}"
    );
    assert_eq!(
        assigned(&body),
        json!({
            "status": { "S": "failed" }, "updated_at": { "S": "2026-11-24T12:00:05Z" },
            "failure_code": { "S": "NOT_AN_IMAGE" }, "failure_reason": { "S": "text" },
            "unsent_event": { "S": "PhotoFailed" }, "unsent_event_at": { "S": "2026-11-24T12:00:05Z" },
            "due_shard": { "S": "1" }, "due_at": { "N": "1795521725" },
        })
    );
}

/// What an update sets, by attribute.
pub(crate) fn assigned(body: &Value) -> Value {
    let names = body["ExpressionAttributeNames"].as_object().unwrap();
    let assignments = names.iter().filter(|(placeholder, _)| placeholder.starts_with("#a"));
    assignments
        .map(|(placeholder, name)| {
            let value = body["ExpressionAttributeValues"][placeholder.replace('#', ":")].clone();
            (name.as_str().unwrap().to_owned(), value)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[tokio::test]
async fn a_writer_that_comes_late_learns_what_it_missed() {
    let outcome = Outcome::Failed { code: FailureCode::NotAnImage, reason: String::new() };
    let at = datetime!(2026-11-24 12:00:05 UTC);
    let found = json!({ "Item": { "status": { "S": "ready" } } });
    let cases = [(found, Settled::Before(Status::Ready)), (json!({}), Settled::NoRecord)];
    for (body, expected) in cases {
        let (store, _) = store(vec![exception("ConditionalCheckFailedException", body)]);
        assert_eq!(store.settle(&key(), &outcome, at).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_throttled_table_is_an_error_with_its_operation_and_cause() {
    let (store, _) =
        store(vec![exception("ProvisionedThroughputExceededException", json!({ "message": "slow down" }))]);
    let error = store.get(&key()).await.unwrap_err();
    assert_eq!(error.operation, "dynamodb:GetItem");
    assert!(photo_aws::error_chain(&error).contains("slow down"), "{}", photo_aws::error_chain(&error));
}

#[tokio::test]
async fn reads_are_consistent_and_an_absent_record_is_none() {
    let (store, sent) = store(vec![ok()]);
    assert_eq!(store.get(&key()).await.unwrap(), None);
    assert_eq!(body(&sent.all()[0])["ConsistentRead"], true);
}

#[tokio::test]
async fn several_photos_are_one_transaction_and_their_key_stands_for_all() {
    // The key is read first: it stands for nothing yet.
    let (store, sent) = store(vec![ok(), ok()]);
    let key = IdempotencyKey::parse("key-1").unwrap();
    let idempotent = IdempotentRequest { key: &key, fingerprint: "same" };
    let ids = PhotoId::generate_many(3);
    let records: Vec<_> = ids.iter().map(|id| PhotoRecord { photo_id: *id, ..record() }).collect();
    assert_eq!(store.create_all(&records, Some(idempotent)).await.unwrap(), Created::New);
    let [read, request] = sent.all().try_into().unwrap();
    assert!(read.target.ends_with("GetItem"), "{}", read.target);
    let body = body(&request);
    let items = body["TransactItems"].as_array().unwrap();
    assert_eq!(items.len(), 4);
    let kept = &items[3]["Put"]["Item"];
    let (second, third) = (ids[1].to_string(), ids[2].to_string());
    assert_eq!(kept["photo_id"]["S"], ids[0].to_string());
    assert_eq!(kept["further_photo_ids"]["L"], json!([{ "S": second }, { "S": third }]));
}

#[tokio::test]
async fn a_list_is_one_question_of_the_owner_s_own_partition_and_goes_on_where_it_ended() {
    let owner = record().owner;
    let last = json!({ "pk": { "S": "owner#auth0%7C7" }, "sk": { "S": format!("photo#{OTHER_ID}") } });
    let page = |items: Value, last: Option<&Value>| {
        let mut body = json!({ "Items": items });
        if let Some(last) = last {
            body["LastEvaluatedKey"] = last.clone();
        }
        (200, body.to_string())
    };
    let (first, sent) = store(vec![ok()]);
    first.create(&record(), None).await.unwrap();
    let item = body(&sent.all()[0])["Item"].clone();
    // One that cannot be read is left out; a short page is asked on for.
    let answers = vec![page(json!([item, { "pk": { "S": "x" } }]), Some(&last)), page(json!([]), None)];
    let (store, sent) = store(answers);
    let found = store.list(&owner, None, 3).await.unwrap();
    assert_eq!((found.photos, found.next), (vec![record()], None));
    let sent = sent.all();
    assert_eq!(sent.len(), 2);
    let (asked, again) = (body(&sent[0]), body(&sent[1]));
    assert_eq!(asked["ExpressionAttributeValues"][":owner"]["S"], "owner#auth0%7C7");
    assert_eq!((&asked["ScanIndexForward"], &asked["ConsistentRead"]), (&json!(false), &json!(true)));
    assert_eq!((&asked["Limit"], &again["Limit"]), (&json!(3), &json!(2)));
    assert_eq!(again["ExclusiveStartKey"], last);
}

#[tokio::test]
async fn a_list_of_deleted_photos_gives_up_a_page_and_keeps_its_place() {
    let last = json!({ "pk": { "S": "owner#auth0%7C7" }, "sk": { "S": format!("photo#{OTHER_ID}") } });
    let empty = || (200, json!({ "Items": [], "LastEvaluatedKey": last }).to_string());
    let (store, sent) = store(vec![empty(), empty(), empty(), empty()]);
    let found = store.list(&record().owner, None, 3).await.unwrap();
    assert!(found.photos.is_empty());
    assert_eq!(found.next.map(|cursor| cursor.after.to_string()).as_deref(), Some(OTHER_ID));
    assert_eq!(sent.all().len(), 3);
}

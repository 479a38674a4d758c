//! Creating records: conditions, transactions and the answers that get lost.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use futures::future::join_all;
use photo_aws::{Created, IdempotentRequest, error_chain};
use photo_domain::PhotoId;
use photo_domain::quota::Quotas;
use photodrop_tests::faults::{Fault, FaultProxy, Rule};

use crate::support::{Table, idempotency_key, key_of, local, now, owner, record};

const COUNTED: Quotas = Quotas { photos_per_day: 100, bytes_per_day: 0, pending: 100 };

#[tokio::test]
async fn a_record_is_created_once_and_read_as_written() {
    let table = Table::new().await;
    let record = table.create().await;
    assert_eq!(table.store.get(&key_of(&record)).await.unwrap(), Some(record.clone()));
    // The same write again is an earlier attempt whose answer was lost; another one is a mistake.
    assert_eq!(table.store.create(&record, None).await.unwrap(), Created::New);
    let mut other = record.clone();
    other.request.size_bytes += 1;
    let error = table.store.create(&other, None).await.unwrap_err();
    assert!(error_chain(&error).contains("conditional request failed"), "{}", error_chain(&error));
    assert_eq!(table.store.get(&key_of(&record)).await.unwrap(), Some(record));
}

#[tokio::test]
async fn a_key_creates_one_photo_of_many_requests() {
    for quotas in [Quotas::default(), COUNTED] {
        let table = Table::with_quotas(quotas).await;
        let records: Vec<_> = (0..8).map(|_| record(1000)).collect();
        let created = join_all(records.iter().map(|record| table.create_with(record, "key"))).await;
        let new: Vec<_> = created.iter().zip(&records).filter(|(made, _)| **made == Created::New).collect();
        let [(_, winner)] = new[..] else { panic!("{created:?}") };
        let replay = Created::Replay { photo_ids: vec![winner.photo_id], same_request: true };
        assert_eq!(created.iter().filter(|made| **made == replay).count(), 7, "{created:?}");
        let listed = table.store.list(&owner(), None, 10).await.unwrap().photos;
        assert_eq!(listed.iter().map(|photo| photo.photo_id).collect::<Vec<_>>(), [winner.photo_id]);
        // Another request under the same key is told apart.
        let key = idempotency_key("key");
        let request = IdempotentRequest { key: &key, fingerprint: "other" };
        let other = table.store.create(&record(1000), Some(request)).await.unwrap();
        assert_eq!(other, Created::Replay { photo_ids: vec![winner.photo_id], same_request: false });
    }
}

#[tokio::test]
async fn an_expired_key_is_free_again() {
    let table = Table::new().await;
    let mut old = record(1000);
    old.created_at = now() - time::Duration::hours(25);
    assert_eq!(table.create_with(&old, "key").await, Created::New);
    assert_eq!(table.create_with(&record(1000), "key").await, Created::New);
    assert!(matches!(table.create_with(&record(1000), "key").await, Created::Replay { .. }));
}

#[tokio::test]
async fn a_batch_is_written_whole_or_not_at_all() {
    let table = Table::with_quotas(COUNTED).await;
    let batch: Vec<_> = (0..25).map(|_| record(1000)).collect();
    let key = idempotency_key("batch");
    let request = IdempotentRequest { key: &key, fingerprint: "same" };
    assert_eq!(table.store.create_all(&batch, Some(request)).await.unwrap(), Created::New);
    let ids: Vec<PhotoId> = batch.iter().map(|record| record.photo_id).collect();
    let replay = Created::Replay { photo_ids: ids, same_request: true };
    assert_eq!(table.store.create_all(&[record(1), record(1)], Some(request)).await.unwrap(), replay);
    // The last id is taken: nothing of the first ones is left, and nothing is counted.
    let taken = batch[24].clone();
    let refused = [record(1000), record(1000), taken];
    let error = table.store.create_all(&refused, None).await.unwrap_err();
    assert!(
        error_chain(&error).contains("None, None, None, ConditionalCheckFailed"),
        "{}",
        error_chain(&error)
    );
    for gone in &refused[..2] {
        assert!(table.photo(&key_of(gone)).await.is_none());
    }
    assert_eq!(table.counter(&key_of(&batch[0])).await.photos, 25);
}

/// The SDK tries again what got no answer. The first attempt has been carried out, or is carried out afterwards.
#[tokio::test]
async fn a_lost_answer_writes_and_counts_once() {
    let table = Table::with_quotas(COUNTED).await;
    let proxy = FaultProxy::start(&local("AWS_ENDPOINT_URL_DYNAMODB")).await.unwrap();
    for fault in [Fault::ResetAfter, Fault::HalfAnswer, Fault::Late] {
        let single = record(1000);
        proxy.add(Rule::once(&single.photo_id.to_string(), 0, fault));
        let store = table.store_through(&proxy.url, Quotas::default());
        assert_eq!(store.create(&single, None).await.unwrap(), Created::New, "{fault} PutItem");

        let before = table.counter(&key_of(&single)).await;
        let counted = record(1000);
        proxy.add(Rule::once(&counted.photo_id.to_string(), 0, fault));
        let store = table.store_through(&proxy.url, COUNTED);
        let key = idempotency_key(&format!("key of {fault}"));
        let request = IdempotentRequest { key: &key, fingerprint: "same" };
        assert_eq!(store.create(&counted, Some(request)).await.unwrap(), Created::New, "{fault} transaction");
        if fault == Fault::Late {
            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        }
        let after = table.counter(&key_of(&counted)).await;
        assert_eq!((after.photos, after.pending), (before.photos + 1, before.pending + 1), "{fault}");
        let calls = proxy.calls_about(&counted.photo_id.to_string());
        assert_eq!(calls.len(), 2, "{fault}: {calls:?}");
    }
}

/// What the SDK's retries of a transaction rest on: one token stands for one set of writes.
#[tokio::test]
async fn a_request_token_stands_for_the_same_writes_alone() {
    let table = Table::new().await;
    let token = PhotoId::generate().to_string();
    let send = |value: &str| {
        let put = Put::builder()
            .table_name(&table.name)
            .item("pk", AttributeValue::S("token".to_owned()))
            .item("sk", AttributeValue::S("token".to_owned()))
            .item("value", AttributeValue::S(value.to_owned()))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .unwrap();
        let write = TransactWriteItem::builder().put(put).build();
        table.client.transact_write_items().client_request_token(&token).transact_items(write).send()
    };
    send("a").await.unwrap();
    send("a").await.expect("the same token and the same writes are answered as the first time");
    let error = send("b").await.unwrap_err().into_service_error();
    assert!(error.is_idempotent_parameter_mismatch_exception(), "{error:?}");
    let item = table.item("token", "token").await.unwrap();
    assert_eq!(item["value"], AttributeValue::S("a".to_owned()));
}

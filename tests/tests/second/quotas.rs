//! Quotas: what transactions count, refuse, give back and take again.

use futures::future::join_all;
use photo_aws::{Created, Settled};
use photo_domain::quota::{Counter, Exceeded, Quotas};
use photo_domain::record::Status;

use crate::support::{Table, failed, key_of, now, ready, record};

const NONE: Quotas = Quotas { photos_per_day: 0, bytes_per_day: 0, pending: 0 };

#[tokio::test]
async fn the_last_room_is_given_once() {
    let table = Table::with_quotas(Quotas { photos_per_day: 6, ..NONE }).await;
    let records: Vec<_> = (0..12).map(|_| record(1000)).collect();
    let created = join_all(records.iter().map(|record| table.store.create(record, None))).await;
    let created: Vec<_> = created.into_iter().map(Result::unwrap).collect();
    let new = created.iter().filter(|made| **made == Created::New).count();
    let refused = created.iter().filter(|made| **made == Created::QuotaExceeded(Exceeded::Photos)).count();
    assert_eq!((new, refused), (6, 6), "{created:?}");
    assert_eq!(table.counter(&key_of(&records[0])).await, Counter { photos: 6, bytes: 6000, pending: 0 });
}

#[tokio::test]
async fn each_limit_is_named_and_a_refusal_writes_nothing() {
    for (quotas, exceeded) in [
        (Quotas { photos_per_day: 2, ..NONE }, Exceeded::Photos),
        (Quotas { bytes_per_day: 2500, ..NONE }, Exceeded::Bytes),
        (Quotas { pending: 2, ..NONE }, Exceeded::Pending),
    ] {
        let table = Table::with_quotas(quotas).await;
        for _ in 0..2 {
            table.create().await;
        }
        let refused = record(1000);
        let before = table.counter(&key_of(&refused)).await;
        let created = table.store.create(&refused, None).await.unwrap();
        assert_eq!(created, Created::QuotaExceeded(exceeded));
        // A batch asks the counter first; a key that is refused stays free.
        let batch = [record(1000), record(1000)];
        let created = table.store.create_all(&batch, None).await.unwrap();
        assert_eq!(created, Created::QuotaExceeded(exceeded));
        assert_eq!(table.create_with(&refused, "key").await, Created::QuotaExceeded(exceeded));
        for record in [&refused, &batch[0], &batch[1]] {
            assert!(table.photo(&key_of(record)).await.is_none());
        }
        assert_eq!(table.counter(&key_of(&refused)).await, before);
    }
}

#[tokio::test]
async fn a_taken_key_comes_before_a_full_quota() {
    let table = Table::with_quotas(Quotas { photos_per_day: 1, ..NONE }).await;
    let first = record(1000);
    assert_eq!(table.create_with(&first, "key").await, Created::New);
    // Both conditions fail, and both reasons come with their items.
    let replay = Created::Replay { photo_ids: vec![first.photo_id], same_request: true };
    assert_eq!(table.create_with(&record(1000), "key").await, replay);
    let other = table.create_with(&record(1000), "other key").await;
    assert_eq!(other, Created::QuotaExceeded(Exceeded::Photos));
}

#[tokio::test]
async fn a_settled_photo_gives_its_slot_back_once() {
    let table = Table::with_quotas(Quotas { pending: 2, ..NONE }).await;
    for outcome in [ready(), failed()] {
        let (record, other) = (table.create().await, table.create().await);
        let key = key_of(&record);
        let refused = table.store.create(&crate::support::record(1), None).await.unwrap();
        assert_eq!(refused, Created::QuotaExceeded(Exceeded::Pending));
        assert_eq!(table.store.settle(&key, &outcome, now()).await.unwrap(), Settled::Now);
        assert_eq!(table.counter(&key).await.pending, 1);
        let again = table.store.settle(&key, &outcome, now()).await.unwrap();
        assert_eq!(again, Settled::Before(outcome.status()));
        assert_eq!(table.counter(&key).await.pending, 1, "an event that comes twice gives nothing back");
        assert_eq!(table.store.settle(&key_of(&other), &outcome, now()).await.unwrap(), Settled::Now);
    }
}

#[tokio::test]
async fn an_expired_upload_gives_all_back_until_it_comes() {
    let table = Table::with_quotas(Quotas { photos_per_day: 9, bytes_per_day: 9000, pending: 9 }).await;
    let record = table.create().await;
    let key = key_of(&record);
    assert_eq!(table.counter(&key).await, Counter { photos: 1, bytes: 1000, pending: 1 });
    assert!(table.store.expire(&key, 1000, now()).await.unwrap());
    assert!(!table.store.expire(&key, 1000, now()).await.unwrap());
    assert_eq!(table.counter(&key).await, Counter::default());
    assert_eq!(table.store.settle(&key, &ready(), now()).await.unwrap(), Settled::Now);
    assert_eq!(table.counter(&key).await, Counter { photos: 1, bytes: 1000, pending: 0 });
    let again = table.store.settle(&key, &ready(), now()).await.unwrap();
    assert_eq!(again, Settled::Before(Status::Ready));
    assert_eq!(table.counter(&key).await.photos, 1);
}

#[tokio::test]
async fn a_removed_photo_gives_back_the_slot_it_held() {
    let table = Table::with_quotas(Quotas { pending: 9, ..NONE }).await;
    let (deleted, kept) = (table.create().await, table.create().await);
    let key = key_of(&deleted);
    assert!(table.store.mark_deleted(&key, now()).await.unwrap());
    assert_eq!(table.counter(&key).await.pending, 2, "a delete is one write");
    for _ in 0..2 {
        table.store.remove(&key).await.unwrap();
        assert_eq!(table.counter(&key).await.pending, 1);
    }
    table.store.remove(&key_of(&kept)).await.unwrap();
    assert!(table.photo(&key_of(&kept)).await.is_some(), "a photo that is not deleted is not removed");
}

//! Every conditional write of `Step`, from every status.

use photo_aws::{RenderCount, Settled};
use photo_domain::quota::Quotas;
use photo_domain::record::Status;
use photo_domain::{OriginalKey, Step};
use photodrop_tests::faults::{Fault, FaultProxy, Rule};

use crate::support::{Table, failed, key_of, local, now, processed, ready, record};

const COUNTED: Quotas = Quotas { photos_per_day: 1000, bytes_per_day: 1_000_000, pending: 1000 };

/// Takes a step by the store's own method; whether the table was changed, by the method's answer.
async fn take(table: &Table, step: Step, key: &OriginalKey) -> bool {
    let (store, at) = (&table.store, now());
    match step {
        Step::Succeed => store.settle(key, &ready(), at).await.unwrap() == Settled::Now,
        Step::Fail => store.settle(key, &failed(), at).await.unwrap() == Settled::Now,
        Step::Expire => store.expire(key, 1000, at).await.unwrap(),
        Step::Retry => store.claim_retry(key, 0, at).await.unwrap(),
        Step::NoteStart => store.note_start(key, at).await.unwrap(),
        Step::ClearStarts => clear_starts(table, key).await,
        Step::Render => store.count_render(key, at).await.unwrap() == RenderCount::Counted,
        Step::Renew => renew(table, key, Status::Ready).await == Settled::Now,
        Step::Recover => renew(table, key, Status::Failed).await == Settled::Now,
        Step::Delete => store.mark_deleted(key, at).await.unwrap(),
        Step::Remove => {
            let existed = table.photo(key).await.is_some();
            store.remove(key).await.unwrap();
            existed && table.photo(key).await.is_none()
        }
    }
}

async fn clear_starts(table: &Table, key: &OriginalKey) -> bool {
    let noted = table.store.note_start(key, now()).await.unwrap();
    table.store.clear_starts(key).await.unwrap();
    noted && table.store.track(key).await.unwrap().unwrap().render_starts.is_empty()
}

async fn renew(table: &Table, key: &OriginalKey, was: Status) -> Settled {
    table.store.renew(key, &processed("second"), was, now()).await.unwrap()
}

#[tokio::test]
async fn a_step_is_taken_from_its_statuses_alone() {
    for quotas in [Quotas::default(), COUNTED] {
        let table = Table::with_quotas(quotas).await;
        for (step, status) in Step::ALL.into_iter().flat_map(|step| Status::ALL.map(|status| (step, status)))
        {
            let key = key_of(&table.create_in(status).await);
            let (before, counter) = (table.photo(&key).await, table.counter(&key).await);
            let taken = take(&table, step, &key).await;
            assert_eq!(taken, step.from().contains(&status), "{step:?} from {status}");
            if !taken {
                assert_eq!(table.photo(&key).await, before, "{step:?} from {status} changes nothing");
                assert_eq!(table.counter(&key).await, counter, "{step:?} from {status} counts nothing");
                continue;
            }
            let Some(after) = table.store.track(&key).await.unwrap() else {
                assert_eq!(step, Step::Remove);
                continue;
            };
            assert_eq!(after.record.status(), step.to().unwrap_or(status), "{step:?} from {status}");
            // The event of a delete is sent by the removal.
            if step != Step::Delete
                && let Some(what) = step.announces()
            {
                assert_eq!(after.unsent.map(|unsent| unsent.what), Some(what), "{step:?} from {status}");
                assert!(after.due_at.is_some(), "{step:?} from {status}");
            }
        }
    }
}

#[tokio::test]
async fn no_step_makes_a_record_that_is_missing() {
    for quotas in [Quotas::default(), COUNTED] {
        let table = Table::with_quotas(quotas).await;
        for step in Step::ALL {
            let key = key_of(&record(1000));
            assert!(!take(&table, step, &key).await, "{step:?}");
            assert!(table.photo(&key).await.is_none(), "{step:?}");
        }
        let count = table.client.scan().table_name(&table.name).send().await.unwrap().count;
        assert_eq!(count, 0, "no counter either");
    }
}

#[tokio::test]
async fn a_step_that_lost_its_answer_is_taken_once() {
    let table = Table::with_quotas(COUNTED).await;
    let proxy = FaultProxy::start(&local("AWS_ENDPOINT_URL_DYNAMODB")).await.unwrap();
    let record = table.create().await;
    let key = key_of(&record);
    proxy.add(Rule::once(&record.photo_id.to_string(), 0, Fault::ResetAfter));
    let store = table.store_through(&proxy.url, COUNTED);
    // In a transaction the token tells; a plain update finds the status that it has set.
    assert_eq!(store.settle(&key, &ready(), now()).await.unwrap(), Settled::Now);
    assert_eq!(table.counter(&key).await.pending, 0);
    proxy.add(Rule::once(&record.photo_id.to_string(), 0, Fault::ResetAfter));
    assert!(!store.mark_deleted(&key, now()).await.unwrap());
    assert_eq!(table.store.track(&key).await.unwrap().unwrap().record.status(), Status::Deleting);
}

#[tokio::test]
async fn retries_are_claimed_once_each_and_in_order() {
    let table = Table::new().await;
    let key = key_of(&table.create().await);
    for seen in 0..3 {
        let claims = (0..4).map(|_| table.store.claim_retry(&key, seen, now()));
        let claimed = futures::future::join_all(claims).await;
        assert_eq!(claimed.into_iter().filter(|claim| *claim.as_ref().unwrap()).count(), 1, "{seen}");
    }
    assert!(!table.store.claim_retry(&key, 1, now()).await.unwrap());
    assert_eq!(table.store.track(&key).await.unwrap().unwrap().attempts, 3);
}

#[tokio::test]
async fn variants_are_renewed_once_by_each_recipe() {
    let table = Table::new().await;
    let key = key_of(&table.create_in(Status::Ready).await);
    assert_eq!(renew(&table, &key, Status::Ready).await, Settled::Now);
    assert_eq!(renew(&table, &key, Status::Ready).await, Settled::Before(Status::Ready));
    let recovered = key_of(&table.create_in(Status::Failed).await);
    assert_eq!(renew(&table, &recovered, Status::Failed).await, Settled::Now);
    let item = table.photo(&recovered).await.unwrap();
    assert!(!item.contains_key("failure_code") && item.contains_key("tag_due"), "{item:?}");
}

#[tokio::test]
async fn the_end_of_one_render_removes_all_notes() {
    let table = Table::new().await;
    let key = key_of(&table.create().await);
    let (first, second) = (now(), now() + time::Duration::milliseconds(1));
    let notes = async || table.store.track(&key).await.unwrap().unwrap().render_starts;
    for at in [first, second, second] {
        assert!(table.store.note_start(&key, at).await.unwrap());
    }
    assert_eq!(notes().await.len(), 2);
    for _ in 0..2 {
        table.store.clear_starts(&key).await.unwrap();
        assert!(notes().await.is_empty());
        assert!(!table.photo(&key).await.unwrap().contains_key("render_starts"), "a set is never empty");
    }
    table.store.note_start(&key, first).await.unwrap();
    assert_eq!(table.store.settle(&key, &ready(), now()).await.unwrap(), Settled::Now);
    assert!(notes().await.is_empty(), "the end takes all notes");
}

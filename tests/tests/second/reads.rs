//! Queries, cursors and batches, and the small writes of upkeep.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use photo_aws::{Bound, Imported, Known, RenderCount};
use photo_domain::record::Status;
use photo_domain::{Announcement, MAX_MULTIPART_UPLOADS, OriginalKey, PhotoId, upkeep};

use crate::support::{Table, key_of, now, owner, processed, record};

#[tokio::test]
async fn due_photos_come_page_by_page_in_order() {
    let table = Table::new().await;
    let at = now();
    // More than one page holds, and in one partition of the index.
    let photos: Vec<OriginalKey> =
        (0..1_100).map(|_| OriginalKey { owner: owner(), photo_id: PhotoId::generate() }).collect();
    for (number, chunk) in photos.chunks(25).enumerate() {
        let puts = chunk.iter().map(|key| {
            let due_at = at.unix_timestamp() - i64::try_from(number % 7).unwrap();
            let put = PutRequest::builder()
                .item("pk", AttributeValue::S(format!("owner#{}", key.owner.encoded())))
                .item("sk", AttributeValue::S(format!("photo#{}", key.photo_id)))
                .item("due_shard", AttributeValue::S("3".to_owned()))
                .item("due_at", AttributeValue::N(due_at.to_string()))
                .build()
                .unwrap();
            WriteRequest::builder().put_request(put).build()
        });
        let request = table.client.batch_write_item().request_items(&table.name, puts.collect());
        assert!(request.send().await.unwrap().unprocessed_items.is_none_or(|left| left.is_empty()));
    }
    let first = table.store.due(3, at, None).await.unwrap();
    assert_eq!(first.photos.len(), 1_000);
    let second = table.store.due(3, at, first.next).await.unwrap();
    assert_eq!((second.photos.len(), second.next.is_none()), (100, true));
    let found: Vec<_> = first.photos.into_iter().chain(second.photos).collect();
    assert!(found.is_sorted_by_key(|photo| photo.due_at));
    let ids = |keys: &mut dyn Iterator<Item = PhotoId>| keys.collect::<BTreeSet<_>>();
    assert_eq!(
        ids(&mut found.iter().map(|photo| photo.key.photo_id)),
        ids(&mut photos.iter().map(|key| key.photo_id))
    );
    assert!(table.store.due(4, at, None).await.unwrap().photos.is_empty(), "another partition");
    let before = table.store.due(3, at - Duration::from_secs(7), None).await.unwrap();
    assert!(before.photos.is_empty(), "not yet due");
}

#[tokio::test]
async fn the_due_index_holds_what_is_due_alone() {
    let table = Table::new().await;
    let record = table.create().await;
    let (key, shard) = (key_of(&record), upkeep::shard(record.photo_id));
    let is_due = async |at| table.store.due(shard, at, None).await.unwrap().photos.len() == 1;
    assert!(!is_due(now()).await);
    let later = now() + upkeep::UPLOAD_WINDOW + Duration::from_secs(1);
    assert!(is_due(later).await);
    assert!(table.store.hasten(&key, now()).await.unwrap());
    assert!(is_due(now()).await);
    let seen = table.store.track(&key).await.unwrap().unwrap();
    table.store.look_again(&key, &seen, later).await.unwrap();
    assert!(!is_due(now()).await && is_due(later).await);
    assert!(!table.store.rest(&key, &seen).await.unwrap(), "something has come up since it was read");
    let seen = table.store.track(&key).await.unwrap().unwrap();
    assert!(table.store.rest(&key, &seen).await.unwrap());
    assert!(!is_due(later).await, "a record without due_at leaves the sparse index");
}

#[tokio::test]
async fn a_list_goes_on_behind_its_cursor() {
    let table = Table::new().await;
    let mut photos = Vec::new();
    for _ in 0..7 {
        photos.push(table.create().await);
    }
    // Other items of the partition are not listed.
    assert!(table.store.import(&record(1)).await.is_ok_and(|made| made == Imported::New));
    table.store.note_import(&key_of(&photos[0]), now()).await.unwrap();
    let mut expected: Vec<_> = photos.iter().map(|photo| photo.photo_id).collect();
    let listed = table.store.list(&owner(), None, 10).await.unwrap();
    let imported = listed.photos[0].photo_id;
    expected.push(imported);
    expected.sort_unstable_by(|a, b| b.cmp(a));
    let deleted = expected[3];
    let key = OriginalKey { owner: owner(), photo_id: deleted };
    let mut found = Vec::new();
    let mut cursor = None;
    for page in 0..20 {
        let listed = table.store.list(&owner(), cursor, 3).await.unwrap();
        found.extend(listed.photos.iter().map(|photo| photo.photo_id));
        cursor = listed.next;
        if page == 0 {
            // The record that the cursor names goes away between two pages.
            let last = OriginalKey { owner: owner(), photo_id: *found.last().unwrap() };
            assert!(table.store.mark_deleted(&last, now()).await.unwrap());
            table.store.remove(&last).await.unwrap();
            assert!(table.store.mark_deleted(&key, now()).await.unwrap());
        }
        if cursor.is_none() {
            break;
        }
    }
    expected.retain(|id| *id != deleted);
    assert_eq!(found, expected);
}

#[tokio::test]
async fn many_records_are_known_by_batches() {
    let table = Table::new().await;
    let (mut keys, mut there) = (Vec::new(), BTreeSet::new());
    for number in 0..250 {
        let record = record(1000);
        if number % 5 == 0 {
            table.store.create(&record, None).await.unwrap();
            there.insert(record.photo_id);
        }
        keys.push(key_of(&record));
    }
    let ready = key_of(&table.create_in(Status::Ready).await);
    keys.push(ready.clone());
    let known = table.store.known(&keys).await.unwrap();
    let Some(Known::Record { status, variant_keys, recipe, .. }) = known.get(&ready) else {
        panic!("{known:?}")
    };
    assert_eq!((*status, variant_keys.len()), (Status::Ready, 1));
    assert_eq!(recipe, &processed("first").recipe);
    there.insert(ready.photo_id);
    assert_eq!(known.keys().map(|key| key.photo_id).collect::<BTreeSet<_>>(), there);
}

#[tokio::test]
async fn a_photo_is_bound_to_a_few_uploads() {
    let table = Table::new().await;
    let key = key_of(&table.create().await);
    let ids: Vec<_> = (0..=MAX_MULTIPART_UPLOADS).map(|number| format!("upload-{number}")).collect();
    let (last, bound) = ids.split_last().unwrap();
    for id in bound.iter().chain(bound) {
        assert_eq!(table.store.bind_upload(&key, id).await.unwrap(), Bound::Yes, "{id}");
    }
    assert_eq!(table.store.bind_upload(&key, last).await.unwrap(), Bound::TooMany);
    let mut stored = table.store.track(&key).await.unwrap().unwrap().upload_ids;
    stored.sort_unstable();
    assert_eq!(stored, bound);
    let settled = key_of(&table.create_in(Status::Ready).await);
    assert_eq!(table.store.bind_upload(&settled, last).await.unwrap(), Bound::Closed);
}

#[tokio::test]
async fn a_form_is_rendered_a_few_times() {
    let table = Table::new().await;
    let record = table.create().await;
    let key = key_of(&record);
    let due_at = table.store.track(&key).await.unwrap().unwrap().due_at;
    let counts = (0..5).map(|_| table.store.count_render(&key, now() + Duration::from_mins(1)));
    let counts = futures::future::join_all(counts).await;
    let counted = counts.into_iter().filter(|count| *count.as_ref().unwrap() == RenderCount::Counted);
    assert_eq!(counted.count(), upkeep::MAX_FORM_RENDERS as usize);
    assert_eq!(table.store.count_render(&key, now()).await.unwrap(), RenderCount::UsedUp);
    assert_eq!(table.store.track(&key).await.unwrap().unwrap().due_at, due_at, "it was due before");
}

#[tokio::test]
async fn an_event_is_owed_until_it_is_sent() {
    let table = Table::new().await;
    for (status, what) in [(Status::Ready, Announcement::Ready), (Status::Failed, Announcement::Failed)] {
        let key = key_of(&table.create_in(status).await);
        let unsent = table.store.track(&key).await.unwrap().unwrap().unsent.unwrap();
        assert_eq!(unsent.what, what);
        let other = photo_domain::event::Unsent { at: unsent.at - Duration::from_secs(1), ..unsent };
        table.store.announced(&key, other).await.unwrap();
        assert_eq!(table.store.track(&key).await.unwrap().unwrap().unsent, Some(unsent), "another event");
        table.store.announced(&key, unsent).await.unwrap();
        let after = table.store.track(&key).await.unwrap().unwrap();
        assert_eq!(after.unsent, None);
        assert_eq!(after.due_at.is_some(), status == Status::Failed, "a failed photo's original is tagged");
    }
}

#[tokio::test]
async fn notes_of_upkeep_are_read_as_written() {
    let table = Table::new().await;
    let (store, at) = (&table.store, now());
    assert_eq!(store.checkpoint("originals").await.unwrap(), None);
    store.save_checkpoint("originals", Some("photos/ä/%"), at).await.unwrap();
    assert_eq!(store.checkpoint("originals").await.unwrap().as_deref(), Some("photos/ä/%"));
    store.save_checkpoint("originals", None, at).await.unwrap();
    assert_eq!(store.checkpoint("originals").await.unwrap(), None);
    let record = record(1);
    let key = key_of(&record);
    assert_eq!(store.orphan_since(&key).await.unwrap(), None);
    store.note_orphan(&key, at, Duration::from_hours(24)).await.unwrap();
    assert_eq!(store.orphan_since(&key).await.unwrap(), Some(at.replace_nanosecond(0).unwrap()));
    assert!(!store.was_imported(&key).await.unwrap());
    store.note_import(&key, at).await.unwrap();
    assert!(store.was_imported(&key).await.unwrap());
    assert_eq!(store.import(&record).await.unwrap(), Imported::New);
    assert!(store.mark_deleted(&key, at).await.unwrap());
    let mut again = record;
    again.request.size_bytes = 2;
    assert_eq!(store.import(&again).await.unwrap(), Imported::Before(Status::Deleting));
    store.check().await.unwrap();
}

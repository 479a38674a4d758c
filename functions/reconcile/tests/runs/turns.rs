//! Whose due records are looked after, and how long a run goes on.

use serde_json::json;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::support::{
    Answers, Calls, ID, SHARDS, body, due, due_page, found, listing, ok, run, run_with, writes,
};

fn id(number: u32) -> String {
    format!("01935b7c-0000-7000-8000-{number:012x}")
}

/// The index with so many photos of one owner, all due before the one of another.
fn index(flood: u32) -> Vec<photo_aws::replay::Answer> {
    let ids: Vec<_> = (1..=flood).map(id).collect();
    let mut photos: Vec<_> = ids.iter().zip(1..).map(|(id, due_at)| ("flood", id.as_str(), due_at)).collect();
    photos.push(("other", ID, 1_000_000));
    let mut answers = vec![due_page(&photos, false)];
    answers.extend(vec![due_page(&[], false); SHARDS - 1]);
    answers
}

/// The owners whose records were read, in order.
fn owners_read(calls: &Calls) -> Vec<String> {
    let reads = calls.table.all().into_iter().filter(|call| call.target.ends_with("GetItem"));
    reads.map(|call| body(&call)["Key"]["pk"]["S"].as_str().unwrap().replace("owner#", "")).collect()
}

#[tokio::test]
async fn a_flood_of_one_owner_delays_no_other_and_is_done_too() {
    // Their records are gone meanwhile: each is one read.
    let rounds = [(index(627), 501), (index(627), 127)];
    let table = rounds.into_iter().flat_map(|(index, reads)| [index, vec![ok(); reads]].concat()).collect();
    let settings = [("PHOTODROP_RECONCILE_MAX_RECORDS", "500")];
    let request = json!({ "parts": ["due"] });
    let (summary, calls) = run_with(&request, &settings, Answers { table, ..Answers::default() }).await;
    let owners = owners_read(&calls);
    assert_eq!(owners.iter().position(|owner| owner == "other"), Some(1), "the second of all");
    assert_eq!((owners.len(), summary.errors, summary.complete), (628, 0, true));
}

#[tokio::test]
async fn what_fails_has_one_turn_in_a_run() {
    // The table does not answer, and the index still names them.
    let rounds = [(index(3), 3), (index(3), 1)];
    let table =
        rounds.into_iter().flat_map(|(index, reads)| [index, vec![(500, String::new()); reads]].concat());
    let settings = [("PHOTODROP_RECONCILE_MAX_RECORDS", "2")];
    let answers = Answers { table: table.collect(), ..Answers::default() };
    let (summary, calls) = run_with(&json!({ "parts": ["due"] }), &settings, answers).await;
    assert_eq!((owners_read(&calls).len(), summary.errors, summary.complete), (4, 4, true));
}

#[tokio::test]
async fn the_index_is_read_page_by_page() {
    let mut table = vec![due_page(&[("flood", &id(1), 1)], true), due_page(&[("other", ID, 2)], false)];
    table.extend(vec![due_page(&[], false); SHARDS - 1]);
    table.extend([ok(), ok()]);
    let (summary, calls) = run("due", Answers { table, ..Answers::default() }).await;
    assert_eq!((owners_read(&calls), summary.complete), (vec!["flood".to_owned(), "other".to_owned()], true));
    let second = body(&calls.table.all()[1]);
    assert_eq!(second["ExclusiveStartKey"]["sk"]["S"], format!("photo#{}", id(1)));
}

#[tokio::test]
async fn a_run_that_cannot_read_a_partition_is_not_complete() {
    let mut table = vec![(500, String::new()), due_page(&[("other", ID, 1)], false)];
    table.extend(vec![due_page(&[], false); SHARDS - 2]);
    table.push(ok());
    let (summary, calls) = run("due", Answers { table, ..Answers::default() }).await;
    assert_eq!((owners_read(&calls).len(), summary.errors, summary.complete), (1, 1, false));
}

#[tokio::test]
async fn an_upload_in_parts_is_looked_at_less_and_less_often() {
    for (age, wait) in [
        (Duration::minutes(15), Duration::hours(1)),
        (Duration::hours(2), Duration::hours(6)),
        (Duration::hours(23), Duration::minutes(75)),
    ] {
        let now = OffsetDateTime::now_utc();
        let created_at = (now - age).format(&Rfc3339).unwrap();
        let parted = json!({ "upload_method": { "S": "multipart" }, "part_size_bytes": { "N": "5242880" },
            "created_at": { "S": created_at } });
        let table = due(&[ID], vec![found(ID, &parted), ok()]);
        let buckets = vec![listing(&[], crate::support::OLD, false)];
        let (summary, calls) = run("due", Answers { table, buckets, ..Answers::default() }).await;
        assert_eq!(
            (summary.expired, summary.errors, writes(&calls.table)),
            (0, 0, vec!["UpdateItem".to_owned()])
        );
        let values = body(calls.table.all().last().unwrap())["ExpressionAttributeValues"].clone();
        let numbers =
            values.as_object().unwrap().values().filter_map(|value| value["N"].as_str()?.parse().ok());
        let due_at: i64 = numbers.max().unwrap();
        let expected = (now + wait).unix_timestamp();
        assert!((expected - 2..expected + 5).contains(&due_at), "{age}: {due_at}, not {expected}");
    }
}

#[tokio::test]
async fn the_index_is_read_from_a_partition_that_changes() {
    let minutes = |at: OffsetDateTime| u64::from(at.minute()) % SHARDS as u64;
    let before = minutes(OffsetDateTime::now_utc());
    let (_, calls) = run("due", Answers { table: due(&[], vec![]), ..Answers::default() }).await;
    let after = minutes(OffsetDateTime::now_utc());
    let shard =
        |call| body(call)["ExpressionAttributeValues"][":shard"]["S"].as_str().unwrap().parse().unwrap();
    let read: Vec<u64> = calls.table.all().iter().map(shard).collect();
    assert!([before, after].contains(&read[0]), "{read:?}");
    let all: Vec<_> = (0..SHARDS as u64).map(|step| (read[0] + step) % SHARDS as u64).collect();
    assert_eq!(read, all);
}

#[tokio::test]
async fn a_part_that_cannot_see_its_work_is_not_complete() {
    for part in ["due", "originals", "variants"] {
        let (summary, _) = run(part, Answers::default()).await;
        assert!(summary.errors > 0 && !summary.complete, "{part}");
    }
}

#[tokio::test]
async fn a_run_that_skips_an_owner_counts_as_failed() {
    for (owners_skipped, failed) in [(0, 0.0), (1, 1.0)] {
        let lines = photo_aws::replay::Lines::capture();
        reconcile::Summary { owners_skipped, ..reconcile::Summary::default() }.metrics().emit();
        assert_eq!(lines.metric("ReconcileRunsFailed"), [failed]);
    }
}

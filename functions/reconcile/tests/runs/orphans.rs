//! Objects that no record knows, and what must never be taken for one.

use photo_aws::replay::Answer;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::{
    Answers, ID, OLD, OTHER_ID, batch, body, changes, item, listing, ok, original, ready, run, run_with,
    variant, writes,
};

/// The table's answers: no checkpoint, then these records.
fn records(items: &[Value]) -> Vec<Answer> {
    vec![ok(), (200, json!({ "Responses": { "photos": items }, "UnprocessedKeys": {} }).to_string()), ok()]
}

fn tagged() -> Vec<Answer> {
    vec![(200, String::new()); 50]
}

async fn originals(objects: Answer, table: Vec<Answer>) -> (reconcile::Summary, crate::support::Calls) {
    let buckets = [vec![objects], tagged()].concat();
    run("originals", Answers { table, buckets, ..Answers::default() }).await
}

/// The table's answer to the question since when an original has no record.
fn noted(days_ago: i64) -> Answer {
    let since = OffsetDateTime::now_utc().unix_timestamp() - days_ago * 86_400;
    (200, json!({ "Item": { "since": { "N": since.to_string() } } }).to_string())
}

/// The table's answers where one original has no record: checkpoint, records, its note, and what is written.
fn one_orphan(note: Answer) -> Vec<Answer> {
    vec![ok(), batch(&[item(ID, &ready())]), note, ok(), ok()]
}

#[tokio::test]
async fn an_old_original_without_a_record_is_noted_when_it_is_first_seen() {
    let keys = [original(ID), original(OTHER_ID), "photos/holiday photos/1.jpg".to_owned()];
    let (summary, calls) = originals(listing(&keys, OLD, false), one_orphan(ok())).await;
    let counts = (summary.originals_listed, summary.originals_noted, summary.originals_orphaned);
    assert_eq!((counts, summary.errors), ((3, 1, 0), 0));
    assert!(changes(&calls.buckets).is_empty(), "S3 would count its days from its creation");
    let note = &body(&calls.table.all()[3])["Item"];
    assert_eq!(note["pk"]["S"], "system#reconcile");
    assert_eq!(note["sk"]["S"], format!("orphan#{}", original(OTHER_ID)));
    let number = |name: &str| note[name]["N"].as_str().unwrap().parse::<i64>().unwrap();
    assert_eq!(number("expires_at") - number("since"), 44 * 86_400);
}

#[tokio::test]
async fn an_original_that_has_had_no_record_for_its_retention_is_marked_and_nothing_else_is() {
    let keys = [original(ID), original(OTHER_ID), "photos/holiday photos/1.jpg".to_owned()];
    for (days_ago, marked) in [(29, 0), (30, 1)] {
        let (summary, calls) = originals(listing(&keys, OLD, false), one_orphan(noted(days_ago))).await;
        let counts = (summary.originals_listed, summary.originals_noted, summary.originals_orphaned);
        assert_eq!((counts, summary.errors), ((3, 0, marked), 0));
        let tagged = format!("PUT originals photos/auth0%257C7/{OTHER_ID}/original");
        let wanted = if marked == 1 { vec![tagged] } else { vec![] };
        assert_eq!(changes(&calls.buckets), wanted, "{days_ago}");
        if let Some(call) = calls.buckets.all().get(1) {
            assert!(String::from_utf8(call.body.clone()).unwrap().contains("<Value>orphaned</Value>"));
        }
    }
}

#[tokio::test]
async fn a_young_original_is_left_alone() {
    let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap();
    let (summary, calls) = originals(listing(&[original(ID)], &now, false), vec![ok(), ok()]).await;
    assert_eq!((summary.originals_listed, summary.originals_orphaned, summary.errors), (1, 0, 0));
    assert!(changes(&calls.buckets).is_empty());
}

#[tokio::test]
async fn an_unsettled_photo_whose_bytes_are_there_is_made_due() {
    for status in ["pending", "expired"] {
        let record = item(ID, &json!({ "status": { "S": status } }));
        let table = [records(&[record]), vec![ok()]].concat();
        let (summary, calls) = originals(listing(&[original(ID)], OLD, false), table).await;
        assert_eq!((summary.hastened, summary.originals_orphaned, summary.errors), (1, 0, 0), "{status}");
        assert_eq!(writes(&calls.table), ["UpdateItem", "PutItem"]);
    }
}

fn many() -> Vec<String> {
    (0..100).map(|n| original(&format!("01935b7c-0000-7000-8000-0000000000{n:02x}"))).collect()
}

/// Ten owners with ten photos each.
fn of_many_owners() -> Vec<String> {
    let key = |n| format!("photos/owner{}/01935b7c-0000-7000-8000-0000000000{n:02x}/original", n / 10);
    (0..100).map(key).collect()
}

/// A ready photo's record by the key of its original.
fn record_of(key: &str) -> Value {
    let [_, owner, id, _]: [&str; 4] = key.split('/').collect::<Vec<_>>().try_into().unwrap();
    let mut record = item(id, &ready());
    record["pk"] = json!({ "S": format!("owner#{owner}") });
    record["owner"] = json!({ "S": owner });
    record
}

#[tokio::test]
async fn a_bucket_that_the_table_does_not_know_is_not_touched() {
    let (summary, calls) = originals(listing(&of_many_owners(), OLD, false), records(&[])).await;
    assert_eq!((summary.refused, summary.originals_noted, summary.errors), (1, 0, 0));
    assert!(changes(&calls.buckets).is_empty());
    assert!(writes(&calls.table).is_empty(), "the checkpoint stays: the next run refuses too");
}

#[tokio::test]
async fn one_owner_s_orphans_stop_neither_the_others_nor_the_listing() {
    // A hundred orphans of one owner, and one orphan among a hundred photos of ten others.
    let others = of_many_owners();
    let keys = [many(), others.clone()].concat();
    let known: Vec<_> = others[1..].iter().map(|key| record_of(key)).collect();
    let (first, second) = known.split_at(50);
    let buckets = vec![listing(&keys, OLD, true), listing(&[], OLD, false)];
    // The records are asked for in two batches; then come the note and the checkpoint.
    let table = vec![ok(), batch(first), batch(second), ok(), ok(), ok()];
    let (summary, calls) = run("originals", Answers { table, buckets, ..Answers::default() }).await;
    let counts = (summary.refused, summary.owners_skipped, summary.originals_noted);
    assert_eq!((counts, summary.errors), ((0, 1, 1), 0));
    let written: Vec<_> =
        calls.table.all().iter().filter(|call| call.target.ends_with("PutItem")).map(body).collect();
    assert_eq!(written[0]["Item"]["sk"]["S"], format!("orphan#{}", others[0]));
    assert_eq!(written[1]["Item"]["sk"]["S"], "checkpoint#originals");
    assert!(changes(&calls.buckets).is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_answer_of_the_table_is_not_no_record() {
    let unprocessed = json!({ "Responses": { "photos": [] }, "UnprocessedKeys": { "photos": { "Keys": [
        { "pk": { "S": "owner#auth0%7C7" }, "sk": { "S": format!("photo#{ID}") } }] } } });
    let silent = vec![ok(), (500, String::new())];
    let partial = [vec![ok()], vec![(200, unprocessed.to_string()); 9]].concat();
    for table in [silent, partial] {
        let (summary, calls) = originals(listing(&[original(ID)], OLD, false), table).await;
        assert_eq!((summary.errors, summary.originals_orphaned), (1, 0));
        assert!(changes(&calls.buckets).is_empty());
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_a_record() {
    let strange = item(ID, &json!({ "status": { "S": "cooking" } }));
    let (summary, calls) = originals(listing(&[original(ID)], OLD, false), records(&[strange])).await;
    assert_eq!((summary.originals_orphaned, changes(&calls.buckets).len()), (0, 0));
}

#[tokio::test]
async fn a_listing_goes_on_where_the_last_one_stopped() {
    let checkpoint = (200, json!({ "Item": { "after": { "S": "photos/a" } } }).to_string());
    let table =
        vec![checkpoint, (200, json!({ "Responses": { "photos": [item(ID, &ready())] } }).to_string()), ok()];
    let answers = Answers { table, buckets: vec![listing(&[original(ID)], OLD, true)], ..Answers::default() };
    let settings = [("PHOTODROP_RECONCILE_MAX_LISTED", "1")];
    let (summary, calls) = run_with(&json!({ "parts": ["originals"] }), &settings, answers).await;
    assert_eq!((summary.originals_listed, summary.errors), (1, 0));
    assert!(calls.buckets.all()[0].uri.contains("start-after=photos%2Fa"), "{}", calls.buckets.all()[0].uri);
    let put = body(calls.table.all().last().unwrap());
    assert_eq!(put["Item"]["after"]["S"], original(ID));
    assert_eq!(put["Item"]["pk"]["S"], "system#reconcile");
}

#[tokio::test]
async fn no_run_marks_more_than_its_number_and_the_rest_is_the_next_run_s() {
    let keys = &many()[..10];
    let answers = Answers {
        table: vec![ok(), batch(&[]), noted(30), noted(30), noted(30), ok()],
        buckets: [vec![listing(keys, OLD, false)], tagged()].concat(),
        ..Answers::default()
    };
    let settings = [("PHOTODROP_RECONCILE_MAX_ORPHANS", "3")];
    let (summary, calls) = run_with(&json!({ "parts": ["originals"] }), &settings, answers).await;
    assert_eq!((summary.originals_orphaned, changes(&calls.buckets).len()), (3, 3));
    let put = body(calls.table.all().last().unwrap());
    assert_eq!(
        put["Item"]["after"]["S"], keys[2],
        "they stay in the bucket: the next run begins behind them"
    );
}

#[tokio::test]
async fn variants_go_if_no_record_names_them_and_stay_otherwise() {
    let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap();
    let mut fresh = ready();
    fresh["updated_at"] = json!({ "S": now });
    let cases = [
        ("the record names it", "small.webp", Some(ready()), 0),
        ("of an older configuration", "tiny.webp", Some(ready()), 1),
        ("of an older configuration until a moment ago", "tiny.webp", Some(fresh), 0),
        (
            "of a photo that failed",
            "small.webp",
            Some(json!({ "status": { "S": "failed" }, "failure_code": { "S": "NOT_AN_IMAGE" } })),
            1,
        ),
        ("on its way", "small.webp", Some(json!({})), 0),
        ("being removed anyway", "small.webp", Some(json!({ "status": { "S": "deleting" } })), 0),
        ("without a record", "small.webp", None, 1),
    ];
    for (case, name, record, removed) in cases {
        let items: Vec<_> = record.iter().map(|record| item(ID, record)).collect();
        let buckets = vec![listing(&[variant(ID, name)], OLD, false), (204, String::new())];
        let (summary, calls) =
            run("variants", Answers { table: records(&items), buckets, ..Answers::default() }).await;
        assert_eq!(
            (summary.variants_listed, summary.variants_removed, summary.errors),
            (1, removed, 0),
            "{case}"
        );
        assert_eq!(changes(&calls.buckets).len() as u64, removed, "{case}");
    }
}

#[tokio::test]
async fn what_a_backfill_has_replaced_goes_and_strangers_beside_it_stay() {
    let replaced: Vec<_> = (0..60).map(|n| variant(ID, &format!("v{n}.0193{n:012x}.webp"))).collect();
    let strangers: Vec<_> = (0..30)
        .map(|n| variant(&format!("01935b7c-0000-7000-8000-0000000001{n:02x}"), "small.webp"))
        .collect();
    for (keys, skipped) in [(replaced.clone(), 0), ([replaced, strangers].concat(), 1)] {
        let buckets = [vec![listing(&keys, OLD, false)], vec![(204, String::new()); 90]].concat();
        let answers = Answers { table: records(&[item(ID, &ready())]), buckets, ..Answers::default() };
        let (summary, calls) = run("variants", answers).await;
        let counts = (summary.variants_removed, summary.owners_skipped, summary.refused);
        assert_eq!((counts, summary.errors), ((60, skipped, 0), 0));
        assert!(changes(&calls.buckets).iter().all(|change| change.contains(ID)), "strangers stay");
    }
}

#[tokio::test]
async fn a_dry_run_marks_and_removes_nothing() {
    for part in ["originals", "variants"] {
        let keys = [original(ID), variant(ID, "small.webp")];
        let buckets = vec![listing(&keys, OLD, false)];
        let answers = Answers { table: records(&[]), buckets, ..Answers::default() };
        let (summary, calls) = run_with(&json!({ "dry_run": true, "parts": [part] }), &[], answers).await;
        assert_eq!(summary.originals_noted + summary.variants_removed, 1, "{part}");
        assert!(changes(&calls.buckets).is_empty() && writes(&calls.table).is_empty());
    }
}

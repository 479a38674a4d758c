//! Records that are due.

use std::time::Instant;

use reconcile::Request;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::support::{
    Answers, ID, OTHER_ID, SHARDS, announced, body, changes, due, found, listing, ok, original, ready,
    reconciler, refused, run, run_with, variant, versions, writes,
};

fn there() -> Vec<photo_aws::replay::Answer> {
    vec![listing(&[original(ID)], crate::support::OLD, false)]
}

fn nothing_there() -> Vec<photo_aws::replay::Answer> {
    vec![listing(&[], crate::support::OLD, false)]
}

#[tokio::test]
async fn an_upload_that_never_came_expires() {
    let table = due(&[ID], vec![found(ID, &json!({})), ok()]);
    let (summary, calls) =
        run("due", Answers { table, buckets: nothing_there(), ..Answers::default() }).await;
    assert_eq!((summary.due, summary.expired, summary.errors, summary.complete), (1, 1, 0, true));
    assert_eq!(writes(&calls.table), ["UpdateItem"]);
    let update = body(&calls.table.all()[SHARDS + 1]);
    assert_eq!(update["ConditionExpression"], "#status IN (:from0)");
    assert_eq!(update["ExpressionAttributeValues"][":from0"]["S"], "pending");
    assert!(update["UpdateExpression"].as_str().unwrap().ends_with("REMOVE due_at"));
    assert!(calls.thumbnails.all().is_empty() && changes(&calls.buckets).is_empty());
}

#[tokio::test]
async fn a_photo_whose_event_was_lost_is_claimed_and_then_processed_again() {
    let table = due(&[ID], vec![found(ID, &json!({ "attempts": { "N": "2" } })), ok()]);
    let (summary, calls) = run("due", Answers { table, buckets: there(), ..Answers::default() }).await;
    assert_eq!((summary.retried, summary.errors), (1, 0));
    let claim = body(&calls.table.all()[SHARDS + 1]);
    assert_eq!(claim["ConditionExpression"], "#status IN (:from0, :from1) AND attempts = :seen");
    let [event] = calls.events().try_into().unwrap();
    let record = &event["Records"][0];
    assert_eq!(record["eventName"], "ObjectCreated:Reconcile");
    assert_eq!(record["s3"]["object"]["key"], format!("photos/auth0%257C7/{ID}/original"));
    assert_eq!(
        (&record["s3"]["object"]["eTag"], &record["s3"]["bucket"]["name"]),
        (&json!("0123"), &json!("originals"))
    );
}

#[tokio::test]
async fn an_expired_upload_that_came_after_all_is_processed() {
    let expired = json!({ "status": { "S": "expired" } });
    let table = due(&[ID], vec![found(ID, &expired), ok()]);
    let (summary, calls) = run("due", Answers { table, buckets: there(), ..Answers::default() }).await;
    assert_eq!((summary.retried, calls.events().len()), (1, 1));
}

#[tokio::test]
async fn of_two_runs_at_once_one_sends_the_event() {
    let table = due(&[ID], vec![found(ID, &json!({})), refused("pending")]);
    let (summary, calls) = run("due", Answers { table, buckets: there(), ..Answers::default() }).await;
    assert_eq!((summary.retried, summary.errors), (0, 0));
    assert!(calls.events().is_empty());
}

#[tokio::test]
async fn a_photo_is_left_alone_while_messages_wait_in_the_queue() {
    // Neither the first attempt nor the end after the last one: its event may be among the messages.
    // An old photo's event may be lost: it is sent again, for a duplicate does no harm.
    let cases = [(json!({}), 1), (json!({ "attempts": { "N": "11" } }), 23), (json!({}), 25)];
    for (mut record, age_hours) in cases {
        record["created_at"] = json!({ "S": hours_ago(age_hours) });
        let (waits_minutes, events) = if age_hours < 24 { (15, 0) } else { (12 * 60, 1) };
        let table = due(&[ID], vec![found(ID, &record), ok()]);
        let answers = Answers { table, buckets: there(), waiting: 1, ..Answers::default() };
        let before = OffsetDateTime::now_utc().unix_timestamp();
        let (summary, calls) = run("due", answers).await;
        let counts = [summary.postponed, summary.retried, summary.gave_up, summary.errors];
        assert_eq!((counts, calls.events().len()), ([1, 0, 0, 0], events), "{record}");
        assert_eq!(summary.stuck(), 1, "the photo is in the metric while it waits");
        let update = body(&calls.table.all()[SHARDS + 1]);
        let names = update["ExpressionAttributeNames"].as_object().unwrap();
        let set = |attribute: &str| {
            let (name, _) = names.iter().find(|(_, name)| *name == attribute).unwrap();
            let value = &update["ExpressionAttributeValues"][name.replace('#', ":")]["N"];
            value.as_str().unwrap().parse::<i64>().unwrap() - before
        };
        assert!((waits_minutes * 60..(waits_minutes + 1) * 60).contains(&set("due_at")), "{update}");
        assert!(set("expires_at") > 300 * 24 * 3600, "a stop of weeks loses no record: {update}");
        assert!(!names.values().any(|name| name == "attempts"), "{update}");
        assert_eq!(
            update["ConditionExpression"], "#status IN (:from0, :from1) AND due_at = :seen",
            "nothing that came up meanwhile is overwritten"
        );
    }
}

fn hours_ago(hours: i64) -> String {
    (OffsetDateTime::now_utc() - Duration::hours(hours)).format(&Rfc3339).unwrap()
}

#[tokio::test]
async fn of_two_runs_at_once_one_sends_behind_a_backlog() {
    let table = due(&[ID], vec![found(ID, &json!({})), refused("pending")]);
    let answers = Answers { table, buckets: there(), waiting: 1, ..Answers::default() };
    let (summary, calls) = run("due", answers).await;
    assert_eq!((summary.postponed, summary.errors, calls.events().len()), (1, 0, 0));
}

#[tokio::test]
async fn the_queue_is_asked_once_before_a_run_sends_to_it() {
    let more = vec![found(ID, &json!({})), ok(), found(OTHER_ID, &json!({})), ok()];
    let buckets = vec![
        listing(&[original(ID)], crate::support::OLD, false),
        listing(&[original(OTHER_ID)], crate::support::OLD, false),
    ];
    let answers = Answers { table: due(&[ID, OTHER_ID], more), buckets, ..Answers::default() };
    let (summary, calls) = run("due", answers).await;
    assert_eq!((summary.retried, summary.postponed, summary.errors), (2, 0, 0));
    let targets: Vec<_> = calls.thumbnails.all().into_iter().map(|request| request.target).collect();
    assert_eq!(
        targets,
        ["GetQueueAttributes", "SendMessage", "SendMessage"].map(|name| format!("AmazonSQS.{name}"))
    );
}

#[tokio::test]
async fn no_attempt_is_counted_while_the_queue_does_not_answer() {
    let table = due(&[ID], vec![found(ID, &json!({})), ok()]);
    let (reconciler, calls) = reconciler(
        &[],
        Answers {
            table,
            buckets: there(),
            thumbnails: Some(vec![(500, String::new())]),
            ..Answers::default()
        },
    );
    let request: Request = serde_json::from_value(json!({ "parts": ["due"] })).unwrap();
    let summary = reconciler.run(request, Instant::now() + std::time::Duration::from_mins(10)).await;
    assert_eq!((summary.retried, summary.postponed, summary.errors), (0, 0, 1));
    assert!(writes(&calls.table).is_empty());
}

#[tokio::test]
async fn after_the_last_attempt_the_photo_fails() {
    let table = due(&[ID], vec![found(ID, &json!({ "attempts": { "N": "11" } })), ok(), ok()]);
    let (summary, calls) = run("due", Answers { table, buckets: there(), ..Answers::default() }).await;
    assert_eq!((summary.gave_up, summary.retried, summary.errors), (1, 0, 0));
    let [(name, detail)] = announced(&calls.bus).try_into().unwrap();
    assert_eq!((name.as_str(), &detail["failure"]["code"]), ("PhotoFailed", &json!("RETRIES_EXHAUSTED")));
    assert!(calls.events().is_empty());
    let sent = body(calls.table.all().last().unwrap());
    assert_eq!(sent["UpdateExpression"], "REMOVE unsent_event, unsent_event_at", "it stays due for its tag");
    assert!(changes(&calls.buckets).is_empty());
}

/// What S3 was sent as the value of each tag.
fn tags(calls: &crate::support::Calls) -> Vec<String> {
    let text = |sent: photo_aws::replay::Request| String::from_utf8(sent.body).unwrap();
    let value = |body: String| Some(body.split_once("<Value>")?.1.split_once("</Value>")?.0.to_owned());
    calls.buckets.all().into_iter().map(text).filter_map(value).collect()
}

fn failed() -> Value {
    json!({
        "status": { "S": "failed" },
        "failure_code": { "S": "CORRUPT_IMAGE" },
        "failure_reason": { "S": "its data ends early" },
    })
}

#[tokio::test]
async fn a_failed_photo_is_tagged_and_due_again_if_it_cannot_be() {
    for (status, written) in [(200, vec!["UpdateItem"]), (500, vec![])] {
        let table = due(&[ID], vec![found(ID, &failed()), ok()]);
        let buckets = vec![(status, String::new())];
        let (summary, calls) = run("due", Answers { table, buckets, ..Answers::default() }).await;
        assert_eq!((summary.due, summary.errors), (1, u64::from(status == 500)), "{status}");
        assert_eq!(tags(&calls)[0], "failed");
        assert_eq!(writes(&calls.table), written, "{status}: it leaves the index once it is tagged");
        assert!(calls.bus.all().is_empty(), "its event was sent before");
    }
}

#[tokio::test]
async fn a_failed_photo_whose_event_is_unsent_is_announced_and_stays_due() {
    let mut unsent = failed();
    unsent["unsent_event"] = json!({ "S": "PhotoFailed" });
    unsent["unsent_event_at"] = json!({ "S": "2026-11-24T12:00:05Z" });
    let table = due(&[ID], vec![found(ID, &unsent), ok()]);
    let (summary, calls) = run("due", Answers { table, ..Answers::default() }).await;
    assert_eq!((summary.announced, summary.errors), (1, 0));
    assert_eq!(
        body(&calls.table.all()[SHARDS + 1])["UpdateExpression"],
        "REMOVE unsent_event, unsent_event_at"
    );
}

#[tokio::test]
async fn an_original_is_kept_whose_photo_is_renewed_while_it_is_tagged() {
    let not_due = || json!({ "due_at": { "NULL": true } });
    let (mut at_work, mut marked) = (failed(), failed());
    at_work["due_at"] = json!({ "N": "4000000000" });
    marked["due_at"] = not_due()["due_at"].clone();
    for (now, expected) in [
        (found(ID, &ready()), vec!["failed", "ready"]),
        (found(ID, &at_work), vec!["failed", "ready"]),
        (found(ID, &marked), vec!["failed"]),
        (ok(), vec!["failed"]),
    ] {
        let table = due(&[ID], vec![found(ID, &failed()), refused("failed"), now]);
        let buckets = vec![(200, String::new()), (200, String::new())];
        let (summary, calls) = run("due", Answers { table, buckets, ..Answers::default() }).await;
        assert_eq!((tags(&calls), summary.errors), (expected.into_iter().map(str::to_owned).collect(), 0));
    }
}

#[tokio::test]
async fn the_next_run_repairs_a_tag_that_a_run_left_wrong() {
    // A backfill begins while this run tags the original, and the run ends before it can repair the tag.
    let down = || (500, String::new());
    let tagged = || (200, String::new());
    for (after_refusal, buckets) in [(down(), vec![tagged()]), (found(ID, &ready()), vec![tagged(), down()])]
    {
        let table = due(&[ID], vec![found(ID, &failed()), refused("failed"), after_refusal]);
        let (summary, calls) = run("due", Answers { table, buckets, ..Answers::default() }).await;
        assert_eq!((tags(&calls)[0].as_str(), summary.errors), ("failed", 1));
    }
    // The photo is ready, and its event is sent: it is still due for its tag.
    let mut recovered = ready();
    recovered["tag_due"] = json!({ "BOOL": true });
    for (status, written) in [(500, vec![]), (200, vec!["UpdateItem"])] {
        let table = due(&[ID], vec![found(ID, &recovered), ok()]);
        let answers = Answers { table, buckets: vec![(status, String::new())], ..Answers::default() };
        let (summary, calls) = run("due", answers).await;
        assert_eq!((tags(&calls), summary.errors), (vec!["ready".to_owned()], u64::from(status == 500)));
        assert_eq!(writes(&calls.table), written, "{status}: the photo is due until its original is tagged");
    }
}

#[tokio::test]
async fn a_recovered_photo_stays_due_after_its_announcement() {
    let mut unsent = ready();
    unsent["unsent_event"] = json!({ "S": "PhotoReady" });
    unsent["unsent_event_at"] = json!({ "S": "2026-11-24T12:00:05Z" });
    unsent["tag_due"] = json!({ "BOOL": true });
    let table = due(&[ID], vec![found(ID, &unsent), refused("ready"), ok()]);
    let (summary, calls) = run("due", Answers { table, ..Answers::default() }).await;
    assert_eq!((summary.announced, summary.errors), (1, 0));
    let [clear_all, clear_event] = [1, 2].map(|call| body(&calls.table.all()[SHARDS + call]));
    assert!(clear_all["ConditionExpression"].as_str().unwrap().contains("attribute_not_exists(tag_due)"));
    assert_eq!(clear_event["UpdateExpression"], "REMOVE unsent_event, unsent_event_at");
    assert!(clear_event["ConditionExpression"].as_str().unwrap().ends_with("unsent_event_at = :sent"));
}

#[tokio::test]
async fn an_event_that_was_not_sent_is_sent_and_noted_with_the_same_id() {
    let mut unsent = ready();
    unsent["damaged"] = json!({ "BOOL": true });
    unsent["received_percent"] = json!({ "N": "87" });
    unsent["unsent_event"] = json!({ "S": "PhotoReady" });
    unsent["unsent_event_at"] = json!({ "S": "2026-11-24T12:00:05Z" });
    for _ in 0..2 {
        let table = due(&[ID], vec![found(ID, &unsent), ok()]);
        let (summary, calls) = run("due", Answers { table, ..Answers::default() }).await;
        assert_eq!((summary.announced, summary.errors), (1, 0));
        let [(name, detail)] = announced(&calls.bus).try_into().unwrap();
        assert_eq!(name, "PhotoReady");
        assert_eq!(detail["event_id"], format!("{ID}.PhotoReady.1795521605000"));
        assert_eq!((&detail["damaged"], &detail["received_percent"]), (&json!(true), &json!(87)));
        let clear = body(&calls.table.all()[SHARDS + 1]);
        assert!(clear["ConditionExpression"].as_str().unwrap().contains("AND unsent_event_at = :sent"));
        assert_eq!(clear["UpdateExpression"], "REMOVE unsent_event, unsent_event_at, due_at");
    }
}

#[tokio::test]
async fn a_deleted_photo_loses_variants_original_and_at_last_its_record() {
    let mut deleting = ready();
    deleting["status"] = json!({ "S": "deleting" });
    deleting["deleted_at"] = json!({ "S": "2026-11-24T12:10:00Z" });
    deleting["unsent_event"] = json!({ "S": "PhotoReady" });
    deleting["unsent_event_at"] = json!({ "S": "2026-11-24T12:00:05Z" });
    let table = due(&[ID], vec![found(ID, &deleting), ok()]);
    let gone = || (204, String::new());
    let buckets = vec![
        versions(&[variant(ID, "small.jpg"), variant(ID, "small.webp")]),
        gone(),
        gone(),
        versions(&[original(ID)]),
        gone(),
    ];
    let (summary, calls) = run("due", Answers { table, buckets, ..Answers::default() }).await;
    assert_eq!((summary.deleted, summary.errors), (1, 0));
    let path = |name: &str| format!("photos/auth0%257C7/{ID}/{name}");
    assert_eq!(
        changes(&calls.buckets),
        [
            format!("DELETE thumbnails {}", path("small.jpg")),
            format!("DELETE thumbnails {}", path("small.webp")),
            format!("DELETE originals {}", path("original")),
        ]
    );
    let told: Vec<_> = announced(&calls.bus).into_iter().map(|(name, _)| name).collect();
    assert_eq!(told, ["PhotoReady", "PhotoDeleted"]);
    assert_eq!(writes(&calls.table), ["DeleteItem"]);
    assert_eq!(
        body(&calls.table.all()[SHARDS + 1])["ExpressionAttributeValues"],
        json!({ ":from0": { "S": "deleting" } })
    );
}

/// A photo that its owner deleted so many minutes ago.
fn deleted(before: Value, minutes_ago: i64) -> Value {
    let at = OffsetDateTime::now_utc() - Duration::minutes(minutes_ago);
    let mut deleting = before;
    deleting["status"] = json!({ "S": "deleting" });
    deleting["due_at"] = json!({ "N": "1795521900" });
    deleting["deleted_at"] = json!({ "S": at.format(&Rfc3339).unwrap() });
    deleting
}

#[tokio::test]
async fn a_deleted_photo_waits_until_nothing_signed_can_come() {
    let failed = json!({ "failure_code": { "S": "NOT_AN_IMAGE" }, "failure_reason": { "S": "text" } });
    let huge = json!({ "size_bytes": { "N": "4294967296" } });
    let cases = [
        ("pending", json!({}), 14, 16),
        ("ready", ready(), 14, 16),
        ("failed", failed, 14, 16),
        // 4 GiB at 64 KiB a second, and the five minutes of a signature.
        ("large", huge, 18 * 60 + 16, 18 * 60 + 18),
    ];
    for (case, before, early, late) in cases {
        for (ago_minutes, removed) in [(1, 0), (early, 0), (late, 1)] {
            let table = due(&[ID], vec![found(ID, &deleted(before.clone(), ago_minutes)), ok()]);
            let buckets = if removed == 0 { vec![] } else { vec![versions(&[]), versions(&[])] };
            let (summary, calls) = run("due", Answers { table, buckets, ..Answers::default() }).await;
            assert_eq!((summary.deleted, summary.errors), (removed, 0), "{case} {ago_minutes}");
            assert_eq!(calls.bus.all().len() as u64, removed, "{case} {ago_minutes}");
            assert_eq!(writes(&calls.table), [if removed == 0 { "UpdateItem" } else { "DeleteItem" }]);
        }
    }
}

#[tokio::test]
async fn the_parts_of_a_deleted_photo_are_aborted_first() {
    let parted = json!({ "upload_method": { "S": "multipart" }, "part_size_bytes": { "N": "5242880" },
        "size_bytes": { "N": "20971520" }, "upload_ids": { "SS": ["u-1", "u/2"] } });
    let none = (404, "<Error><Code>NoSuchUpload</Code></Error>".to_owned());
    let gone = (204, String::new());
    let silent = (500, String::new());
    for (case, answers, removed) in [
        ("both are there", vec![gone.clone(), gone.clone()], 1),
        ("one was completed", vec![none, gone.clone()], 1),
        ("S3 does not answer", vec![gone, silent], 0),
    ] {
        let table = due(&[ID], vec![found(ID, &deleted(parted.clone(), 60)), ok()]);
        let buckets = [answers, vec![versions(&[]), versions(&[])]].concat();
        let (summary, calls) = run("due", Answers { table, buckets, ..Answers::default() }).await;
        assert_eq!((calls.bus.all().len(), summary.errors), (removed, 1 - removed as u64), "{case}");
        let aborts = calls.buckets.all();
        for (call, id) in aborts.iter().zip(["uploadId=u-1", "uploadId=u%2F2"]) {
            assert_eq!(call.method, "DELETE", "{case}");
            assert!(call.uri.contains(&format!("{ID}/original?")) && call.uri.contains(id), "{}", call.uri);
        }
        assert_eq!(writes(&calls.table).len(), removed, "{case}: the record stays until all is removed");
    }
}

#[tokio::test]
async fn a_listing_of_another_photo_removes_nothing() {
    let deleting = json!({ "status": { "S": "deleting" } });
    let table = due(&[ID], vec![found(ID, &deleting)]);
    let buckets = vec![versions(&[variant(OTHER_ID, "small.jpg")])];
    let (summary, calls) = run("due", Answers { table, buckets, ..Answers::default() }).await;
    assert_eq!(summary.errors, 1);
    assert!(changes(&calls.buckets).is_empty() && writes(&calls.table).is_empty());
    assert!(calls.bus.all().is_empty());
}

#[tokio::test]
async fn what_the_index_names_too_late_is_left_alone() {
    for record in [json!({ "due_at": { "N": "4000000000" } }), json!({ "due_at": { "NULL": true } })] {
        let table = due(&[ID], vec![found(ID, &record)]);
        let (summary, calls) = run("due", Answers { table, ..Answers::default() }).await;
        assert_eq!((summary.due, writes(&calls.table).len()), (0, 0), "{record}");
    }
    let (summary, _) = run("due", Answers { table: due(&[ID], vec![ok()]), ..Answers::default() }).await;
    assert_eq!((summary.due, summary.errors), (0, 0), "a record that is gone");
}

#[tokio::test]
async fn one_photo_s_trouble_does_not_keep_the_others_waiting() {
    let down = (500, String::new());
    let table = due(&[OTHER_ID, ID], vec![down, found(ID, &json!({})), ok()]);
    let (summary, _) = run("due", Answers { table, buckets: nothing_there(), ..Answers::default() }).await;
    assert_eq!((summary.expired, summary.errors), (1, 1));
}

#[tokio::test]
async fn a_dry_run_says_what_it_would_do_and_changes_nothing() {
    let mut unsent = ready();
    unsent["unsent_event"] = json!({ "S": "PhotoReady" });
    unsent["unsent_event_at"] = json!({ "S": "2026-11-24T12:00:05Z" });
    let cases = [
        (json!({}), nothing_there()),
        (json!({}), there()),
        (json!({ "attempts": { "N": "11" } }), there()),
        (unsent, vec![]),
        (json!({ "status": { "S": "deleting" } }), vec![]),
    ];
    let mut counted = Vec::new();
    // By the configuration, and by the request where the configuration says otherwise.
    for (mode, asked) in [("dry-run", false), ("apply", true)] {
        for (record, buckets) in cases.clone() {
            let answers =
                Answers { table: due(&[ID], vec![found(ID, &record)]), buckets, ..Answers::default() };
            let request = json!({ "dry_run": asked, "parts": ["due"] });
            let (summary, calls) = run_with(&request, &[("PHOTODROP_RECONCILE_MODE", mode)], answers).await;
            assert!(summary.dry_run && summary.errors == 0, "{summary:?}");
            counted.push([
                summary.expired,
                summary.retried,
                summary.gave_up,
                summary.announced,
                summary.deleted,
            ]);
            assert!(writes(&calls.table).is_empty() && changes(&calls.buckets).is_empty());
            assert!(calls.bus.all().is_empty() && calls.events().is_empty());
        }
    }
    let each = [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]];
    assert_eq!(counted, [each, each].concat());
}

#[tokio::test]
async fn a_run_without_time_takes_up_nothing_and_says_so() {
    let (reconciler, calls) = reconciler(&[], Answers::default());
    let summary = reconciler.run(Request::default(), Instant::now()).await;
    assert!(!summary.complete);
    assert!(writes(&calls.table).is_empty() && calls.thumbnails.all().is_empty());
}

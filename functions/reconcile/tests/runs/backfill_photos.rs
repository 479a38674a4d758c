//! New variants for the stack's own photos.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{
    Answers, Calls, ID, OLD, OTHER_ID, backfill, batch, body, changes, item, listing, ok, original, ready,
    reconciler, refused, todays_recipe, writes,
};

fn photos() -> Value {
    json!({ "source": "photos" })
}

/// A backfill that finds these originals, and of them these records.
async fn run(request: Value, ids: &[&str], more: bool, records: &[Value]) -> (Value, Calls) {
    let keys: Vec<_> = ids.iter().map(|id| original(id)).collect();
    let answers = Answers {
        buckets: vec![listing(&keys, OLD, more)],
        table: vec![batch(records)],
        ..Answers::default()
    };
    let (answer, calls) = backfill(request, &[], answers).await;
    (answer.unwrap(), calls)
}

fn with(record: Value, name: &str, value: &str) -> Value {
    let mut record = record;
    record[name] = json!({ "S": value });
    record
}

fn counts(answer: &Value) -> [u64; 4] {
    ["examined", "started", "skipped", "failed"].map(|name| answer[name].as_u64().unwrap())
}

#[tokio::test]
async fn a_photo_whose_variants_are_by_other_settings_is_handed_on_and_no_other_is() {
    let old = item(ID, &ready());
    let today = with(item(OTHER_ID, &ready()), "recipe", &todays_recipe());
    let (answer, calls) = run(photos(), &[ID, OTHER_ID], false, &[old, today]).await;
    assert_eq!(counts(&answer), [2, 1, 1, 0], "{answer}");
    assert_eq!((&answer["complete"], &answer["checkpoint"]), (&json!(true), &json!(null)));
    let [event] = calls.events().try_into().unwrap();
    let record = &event["Records"][0];
    assert_eq!(record["eventName"], "ObjectCreated:Backfill");
    assert_eq!(record["s3"]["object"]["key"], format!("photos/auth0%257C7/{ID}/original"));
    assert_eq!(record["s3"]["object"]["eTag"], "0123");
    // The record is the thumbnail function's to write.
    assert_eq!((writes(&calls.table), changes(&calls.buckets)), (vec![], vec![]));
}

#[tokio::test]
async fn variants_by_settings_of_long_ago_are_made_again_too() {
    let other = with(item(ID, &ready()), "recipe", "0123456789abcdef");
    let (answer, calls) = run(photos(), &[ID], false, &[other]).await;
    assert_eq!((counts(&answer), calls.thumbnails.all().len()), ([1, 1, 0, 0], 1));
}

fn failed() -> Value {
    json!({ "status": { "S": "failed" }, "failure_code": { "S": "UNSUPPORTED_TYPE" } })
}

#[tokio::test]
async fn only_what_has_ended_is_renewed_and_what_failed_only_when_asked() {
    for (more, include_failed, started) in [
        (json!({ "status": { "S": "pending" } }), true, 0),
        (json!({ "status": { "S": "expired" } }), true, 0),
        (json!({ "status": { "S": "deleting" } }), true, 0),
        (failed(), false, 0),
        (ready(), true, 1),
    ] {
        let request = json!({ "source": "photos", "include_failed": include_failed });
        let (answer, calls) = run(request, &[ID], false, &[item(ID, &more)]).await;
        assert_eq!(counts(&answer), [1, started, 1 - started, 0], "{more}");
        assert_eq!(calls.thumbnails.all().len() as u64, started, "{more}");
    }
}

#[tokio::test]
async fn a_failed_photo_is_due_and_its_original_kept_before_it_is_renewed() {
    let down = || (500, String::new());
    // The record's write, the tag, and what became of it.
    for (written, tagged, counted, calls_made) in [
        (ok(), (200, String::new()), [1, 1, 0, 0], (1, 1)),
        (ok(), down(), [1, 0, 0, 1], (1, 0)),
        // The operator runs the backfill again: the event of the failure is unsent, or the photo has changed.
        (refused("failed"), down(), [1, 0, 0, 1], (0, 0)),
        (refused("ready"), down(), [1, 0, 0, 1], (0, 0)),
        (down(), down(), [1, 0, 0, 1], (0, 0)),
    ] {
        let answers = Answers {
            buckets: vec![listing(&[original(ID)], OLD, false), tagged],
            table: vec![batch(&[item(ID, &failed())]), written],
            ..Answers::default()
        };
        let request = json!({ "source": "photos", "include_failed": true });
        let (answer, calls) = backfill(request, &[], answers).await;
        assert_eq!(counts(&answer.unwrap()), counted);
        assert_eq!((changes(&calls.buckets).len().min(1), calls.thumbnails.all().len()), calls_made);
        let update = body(&calls.table.all()[1]);
        assert_eq!(
            update["ConditionExpression"],
            "#status IN (:from0) AND attribute_not_exists(unsent_event)"
        );
        if let Some(tag) = calls.buckets.all().get(1) {
            assert!(String::from_utf8(tag.body.clone()).unwrap().contains("<Value>ready</Value>"));
        }
    }
}

#[tokio::test]
async fn what_has_no_record_or_one_that_cannot_be_read_is_left_alone_and_named() {
    let unreadable = item(OTHER_ID, &json!({ "status": { "S": "cooking" } }));
    let (answer, calls) = run(photos(), &[ID, OTHER_ID], false, &[unreadable]).await;
    assert_eq!(counts(&answer), [2, 0, 2, 0]);
    assert_eq!(answer["notes"][0], json!({ "key": original(ID), "reason": "an original without a record" }));
    assert_eq!(answer["notes"][1]["reason"], "its record cannot be read");
    assert!(calls.thumbnails.all().is_empty());
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_starts_nothing() {
    let dry = json!({ "source": "photos", "dry_run": true });
    let (answer, calls) =
        run(dry, &[ID, OTHER_ID], false, &[item(ID, &ready()), item(OTHER_ID, &ready())]).await;
    assert_eq!((counts(&answer), &answer["dry_run"]), ([2, 2, 0, 0], &json!(true)));
    assert!(calls.thumbnails.all().is_empty() && writes(&calls.table).is_empty());
    // Nor does one that only the configuration asks for.
    let answers = Answers {
        buckets: vec![listing(&[original(ID)], OLD, false)],
        table: vec![batch(&[item(ID, &ready())])],
        ..Answers::default()
    };
    let (answer, calls) = backfill(photos(), &[("PHOTODROP_RECONCILE_MODE", "dry-run")], answers).await;
    assert_eq!((&answer.unwrap()["dry_run"], calls.thumbnails.all().len()), (&json!(true), 0));
}

#[tokio::test]
async fn the_next_call_goes_on_after_the_last_photo() {
    let request = json!({ "source": "photos", "owner": "auth0|7", "limit": 1 });
    let (answer, calls) = run(request.clone(), &[ID], true, &[item(ID, &ready())]).await;
    assert_eq!((counts(&answer), &answer["complete"]), ([1, 1, 0, 0], &json!(false)));
    let uri = &calls.buckets.all()[0].uri;
    assert!(uri.contains("max-keys=1&") && uri.contains("prefix=photos%2Fauth0%257C7%2F"), "{uri}");

    let mut next = request;
    next["checkpoint"] = answer["checkpoint"].clone();
    let (answer, calls) = run(next, &[OTHER_ID], false, &[item(OTHER_ID, &ready())]).await;
    assert_eq!((counts(&answer), &answer["complete"]), ([1, 1, 0, 0], &json!(true)));
    let uri = &calls.buckets.all()[0].uri;
    assert!(uri.contains(&format!("start-after=photos%2Fauth0%257C7%2F{ID}%2Foriginal")), "{uri}");
}

#[tokio::test]
async fn a_call_without_time_left_does_nothing_and_says_that_it_is_not_done() {
    let answers = Answers {
        buckets: vec![listing(&[original(ID)], OLD, false)],
        table: vec![batch(&[item(ID, &ready())])],
        ..Answers::default()
    };
    let (reconciler, calls) = reconciler(&[], answers);
    let request = serde_json::from_value(photos()).unwrap();
    let summary = reconciler.backfill(&request, Instant::now()).await.unwrap();
    assert_eq!((summary.examined, summary.complete, summary.checkpoint), (0, false, None));
    assert!(calls.thumbnails.all().is_empty());
}

#[tokio::test]
async fn a_photo_that_cannot_be_handed_on_is_counted_and_keeps_nobody_waiting() {
    let keys = [original(ID), original(OTHER_ID)];
    let answers = Answers {
        buckets: vec![listing(&keys, OLD, false)],
        table: vec![batch(&[item(ID, &ready()), item(OTHER_ID, &ready())])],
        thumbnails: Some(vec![(500, String::new()), photo_aws::replay::message_taken()]),
        ..Answers::default()
    };
    let (answer, _) = backfill(photos(), &[], answers).await;
    let answer = answer.unwrap();
    assert_eq!((counts(&answer), &answer["complete"]), ([2, 1, 0, 1], &json!(true)));
    assert_eq!(answer["notes"][0]["key"], original(ID));
}

#[tokio::test]
async fn when_one_after_the_other_fails_the_call_ends_and_the_checkpoint_stays() {
    let ids: Vec<_> = (0..20).map(|n| format!("01935b7c-0000-7000-8000-0000000000{n:02x}")).collect();
    let keys: Vec<_> = ids.iter().map(|id| original(id)).collect();
    let records: Vec<_> = ids.iter().map(|id| item(id, &ready())).collect();
    let answers = Answers {
        buckets: vec![listing(&keys, OLD, false)],
        table: vec![batch(&records)],
        thumbnails: Some(vec![(403, String::new()); 20]),
        ..Answers::default()
    };
    let (answer, calls) = backfill(photos(), &[], answers).await;
    assert!(answer.unwrap_err().starts_with("stopped: 10 objects in a row failed"));
    assert_eq!(calls.thumbnails.all().len(), 10);
}

#[tokio::test]
async fn no_answer_of_a_bucket_or_of_the_table_is_an_error_and_no_end() {
    let silent = Answers { buckets: vec![(500, String::new())], ..Answers::default() };
    let table = Answers {
        buckets: vec![listing(&[original(ID)], OLD, false)],
        table: vec![(500, String::new())],
        ..Answers::default()
    };
    for answers in [silent, table] {
        let (answer, calls) = backfill(photos(), &[], answers).await;
        assert!(answer.unwrap_err().starts_with("nothing was done"));
        assert!(calls.thumbnails.all().is_empty());
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_is_said_before_anything_is_done() {
    for (request, reason) in [
        (json!({ "source": "photos", "limit": 0 }), "limit is 0: 1 to 500 is expected"),
        (json!({ "source": "photos", "limit": 501 }), "limit is 501: 1 to 500 is expected"),
        (json!({ "source": "photos", "bucket": "b" }), "the source photos takes no bucket"),
        (json!({ "source": "photos", "prefix": "p" }), "the source photos takes no prefix"),
        (json!({ "source": "photos", "owner": "" }), "owner: the subject is empty"),
        (
            json!({ "source": "photos", "checkpoint": "x" }),
            "the checkpoint is not one that a backfill has answered",
        ),
        (
            json!({ "source": "bucket", "owner": "a" }),
            "the stack has no bucket to take photos over from: deploy it with the parameter BackfillBucket",
        ),
    ] {
        let (answer, calls) = backfill(request.clone(), &[], Answers::default()).await;
        let error = answer.unwrap_err();
        assert!(error.starts_with(reason), "{request}: {error}");
        assert!(calls.buckets.all().is_empty() && calls.table.all().is_empty());
    }
    let (reconciler, _) = reconciler(&[], Answers::default());
    let both = json!({ "backfill": { "source": "photos" }, "parts": ["due"] });
    let error = reconciler.handle(serde_json::from_value(both).unwrap(), Instant::now()).await.unwrap_err();
    assert_eq!(error.to_string(), "an event with backfill has nothing else in it");
}

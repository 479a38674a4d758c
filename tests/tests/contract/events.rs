//! Every sample event is what the functions take it for.

use std::collections::BTreeSet;

use lambda_http::RequestExt as _;
use photo_aws::FoundObject;
use photo_aws::created_event::{backfill_event, created_event};
use photo_domain::{OriginalKey, OwnerId};
use photodrop_tests::stack::root;
use reconcile::backfill::Source;
use thumbnail::event::{Cause, Ignored, Invocation, Notification, OriginalCreated};
use upload::routes::{Route, route};

const BUCKET: &str = "photodrop-originals-000000000000-us-east-1";

fn sample(name: &str) -> String {
    std::fs::read_to_string(root().join("events").join(name)).unwrap()
}

/// The owners of an S3 event's originals, or why a record is none.
fn owners(name: &str) -> Vec<Result<String, Ignored>> {
    let Notification::Objects(event) = serde_json::from_str(&sample(name)).unwrap() else {
        panic!("{name}: no records")
    };
    let read = |record| {
        OriginalCreated::from_record(record, BUCKET).map(|created| created.key.owner.as_str().to_owned())
    };
    event.records.iter().map(read).collect()
}

const SUBJECT: &str = "11111111-2222-4333-8444-555555555555";

#[test]
fn every_s3_event_is_read_as_its_table_says() {
    let ours = |owner: &str| Ok(owner.to_owned());
    assert_eq!(owners("s3-put.json"), [ours(SUBJECT)]);
    assert_eq!(owners("s3-put-encoded-key.json"), [ours("auth0|5f7c8ec7 a+b")]);
    assert_eq!(owners("s3-put-unicode-key.json"), [ours("Jörg"), Err(Ignored::ForeignKey)]);
    assert_eq!(owners("s3-put-several-records.json"), [ours(SUBJECT), ours(SUBJECT), ours(SUBJECT)]);
    assert_eq!(owners("s3-put-foreign-key.json"), vec![Err(Ignored::ForeignKey); 3]);
    assert_eq!(owners("s3-object-removed.json"), [Err(Ignored::NotCreated)]);
    let test = serde_json::from_str(&sample("s3-test-event.json")).unwrap();
    assert!(matches!(test, Notification::Test(_)));
}

#[test]
fn a_message_of_the_queue_holds_the_same_event_as_without_it() {
    let Invocation::Queue(delivery) = serde_json::from_str(&sample("sqs-s3-put.json")).unwrap() else {
        panic!("no message")
    };
    let [message] = delivery.messages.try_into().unwrap();
    assert_eq!(message.receive_count(), 1);
    let body: serde_json::Value = serde_json::from_str(&message.body).unwrap();
    let direct: serde_json::Value = serde_json::from_str(&sample("s3-put.json")).unwrap();
    assert_eq!(body, direct);
    assert!(matches!(serde_json::from_value(direct).unwrap(), Invocation::Direct(Notification::Objects(_))));
}

#[test]
fn every_api_event_is_routed_as_its_table_says() {
    for (name, expected, owner) in [
        ("api-post-upload.json", Route::CreateUpload, Some(SUBJECT)),
        ("api-post-upload-empty.json", Route::CreateUpload, Some(SUBJECT)),
        ("api-get-photo.json", Route::GetPhoto("01935b7c-0000-7000-8000-000000000001"), Some(SUBJECT)),
        ("api-delete-photo.json", Route::DeletePhoto("01935b7c-0000-7000-8000-000000000001"), Some(SUBJECT)),
        ("api-health.json", Route::Health, None),
        ("api-health-ready.json", Route::Ready, None),
    ] {
        let request = lambda_http::request::from_str(&sample(name)).unwrap();
        assert_eq!(route(request.method(), request.raw_http_path()), Ok(expected), "{name}");
        let subject = upload::request::owner(&request).ok();
        assert_eq!(subject.as_ref().map(photo_domain::OwnerId::as_str), owner, "{name}");
    }
}

#[test]
fn every_reconcile_event_is_read_as_its_table_says() {
    let read = |name: &str| serde_json::from_str::<reconcile::Request>(&sample(name)).unwrap();
    assert_eq!(read("reconcile.json"), reconcile::Request::default());
    let dry = read("reconcile-dry-run.json");
    assert_eq!((dry.dry_run, dry.parts.len()), (true, 3));
    for name in ["reconcile.json", "reconcile-dry-run.json"] {
        let event: reconcile::Event = serde_json::from_str(&sample(name)).unwrap();
        assert_eq!((event.backfill, event.run), (None, read(name)), "{name}");
    }
}

#[test]
fn every_backfill_event_is_read_as_its_table_says() {
    let read = |name: &str| {
        let event: reconcile::Event = serde_json::from_str(&sample(name)).unwrap();
        assert_eq!(event.run, reconcile::Request::default());
        event.backfill.unwrap()
    };
    let photos = read("reconcile-backfill-photos.json");
    assert_eq!(
        (photos.source, photos.limit, photos.dry_run, &photos.owner),
        (Source::Photos, 500, true, &None)
    );
    let bucket = read("reconcile-backfill-bucket.json");
    assert_eq!((bucket.source, bucket.dry_run), (Source::Bucket, false));
    assert_eq!(bucket.bucket.as_deref(), Some("somebody-elses-photos"));
    assert_eq!((bucket.prefix.as_deref(), bucket.owner.as_deref()), (Some("2019/summer/"), Some(SUBJECT)));
    // A slip of the pen is an error: it must not start a reconcile run, or a backfill of something else.
    for bad in [
        r#"{"backfill": {}}"#,
        r#"{"backfill": {"source": "table"}}"#,
        r#"{"backfill": {"source": "photos", "dryrun": true}}"#,
        r#"{"backfill": {"source": "photos", "limit": -1}}"#,
        r#"{"backfill": true}"#,
    ] {
        assert!(serde_json::from_str::<reconcile::Event>(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_the_reconcile_function_hands_over_is_what_the_thumbnail_function_takes() {
    for subject in [SUBJECT, "auth0|5f7c8ec7 a+b", "Jörg"] {
        let key = OriginalKey {
            owner: OwnerId::from_subject(subject).unwrap(),
            photo_id: "01935b7c-0000-7000-8000-000000000001".parse().unwrap(),
        };
        let object = FoundObject {
            key: key.to_string(),
            etag: "\"0123\"".to_owned(),
            size_bytes: 5,
            written_at: time::OffsetDateTime::UNIX_EPOCH,
        };
        for (event, cause) in [
            (created_event(BUCKET, &key, &object), Cause::Reconcile),
            (backfill_event(BUCKET, &key, &object), Cause::Backfill),
        ] {
            let Notification::Objects(event) = serde_json::from_value(event).unwrap() else {
                panic!("no records")
            };
            let created = OriginalCreated::from_record(&event.records[0], BUCKET).unwrap();
            let etag = Some("\"0123\"".to_owned());
            assert_eq!(created, OriginalCreated { key: key.clone(), etag, arrived_at: None, cause });
        }
    }
}

#[test]
fn no_sample_event_is_left_out() {
    let files: BTreeSet<String> = std::fs::read_dir(root().join("events"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    let here = include_str!("events.rs");
    let readme = std::fs::read_to_string(root().join("events/README.md")).unwrap();
    let deployed = std::fs::read_to_string(root().join("tests/tests/e2e/events.rs")).unwrap();
    assert_eq!(files.len(), 18);
    for file in files {
        for (place, text) in
            [("this test", here), ("the README", &readme), ("the end-to-end tests", &deployed)]
        {
            assert!(text.contains(&file), "{file} is not in {place}");
        }
    }
}

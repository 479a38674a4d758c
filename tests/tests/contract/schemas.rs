//! Every event that can be announced is as its schema in `docs/events/` says.

use photo_domain::event::{Announcement, CompletionEvent, Unsent};
use photo_domain::record::{Outcome, PhotoRecord, Processed, State, StoredVariant};
use photo_domain::{ContentType, FailureCode, Metadata, OwnerId, UploadRequest, VariantFormat, VariantName};
use photodrop_tests::schemas::mistakes;
use time::OffsetDateTime;

fn record(state: State) -> PhotoRecord {
    PhotoRecord {
        photo_id: "01935b7c-0000-7000-8000-000000000001".parse().unwrap(),
        owner: OwnerId::from_subject("auth0|7").unwrap(),
        request: UploadRequest {
            file_name: photo_domain::FileName::clean("holiday in Rome.jpg"),
            content_type: ContentType::Jpeg.into(),
            size_bytes: 5,
            checksum: None,
            metadata: Metadata::new([("album".to_owned(), "Rome".to_owned())].into()).unwrap(),
            method: photo_domain::UploadMethod::Put,
        },
        created_at: OffsetDateTime::UNIX_EPOCH,
        state,
    }
}

fn ready() -> Outcome {
    let variants = VariantFormat::ALL.map(|format| StoredVariant {
        name: VariantName::parse("small").unwrap(),
        format,
        width: 160,
        height: 120,
        size_bytes: 4096,
        key: "photos/auth0%7C7/01935b7c-0000-7000-8000-000000000001/small".to_owned(),
    });
    Outcome::Ready(Processed {
        format: ContentType::Jpeg,
        width: 4032,
        height: 3024,
        thumbhash: "1QcSHQRnh493V4dIh4eXh1h4kJUI".to_owned(),
        dominant_color: "#336699".to_owned(),
        original_etag: "\"0123\"".to_owned(),
        variants: variants.into(),
        recipe: None,
        renewed: true,
        received_percent: None,
    })
}

fn damaged() -> Outcome {
    let Outcome::Ready(processed) = ready() else { panic!("it is ready") };
    Outcome::Ready(Processed { received_percent: Some(87), ..processed })
}

fn detail(what: Announcement, state: State) -> serde_json::Value {
    let unsent = Unsent { what, at: OffsetDateTime::UNIX_EPOCH };
    serde_json::to_value(CompletionEvent::of(&record(state), unsent)).unwrap()
}

#[test]
fn every_event_follows_its_schema_before_and_after_its_photo_is_deleted() {
    let mut events = vec![
        (Announcement::Ready, State::Settled(ready())),
        (Announcement::Ready, State::Settled(damaged())),
        (Announcement::Ready, State::Deleting(Some(ready()))),
        (Announcement::Deleted, State::Deleting(None)),
        (Announcement::Deleted, State::Deleting(Some(ready()))),
    ];
    for code in FailureCode::ALL {
        let failed = || Outcome::Failed { code, reason: "internal cause".to_owned() };
        events.push((Announcement::Failed, State::Settled(failed())));
        events.push((Announcement::Failed, State::Deleting(Some(failed()))));
    }
    for (what, state) in events {
        let detail = detail(what, state);
        assert_eq!(mistakes(what.as_str(), &detail).unwrap(), Vec::<String>::new(), "{detail}");
        for private in ["Rome", "internal cause"] {
            assert!(!detail.to_string().contains(private), "{detail}");
        }
    }
}

#[test]
fn only_a_damaged_photo_says_how_much_came() {
    let of = |outcome| detail(Announcement::Ready, State::Settled(outcome));
    let event = of(damaged());
    assert_eq!((&event["damaged"], &event["received_percent"]), (&true.into(), &87.into()));
    let whole = of(ready());
    assert!(whole.get("damaged").is_none() && whole.get("received_percent").is_none(), "{whole}");
}

#[test]
fn a_schema_finds_what_is_wrong() {
    let good = detail(Announcement::Ready, State::Settled(damaged()));
    for (field, value) in [
        ("damaged", false.into()),
        ("received_percent", 100.into()),
        ("schema_version", 2.into()),
        ("event_id", "x".into()),
        ("occurred_at", "yesterday".into()),
        ("variants", serde_json::json!([])),
        ("file_name", "me.jpg".into()),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert_eq!(mistakes("PhotoReady", &bad).unwrap().len(), 1, "{field}");
    }
}

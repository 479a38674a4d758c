use photo_domain::{ContentType, FailureCode};
use time::macros::datetime;

use super::*;

fn pending() -> PhotoRecord {
    PhotoRecord {
        photo_id: "01935b7c-0000-7000-8000-000000000001".parse().unwrap(),
        owner: OwnerId::from_subject("auth0|7").unwrap(),
        request: UploadRequest {
            file_name: FileName::clean("Ümläut 1+2.jpg"),
            content_type: ContentType::Jpeg.into(),
            size_bytes: 123_456,
            checksum: Some(Checksum::parse("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").unwrap()),
            metadata: Metadata::new([("album".to_owned(), "summer".to_owned())].into()).unwrap(),
            method: photo_domain::UploadMethod::Put,
        },
        created_at: datetime!(2026-11-24 12:00:00.123 UTC),
        state: State::Pending { expires_at: datetime!(2026-12-09 12:00:00 UTC) },
    }
}

fn settled(outcome: Outcome) -> PhotoRecord {
    PhotoRecord { state: State::Settled(outcome), ..pending() }
}

fn ready() -> Outcome {
    Outcome::Ready(Processed {
        format: ContentType::Jpeg,
        width: 4032,
        height: 3024,
        thumbhash: "1QcSHQRnh493V4dIh4eXh1h4kJUI".to_owned(),
        dominant_color: "#336699".to_owned(),
        original_etag: "\"0123\"".to_owned(),
        variants: vec![StoredVariant {
            name: VariantName::parse("small").unwrap(),
            format: VariantFormat::WebP,
            width: 160,
            height: 120,
            size_bytes: 4096,
            key: "photos/auth0%7C7/01935b7c-0000-7000-8000-000000000001/small.webp".to_owned(),
        }],
        recipe: Some("0123456789abcdef".parse().unwrap()),
        renewed: true,
        received_percent: None,
    })
}

fn damaged() -> Outcome {
    let Outcome::Ready(processed) = ready() else { panic!("it is ready") };
    Outcome::Ready(Processed { received_percent: Some(87), ..processed })
}

fn failed() -> Outcome {
    Outcome::Failed { code: FailureCode::CorruptImage, reason: "unexpected end of file".to_owned() }
}

/// DynamoDB's own JSON, sorted, for a stable snapshot.
fn plain(item: &Item) -> serde_json::Value {
    let sorted: BTreeMap<_, _> = item.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
    serde_json::Value::Object(sorted.into_iter().collect())
}

fn attribute(value: &AttributeValue) -> serde_json::Value {
    match value {
        AttributeValue::S(text) => serde_json::json!({ "S": text }),
        AttributeValue::N(number) => serde_json::json!({ "N": number }),
        AttributeValue::Bool(value) => serde_json::json!({ "BOOL": value }),
        AttributeValue::M(map) => serde_json::json!({ "M": plain(map) }),
        AttributeValue::L(list) => {
            serde_json::json!({ "L": list.iter().map(attribute).collect::<Vec<_>>() })
        }
        other => panic!("{other:?} is not written by any item"),
    }
}

#[test]
fn every_record_reads_back_what_it_wrote() {
    let expired = State::Expired { expires_at: datetime!(2026-12-09 12:00:00 UTC) };
    let states = [
        pending().state,
        expired,
        State::Settled(ready()),
        State::Settled(damaged()),
        State::Settled(failed()),
        State::Deleting(Some(ready())),
        State::Deleting(Some(damaged())),
        State::Deleting(Some(failed())),
        State::Deleting(None),
    ];
    for state in states {
        let record = PhotoRecord { state, ..pending() };
        assert_eq!(to_record(from_record(&record).unwrap()).unwrap(), record);
    }
}

#[test]
fn a_ready_record_from_before_recipes_reads_back_without_one() {
    let mut item = from_record(&settled(ready())).unwrap();
    item.remove("recipe");
    item.remove("renewed");
    let Outcome::Ready(processed) = ready() else { panic!("it is ready") };
    let old = Processed { recipe: None, renewed: false, ..processed };
    assert_eq!(to_record(item).unwrap(), settled(Outcome::Ready(old)));
}

#[test]
fn damage_reads_back_with_its_percent() {
    let whole = from_record(&settled(ready())).unwrap();
    assert!(!whole.contains_key("damaged") && !whole.contains_key("received_percent"));
    let percent = |attributes: &[(&str, AttributeValue)]| {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let record = to_record(whole.clone().into_iter().chain(attributes).collect()).unwrap();
        let State::Settled(Outcome::Ready(processed)) = record.state else { panic!("it is ready") };
        processed.received_percent
    };
    let number = |text: &str| ("received_percent", AttributeValue::N(text.to_owned()));
    let flag = |is_damaged| ("damaged", AttributeValue::Bool(is_damaged));
    assert_eq!(percent(&[flag(true), number("87")]), Some(87));
    assert_eq!(percent(&[flag(true), number("4000")]), Some(99));
    for whole in [vec![flag(false), number("87")], vec![number("87")], vec![flag(true)]] {
        assert_eq!(percent(&whole), None, "{whole:?}");
    }
}

#[test]
fn a_bare_record_reads_back_too() {
    let mut record = pending();
    record.request.file_name = None;
    record.request.checksum = None;
    record.request.metadata = Metadata::default();
    let item = from_record(&record).unwrap();
    assert!(!item.contains_key("metadata") && !item.contains_key("file_name"));
    assert_eq!(to_record(item).unwrap(), record);
}

#[test]
fn a_pending_item_has_the_documented_attributes() {
    insta::assert_json_snapshot!(plain(&from_record(&pending()).unwrap()));
}

#[test]
fn settling_writes_the_documented_attributes() {
    insta::assert_json_snapshot!("ready", plain(&from_outcome(&ready()).unwrap()));
    insta::assert_json_snapshot!("damaged", plain(&from_outcome(&damaged()).unwrap()));
    insta::assert_json_snapshot!("failed", plain(&from_outcome(&failed()).unwrap()));
}

#[test]
fn a_settled_item_is_what_a_pending_one_becomes() {
    for outcome in [ready(), damaged(), failed()] {
        let mut item = from_record(&pending()).unwrap();
        item.remove("expires_at");
        item.insert("status".to_owned(), AttributeValue::S(outcome.status().as_str().to_owned()));
        item.extend(from_outcome(&outcome).unwrap());
        assert_eq!(to_record(item).unwrap(), settled(outcome));
    }
}

#[test]
fn a_new_upload_is_due_when_its_window_ends_and_a_settled_one_is_not() {
    let tracked = to_tracked(from_record(&pending()).unwrap()).unwrap();
    assert_eq!(tracked.due_at, Some(datetime!(2026-11-24 12:15:00 UTC)));
    assert_eq!((tracked.attempts, tracked.unsent), (0, None));
    assert_eq!(to_tracked(from_record(&settled(ready())).unwrap()).unwrap().due_at, None);
}

#[test]
fn a_damaged_item_is_an_error_that_names_the_attribute() {
    let mut item = from_record(&pending()).unwrap();
    item.insert("status".to_owned(), AttributeValue::S("cooking".to_owned()));
    assert_eq!(
        to_record(item).unwrap_err().to_string(),
        "the item's status cannot be read: unknown status \"cooking\""
    );
    let mut item = from_record(&settled(ready())).unwrap();
    item.remove("width");
    assert_eq!(to_record(item).unwrap_err().to_string(), "the item's width cannot be read: it is missing");
}

//! Photos of which a part has arrived.

use photo_aws::replay::{self, Answer, Lines, Sent};
use photo_imaging::{DamagedPhotos, Limits, RenderOptions, probe};
use serde_json::{Value, json};

use crate::renew::ready;
use crate::support::{
    calls, cut, event, far, found, key, ok, photo, pipeline, pipeline_with, record, settled, written,
};

/// The JPEG sample cut at 90 % of its bytes, which has some 90 % of its rows.
fn damaged() -> Vec<u8> {
    cut("orientation-1.jpg", 90)
}

fn is_90_percent(percent: u64) -> bool {
    (80..=95).contains(&percent)
}

/// The detail of the only event, a `PhotoReady`.
fn announced(told: &Sent) -> Value {
    let [request] = told.all().try_into().unwrap();
    let entry = serde_json::from_slice::<Value>(&request.body).unwrap()["Entries"][0].clone();
    assert_eq!(entry["DetailType"], "PhotoReady");
    serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_damaged_photo_is_ready_and_says_what_came() {
    let lines = Lines::capture();
    let (mut pipeline, table, _) =
        pipeline(damaged(), vec![found("pending", "image/jpeg"), ok(), ok()], written(4));
    let (bus, told) = replay::event_bus(vec![replay::event_taken()]);
    pipeline.bus = bus;
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();

    let record = settled(&table);
    assert_eq!((&record["status"]["S"], &record["damaged"]["BOOL"]), (&json!("ready"), &json!(true)));
    let percent: u64 = record["received_percent"]["N"].as_str().unwrap().parse().unwrap();
    assert!(is_90_percent(percent), "{percent}");

    let detail = announced(&told);
    assert_eq!((&detail["damaged"], &detail["received_percent"]), (&json!(true), &json!(percent)));

    let logged = lines.with("message", "photo is damaged: what has arrived is shown");
    assert_eq!(logged.len(), 1);
    assert_eq!(logged[0]["received_percent"], percent);
    assert!(!logged[0]["reason"].as_str().unwrap().is_empty());
    assert_eq!(lines.having("PhotosReady")[0]["received_percent"], percent);
}

#[tokio::test]
async fn a_whole_photo_says_nothing_of_damage() {
    let lines = Lines::capture();
    let (pipeline, table, _) =
        pipeline(photo("orientation-1.jpg"), vec![found("pending", "image/jpeg"), ok(), ok()], written(4));
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
    let record = settled(&table);
    assert_eq!(record["status"]["S"], "ready");
    assert_eq!((record.get("damaged"), record.get("received_percent")), (None, None));
    assert!(lines.having("received_percent").is_empty());
}

#[tokio::test]
async fn less_than_half_and_a_stack_that_refuses_fail() {
    for (bytes, content_type, policy) in [
        (cut("orientation-1.jpg", 20), "image/jpeg", "show"),
        // Cut within its first frame.
        (cut("animated.gif", 5), "image/gif", "show"),
        (damaged(), "image/jpeg", "refuse"),
    ] {
        let settings = [("PHOTODROP_DAMAGED_PHOTOS", policy)];
        let (pipeline, table, buckets) =
            pipeline_with(&settings, bytes, vec![found("pending", content_type), ok(), ok()], vec![]);
        pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
        let record = settled(&table);
        assert_eq!(record["failure_code"]["S"], "CORRUPT_IMAGE", "{policy}");
        assert_eq!(record.get("damaged"), None);
        assert_eq!(calls(&buckets).len(), 1, "nothing is written");
    }
}

#[tokio::test]
async fn a_stack_that_refuses_damage_takes_a_whole_photo() {
    let settings = [("PHOTODROP_DAMAGED_PHOTOS", "refuse")];
    let table = vec![found("pending", "image/jpeg"), ok(), ok()];
    let (pipeline, table, _) = pipeline_with(&settings, photo("orientation-1.jpg"), table, written(4));
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
    assert_eq!(settled(&table)["status"]["S"], "ready");
}

#[tokio::test]
async fn a_damaged_photos_sanitised_original_is_whole() {
    let settings = [("PHOTODROP_SANITIZED_ORIGINAL", "on"), ("PHOTODROP_VARIANTS", "small:16:webp")];
    for (name, content_type, file, format) in [
        ("metadata.jpg", "image/jpeg", "original.jpg", "jpeg"),
        ("metadata.png", "image/png", "original.webp", "webp"),
    ] {
        let bytes = cut(name, 90);
        let table = vec![found("pending", content_type), ok(), ok()];
        let (pipeline, table, buckets) = pipeline_with(&settings, bytes.clone(), table, written(2));
        pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
        let record = settled(&table);
        assert_eq!(record["damaged"]["BOOL"], true, "{name}: {record}");

        let variant = &record["variants"]["L"][1]["M"];
        assert_eq!((&variant["name"]["S"], &variant["format"]["S"]), (&json!("original"), &json!(format)));
        let body = buckets.all().into_iter().find(|sent| sent.uri.contains(file)).unwrap().body;
        assert!(!body.windows(6).any(|window| window == b"SECRET"), "{name}");
        let limits = Limits::default();
        let (shown, written) = (probe(&bytes, &limits).unwrap(), probe(&body, &limits).unwrap());
        assert_eq!((shown.width(), shown.height()), (written.width(), written.height()), "{name}");
        let strict = RenderOptions { damaged_photos: DamagedPhotos::Refuse, ..RenderOptions::new(vec![]) };
        assert_eq!(written.render(&strict).unwrap().damage, None, "{name}");
    }
}

/// A backfill's event.
fn again() -> Value {
    let mut record = record(&key());
    record["eventName"] = json!("ObjectCreated:Backfill");
    record
}

#[tokio::test]
async fn a_backfill_shows_what_was_refused_as_damaged() {
    let (pipeline, table, _) =
        pipeline(damaged(), vec![found("failed", "image/jpeg"), ok(), ok()], written(4));
    pipeline.handle(event(&[again()]), far()).await.unwrap();
    let record = settled(&table);
    assert_eq!((&record["status"]["S"], &record["damaged"]["BOOL"]), (&json!("ready"), &json!(true)));
    let removed = removed(&table);
    assert!(removed.contains(&"failure_code".to_owned()), "{removed:?}");
    assert!(!removed.contains(&"damaged".to_owned()), "{removed:?}");
}

/// Attributes that the update of the record removes.
fn removed(table: &Sent) -> Vec<String> {
    let update: Value = serde_json::from_slice(&table.all()[1].body).unwrap();
    let (_, removed) = update["UpdateExpression"].as_str().unwrap().split_once(" REMOVE ").unwrap();
    removed.split(", ").map(str::to_owned).collect()
}

/// A ready photo of which a part had arrived.
fn ready_and_damaged() -> Answer {
    ready(&json!({ "damaged": { "BOOL": true }, "received_percent": { "N": "87" } }))
}

#[tokio::test]
async fn a_renewal_removes_the_damage_of_a_whole_photo() {
    for (before, was) in [(found("failed", "image/jpeg"), "failed"), (ready_and_damaged(), "ready")] {
        let (mut pipeline, table, _) =
            pipeline(photo("orientation-1.jpg"), vec![before, ok(), ok()], written(4));
        let (bus, told) = replay::event_bus(vec![replay::event_taken()]);
        pipeline.bus = bus;
        pipeline.handle(event(&[again()]), far()).await.unwrap();

        let update: Value = serde_json::from_slice(&table.all()[1].body).unwrap();
        assert_eq!(update["ExpressionAttributeValues"][":from0"]["S"], was);
        let removed = removed(&table);
        for name in ["failure_code", "damaged", "received_percent"] {
            assert!(removed.contains(&name.to_owned()), "{name}: {removed:?}");
        }
        let record = settled(&table);
        assert_eq!((record.get("damaged"), record.get("received_percent")), (None, None));
        let detail = announced(&told);
        assert_eq!((detail.get("damaged"), detail.get("received_percent")), (None, None), "{detail}");
    }
}

#[tokio::test]
async fn a_renewal_notes_the_damage_that_it_finds() {
    for before in [ready(&json!({})), ready_and_damaged()] {
        let (mut pipeline, table, buckets) = pipeline(damaged(), vec![before, ok(), ok()], written(4));
        let (bus, told) = replay::event_bus(vec![replay::event_taken()]);
        pipeline.bus = bus;
        pipeline.handle(event(&[again()]), far()).await.unwrap();

        let record = settled(&table);
        assert_eq!(record["damaged"]["BOOL"], true);
        let percent: u64 = record["received_percent"]["N"].as_str().unwrap().parse().unwrap();
        assert!(is_90_percent(percent), "{percent}");
        let detail = announced(&told);
        assert_eq!((&detail["damaged"], &detail["received_percent"]), (&json!(true), &json!(percent)));
        assert!(calls(&buckets).iter().all(|call| !call.starts_with("DELETE")));
    }
}

#[tokio::test]
async fn a_renewal_refuses_damage_and_keeps_the_thumbnails() {
    for before in [ready(&json!({})), ready_and_damaged()] {
        let settings = [("PHOTODROP_DAMAGED_PHOTOS", "refuse")];
        let (pipeline, table, buckets) = pipeline_with(&settings, damaged(), vec![before], vec![]);
        let lines = Lines::capture();
        pipeline.handle(event(&[again()]), far()).await.unwrap();
        // Both are read and neither is written: the record still names the old variants.
        assert_eq!((table.all().len(), calls(&buckets).len()), (1, 1));
        let [line] = lines.with("message", "not renewed: left as it was").try_into().unwrap();
        assert_eq!((&line["code"], &line["status"]), (&json!("CORRUPT_IMAGE"), &json!("ready")));
        assert_eq!(lines.metric("RenewalsFailed"), [1.0]);
        assert!(lines.metric("PhotosFailed").is_empty());
    }
}

//! How photos end.

use photo_aws::replay;
use serde_json::json;
use thumbnail::event::{Invocation, Notification};

use crate::support::{
    ID, calls, cut, event, far, found, key, ok, photo, pipeline, pipeline_with, pipeline_without_original,
    record, settled, written,
};

#[tokio::test]
async fn a_photo_becomes_ready_after_its_variants_are_written() {
    let (pipeline, table, buckets) =
        pipeline(photo("orientation-6.jpg"), vec![found("pending", "image/jpeg"), ok()], written(4));
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
    let record = settled(&table);
    assert_eq!(record["status"]["S"], "ready");
    assert_eq!(record["format"]["S"], "image/jpeg");
    assert_eq!(record["original_etag"]["S"], "\"0123\"");
    assert!(!record["thumbhash"]["S"].as_str().unwrap().is_empty());
    let mut written: Vec<_> = calls(&buckets).into_iter().filter(|call| call.starts_with("PUT ")).collect();
    written.sort();
    let expected = ["medium.jpg", "medium.webp", "small.jpg", "small.webp"]
        .map(|name| format!("PUT photos/auth0%257C7/{ID}/{name}?x-id=PutObject"));
    assert_eq!(written, expected);
    let variants = record["variants"]["L"].as_array().unwrap();
    let names: Vec<_> = variants.iter().map(|v| (&v["M"]["name"]["S"], &v["M"]["format"]["S"])).collect();
    assert_eq!(
        json!(names),
        json!([["small", "webp"], ["small", "jpeg"], ["medium", "webp"], ["medium", "jpeg"]])
    );
    // The pixels are stored as a portrait, and orientation 6 turns them into a landscape.
    let side = |name: &str| variants[2]["M"][name]["N"].as_str().unwrap().parse::<u32>().unwrap();
    assert!(side("width") > side("height"));
}

#[tokio::test]
async fn each_bad_photo_fails_with_its_code_and_stays_due_for_its_tag() {
    for (name, declared, code) in [
        ("not-an-image.jpg", "image/jpeg", "NOT_AN_IMAGE"),
        ("empty.jpg", "image/jpeg", "NOT_AN_IMAGE"),
        ("alpha.png", "image/jpeg", "TYPE_MISMATCH"),
        ("missing-rows.png", "image/png", "CORRUPT_IMAGE"),
        ("unsupported.heic", "image/jpeg", "UNSUPPORTED_TYPE"),
        ("unsupported.avif", "image/webp", "UNSUPPORTED_TYPE"),
        ("pixel-bomb.png", "image/png", "TOO_MANY_PIXELS"),
        ("pixel-bomb.jpg", "image/jpeg", "TOO_MANY_PIXELS"),
    ] {
        let (pipeline, table, buckets) =
            pipeline(photo(name), vec![found("pending", declared), ok(), ok()], vec![]);
        pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
        let record = settled(&table);
        assert_eq!(record["failure_code"]["S"], code, "{name}: {record}");
        assert_eq!(record["status"]["S"], "failed");
        let calls = calls(&buckets);
        assert!(matches!(&calls[..], [read] if read.starts_with("GET ")), "{calls:?}");
        let note: serde_json::Value = serde_json::from_slice(&table.all()[2].body).unwrap();
        assert_eq!(note["UpdateExpression"], "REMOVE unsent_event, unsent_event_at", "{name}");
    }
}

#[tokio::test]
async fn a_photo_that_another_delivery_made_ready_meanwhile_keeps_its_original() {
    let refused =
        json!({ "__type": "ConditionalCheckFailedException", "Item": { "status": { "S": "ready" } } });
    let (pipeline, _, buckets) = pipeline(
        cut("orientation-1.jpg", 20),
        vec![found("pending", "image/jpeg"), (400, refused.to_string())],
        written(1),
    );
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
    assert_eq!(calls(&buckets).len(), 1, "read, and not tagged: {:?}", calls(&buckets));
}

#[tokio::test]
async fn an_original_over_the_limit_is_not_kept_in_memory() {
    let (pipeline, table, _) =
        pipeline(vec![0xff; 5_000_001], vec![found("pending", "image/jpeg"), ok()], written(1));
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
    assert_eq!(settled(&table)["failure_code"]["S"], "TOO_LARGE");
}

#[tokio::test]
async fn an_original_that_is_gone_fails_its_photo() {
    let missing = (404, "<Error><Code>NoSuchKey</Code></Error>".to_owned());
    let (pipeline, table, _) =
        pipeline_without_original(vec![found("pending", "image/jpeg"), ok()], vec![missing.clone(), missing]);
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
    assert_eq!(settled(&table)["failure_code"]["S"], "ORIGINAL_MISSING");
}

#[tokio::test]
async fn an_event_about_a_replaced_object_does_nothing() {
    let replaced = (412, "<Error><Code>PreconditionFailed</Code></Error>".to_owned());
    let (pipeline, table, buckets) =
        pipeline_without_original(vec![found("pending", "image/jpeg")], vec![replaced]);
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
    assert_eq!((table.all().len(), buckets.all().len()), (1, 1));
}

#[tokio::test]
async fn a_duplicate_event_reads_the_record_and_nothing_else() {
    let (pipeline, table, buckets) =
        pipeline(photo("orientation-1.jpg"), vec![found("failed", "image/jpeg")], vec![]);
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
    assert_eq!((table.all().len(), buckets.all().len()), (1, 0));
}

#[tokio::test]
async fn of_two_deliveries_at_once_the_later_finds_it_done() {
    let refused =
        json!({ "__type": "ConditionalCheckFailedException", "Item": { "status": { "S": "ready" } } });
    let (pipeline, ..) = pipeline(
        photo("orientation-1.jpg"),
        vec![found("pending", "image/jpeg"), (400, refused.to_string())],
        written(4),
    );
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
}

#[tokio::test]
async fn an_original_without_a_record_is_not_touched() {
    let (pipeline, table, buckets) = pipeline(photo("orientation-1.jpg"), vec![ok()], vec![]);
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
    assert_eq!((table.all().len(), buckets.all().len()), (1, 0));
}

#[tokio::test]
async fn foreign_objects_and_test_events_touch_nothing() {
    let (pipeline, table, buckets) = pipeline(vec![], vec![], vec![]);
    pipeline
        .handle(event(&[record("holiday+photos/1.jpg"), record("photos/a/b/original")]), far())
        .await
        .unwrap();
    let test: Notification = serde_json::from_value(json!({ "Event": "s3:TestEvent" })).unwrap();
    pipeline.handle(Invocation::Direct(test), far()).await.unwrap();
    pipeline.handle(event(&[]), far()).await.unwrap();
    assert_eq!(table.all().len() + buckets.all().len(), 0);
}

/// Name, format, width and height of each variant in the record.
fn variants(record: &serde_json::Value) -> Vec<(String, String, String, String)> {
    let field =
        |v: &serde_json::Value, name: &str, kind: &str| v["M"][name][kind].as_str().unwrap().to_owned();
    let list = record["variants"]["L"].as_array().unwrap();
    list.iter()
        .map(|v| {
            (field(v, "name", "S"), field(v, "format", "S"), field(v, "width", "N"), field(v, "height", "N"))
        })
        .collect()
}

fn named(name: &str, format: &str, width: u32, height: u32) -> (String, String, String, String) {
    (name.to_owned(), format.to_owned(), width.to_string(), height.to_string())
}

#[tokio::test]
async fn fits_and_formats_of_a_variants_own_come_out_of_the_configuration() {
    let settings = [(
        "PHOTODROP_VARIANTS",
        "small:160:jpeg,square:64x64:cover:avif,card:90x90:contain:webp,box:100x40:inside:jpeg+webp",
    )];
    let (pipeline, table, buckets) = pipeline_with(
        &settings,
        photo("orientation-6.jpg"),
        vec![found("pending", "image/jpeg"), ok()],
        written(5),
    );
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
    assert_eq!(
        variants(&settled(&table)),
        [
            named("small", "jpeg", 160, 108),
            named("square", "avif", 64, 64),
            named("card", "webp", 90, 90),
            named("box", "jpeg", 59, 40),
            named("box", "webp", 59, 40),
        ]
    );
    let avif = buckets.all().into_iter().find(|sent| sent.uri.contains("/square.avif")).unwrap();
    assert_eq!(&avif.body[4..12], b"ftypavif");
}

#[tokio::test]
async fn an_animation_moves_when_it_is_configured_to() {
    for (kept, expected) in [("keep", true), ("first-frame", false)] {
        let settings = [("PHOTODROP_ANIMATION", kept), ("PHOTODROP_VARIANTS", "small:160:webp")];
        let (pipeline, table, buckets) = pipeline_with(
            &settings,
            photo("animated.gif"),
            vec![found("pending", "image/gif"), ok()],
            written(1),
        );
        pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
        assert_eq!(variants(&settled(&table)), [named("small", "webp", 160, 106)]);
        let body = buckets.all().into_iter().find(|sent| sent.uri.contains("/small.webp")).unwrap().body;
        assert_eq!(body.windows(4).filter(|w| w == b"ANMF").count() == 3, expected, "{kept}");
    }
}

#[tokio::test]
async fn a_sanitised_original_is_a_variant_of_its_own() {
    for (name, content_type, extension, size) in [
        ("metadata.jpg", "image/jpeg", "jpg", (320, 213)),
        ("metadata.png", "image/png", "png", (32, 48)),
        ("metadata.gif", "image/gif", "gif", (8, 6)),
    ] {
        let settings = [("PHOTODROP_SANITIZED_ORIGINAL", "on"), ("PHOTODROP_VARIANTS", "small:16:webp")];
        let (pipeline, table, buckets) =
            pipeline_with(&settings, photo(name), vec![found("pending", content_type), ok()], written(2));
        pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
        let format = content_type.strip_prefix("image/").unwrap();
        assert_eq!(variants(&settled(&table))[1], named("original", format, size.0, size.1));
        let path = format!("/original.{extension}?");
        let body = buckets.all().into_iter().find(|sent| sent.uri.contains(&path)).unwrap().body;
        assert!(body.len() > 30 && !body.windows(6).any(|w| w == b"SECRET"), "{name}");
    }
}

#[tokio::test]
async fn an_upload_that_comes_after_it_has_expired_is_as_good_as_one_in_time() {
    let (pipeline, table, _) =
        pipeline(photo("orientation-1.jpg"), vec![found("expired", "image/jpeg"), ok()], written(4));
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
    assert_eq!(settled(&table)["status"]["S"], "ready");
}

#[tokio::test]
async fn nothing_is_made_of_a_deleted_photo() {
    let (pipeline, table, buckets) =
        pipeline(photo("orientation-1.jpg"), vec![found("deleting", "image/jpeg")], vec![]);
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
    assert_eq!((table.all().len(), buckets.all().len()), (1, 0));
}

#[tokio::test]
async fn a_settled_photo_is_announced_and_the_record_then_owes_nothing() {
    let (mut pipeline, table, _) =
        pipeline(photo("orientation-1.jpg"), vec![found("pending", "image/jpeg"), ok(), ok()], written(4));
    let (bus, told) = replay::event_bus(vec![replay::event_taken()]);
    pipeline.bus = bus;
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
    let owed = settled(&table);
    assert_eq!(owed["unsent_event"]["S"], "PhotoReady");
    let [request] = told.all().try_into().unwrap();
    let entry = serde_json::from_slice::<serde_json::Value>(&request.body).unwrap()["Entries"][0].clone();
    assert_eq!((&entry["Source"], &entry["DetailType"]), (&json!("photodrop"), &json!("PhotoReady")));
    let detail: serde_json::Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
    assert_eq!(detail["occurred_at"], owed["unsent_event_at"]["S"]);
    let note: serde_json::Value = serde_json::from_slice(&table.all()[2].body).unwrap();
    assert_eq!(note["UpdateExpression"], "REMOVE unsent_event, unsent_event_at, due_at");
}

#[tokio::test]
async fn a_photo_that_cannot_be_announced_is_done_all_the_same_and_owes_its_event() {
    let refused = r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure","ErrorMessage":"m"}]}"#;
    for answer in [(500, String::new()), (200, refused.to_owned())] {
        let (mut pipeline, table, _) = pipeline(
            photo("orientation-1.jpg"),
            vec![found("pending", "image/jpeg"), ok(), ok()],
            written(4),
        );
        pipeline.bus = replay::event_bus(vec![answer]).0;
        pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
        assert_eq!(table.all().len(), 2, "read and settled, not noted as announced");
    }
}

#[tokio::test]
async fn other_bytes_than_were_announced_fail_and_nothing_is_decoded() {
    const OF_NOTHING: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let with = |answer: (u16, String), more: &str| {
        (answer.0, answer.1.replace(r#""status":"#, &format!(r#"{more},"status":"#)))
    };
    let another = format!(r#""checksum_sha256":{{"S":"{OF_NOTHING}"}}"#);
    let wrong_size = (200, found("pending", "image/jpeg").1.replace("123456", "7"));
    for (answer, code) in
        [(with(found("pending", "image/jpeg"), &another), "CHECKSUM_MISMATCH"), (wrong_size, "SIZE_MISMATCH")]
    {
        let (pipeline, table, buckets) = pipeline(photo("orientation-1.jpg"), vec![answer, ok()], written(1));
        pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
        assert_eq!(settled(&table)["failure_code"]["S"], code);
        assert!(calls(&buckets).iter().all(|call| !call.contains("small")), "no variant is written");
    }
}

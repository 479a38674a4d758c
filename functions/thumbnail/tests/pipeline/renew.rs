//! Other variants for photos that have ended: what a backfill asks for.

use photo_aws::replay::Lines;
use serde_json::{Value, json};

use crate::support::{
    ID, calls, cut, event, far, found, key, ok, photo, pipeline, pipeline_with, pipeline_without_original,
    record, settled, written,
};

/// A backfill's event.
pub(crate) fn again() -> Value {
    let mut record = record(&key());
    record["eventName"] = json!("ObjectCreated:Backfill");
    record
}

/// DynamoDB's answer to a read of the record of a photo that has variants, with these attributes on top.
pub(crate) fn ready(more: &Value) -> (u16, String) {
    let (status, body) = found("ready", "image/jpeg");
    let mut answer: Value = serde_json::from_str(&body).unwrap();
    let item = answer["Item"].as_object_mut().unwrap();
    for name in ["failure_code", "expires_at"] {
        item.remove(name);
    }
    let old = json!({
        "format": { "S": "image/jpeg" }, "width": { "N": "4" }, "height": { "N": "3" },
        "thumbhash": { "S": "1QcS" }, "dominant_color": { "S": "#336699" }, "original_etag": { "S": "\"0123\"" },
        "variants": { "L": [ { "M": {
            "name": { "S": "tiny" }, "format": { "S": "webp" }, "width": { "N": "4" }, "height": { "N": "3" },
            "size_bytes": { "N": "9" }, "key": { "S": format!("photos/auth0%7C7/{ID}/tiny.webp") } } } ] },
    });
    for (name, value) in old.as_object().unwrap().iter().chain(more.as_object().unwrap()) {
        item.insert(name.clone(), value.clone());
    }
    (status, answer.to_string())
}

fn puts(calls: &[String]) -> Vec<&String> {
    calls.iter().filter(|call| call.starts_with("PUT ")).collect()
}

#[tokio::test]
async fn a_ready_photo_gets_variants_under_new_keys_and_then_its_record_names_them() {
    let (pipeline, table, buckets) =
        pipeline(photo("orientation-6.jpg"), vec![ready(&json!({})), ok(), ok()], written(4));
    pipeline.handle(event(&[again()]), far()).await.unwrap();

    let update: Value = serde_json::from_slice(&table.all()[1].body).unwrap();
    let condition = update["ConditionExpression"].as_str().unwrap();
    assert_eq!(condition, "#status IN (:from0) AND (attribute_not_exists(recipe) OR recipe <> :recipe)");
    assert_eq!(update["ExpressionAttributeValues"][":from0"]["S"], "ready");
    let record = settled(&table);
    assert!(record.get("status").is_none(), "it stays ready: {record}");
    assert!(record.get("tag_due").is_none(), "no run has tagged its original: {record}");
    assert_eq!(record["recipe"]["S"], pipeline.config.recipe.as_str());
    assert_eq!(
        (&record["renewed"]["BOOL"], &record["unsent_event"]["S"]),
        (&json!(true), &json!("PhotoReady"))
    );
    // Nothing under a key of before is written over.
    let calls = calls(&buckets);
    let named: Vec<_> =
        record["variants"]["L"].as_array().unwrap().iter().map(|v| &v["M"]["key"]["S"]).collect();
    assert_eq!((puts(&calls).len(), named.len()), (4, 4));
    for name in named {
        let name = name.as_str().unwrap();
        let file = name.rsplit('/').next().unwrap();
        assert_eq!(file.split('.').count(), 3, "{file}");
        let path = name.replace('%', "%25");
        assert!(calls.iter().any(|call| call.starts_with(&format!("PUT {path}?"))), "{path}: {calls:?}");
    }
}

#[tokio::test]
async fn a_photo_whose_variants_are_by_these_settings_is_left_alone() {
    let recipe = pipeline(vec![], vec![], vec![]).0.config.recipe.to_string();
    let (pipeline, table, buckets) =
        pipeline(photo("orientation-6.jpg"), vec![ready(&json!({ "recipe": { "S": recipe } }))], vec![]);
    pipeline.handle(event(&[again()]), far()).await.unwrap();
    assert_eq!((table.all().len(), buckets.all().len()), (1, 0));
}

#[tokio::test]
async fn any_setting_of_how_variants_look_is_worth_a_renewal() {
    let recipe = pipeline(vec![], vec![], vec![]).0.config.recipe.to_string();
    for (setting, count) in [("PHOTODROP_JPEG_QUALITY", 4), ("PHOTODROP_BACKGROUND", 4)] {
        let (pipeline, table, buckets) = pipeline_with(
            &[(setting, if setting.ends_with("QUALITY") { "50" } else { "000000" })],
            photo("orientation-6.jpg"),
            vec![ready(&json!({ "recipe": { "S": recipe } })), ok(), ok()],
            written(4),
        );
        pipeline.handle(event(&[again()]), far()).await.unwrap();
        assert_eq!((table.all().len(), puts(&calls(&buckets)).len()), (3, count), "{setting}");
    }
}

#[tokio::test]
async fn an_ordinary_event_about_a_ready_photo_is_still_a_duplicate() {
    let (pipeline, table, buckets) = pipeline(photo("orientation-6.jpg"), vec![ready(&json!({}))], vec![]);
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
    assert_eq!((table.all().len(), buckets.all().len()), (1, 0));
}

#[tokio::test]
async fn a_backfill_s_event_about_a_pending_photo_is_as_good_as_s3_s() {
    let (pipeline, table, buckets) =
        pipeline(photo("orientation-6.jpg"), vec![found("pending", "image/jpeg"), ok(), ok()], written(4));
    pipeline.handle(event(&[again()]), far()).await.unwrap();
    assert_eq!(settled(&table)["status"]["S"], "ready");
    assert!(calls(&buckets).iter().any(|call| call.contains("/small.webp?")));
}

#[tokio::test]
async fn whatever_is_wrong_with_its_original_now_a_ready_photo_stays_as_it_was() {
    let missing = (404, "<Error><Code>NoSuchKey</Code></Error>".to_owned());
    let replaced = (412, "<Error><Code>PreconditionFailed</Code></Error>".to_owned());
    let bad = |name| pipeline(photo(name), vec![ready(&json!({}))], vec![]);
    for ((pipeline, table, buckets), failed) in [
        (pipeline(cut("orientation-1.jpg", 20), vec![ready(&json!({}))], vec![]), 1),
        (bad("not-an-image.jpg"), 1),
        (bad("pixel-bomb.jpg"), 1),
        (pipeline_without_original(vec![ready(&json!({}))], vec![missing]), 1),
        (pipeline_without_original(vec![ready(&json!({}))], vec![replaced]), 0),
    ] {
        let lines = Lines::capture();
        pipeline.handle(event(&[again()]), far()).await.unwrap();
        // Read, and nothing else: no tag, no write.
        assert_eq!((table.all().len(), buckets.all().len()), (1, 1));
        assert_eq!(lines.with("message", "not renewed: left as it was").len(), failed);
        assert_eq!(lines.metric("RenewalsFailed").len(), failed);
        assert!(lines.metric("PhotosFailed").is_empty());
    }
}

#[tokio::test]
async fn trouble_on_the_way_is_an_error_that_lambda_tries_again() {
    for (table, buckets) in [
        (vec![(500, String::new())], vec![]),
        (vec![ready(&json!({}))], vec![]),
        (vec![ready(&json!({})), (500, String::new())], written(4)),
    ] {
        let (pipeline, ..) = pipeline(photo("orientation-6.jpg"), table, buckets);
        assert!(pipeline.handle(event(&[again()]), far()).await.is_err());
    }
}

#[tokio::test]
async fn of_two_backfills_at_once_the_later_finds_it_done_and_announces_nothing() {
    let refused =
        json!({ "__type": "ConditionalCheckFailedException", "Item": { "status": { "S": "ready" } } });
    let (pipeline, table, _) =
        pipeline(photo("orientation-6.jpg"), vec![ready(&json!({})), (400, refused.to_string())], written(4));
    let lines = Lines::capture();
    pipeline.handle(event(&[again()]), far()).await.unwrap();
    assert_eq!(table.all().len(), 2);
    assert!(lines.metric("PhotosRenewed").is_empty() && lines.with("message", "photo announced").is_empty());
}

#[tokio::test]
async fn a_photo_that_was_never_announced_as_ready_is_not_announced_as_renewed() {
    for (more, renewed) in [
        (json!({}), true),
        (
            json!({ "unsent_event": { "S": "PhotoReady" }, "unsent_event_at": { "S": "2026-11-24T12:00:00Z" } }),
            false,
        ),
        (
            json!({ "unsent_event": { "S": "PhotoReady" }, "unsent_event_at": { "S": "2026-11-24T12:00:00Z" },
                "renewed": { "BOOL": true } }),
            true,
        ),
    ] {
        let (pipeline, table, _) =
            pipeline(photo("orientation-6.jpg"), vec![ready(&more), ok(), ok()], written(4));
        pipeline.handle(event(&[again()]), far()).await.unwrap();
        assert_eq!(settled(&table).get("renewed").is_some(), renewed, "{more}");
    }
}

#[tokio::test]
async fn a_photo_that_failed_and_can_be_read_now_becomes_ready() {
    let (pipeline, table, buckets) =
        pipeline(photo("orientation-6.jpg"), vec![found("failed", "image/jpeg"), ok(), ok()], written(4));
    let lines = Lines::capture();
    pipeline.handle(event(&[again()]), far()).await.unwrap();
    let record = settled(&table);
    assert_eq!((&record["status"]["S"], record.get("renewed")), (&json!("ready"), None));
    assert_eq!(record["tag_due"]["BOOL"], true, "reconcile tags the original once more");
    let update: Value = serde_json::from_slice(&table.all()[1].body).unwrap();
    assert_eq!(update["ExpressionAttributeValues"][":from0"]["S"], "failed");
    assert!(update["UpdateExpression"].as_str().unwrap().contains("REMOVE failure_code, failure_reason"));
    assert!(
        calls(&buckets).iter().all(|call| !call.contains("tagging")),
        "the original is reconcile's to tag"
    );
    assert_eq!(lines.metric("PhotosRenewed"), [1.0]);
}

#[tokio::test]
async fn a_photo_that_failed_and_still_cannot_be_read_stays_failed_as_it_was() {
    let (pipeline, table, buckets) =
        pipeline(cut("orientation-1.jpg", 20), vec![found("failed", "image/jpeg")], vec![]);
    pipeline.handle(event(&[again()]), far()).await.unwrap();
    assert_eq!((table.all().len(), buckets.all().len()), (1, 1));
}

#[tokio::test]
async fn a_deleted_photo_is_not_renewed() {
    let (pipeline, table, buckets) =
        pipeline(photo("orientation-6.jpg"), vec![ready(&json!({ "status": { "S": "deleting" } }))], vec![]);
    pipeline.handle(event(&[again()]), far()).await.unwrap();
    assert_eq!((table.all().len(), buckets.all().len()), (1, 0));
}

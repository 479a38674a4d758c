//! Photos of which a part has arrived.

use aws_sdk_dynamodb::types::AttributeValue;
use photodrop_tests::photos::cut;
use reqwest::Method;
use serde_json::{Value, json};

use crate::completion::{assert_follows_its_schema, heard};
use crate::support::{World, function_is_mine, function_works};

/// The part of the JPEG sample that has some 90 % of its rows.
fn damaged() -> Vec<u8> {
    cut("orientation-1.jpg", 90).unwrap()
}

/// The bytes of a variant, by its signed URL.
async fn bytes(world: &World, variant: &Value) -> Vec<u8> {
    let reply = world.api.send(Method::GET, variant["url"].as_str().unwrap(), &[], vec![]).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.bytes
}

#[tokio::test]
async fn a_photo_cut_at_90_percent_is_ready_and_damaged() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let queue = world.aws.listen("damage").await.unwrap();
    let record = world.api.process("image/jpeg", &damaged()).await.unwrap();
    assert_eq!((&record["status"], &record["damaged"]), (&json!("ready"), &json!(true)), "{record}");
    let percent = record["received_percent"].as_u64().unwrap();
    assert!((80..=95).contains(&percent), "{percent}");
    assert_eq!(record["variants"].as_array().unwrap().len(), 6);
    let photo_id = record["photo_id"].as_str().unwrap();

    let page = world.api.call(Method::GET, "/api/v4/photo?limit=100", &[], "").await.unwrap().json();
    let listed =
        page["photos"].as_array().unwrap().iter().find(|photo| photo["photo_id"] == photo_id).unwrap();
    assert_eq!(
        (&listed["damaged"], &listed["received_percent"]),
        (&record["damaged"], &record["received_percent"])
    );

    let item = world.item(photo_id).await;
    assert_eq!(item["damaged"], AttributeValue::Bool(true));
    assert_eq!(item["received_percent"], AttributeValue::N(percent.to_string()));

    let [event] = heard(&world, &queue, &[photo_id], 1).await.try_into().unwrap();
    assert_eq!(event["detail-type"], "PhotoReady");
    assert_follows_its_schema(&event);
    let detail = &event["detail"];
    assert_eq!((&detail["damaged"], &detail["received_percent"]), (&json!(true), &json!(percent)));
}

#[tokio::test]
async fn a_photo_cut_at_20_percent_is_corrupt() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = cut("orientation-1.jpg", 20).unwrap();
    let record = world.api.process("image/jpeg", &bytes).await.unwrap();
    assert_eq!(record["failure"]["code"], "CORRUPT_IMAGE", "{record}");
    assert!(record.get("damaged").is_none() && record["variants"].as_array().unwrap().is_empty(), "{record}");
}

#[tokio::test]
async fn a_damaged_photos_sanitised_original_is_a_whole_jpeg() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let function = &world.stack.thumbnail_function;
    let on = [("PHOTODROP_SANITIZED_ORIGINAL", "on")];
    let before = world.aws.set_environment(function, &on).await.unwrap();
    let record = world.api.process("image/jpeg", &damaged()).await;
    world.aws.restore_environment(function, before).await.unwrap();
    let record = record.unwrap();
    assert_eq!(record["damaged"], true, "{record}");

    let variants = record["variants"].as_array().unwrap();
    let original = variants.iter().find(|variant| variant["name"] == "original").unwrap();
    assert_eq!(original["format"], "jpeg");
    let bytes = bytes(&world, original).await;
    assert!(bytes.ends_with(&[0xff, 0xd9]), "it has its EOI");
    let picture = image::load_from_memory(&bytes).unwrap();
    assert_eq!(
        (u64::from(picture.width()), u64::from(picture.height())),
        (record["original"]["width"].as_u64().unwrap(), record["original"]["height"].as_u64().unwrap())
    );
}

#[tokio::test]
async fn a_stack_that_refuses_damage_fails_the_photo() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let function = &world.stack.thumbnail_function;
    let refuse = [("PHOTODROP_DAMAGED_PHOTOS", "refuse")];
    let before = world.aws.set_environment(function, &refuse).await.unwrap();
    let record = world.api.process("image/jpeg", &damaged()).await;
    world.aws.restore_environment(function, before).await.unwrap();
    let record = record.unwrap();
    assert_eq!(record["failure"]["code"], "CORRUPT_IMAGE", "{record}");

    // Shown by the deployed settings, once a backfill is asked for.
    let photo_id = record["photo_id"].as_str().unwrap();
    world.announced(photo_id).await;
    let mut event = world.event(photo_id, None);
    event["Records"][0]["eventName"] = json!("ObjectCreated:Backfill");
    world.aws.invoke(function, &event).await.unwrap();
    let shown = world.api.photo(photo_id).await.unwrap().json();
    assert_eq!((&shown["status"], &shown["damaged"]), (&json!("ready"), &json!(true)), "{shown}");
}

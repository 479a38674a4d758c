//! Photos that can never have thumbnails.

use std::time::Duration;

use photodrop_tests::photos::{cut, photo};

use crate::support::{World, function_works};

/// Well over the second that the local stack waits before it tries an event again (`infra/local/emulator.py`).
const RETRIES_BEGIN_WITHIN: Duration = Duration::from_secs(4);

#[tokio::test]
async fn each_bad_photo_fails_at_once_with_its_code() {
    let _function = function_works().await;
    let world = World::new().await;
    let mut photo_ids = Vec::new();
    for (name, content_type, code) in [
        ("not-an-image.jpg", "image/jpeg", "NOT_AN_IMAGE"),
        ("html.png", "image/png", "NOT_AN_IMAGE"),
        ("missing-rows.png", "image/png", "CORRUPT_IMAGE"),
        ("pixel-bomb.jpg", "image/jpeg", "TOO_MANY_PIXELS"),
        ("pixel-bomb.gif", "image/gif", "TOO_MANY_PIXELS"),
        ("pixel-bomb.webp", "image/webp", "TOO_MANY_PIXELS"),
        ("alpha.png", "image/jpeg", "TYPE_MISMATCH"),
        ("pixel-bomb.png", "image/png", "TOO_MANY_PIXELS"),
    ] {
        let record = world.api.process(content_type, &photo(name).unwrap()).await.unwrap();
        assert_eq!(record["status"], "failed", "{name}: {record}");
        assert_eq!(record["failure"]["code"], code, "{name}");
        assert_eq!(record["variants"].as_array().unwrap().len(), 0);
        let photo_id = record["photo_id"].as_str().unwrap();
        // The cause is for operators.
        let item = world.item(photo_id).await;
        assert!(item.contains_key("failure_reason"), "{item:?}");
        assert!(!record.to_string().contains("failure_reason"));
        assert!(
            world
                .aws
                .objects(&world.stack.thumbnails_bucket, &world.prefix(photo_id))
                .await
                .unwrap()
                .is_empty()
        );
        photo_ids.push(photo_id.to_owned());
    }
    // A retry would come after a second: it would find the photo settled and log that.
    tokio::time::sleep(RETRIES_BEGIN_WITHIN).await;
    for photo_id in &photo_ids {
        assert_eq!(world.tag_when_due(photo_id).await.as_deref(), Some("failed"), "{photo_id}");
        assert!(!world.item(photo_id).await.contains_key("due_at"), "{photo_id} is tagged and done");
        assert_eq!(world.aws.logged_of(photo_id, "photo failed").await.unwrap(), 1, "{photo_id}");
        for retried in ["settled before: duplicate event", "settled meanwhile: duplicate event"] {
            assert_eq!(world.aws.logged_of(photo_id, retried).await.unwrap(), 0, "{photo_id}");
        }
        assert!(world.aws.take_failures_of(photo_id).await.unwrap().is_empty(), "{photo_id}");
    }
}

#[tokio::test]
async fn a_photo_that_failed_stays_failed_whatever_comes_later() {
    let _function = function_works().await;
    let world = World::new().await;
    let record = world.api.process("image/jpeg", &cut("orientation-1.jpg", 20).unwrap()).await.unwrap();
    let photo_id = record["photo_id"].as_str().unwrap();
    let item = world.announced(photo_id).await;
    // Even when the bytes have become good ones meanwhile, by a hand in the bucket.
    let key = world.key(photo_id);
    let put = world.aws.s3.put_object().bucket(&world.stack.originals_bucket).key(&key);
    put.body(photo("orientation-1.jpg").unwrap().into()).send().await.unwrap();
    world.aws.invoke(&world.stack.thumbnail_function, &world.event(photo_id, None)).await.unwrap();
    assert_eq!(world.item(photo_id).await, item);
}

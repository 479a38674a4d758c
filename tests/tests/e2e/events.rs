//! S3's events, again, late, out of order and foreign.

use photodrop_tests::photos::photo;
use photodrop_tests::stack::root;
use serde_json::{Value, json};

use photodrop_tests::aws::event_for;

use crate::support::{FOREIGN_BUCKET, World, function_is_mine, function_works};

/// A sample event, its bucket changed to that of the stack under test: another's would be ignored.
fn sample(world: &World, name: &str) -> Value {
    let text = std::fs::read_to_string(root().join("events").join(name)).unwrap();
    let text = text.replace("photodrop-originals-000000000000-us-east-1", &world.stack.originals_bucket);
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn an_event_that_comes_again_changes_nothing() {
    let _function = function_works().await;
    let world = World::new().await;
    let photo_id = world.api.upload("image/jpeg", &photo("orientation-6.jpg").unwrap()).await.unwrap();
    // Nine more deliveries race with S3's own.
    let mut deliveries = tokio::task::JoinSet::new();
    for _ in 0..9 {
        let (aws, function) = (world.aws.clone(), world.stack.thumbnail_function.clone());
        let event = world.event(&photo_id, None);
        deliveries.spawn(async move { aws.invoke(&function, &event).await.unwrap() });
    }
    deliveries.join_all().await;
    assert_eq!(world.api.settled(&photo_id).await.unwrap()["status"], "ready");

    let bucket = &world.stack.thumbnails_bucket;
    let (item, objects) = (
        world.announced(&photo_id).await,
        world.aws.objects(bucket, &world.prefix(&photo_id)).await.unwrap(),
    );
    assert_eq!(objects.len(), 6);
    for etag in [None, Some("0123456789abcdef0123456789abcdef")] {
        world.aws.invoke(&world.stack.thumbnail_function, &world.event(&photo_id, etag)).await.unwrap();
    }
    assert_eq!(world.item(&photo_id).await, item);
    assert_eq!(world.aws.objects(bucket, &world.prefix(&photo_id)).await.unwrap(), objects);
}

#[tokio::test]
async fn an_event_about_bytes_that_were_replaced_leaves_the_photo_to_the_right_one() {
    // S3 notifies nobody meanwhile: its own event would settle the photo before the stale one comes.
    let _function = function_is_mine().await;
    let world = World::new().await;
    let notifications = world.aws.silence(&world.stack.originals_bucket).await.unwrap();
    let uploaded = world.api.upload("image/jpeg", &photo("orientation-1.jpg").unwrap()).await;
    world.aws.notify(&world.stack.originals_bucket, notifications).await.unwrap();
    let photo_id = uploaded.unwrap();

    let function = &world.stack.thumbnail_function;
    let stale = world.event(&photo_id, Some("0123456789abcdef0123456789abcdef"));
    world.aws.invoke(function, &stale).await.unwrap();
    assert_eq!(world.api.photo(&photo_id).await.unwrap().json()["status"], "pending");
    assert!(world.thumbnails(&photo_id).await.is_empty());

    let originals = world.aws.objects(&world.stack.originals_bucket, &world.prefix(&photo_id)).await.unwrap();
    let etag = originals[0].1.trim_matches('"');
    world.aws.invoke(function, &world.event(&photo_id, Some(etag))).await.unwrap();
    assert_eq!(world.api.photo(&photo_id).await.unwrap().json()["status"], "ready");
}

#[tokio::test]
async fn an_event_about_an_original_that_is_gone_fails_the_photo() {
    let _function = function_works().await;
    let world = World::new().await;
    let created = world.api.create("image/jpeg", 1).await.unwrap();
    world.aws.invoke(&world.stack.thumbnail_function, &world.event(&created.photo_id, None)).await.unwrap();
    let record = world.api.settled(&created.photo_id).await.unwrap();
    assert_eq!(record["failure"]["code"], "ORIGINAL_MISSING");
}

#[tokio::test]
async fn an_original_without_a_record_is_left_to_reconcile() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo("orientation-1.jpg").unwrap();
    let created = world.api.create("image/jpeg", bytes.len()).await.unwrap();
    world.aws.delete_item(&world.owner, &created.photo_id).await.unwrap();
    assert_eq!(world.api.put(created.upload().unwrap(), bytes).await.unwrap().status, 200);
    // S3's own event may be on its way; a second one ends the same.
    world.aws.invoke(&world.stack.thumbnail_function, &world.event(&created.photo_id, None)).await.unwrap();
    let tag = world.aws.state_tag(&world.key(&created.photo_id)).await.unwrap();
    assert_eq!(tag, None, "the function that decodes photos may not tag them");
    assert!(
        world
            .aws
            .objects(&world.stack.thumbnails_bucket, &world.prefix(&created.photo_id))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(world.api.photo(&created.photo_id).await.unwrap().status, 404);
}

#[tokio::test]
async fn foreign_objects_are_left_alone() {
    let _function = function_works().await;
    let world = World::new().await;
    let function = &world.stack.thumbnail_function;
    let bucket = &world.stack.originals_bucket;
    // A real foreign object, by S3's own notification, and events of our own making.
    let key = "photos/holiday photos/Straße 1+2 %.jpg";
    let put = world.aws.s3.put_object().bucket(bucket).key(key);
    put.body(photo("orientation-1.jpg").unwrap().into()).send().await.unwrap();
    for event in [
        event_for(bucket, key, None),
        event_for(bucket, "elsewhere/x.jpg", None),
        event_for(&world.stack.thumbnails_bucket, &world.key("01935b7c-0000-7000-8000-000000000001"), None),
        json!({ "Records": [] }),
    ] {
        world.aws.invoke(function, &event).await.unwrap();
    }
    assert!(world.aws.objects(&world.stack.thumbnails_bucket, "photos/holiday").await.unwrap().is_empty());
    assert_eq!(world.aws.state_tag(key).await.unwrap(), None);
    world.aws.s3.delete_object().bucket(bucket).key(key).send().await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_no_s3_event_is_an_error_and_not_swallowed() {
    let _function = function_works().await;
    let world = World::new().await;
    assert!(world.aws.invoke(&world.stack.thumbnail_function, &json!({ "hello": "world" })).await.is_err());
}

#[tokio::test]
async fn a_message_that_is_no_event_is_a_dead_letter_at_once() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let mark = photo_domain::PhotoId::generate().to_string();
    let foreign = json!({ "hello": mark });
    world.aws.send_event(&foreign).await.unwrap();
    assert_eq!(world.aws.wait_for_failures_of(&mark).await.unwrap(), [foreign]);
}

#[tokio::test]
async fn an_object_in_the_thumbnails_bucket_starts_nothing() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo("orientation-1.jpg").unwrap();
    let created = world.api.create("image/jpeg", bytes.len()).await.unwrap();
    // A key that the function would take up, in one bucket and then in the other; the latter shows when to look.
    let key = world.key(&created.photo_id);
    for bucket in [&world.stack.thumbnails_bucket, &world.stack.originals_bucket] {
        let put = world.aws.s3.put_object().bucket(bucket).key(&key);
        put.body(bytes.clone().into()).send().await.unwrap();
    }
    assert_eq!(world.api.settled(&created.photo_id).await.unwrap()["status"], "ready");
    // From the other bucket it would have been ignored, which is logged with the photo's id.
    assert_eq!(world.aws.logged_of(&created.photo_id, "record ignored").await.unwrap(), 0);
    let elsewhere = event_for(&world.stack.thumbnails_bucket, &key, None);
    world.aws.invoke(&world.stack.thumbnail_function, &elsewhere).await.unwrap();
    assert_eq!(world.aws.logged_of(&created.photo_id, "record ignored").await.unwrap(), 1);
}

#[tokio::test]
async fn a_thumbnail_cannot_start_the_function() {
    let world = World::new().await;
    let bucket = |name: &str| world.aws.s3.get_bucket_notification_configuration().bucket(name).send();
    let originals = bucket(&world.stack.originals_bucket).await.unwrap();
    assert_eq!(originals.queue_configurations().len(), 1);
    assert!(
        originals.lambda_function_configurations().is_empty() && originals.topic_configurations().is_empty()
    );
    let thumbnails = bucket(&world.stack.thumbnails_bucket).await.unwrap();
    assert!(thumbnails.lambda_function_configurations().is_empty());
    assert!(thumbnails.queue_configurations().is_empty() && thumbnails.topic_configurations().is_empty());
}

#[tokio::test]
async fn the_sample_events_run_on_the_deployed_functions() {
    let _function = function_works().await;
    let world = World::new().await;
    for name in [
        "sqs-s3-put.json",
        "s3-put.json",
        "s3-put-encoded-key.json",
        "s3-put-unicode-key.json",
        "s3-put-several-records.json",
        "s3-put-foreign-key.json",
        "s3-object-removed.json",
        "s3-test-event.json",
    ] {
        world.aws.invoke(&world.stack.thumbnail_function, &sample(&world, name)).await.unwrap();
    }
    for name in ["reconcile.json", "reconcile-dry-run.json"] {
        let summary = world.aws.invoke(&world.stack.reconcile_function, &sample(&world, name)).await.unwrap();
        assert_eq!(
            (&summary["errors"], summary["dry_run"] == true),
            (&json!(0), name.contains("dry")),
            "{summary}"
        );
    }
    let made = world.aws.s3.create_bucket().bucket(FOREIGN_BUCKET).send().await;
    drop(made);
    for name in ["reconcile-backfill-photos.json", "reconcile-backfill-bucket.json"] {
        let answer = world.aws.invoke(&world.stack.reconcile_function, &sample(&world, name)).await.unwrap();
        assert_eq!(answer["backfill"]["failed"], 0, "{name}: {answer}");
    }
    // None of these photos has a record, so nothing was made.
    let subject =
        sample(&world, "api-get-photo.json")["requestContext"]["authorizer"]["jwt"]["claims"]["sub"].clone();
    let prefix = format!("photos/{}/", subject.as_str().unwrap());
    assert!(world.aws.objects(&world.stack.thumbnails_bucket, &prefix).await.unwrap().is_empty());
    for (name, status) in [
        ("api-post-upload.json", 201),
        ("api-post-upload-empty.json", 400),
        ("api-get-photo.json", 404),
        ("api-delete-photo.json", 204),
        ("api-health.json", 200),
        ("api-health-ready.json", 200),
    ] {
        let answer = world.aws.invoke(&world.stack.upload_function, &sample(&world, name)).await.unwrap();
        assert_eq!(answer["statusCode"], status, "{name}: {answer}");
    }
}

//! Deleting photos: gone at once for the client, and really gone after a reconcile run.

use photodrop_tests::photos::photo;

use crate::support::{World, function_works};

async fn nothing_is_left(world: &World, photo_id: &str) {
    assert!(world.aws.item(&world.owner, photo_id).await.unwrap().is_none(), "the record");
    assert!(world.originals(photo_id).await.is_empty(), "the original");
    assert!(world.thumbnails(photo_id).await.is_empty(), "the variants");
}

#[tokio::test]
async fn a_deleted_photo_is_gone_at_once_and_then_removed() {
    let _function = function_works().await;
    let world = World::new().await;
    let photo_id = world.api.upload("image/jpeg", &photo("orientation-1.jpg").unwrap()).await.unwrap();
    assert_eq!(world.api.settled(&photo_id).await.unwrap()["status"], "ready");

    // Another user's delete of it is as good as any delete of what is not there, and does nothing.
    let other = world.api.with_token(Some(&world.aws.token_of("another").await.unwrap()));
    assert_eq!(other.delete(&photo_id).await.unwrap().status, 204);
    assert_eq!(world.api.photo(&photo_id).await.unwrap().status, 200);

    for _ in 0..2 {
        assert_eq!(world.api.delete(&photo_id).await.unwrap().status, 204);
        assert_eq!(world.api.photo(&photo_id).await.unwrap().status, 404);
    }
    // Nothing is removed while what was signed before may come.
    world.make_due(&photo_id).await;
    world.reconcile(&["due"]).await;
    assert_eq!((world.originals(&photo_id).await.len(), world.thumbnails(&photo_id).await.len()), (1, 6));

    world.make_delete_due(&photo_id).await;
    world.reconcile(&["due"]).await;
    nothing_is_left(&world, &photo_id).await;
    assert_eq!(world.api.delete(&photo_id).await.unwrap().status, 204);
    assert_eq!(world.api.delete("not-an-id").await.unwrap().status, 404);
    assert_eq!(world.api.with_token(None).delete(&photo_id).await.unwrap().status, 401);
}

#[tokio::test]
async fn an_upload_into_a_deleted_photo_makes_nothing_and_is_removed() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo("orientation-1.jpg").unwrap();
    let created = world.api.create("image/jpeg", bytes.len()).await.unwrap();
    assert_eq!(world.api.delete(&created.photo_id).await.unwrap().status, 204);
    // The signed URL cannot be called back.
    assert_eq!(world.api.put(created.upload().unwrap(), bytes).await.unwrap().status, 200);
    // S3's own event may be on its way; a second one ends the same.
    let event = world.event(&created.photo_id, None);
    world.aws.invoke(&world.stack.thumbnail_function, &event).await.unwrap();
    assert!(world.thumbnails(&created.photo_id).await.is_empty());

    // The URL, signed before the delete, may be used for minutes yet.
    world.make_due(&created.photo_id).await;
    world.reconcile(&["due"]).await;
    assert_eq!(world.originals(&created.photo_id).await.len(), 1);

    world.make_delete_due(&created.photo_id).await;
    world.reconcile(&["due"]).await;
    nothing_is_left(&world, &created.photo_id).await;
}

#[tokio::test]
async fn what_was_signed_before_a_delete_brings_no_settled_photo_back() {
    let _function = function_works().await;
    let world = World::new().await;
    for (name, status) in [("orientation-1.jpg", "ready"), ("not-an-image.jpg", "failed")] {
        let bytes = photo(name).unwrap();
        let created = world.api.create("image/jpeg", bytes.len()).await.unwrap();
        let upload = created.upload().unwrap();
        assert_eq!(world.api.put(upload, bytes.clone()).await.unwrap().status, 200);
        assert_eq!(world.api.settled(&created.photo_id).await.unwrap()["status"], status);
        assert_eq!(world.api.delete(&created.photo_id).await.unwrap().status, 204);
        for _ in 0..2 {
            world.make_due(&created.photo_id).await;
            world.reconcile(&["due"]).await;
            // The original that is still there keeps every other one out.
            assert_eq!(world.api.put(upload, bytes.clone()).await.unwrap().status, 412, "{status}");
            assert_eq!(world.originals(&created.photo_id).await.len(), 1, "{status}");
        }
        let item = world.item(&created.photo_id).await;
        let seconds = |name: &str| item[name].as_n().unwrap().parse::<i64>().unwrap();
        let now = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
        assert!(seconds("due_at") > now + 13 * 60, "{status}: later than any signature and its request");

        world.make_delete_due(&created.photo_id).await;
        world.reconcile(&["due"]).await;
        nothing_is_left(&world, &created.photo_id).await;
    }
}

#[tokio::test]
async fn photos_deleted_while_they_are_processed_leave_nothing() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo("orientation-6.jpg").unwrap();
    let mut photo_ids = Vec::new();
    for wait in [0, 100, 300, 600, 1000] {
        let photo_id = world.api.upload("image/jpeg", &bytes).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
        assert_eq!(world.api.delete(&photo_id).await.unwrap().status, 204);
        photo_ids.push(photo_id);
    }
    // Each event once more: when this one has ended, so has S3's.
    for photo_id in &photo_ids {
        world.aws.invoke(&world.stack.thumbnail_function, &world.event(photo_id, None)).await.unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    for photo_id in &photo_ids {
        world.make_delete_due(photo_id).await;
    }
    world.reconcile(&["due"]).await;
    for photo_id in &photo_ids {
        nothing_is_left(&world, photo_id).await;
    }
}

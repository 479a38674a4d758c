//! The incident that photodrop exists for: thumbnail work hangs for 50 seconds. Once every request waited with it.

use std::time::{Duration, Instant};

use photodrop_tests::Holdup;
use photodrop_tests::patience::Wait;
use photodrop_tests::photos::photo;

use crate::support::{World, function_is_mine};

const HANG: Duration = Duration::from_secs(50);

#[tokio::test]
async fn while_thumbnails_hang_for_50_seconds_ten_of_ten_uploads_are_answered() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let function = &world.stack.thumbnail_function;
    let bytes = photo("orientation-1.jpg").unwrap();

    // Whatever the function asks of S3 is held up; the upload function and the clients go on as ever.
    let holdup = Holdup::start(&world.stack.endpoint).await.unwrap();
    let before = world.aws.set_environment(function, &[("AWS_ENDPOINT_URL_S3", &holdup.url)]).await.unwrap();
    let result = upload_meanwhile(&world, &holdup, &bytes).await;
    holdup.release();
    let mut ends = Vec::new();
    for photo_id in result.iter().flatten() {
        ends.push(world.api.settled(photo_id).await);
    }
    // Only now: another environment ends the processes, and a message whose process was killed comes again after six minutes.
    world.aws.restore_environment(function, before).await.unwrap();

    let photo_ids = result.unwrap();
    for (photo_id, end) in photo_ids.iter().zip(ends) {
        assert_eq!(end.unwrap()["status"], "ready", "{photo_id}");
        assert!(world.aws.take_failures_of(photo_id).await.unwrap().is_empty(), "{photo_id}");
    }
    assert_eq!(photo_ids.len(), 11);
}

/// One photo that hangs, then ten more over the time that it does.
async fn upload_meanwhile(world: &World, holdup: &Holdup, bytes: &[u8]) -> anyhow::Result<Vec<String>> {
    let mut photo_ids = vec![world.api.upload("image/jpeg", bytes).await?];
    let mut wait = Wait::begin("the thumbnail function to ask S3");
    while holdup.held() == 0 {
        wait.pause(Duration::from_millis(50), ()).await?;
    }
    let hanging = Instant::now();
    for number in 0..10_u32 {
        // `upload` expects 201 and 200.
        photo_ids.push(world.api.upload("image/jpeg", bytes).await?);
        // Nothing is let through while they are answered: each of them is ahead of every thumbnail.
        for photo_id in &photo_ids {
            let status = world.api.photo(photo_id).await?.json()["status"].clone();
            anyhow::ensure!(status == "pending", "{photo_id} is {status} while thumbnails hang");
        }
        tokio::time::sleep_until((hanging + HANG * (number + 1) / 10).into()).await;
    }
    // It was not one photo that hung while the others had luck: as many hang as are processed at once (`ThumbnailConcurrency`),
    // each with several attempts, and the others wait in the queue.
    anyhow::ensure!(holdup.held() >= 5, "{} connections were held", holdup.held());
    let (waiting, under_way) = world.aws.queued().await?;
    // An event that another test has left may wait for its next delivery beside them.
    anyhow::ensure!(
        waiting + under_way >= photo_ids.len() as u64,
        "{waiting} wait, {under_way} are under way"
    );
    Ok(photo_ids)
}

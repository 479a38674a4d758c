//! Photos that kill the thumbnail function, and a function that dies of something else.

use std::time::Duration;

use anyhow::ensure;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use photodrop_tests::patience::until;
use photodrop_tests::photos::photo;
use time::OffsetDateTime;

use crate::support::{World, function_is_mine};

/// Notes of renders that began so long ago.
fn starts(ages: &[Duration]) -> AttributeValue {
    let now = OffsetDateTime::now_utc();
    let milliseconds = |age: &Duration| ((now - *age).unix_timestamp_nanos() / 1_000_000).to_string();
    AttributeValue::Ns(ages.iter().map(milliseconds).collect())
}

#[tokio::test]
async fn a_photo_that_killed_two_renders_fails_and_one_kill_costs_none() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let (old, older, running) = (Duration::from_mins(4), Duration::from_hours(7), Duration::from_secs(5));
    for (ages, status) in [(vec![old, older], "failed"), (vec![old, running], "ready")] {
        let photo_id = world.upload_unheard(&photo("orientation-1.jpg").unwrap()).await;
        let notes = [("render_starts", starts(&ages))];
        world.aws.set_attributes(&world.owner, &photo_id, &notes).await.unwrap();
        world.aws.send_event(&world.event(&photo_id, None)).await.unwrap();
        let record = world.api.settled(&photo_id).await.unwrap();
        assert_eq!(record["status"], status, "{record}");
        if status == "failed" {
            assert_eq!(record["failure"]["code"], "PROCESSING_TIMEOUT", "{record}");
            assert!(world.thumbnails(&photo_id).await.is_empty());
        }
        assert!(!world.announced(&photo_id).await.contains_key("render_starts"), "the end takes the notes");
    }
}

/// A version that cannot start: each delivery is in vain, and the message comes again.
#[tokio::test]
async fn a_function_that_cannot_start_loses_no_photo() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let function = &world.stack.thumbnail_function;
    let visibility = QueueAttributeName::VisibilityTimeout;
    // Six minutes are long for a test.
    let deployed = world.aws.set_queue_attribute(visibility.clone(), "3").await.unwrap();
    let before = world.aws.set_environment(function, &[("PHOTODROP_MAX_SIDE", "none")]).await.unwrap();
    let failing = async {
        let photo_id = world.api.upload("image/jpeg", &photo("orientation-1.jpg")?).await?;
        until("some deliveries in vain", async || {
            let (waiting, under_way) = world.aws.queued().await?;
            Ok((waiting + under_way > 0).then_some(()))
        })
        .await?;
        tokio::time::sleep(Duration::from_secs(12)).await;
        // Only this test receives now. A message that was delivered in vain is hidden for three seconds.
        world.aws.enable_mapping(false).await?;
        let receive_count = until("the message", async || {
            world.aws.receive_count(&world.stack.thumbnail_queue_url, &photo_id).await
        })
        .await?;
        ensure!(receive_count > 2, "the function had {} deliveries before this one", receive_count - 1);
        let status = world.api.photo(&photo_id).await?.json()["status"].clone();
        ensure!(status == "pending", "{status}");
        anyhow::Ok(photo_id)
    };
    let failing = failing.await;
    world.aws.enable_mapping(true).await.unwrap();
    world.aws.restore_environment(function, before).await.unwrap();
    let settled = match &failing {
        Ok(photo_id) => Some(world.api.settled(photo_id).await),
        Err(_) => None,
    };
    world.aws.set_queue_attribute(visibility, &deployed).await.unwrap();
    assert_eq!(settled.unwrap().unwrap()["status"], "ready", "{failing:?}");
}

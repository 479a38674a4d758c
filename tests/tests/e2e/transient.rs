//! When AWS does not do its part.

use aws_sdk_sqs::types::QueueAttributeName;
use photodrop_tests::patience::until;
use photodrop_tests::photos::photo;
use serde_json::{Value, json};

use crate::support::{World, function_is_mine};

/// Nothing listens there.
const DEAD: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn an_original_that_cannot_be_read_is_delivered_again() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let function = &world.stack.thumbnail_function;
    let before = world.aws.set_environment(function, &[("AWS_ENDPOINT_URL_S3", DEAD)]).await.unwrap();
    let failed = upload_and_wait_for_failure(&world).await;
    world.aws.restore_environment(function, before).await.unwrap();
    let photo_id = failed.unwrap();
    // The message is not lost: half a minute later it comes again.
    assert_eq!(world.api.photo(&photo_id).await.unwrap().json()["status"], "pending");
    assert_eq!(world.api.settled(&photo_id).await.unwrap()["status"], "ready");
    assert!(!world.announced(&photo_id).await.contains_key("render_starts"));
}

async fn upload_and_wait_for_failure(world: &World) -> anyhow::Result<String> {
    let photo_id = world.api.upload("image/jpeg", &photo("orientation-1.jpg")?).await?;
    until("the first failure", async || {
        Ok((world.aws.logged_of(&photo_id, "will be retried").await? > 0).then_some(()))
    })
    .await?;
    Ok(photo_id)
}

#[tokio::test]
async fn after_its_last_delivery_an_event_is_a_dead_letter() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let function = &world.stack.thumbnail_function;
    let policy = |count: u32| {
        let failures = world.stack.failure_queue_url.rsplit('/').next().unwrap();
        let arn = format!("arn:aws:sqs:{}:000000000000:{failures}", world.stack.region);
        json!({ "deadLetterTargetArn": arn, "maxReceiveCount": count }).to_string()
    };
    // A hundred would take days.
    let deployed =
        world.aws.set_queue_attribute(QueueAttributeName::RedrivePolicy, &policy(1)).await.unwrap();
    let before = world.aws.set_environment(function, &[("AWS_ENDPOINT_URL_S3", DEAD)]).await.unwrap();
    let dead = async {
        let photo_id = world.api.upload("image/jpeg", &photo("orientation-1.jpg")?).await?;
        until("the dead letter", async || {
            world.aws.receive_count(&world.stack.failure_queue_url, &photo_id).await
        })
        .await?;
        anyhow::Ok(photo_id)
    };
    let dead = dead.await;
    world.aws.restore_environment(function, before).await.unwrap();
    world.aws.set_queue_attribute(QueueAttributeName::RedrivePolicy, &deployed).await.unwrap();
    let photo_id = dead.unwrap();
    let deployed: Value = serde_json::from_str(&deployed).unwrap();
    assert_eq!(deployed["maxReceiveCount"].to_string().trim_matches('"'), "100", "{deployed}");
    assert_eq!(world.api.photo(&photo_id).await.unwrap().json()["status"], "pending");

    world.aws.redrive().await.unwrap();
    assert_eq!(world.api.settled(&photo_id).await.unwrap()["status"], "ready");
}

/// As Lambda delivers a message for the `receive_count`th time. Nothing was received by this handle.
fn delivery(event: &Value, receive_count: u32) -> Value {
    json!({ "Records": [{
        "messageId": "m-1", "receiptHandle": "not-a-handle", "body": event.to_string(), "messageAttributes": {},
        "attributes": { "ApproximateReceiveCount": receive_count.to_string() }, "eventSource": "aws:sqs",
    }] })
}

#[tokio::test]
async fn a_table_away_for_twenty_deliveries_costs_no_photo() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let function = &world.stack.thumbnail_function;
    let photo_id = world.upload_unheard(&photo("orientation-1.jpg").unwrap()).await;
    let event = world.event(&photo_id, None);
    let before = world.aws.set_environment(function, &[("AWS_ENDPOINT_URL_DYNAMODB", DEAD)]).await.unwrap();
    let mut failures = Vec::new();
    for receive_count in 1..=20 {
        failures.push(world.aws.invoke(function, &delivery(&event, receive_count)).await);
    }
    world.aws.restore_environment(function, before).await.unwrap();
    for failure in failures {
        assert!(failure.unwrap_err().to_string().contains("TransientFailure"));
    }
    assert_eq!(world.api.photo(&photo_id).await.unwrap().json()["status"], "pending");
    world.aws.invoke(function, &delivery(&event, 21)).await.unwrap();
    assert_eq!(world.api.photo(&photo_id).await.unwrap().json()["status"], "ready");
}

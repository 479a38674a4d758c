//! When AWS does not do its part.

use photodrop_tests::photos::photo;
use serde_json::Value;

use crate::support::{World, function_is_mine};

#[tokio::test]
async fn what_cannot_be_read_is_retried_then_queued_and_can_be_played_again() {
    let _function = function_is_mine().await;
    without("AWS_ENDPOINT_URL_S3").await;
}

#[tokio::test]
async fn a_table_that_does_not_answer_loses_no_photo() {
    let _function = function_is_mine().await;
    without("AWS_ENDPOINT_URL_DYNAMODB").await;
}

/// Takes a service away from the thumbnail function and gives it back.
async fn without(service: &str) {
    let world = World::new().await;
    let function = &world.stack.thumbnail_function;

    // Nothing listens there.
    let before = world.aws.set_environment(function, &[(service, "http://127.0.0.1:9")]).await.unwrap();
    let uploaded = upload_and_wait_for_failure(&world).await;
    world.aws.restore_environment(function, before).await.unwrap();

    let (photo_id, failures) = uploaded.unwrap();
    let [failure] = failures.try_into().unwrap();
    assert_eq!(failure["requestContext"]["condition"], "RetriesExhausted", "{failure}");
    assert_eq!(failure["requestContext"]["approximateInvokeCount"], 3, "{failure}");
    assert_eq!(world.api.photo(&photo_id).await.unwrap().json()["status"], "pending");

    // The message holds the event: played again, it ends as it should have.
    world.aws.invoke(function, &failure["requestPayload"]).await.unwrap();
    assert_eq!(world.api.settled(&photo_id).await.unwrap()["status"], "ready");
}

async fn upload_and_wait_for_failure(world: &World) -> anyhow::Result<(String, Vec<Value>)> {
    let photo_id = world.api.upload("image/jpeg", &photo("orientation-1.jpg")?).await?;
    let failures = world.aws.wait_for_failures_of(&photo_id).await?;
    Ok((photo_id, failures))
}

//! When AWS does not do its part.

use std::time::Duration;

use photodrop_tests::photos::photo;

use crate::support::{World, function_is_mine};

#[tokio::test]
async fn what_cannot_be_read_is_retried_then_queued_and_can_be_played_again() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let function = &world.stack.thumbnail_function;
    world.aws.take_failures().await.unwrap();

    // Nothing listens there.
    let before =
        world.aws.set_environment(function, &[("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")]).await.unwrap();
    let uploaded = world.api.upload("image/jpeg", &photo("orientation-1.jpg").unwrap()).await;
    let failures = world.aws.wait_for_failures(Duration::from_mins(2)).await;
    world.aws.restore_environment(function, before).await.unwrap();

    let (photo_id, failures) = (uploaded.unwrap(), failures.unwrap());
    let [failure] = failures.try_into().unwrap();
    assert_eq!(failure["requestContext"]["condition"], "RetriesExhausted", "{failure}");
    assert_eq!(failure["requestContext"]["approximateInvokeCount"], 3, "{failure}");
    assert_eq!(world.api.photo(&photo_id).await.unwrap().json()["status"], "pending");

    // The message holds the event: played again, it ends as it should have.
    world.aws.invoke(function, &failure["requestPayload"]).await.unwrap();
    assert_eq!(world.api.settled(&photo_id).await.unwrap()["status"], "ready");
}

//! What is announced on the event bus, read from a queue that a rule of it feeds.

use std::time::Duration;

use photodrop_tests::patience::Wait;
use photodrop_tests::photos::photo;
use photodrop_tests::schemas;
use serde_json::Value;

use crate::support::{World, function_is_mine};

/// The events of some photos, as many as are waited for.
pub(crate) async fn heard(world: &World, queue: &str, photo_ids: &[&str], count: usize) -> Vec<Value> {
    let mut wait = Wait::begin(format_args!("{count} events"));
    let mut heard = Vec::new();
    while heard.len() < count {
        let events = world.aws.drain(queue).await.unwrap();
        let ours = |event: &Value| photo_ids.iter().any(|id| event["detail"]["photo_id"] == *id);
        heard.extend(events.into_iter().filter(ours));
        wait.got_to(heard.len());
        wait.pause(Duration::from_millis(200), &heard).await.unwrap();
    }
    heard
}

pub(crate) fn assert_follows_its_schema(event: &Value) {
    assert_eq!(event["source"], "photodrop");
    let name = event["detail-type"].as_str().unwrap();
    let mistakes = schemas::mistakes(name, &event["detail"]).unwrap();
    assert!(mistakes.is_empty(), "{name}: {mistakes:?}: {event}");
}

#[tokio::test]
async fn each_end_of_a_photo_is_announced_as_its_schema_says() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let queue = world.aws.listen("completion-each").await.unwrap();
    let good = world.api.upload("image/jpeg", &photo("orientation-1.jpg").unwrap()).await.unwrap();
    let bad = world.api.upload("image/jpeg", &photo("not-an-image.jpg").unwrap()).await.unwrap();
    let record = world.api.settled(&good).await.unwrap();
    assert_eq!(record["status"], "ready");
    let events = heard(&world, &queue, &[&good, &bad], 2).await;
    assert_eq!(world.api.delete(&good).await.unwrap().status, 204);
    world.make_delete_due(&good).await;
    world.reconcile(&["due"]).await;
    let events = [events, heard(&world, &queue, &[&good], 1).await].concat();

    let named = |name: &str| events.iter().find(|event| event["detail-type"] == name).unwrap();
    for event in &events {
        assert_follows_its_schema(event);
    }
    let ready = &named("PhotoReady")["detail"];
    assert_eq!((&ready["photo_id"], &ready["owner"]), (&good.as_str().into(), &world.owner.as_str().into()));
    assert_eq!(ready["thumbhash"], record["thumbhash"]);
    assert_eq!(ready["variants"].as_array().unwrap().len(), 6);
    let failed = &named("PhotoFailed")["detail"];
    assert_eq!(
        (&failed["photo_id"], &failed["failure"]["code"]),
        (&bad.as_str().into(), &"NOT_AN_IMAGE".into())
    );
    assert_eq!(named("PhotoDeleted")["detail"]["photo_id"], good.as_str());
    // It was announced, and the record comes to know it.
    world.announced(&bad).await;
}

#[tokio::test]
async fn an_event_that_could_not_be_sent_is_sent_by_the_next_reconcile_run() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let queue = world.aws.listen("completion-late").await.unwrap();
    let function = &world.stack.thumbnail_function;
    // Nothing listens there.
    let dead = [("AWS_ENDPOINT_URL_EVENTBRIDGE", "http://127.0.0.1:9")];
    let before = world.aws.set_environment(function, &dead).await.unwrap();
    let photo_id = world.api.upload("image/jpeg", &photo("orientation-1.jpg").unwrap()).await.unwrap();
    let settled = world.api.settled(&photo_id).await;
    world.aws.restore_environment(function, before).await.unwrap();
    assert_eq!(settled.unwrap()["status"], "ready");
    assert!(world.item(&photo_id).await.contains_key("unsent_event"));

    let mut ids = Vec::new();
    for _ in 0..2 {
        // The second time as if the first run had died before it could note what it had sent.
        let owed = world.item(&photo_id).await;
        world.make_due(&photo_id).await;
        world.reconcile(&["due"]).await;
        let [event] = heard(&world, &queue, &[&photo_id], 1).await.try_into().unwrap();
        assert_follows_its_schema(&event);
        ids.push(event["detail"]["event_id"].clone());
        assert!(!world.item(&photo_id).await.contains_key("unsent_event"));
        let again = ["unsent_event", "unsent_event_at"].map(|name| (name, owed[name].clone()));
        world.aws.set_attributes(&world.owner, &photo_id, &again).await.unwrap();
    }
    assert_eq!(ids[0], ids[1], "by its id a consumer knows a repetition");
}

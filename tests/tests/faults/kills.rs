//! Killed renders. From the second delivery of a message on the record notes when a render begins.

use anyhow::{Result, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use photodrop_tests::audit::Expected;
use photodrop_tests::aws::event_for;
use photodrop_tests::faults::{Fault, Rule};
use photodrop_tests::photos::photo;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::rig::{Acknowledged, Rig};

/// The calls of a second delivery: the record and the original are read, the note is written, and after the render the note is
/// taken back.
const TAKES_NOTE_BACK: usize = 3;

#[tokio::test]
async fn one_killed_render_costs_no_photo_and_two_fail_it() {
    let rig = Rig::new(|stack| &stack.thumbnail_function, &["AWS_ENDPOINT_URL"]).await.unwrap();
    let outcome = kills(&rig).await;
    rig.finish("killed renders", outcome).await.unwrap();
}

async fn kills(rig: &Rig) -> Result<Vec<Acknowledged>> {
    let mut photos = Vec::new();
    for (kills, expected) in [(1, Expected::Ready), (2, Expected::Failed("PROCESSING_TIMEOUT"))] {
        let notifications = rig.aws.silence(&rig.stack.originals_bucket).await?;
        let uploaded = rig.api.upload("image/jpeg", &photo("orientation-1.jpg")?).await;
        rig.aws.notify(&rig.stack.originals_bucket, notifications).await?;
        let photo_id = uploaded?;
        for kill in 1..=kills {
            killed(rig, &photo_id, kill + 1).await?;
            let notes = notes(rig, &photo_id).await?;
            ensure!(notes.len() == kill, "{photo_id} has the notes {notes:?} after {kill} killed renders");
            age(rig, &photo_id, notes).await?;
        }
        rig.aws.invoke(&rig.stack.thumbnail_function, &delivery(rig, &photo_id, kills + 2)).await?;
        ensure!(notes(rig, &photo_id).await?.is_empty(), "{photo_id} has ended and has notes");
        photos.push((photo_id, expected));
    }
    Ok(photos)
}

/// One delivery whose process is killed after its render.
async fn killed(rig: &Rig, photo_id: &str, receive_count: usize) -> Result<()> {
    let before = rig.injected();
    rig.proxy.add(Rule::once(photo_id, TAKES_NOTE_BACK, Fault::KillBefore));
    let ended = rig.aws.invoke(&rig.stack.thumbnail_function, &delivery(rig, photo_id, receive_count)).await;
    ensure!(ended.is_err(), "{photo_id}: its invocation was not killed");
    ensure!(rig.injected() == before + 1, "{photo_id}: {} faults", rig.injected() - before);
    Ok(())
}

/// As Lambda delivers the photo's event. Nothing was received by this handle.
fn delivery(rig: &Rig, photo_id: &str, receive_count: usize) -> Value {
    let key = format!("photos/{}/{photo_id}/original", rig.owner);
    let event = event_for(&rig.stack.originals_bucket, &key, None);
    json!({ "Records": [{
        "messageId": "m-1", "receiptHandle": "not-a-handle", "body": event.to_string(), "messageAttributes": {},
        "attributes": { "ApproximateReceiveCount": receive_count.to_string() }, "eventSource": "aws:sqs",
    }] })
}

async fn notes(rig: &Rig, photo_id: &str) -> Result<Vec<String>> {
    let item = rig.aws.item(&rig.owner, photo_id).await?.unwrap_or_default();
    Ok(item.get("render_starts").and_then(|notes| notes.as_ns().ok()).cloned().unwrap_or_default())
}

/// Lets the time pass after which an invocation cannot run any more.
async fn age(rig: &Rig, photo_id: &str, notes: Vec<String>) -> Result<()> {
    let now = OffsetDateTime::now_utc().unix_timestamp() * 1_000;
    let old = (1..).zip(notes).map(|(number, _)| (now - number * 240_000).to_string()).collect();
    rig.aws.set_attributes(&rig.owner, photo_id, &[("render_starts", AttributeValue::Ns(old))]).await
}

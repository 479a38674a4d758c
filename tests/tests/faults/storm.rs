//! S3's events, worse than S3 sends them: many times, all at once, late, and out of order with other photos'.

use anyhow::Result;
use futures::future::try_join_all;
use photodrop_tests::audit::Expected;
use photodrop_tests::aws::event_for;
use photodrop_tests::faults::{Fault, Rule};
use photodrop_tests::photos::photo;

use crate::rig::{Acknowledged, Rig, each, is_chaos};

#[tokio::test]
async fn an_event_that_comes_many_times_at_once_makes_one_photo() {
    let rig = Rig::new(|stack| &stack.thumbnail_function, &["AWS_ENDPOINT_URL"]).await.unwrap();
    let outcome = storm(&rig).await;
    rig.finish("storm of events", outcome).await.unwrap();
}

async fn storm(rig: &Rig) -> Result<Vec<Acknowledged>> {
    let bytes = photo("orientation-6.jpg")?;
    let copies = if is_chaos() { 20 } else { 5 };
    let photos = if is_chaos() { 12 } else { 4 };
    let run = async |number: usize| {
        let photo_id = rig.api.upload("image/jpeg", &bytes).await?;
        // One copy of them meets trouble, at another call each time.
        rig.proxy.add(Rule::once(&photo_id, number * 3, Fault::QUICK[number % Fault::QUICK.len()]));
        let key = format!("photos/{}/{photo_id}/original", rig.owner);
        let event = event_for(&rig.stack.originals_bucket, &key, None);
        let function = &rig.stack.thumbnail_function;
        try_join_all((0..copies).map(|_| rig.aws.send_event(&event))).await?;
        rig.settled(&photo_id).await?;
        // And once more, long after.
        rig.aws.invoke(function, &event).await?;
        Ok((photo_id, Expected::Ready))
    };
    each((0..photos).collect(), run).await
}

//! Trouble at each call of the thumbnail function while it makes new variants for photos that have some, and at each call
//! of the reconcile function while it takes photos over.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use photo_domain::PhotoId;
use photodrop_tests::audit::Expected;
use photodrop_tests::aws::event_for;
use photodrop_tests::faults::{Fault, Rule};
use photodrop_tests::patience::Wait;
use photodrop_tests::photos::photo;
use serde_json::json;
use time::OffsetDateTime;

use crate::rig::{Acknowledged, Rig, each, is_chaos, steps};

/// A recipe that no settings have.
const LONG_AGO: &str = "0000000000000000";

/// The test stack's `BackfillBucket`.
const FOREIGN_BUCKET: &str = "somebody-elses-photos";

/// How long Lambda takes for its two retries of an event here, and more.
const RETRIES: Duration = Duration::from_mins(1);

fn faults() -> &'static [Fault] {
    let few = &[Fault::ServerError, Fault::ResetAfter, Fault::KillBefore, Fault::KillAfter];
    if is_chaos() { &Fault::QUICK } else { few }
}

#[tokio::test]
async fn no_fault_at_any_call_of_a_renewal_takes_a_variant_away() {
    let rig = Rig::new(|stack| &stack.thumbnail_function, &["AWS_ENDPOINT_URL"]).await.unwrap();
    let outcome = renewals(&rig).await;
    rig.finish("thumbnail function, backfill", outcome).await.unwrap();
}

async fn renewals(rig: &Rig) -> Result<Vec<Acknowledged>> {
    let calm = aged(rig).await?;
    let before = rig.proxy.calls_about(&calm).len();
    renew(rig, &calm).await?;
    let operations = rig.proxy.calls_about(&calm).split_off(before);
    ensure!(operations.len() >= 8, "a renewal takes the calls {operations:?}");
    let cases: Vec<_> = steps(&operations)
        .into_iter()
        .flat_map(|step| faults().iter().map(move |fault| (step, *fault)))
        .collect();
    let number = cases.len();
    let run = async |(step, fault): (usize, Fault)| {
        let photo_id = aged(rig).await?;
        rig.proxy.add(Rule::once(&photo_id, step, fault));
        renew(rig, &photo_id).await?;
        Ok(photo_id)
    };
    let mut photos = each(cases, run).await?;
    rig.ensure_injected(number)?;
    photos.push(calm);
    sweep(rig).await?;
    Ok(photos.into_iter().map(|photo_id| (photo_id, Expected::Ready)).collect())
}

/// A photo that is ready, by settings of long ago.
async fn aged(rig: &Rig) -> Result<String> {
    let photo_id = rig.api.upload("image/jpeg", &photo("orientation-1.jpg")?).await?;
    rig.settled(&photo_id).await?;
    // Its announcement is on its way; with it the first making has made its last call.
    rig.aws.announced(&rig.owner, &photo_id).await?;
    let recipe = [("recipe", AttributeValue::S(LONG_AGO.to_owned()))];
    rig.aws.set_attributes(&rig.owner, &photo_id, &recipe).await?;
    Ok(photo_id)
}

/// Hands a photo over as a backfill does, until it has its new variants. Meanwhile it has the old ones.
async fn renew(rig: &Rig, photo_id: &str) -> Result<()> {
    let key = format!("photos/{}/{photo_id}/original", rig.owner);
    let mut event = event_for(&rig.stack.originals_bucket, &key, None);
    event["Records"][0]["eventName"] = json!("ObjectCreated:Backfill");
    let mut wait = Wait::begin(format_args!("the new variants of {photo_id}"));
    loop {
        rig.aws.send_event(&event).await?;
        let deadline = Instant::now() + RETRIES;
        while Instant::now() < deadline {
            let status = rig.api.photo(photo_id).await?.json()["status"].clone();
            ensure!(status == "ready", "{photo_id} is {status} while it is renewed");
            let item = rig.aws.item(&rig.owner, photo_id).await?;
            if item.is_some_and(|item| item["recipe"] != AttributeValue::S(LONG_AGO.to_owned())) {
                return Ok(());
            }
            wait.got_to(rig.injected());
            wait.pause(Duration::from_millis(200), status).await?;
        }
    }
}

/// Lets the time come for what no record names.
async fn sweep(rig: &Rig) -> Result<()> {
    // Calls that come late have come by then, and the youngest object is older than the grace.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let function = &rig.stack.reconcile_function;
    let soon = [("PHOTODROP_ORPHAN_GRACE_SECONDS", "1"), ("PHOTODROP_RECONCILE_MAX_LISTED", "100000")];
    let before = rig.aws.set_environment(function, &soon).await?;
    let mut swept = Ok(());
    // The first may begin in the middle of the bucket.
    for _ in 0..2 {
        let summary = rig.aws.invoke(function, &json!({ "parts": ["due", "variants"] })).await;
        swept = swept.and(summary.map(drop));
    }
    rig.aws.restore_environment(function, before).await?;
    swept
}

#[tokio::test]
async fn no_fault_at_any_call_of_reconcile_keeps_a_photo_from_being_taken_over_once() {
    let rig = Rig::new(|stack| &stack.reconcile_function, &["AWS_ENDPOINT_URL"]).await.unwrap();
    let outcome = imports(&rig).await;
    rig.finish("reconcile, backfill", outcome).await.unwrap();
}

async fn imports(rig: &Rig) -> Result<Vec<Acknowledged>> {
    // It may be there from another test.
    let _ = rig.aws.s3.create_bucket().bucket(FOREIGN_BUCKET).send().await;
    let run = PhotoId::generate().to_string();
    let calm = format!("{run}-calm");
    let mut photos = vec![import(rig, &calm, None).await?];
    let operations = rig.proxy.calls_about(&calm);
    ensure!(operations.len() >= 3, "taking a photo over takes the calls {operations:?}");
    let cases: Vec<_> = steps(&operations)
        .into_iter()
        .flat_map(|step| faults().iter().map(move |fault| (step, *fault)))
        .collect();
    let number = cases.len();
    for (nth, (step, fault)) in cases.into_iter().enumerate() {
        // One after the other: a kill ends the one process that all calls share.
        photos.push(import(rig, &format!("{run}-{nth}"), Some((step, fault))).await?);
    }
    rig.ensure_injected(number)?;
    Ok(photos.into_iter().map(|photo_id| (photo_id, Expected::Ready)).collect())
}

/// Takes over one object with trouble planned for it, calling again until it is done; the one photo that came of it.
async fn import(rig: &Rig, name: &str, trouble: Option<(usize, Fault)>) -> Result<String> {
    let key = format!("{name}/1.jpg");
    let put = rig.aws.s3.put_object().bucket(FOREIGN_BUCKET).key(&key);
    put.body(photo("orientation-1.jpg")?.into()).send().await?;
    // Its photo's id begins with when the object was written, to the second.
    let since = PhotoId::of_source(OffsetDateTime::now_utc() - Duration::from_secs(5), &[]);
    let before = originals_since(rig, since).await?;
    if let Some((step, fault)) = trouble {
        rig.proxy.add(Rule::once(name, step, fault));
    }
    let event =
        json!({ "backfill": { "source": "bucket", "prefix": format!("{name}/"), "owner": rig.owner } });
    let mut wait = Wait::begin(format_args!("{name} to be taken over"));
    loop {
        wait.got_to(rig.injected());
        wait.pause(Duration::from_millis(100), name).await?;
        let Ok(answer) = rig.aws.invoke(&rig.stack.reconcile_function, &event).await else { continue };
        if answer["backfill"]["failed"] != 0 || answer["backfill"]["complete"] != true {
            continue;
        }
        // Once more, whatever had been done: it must not make a second photo.
        if rig.aws.invoke(&rig.stack.reconcile_function, &event).await.is_err() {
            // A kill at the last call can end the process after its answer, under this very call.
            continue;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut new = originals_since(rig, since).await?;
        new.retain(|photo_id| !before.contains(photo_id));
        ensure!(new.len() == 1, "{name} has become {} photos", new.len());
        let photo_id = new.remove(0);
        rig.settled(&photo_id).await?;
        return Ok(photo_id);
    }
}

/// The demo user's photos with originals whose ids come after `since`.
async fn originals_since(rig: &Rig, since: PhotoId) -> Result<Vec<String>> {
    let prefix = format!("photos/{}/", rig.owner);
    let list = rig.aws.s3.list_objects_v2().bucket(&rig.stack.originals_bucket).prefix(&prefix);
    let listed = list.start_after(format!("{prefix}{since}")).send().await?;
    let keys = listed.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
    Ok(keys.filter_map(|key| key.split('/').nth(2).map(str::to_owned)).collect())
}

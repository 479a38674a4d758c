//! Trouble at each call of the reconcile function, whose work is what other trouble has left behind.

use std::time::Duration;

use anyhow::{Result, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use photodrop_tests::audit::Expected;
use photodrop_tests::faults::{Fault, Rule};
use photodrop_tests::patience::Wait;
use photodrop_tests::photos::photo;
use reqwest::Method;
use serde_json::json;

use crate::rig::{Acknowledged, Rig, each, is_chaos, steps};

async fn rig() -> Rig {
    Rig::new(|stack| &stack.reconcile_function, &["AWS_ENDPOINT_URL"]).await.unwrap()
}

#[tokio::test]
async fn lost_events_are_made_up_for_whatever_call_of_reconcile_goes_wrong() {
    let rig = rig().await;
    let outcome = lost_events(&rig).await;
    rig.finish("reconcile, lost events", outcome).await.unwrap();
}

async fn lost_events(rig: &Rig) -> Result<Vec<Acknowledged>> {
    let calm = unheard(rig, 1).await?;
    let mut photos = calm.clone();
    run_until_settled(rig, &calm).await?;
    let operations = rig.proxy.calls_about(&calm[0]);
    ensure!(operations.len() >= 3, "a lost event takes the calls {operations:?}");

    let cases = planned(&operations);
    let troubled = unheard(rig, cases.len()).await?;
    for (photo_id, (step, fault)) in troubled.iter().zip(&cases) {
        rig.proxy.add(Rule::once(photo_id, *step, *fault));
    }
    run_until_settled(rig, &troubled).await?;
    rig.ensure_injected(cases.len())?;
    photos.extend(troubled);
    Ok(photos.into_iter().map(|photo_id| (photo_id, Expected::Ready)).collect())
}

#[tokio::test]
async fn deletes_are_finished_whatever_call_of_reconcile_goes_wrong() {
    let rig = rig().await;
    let outcome = deletes(&rig).await;
    // What is deleted is not there to be audited: `deletes` looks itself.
    rig.finish("reconcile, deletes", outcome.map(|()| Vec::new())).await.unwrap();
}

async fn deletes(rig: &Rig) -> Result<()> {
    let calm = deleted(rig, 1).await?;
    run_until_gone(rig, &calm).await?;
    let operations = rig.proxy.calls_about(&calm[0]);
    ensure!(operations.len() >= 4, "a delete takes the calls {operations:?}");
    let cases = planned(&operations);
    let troubled = deleted(rig, cases.len()).await?;
    for (photo_id, (step, fault)) in troubled.iter().zip(&cases) {
        rig.proxy.add(Rule::once(photo_id, *step, *fault));
    }
    run_until_gone(rig, &troubled).await?;
    rig.ensure_injected(cases.len())?;
    for photo_id in calm.iter().chain(&troubled) {
        let prefix = format!("photos/{}/{photo_id}/", rig.owner);
        for bucket in [&rig.stack.originals_bucket, &rig.stack.thumbnails_bucket] {
            let left = rig.aws.objects(bucket, &prefix).await?;
            ensure!(left.is_empty(), "{photo_id} is deleted and has {left:?}");
        }
    }
    Ok(())
}

/// Which call meets which fault: all with all, or each call with four.
fn planned(operations: &[String]) -> Vec<(usize, Fault)> {
    let few = [Fault::ServerError, Fault::ResetAfter, Fault::KillBefore, Fault::KillAfter];
    let faults: &[Fault] = if is_chaos() { &Fault::QUICK } else { &few };
    steps(operations).into_iter().flat_map(|step| faults.iter().map(move |fault| (step, *fault))).collect()
}

/// Photos whose bytes are there and whose events were lost.
async fn unheard(rig: &Rig, number: usize) -> Result<Vec<String>> {
    let bytes = photo("orientation-1.jpg")?;
    let bucket = &rig.stack.originals_bucket;
    let notifications = rig.aws.silence(bucket).await?;
    let uploaded = each((0..number).collect(), async |_| rig.api.upload("image/jpeg", &bytes).await).await;
    rig.aws.notify(bucket, notifications).await?;
    uploaded
}

/// Photos that were ready and that their owner deleted so long ago that nothing signed before can still be used.
async fn deleted(rig: &Rig, number: usize) -> Result<Vec<String>> {
    let bytes = photo("orientation-1.jpg")?;
    let delete = async |_| {
        let photo_id = rig.api.upload("image/jpeg", &bytes).await?;
        rig.settled(&photo_id).await?;
        let path = format!("/api/v4/photo/{photo_id}");
        let reply = rig.api.call(Method::DELETE, &path, &[], "").await?;
        ensure!(reply.status.is_success(), "DELETE: {}: {}", reply.status, reply.text());
        ensure!(rig.api.photo(&photo_id).await?.status == 404, "{photo_id} is deleted and still shown");
        let long_ago = [("deleted_at", AttributeValue::S("2026-11-01T12:00:00Z".to_owned()))];
        rig.aws.set_attributes(&rig.owner, &photo_id, &long_ago).await?;
        Ok(photo_id)
    };
    each((0..number).collect(), delete).await
}

/// Runs reconcile until no photo is pending.
pub(crate) async fn run_until_settled(rig: &Rig, photo_ids: &[String]) -> Result<()> {
    run_until(rig, photo_ids, async |photo_id| {
        Ok(rig.api.photo(photo_id).await?.json()["status"] != "pending")
    })
    .await
}

async fn run_until_gone(rig: &Rig, photo_ids: &[String]) -> Result<()> {
    run_until(rig, photo_ids, async |photo_id| Ok(rig.aws.item(&rig.owner, photo_id).await?.is_none())).await
}

/// Runs reconcile until all photos are `done`. A run may be killed; the next goes on. Each fault and each photo that is done
/// is progress.
async fn run_until(rig: &Rig, photo_ids: &[String], done: impl AsyncFn(&str) -> Result<bool>) -> Result<()> {
    let mut left = photo_ids.to_vec();
    let mut wait = Wait::begin("reconcile to be done with all photos");
    loop {
        for photo_id in &left {
            // Their times would be up in some minutes or hours.
            let due = [("due_at", AttributeValue::N("1".to_owned()))];
            if rig.aws.item(&rig.owner, photo_id).await?.is_some() {
                rig.aws.set_attributes(&rig.owner, photo_id, &due).await?;
            }
        }
        let parts = json!({ "parts": ["due"] });
        if rig.aws.invoke(&rig.stack.reconcile_function, &parts).await.is_ok() {
            // What it has handed on is being worked on.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        let mut still = Vec::new();
        for photo_id in left {
            if !done(&photo_id).await? {
                still.push(photo_id);
            }
        }
        if still.is_empty() {
            return Ok(());
        }
        left = still;
        wait.got_to(rig.injected() + photo_ids.len() - left.len());
        wait.pause(Duration::ZERO, &left).await?;
    }
}

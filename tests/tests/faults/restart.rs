//! The emulator, and with it every service and every function, ends in the middle of work and starts again with what it has
//! kept: whatever was under way is gone, as after a failure of everything at once. The thumbnail queue keeps its messages.
//!
//! MiniStack writes the state of its services down when it is told to end, and objects as they come. So an orderly stop
//! keeps all that was acknowledged; killed, it forgets records since the last orderly stop, which DynamoDB would not.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use photodrop_tests::audit::{self, Expected};
use photodrop_tests::faults::{Fault, Rule};
use photodrop_tests::patience::Wait;
use photodrop_tests::photos::photo;
use photodrop_tests::stack::root;
use serde_json::json;

use crate::client;
use crate::reconcile::run_until_settled;
use crate::rig::{Acknowledged, Rig, is_chaos};

/// Clients that upload meanwhile, each one photo after the other.
const CLIENTS: usize = 2;

#[tokio::test]
async fn everything_restarts_in_the_middle_of_work_and_no_photo_is_lost() {
    let rig = Rig::new(|stack| &stack.thumbnail_function, &["AWS_ENDPOINT_URL"]).await.unwrap();
    let outcome = restarts(&rig).await;
    rig.finish("restart of everything", outcome).await.unwrap();
}

async fn restarts(rig: &Rig) -> Result<Vec<Acknowledged>> {
    let mut photo_ids = Vec::new();
    for round in 0..if is_chaos() { 5 } else { 2 } {
        photo_ids.extend(restarted(rig, round).await?);
    }
    Ok(photo_ids.into_iter().map(|photo_id| (photo_id, Expected::Ready)).collect())
}

/// One restart, with thumbnails under way at several of their calls and clients in the middle of their uploads.
async fn restarted(rig: &Rig, round: usize) -> Result<Vec<String>> {
    let bytes = photo("orientation-1.jpg")?;
    let before = rig.injected();
    // Reading the record, reading the original, writing a variant, writing the end.
    let steps = [0, 1, 4, 8];
    let hanging = try_join_all(steps.map(|step| {
        let (rig, bytes) = (&rig, &bytes);
        async move {
            let created = rig.api.create("image/jpeg", bytes.len()).await?;
            // From that call on it hears nothing, however often it asks.
            let about = created.photo_id.clone();
            rig.proxy.add(Rule { about, skip: step, times: usize::MAX, fault: Fault::Silence });
            ensure!(client::put(rig, &created, bytes).await?.is_some(), "its signature is a fresh one");
            anyhow::Ok(created.photo_id)
        }
    }))
    .await?;
    let mut wait = Wait::begin("the functions to hang at their calls");
    while rig.injected() < before + steps.len() {
        wait.got_to(rig.injected());
        wait.pause(Duration::from_millis(50), rig.injected()).await?;
    }

    // Clients go on until it is over, so that some are at each point of an upload when it happens.
    let over = AtomicBool::new(false);
    let clients = try_join_all((0..CLIENTS).map(|client| {
        let (rig, bytes, over) = (&rig, &bytes, &over);
        async move {
            let (mut photo_ids, mut refusals) = (Vec::new(), 0);
            while !over.load(Ordering::SeqCst) {
                let name = format!("restart-{}-{round}-{client}-{}.jpg", std::process::id(), photo_ids.len());
                let (photo_id, refused) = client::upload(rig, &name, bytes).await?;
                refusals += refused;
                photo_ids.push(photo_id);
            }
            anyhow::Ok((photo_ids, refusals))
        }
    }));
    let restart = async {
        let done = restart(false).await;
        over.store(true, Ordering::SeqCst);
        done
    };
    let (uploaded, ()) = futures::try_join!(clients, restart)?;
    let refusals: usize = uploaded.iter().map(|(_, refusals)| refusals).sum();
    ensure!(refusals > 0, "no client noticed the restart");

    // Of the last one the table had taken the end of the photo: what was still to be done is its announcement.
    for photo_id in &hanging[..steps.len() - 1] {
        let status = rig.api.photo(photo_id).await?.json()["status"].clone();
        ensure!(status == "pending", "{photo_id} is {status}: its calls got through");
    }
    for photo_id in &hanging {
        rig.proxy.lift(photo_id);
    }
    println!("restart {round}: {refusals} tries failed, {} photos were on their way", hanging.len());
    let photo_ids: Vec<_> =
        hanging.into_iter().chain(uploaded.into_iter().flat_map(|(ids, _)| ids)).collect();
    run_until_settled(rig, &photo_ids).await?;
    Ok(photo_ids)
}

#[tokio::test]
async fn a_table_that_falls_back_to_an_earlier_state_costs_no_original() {
    let rig = Rig::new(|stack| &stack.thumbnail_function, &[]).await.unwrap();
    let outcome = killed(&rig).await;
    rig.finish("kill of everything", outcome).await.unwrap();
}

async fn killed(rig: &Rig) -> Result<Vec<Acknowledged>> {
    let bytes = photo("orientation-1.jpg")?;
    let upload = async || {
        let photo_id = rig.api.upload("image/jpeg", &bytes).await?;
        rig.settled(&photo_id).await?;
        anyhow::Ok(photo_id)
    };
    let kept = try_join_all((0..4).map(|_| upload())).await?;
    restart(false).await?;
    let forgotten = try_join_all((0..4).map(|_| upload())).await?;
    restart(true).await?;

    for photo_id in &forgotten {
        let status = rig.api.photo(photo_id).await?.status;
        ensure!(
            status == 404,
            "{photo_id}: {status}: the emulator has kept a record that it never wrote down"
        );
    }
    // Originals and variants without a record now: reconcile looks at them and lets them be.
    let summary = rig.aws.invoke(&rig.stack.reconcile_function, &json!({})).await?;
    ensure!(summary["errors"] == 0 && summary["originals_listed"].as_u64() >= Some(8), "{summary}");
    for photo_id in &forgotten {
        let key = format!("photos/{}/{photo_id}/original", rig.owner);
        let originals = rig.aws.objects(&rig.stack.originals_bucket, &key).await?;
        ensure!(originals.len() == 1, "{photo_id}: its original is gone");
        ensure!(rig.aws.state_tag(&key).await?.is_none(), "{photo_id}: its original is marked to expire");
    }
    // The stack goes on working.
    let mut photo_ids = kept;
    photo_ids.push(upload().await?);
    for photo_id in &photo_ids {
        let (stack, api, aws) = (&rig.stack, &rig.api, &rig.aws);
        let found = audit::findings(stack, api, aws, &rig.owner, photo_id, Expected::Ready).await?;
        ensure!(found.is_empty(), "{found:?}");
    }
    Ok(photo_ids.into_iter().map(|photo_id| (photo_id, Expected::Ready)).collect())
}

/// Restarts the emulator under test.
async fn restart(kill: bool) -> Result<()> {
    restart_with(&[("KILL", if kill { "1" } else { "" })]).await
}

/// The same with these variables.
pub(crate) async fn restart_with(variables: &[(&'static str, &'static str)]) -> Result<()> {
    let variables = variables.to_vec();
    let output = tokio::task::spawn_blocking(move || {
        Command::new("make").args(["--silent", "restart"]).current_dir(root()).envs(variables).output()
    })
    .await??;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "make restart: {said}");
    Ok(())
}

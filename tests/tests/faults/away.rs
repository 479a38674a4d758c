//! AWS away altogether: no call of any function gets through for a while.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use photodrop_tests::audit::Expected;
use photodrop_tests::faults::{Fault, Rule};
use photodrop_tests::photos::photo;
use reqwest::Method;
use serde_json::json;

use crate::client;
use crate::reconcile::run_until_settled;
use crate::rig::{Acknowledged, Rig, is_chaos};

/// Every call is about it.
const EVERYTHING: &str = "";

#[tokio::test]
async fn while_no_call_of_any_function_gets_through_nothing_is_lost() {
    let rig = Rig::everything().await.unwrap();
    let outcome = away(&rig).await;
    rig.finish("AWS away from all functions", outcome).await.unwrap();
}

async fn away(rig: &Rig) -> Result<Vec<Acknowledged>> {
    let bytes = photo("orientation-1.jpg")?;
    let number = if is_chaos() { 24 } else { 6 };
    // Long enough for the first deliveries of an event. The clients' patience begins when it ends: see `client::ask`.
    let length = Duration::from_secs(if is_chaos() { 90 } else { 20 });

    let promised = try_join_all((0..number).map(|_| rig.api.create("image/jpeg", bytes.len()))).await?;
    rig.proxy.add(Rule::outage(EVERYTHING, Fault::ResetBefore));
    // S3 takes what was signed before: the functions are not asked.
    let taken = try_join_all(promised.iter().map(|created| client::put(rig, created, &bytes))).await?;
    ensure!(taken.iter().all(Option::is_some), "S3 refused what was signed: {taken:?}");

    let name = |number: usize| format!("away-{}-{number}.jpg", std::process::id());
    let clients = try_join_all((0..number).map(|number| {
        let (rig, bytes, name) = (&rig, &bytes, name(number));
        async move { client::upload(rig, &name, bytes).await }
    }));
    let outage = async {
        let path = format!("/api/v4/photo/{}", promised[0].photo_id);
        let reply = rig.api.call(Method::DELETE, &path, &[], "").await?;
        ensure!(reply.status == 503 && reply.json()["code"] == "UNAVAILABLE", "DELETE: {}", reply.text());
        ensure!(reply.header("retry-after").parse::<u32>().is_ok(), "no Retry-After");
        // A run that can do nothing says so and breaks nothing.
        let summary = rig.aws.invoke(&rig.stack.reconcile_function, &json!({})).await?;
        ensure!(summary["errors"].as_u64() >= Some(1), "{summary}");
        tokio::time::sleep(length).await;
        rig.proxy.lift(EVERYTHING);
        anyhow::Ok(())
    };
    let (late, ()) = futures::try_join!(clients, outage)?;
    ensure!(
        late.iter().all(|(_, refusals)| *refusals > 0),
        "some uploads were promised in the outage: {late:?}"
    );

    let photo_ids: Vec<_> = promised
        .into_iter()
        .map(|created| created.photo_id)
        .chain(late.into_iter().map(|(id, _)| id))
        .collect();
    run_until_settled(rig, &photo_ids).await?;
    Ok(photo_ids.into_iter().map(|photo_id| (photo_id, Expected::Ready)).collect())
}

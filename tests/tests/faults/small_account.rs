//! A new account: ten concurrent executions for everything. Thumbnails must not take them from the API.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use photodrop_tests::audit::Expected;
use photodrop_tests::patience::Wait;
use photodrop_tests::photos::photo;

use crate::restart::restart_with;
use crate::rig::{Acknowledged, Rig};

const PHOTOS: usize = 50;

/// Clients that ask all the time: with five thumbnails at once they fit into ten executions.
const CLIENTS: usize = 4;

#[tokio::test]
async fn with_ten_executions_and_fifty_photos_the_api_refuses_nothing() {
    let rig = Rig::bare().await.unwrap();
    let outcome = small_account(&rig).await;
    restart_with(&[]).await.unwrap();
    rig.finish("an account of ten executions", outcome).await.unwrap();
}

async fn small_account(rig: &Rig) -> Result<Vec<Acknowledged>> {
    restart_with(&[("ACCOUNT_CONCURRENCY", "10")]).await?;
    // The emulator forgets it at a restart. Messages that were throttled come again after it.
    rig.shorten_visibility().await?;
    let (photo_ids, statuses) = flood(rig).await?;
    ensure!(statuses.keys().eq([&200]), "with the mapping's limit the API answered {statuses:?}");

    // The same flood without the limit: were nothing refused here either, the test would see nothing.
    let limit = rig.aws.limit_mapping(1_000).await?;
    let unlimited = flood(rig).await;
    rig.aws.limit_mapping(limit).await?;
    let (more, statuses) = unlimited?;
    ensure!(limit == 5, "the mapping's limit is {limit}");
    let refused = [429, 503].iter().any(|status| statuses.contains_key(status));
    ensure!(refused, "without the mapping's limit the API answered {statuses:?}");
    Ok(photo_ids.into_iter().chain(more).map(|photo_id| (photo_id, Expected::Ready)).collect())
}

/// Lets fifty photos wait, has them processed while clients ask for their photos, and counts the API's answers by status.
async fn flood(rig: &Rig) -> Result<(Vec<String>, BTreeMap<u16, usize>)> {
    let bytes = photo("photo-6mp.jpg")?;
    rig.aws.enable_mapping(false).await?;
    let mut photo_ids = Vec::new();
    for _ in 0..PHOTOS {
        photo_ids.push(rig.api.upload("image/jpeg", &bytes).await?);
    }
    let (waiting, _) = rig.aws.queued().await?;
    rig.aws.enable_mapping(true).await?;
    ensure!(waiting >= PHOTOS as u64, "{waiting} messages waited");

    let asked = try_join_all((0..CLIENTS).map(async |_| {
        let mut statuses = BTreeMap::new();
        let mut wait = Wait::begin("the end of the flood");
        loop {
            // Each costs an execution and nothing of a quota.
            let reply = rig.api.get("/api/v4/photo?limit=1").await?;
            *statuses.entry(reply.status.as_u16()).or_insert(0) += 1;
            let (waiting, under_way) = rig.aws.queued().await?;
            if waiting + under_way == 0 {
                return anyhow::Ok(statuses);
            }
            wait.got_to(usize::try_from(waiting + under_way)?);
            wait.pause(Duration::from_millis(20), waiting).await?;
        }
    }))
    .await?;
    let mut statuses = BTreeMap::new();
    for (status, number) in asked.into_iter().flatten() {
        *statuses.entry(status).or_insert(0) += number;
    }
    for photo_id in &photo_ids {
        rig.settled(photo_id).await?;
    }
    Ok((photo_ids, statuses))
}

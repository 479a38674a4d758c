//! What a crash, a lost event or an outage leaves undone, and that a reconcile run does it.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use photo_domain::upkeep;
use photodrop_tests::aws::subject;
use photodrop_tests::patience::{Wait, until};
use photodrop_tests::photos::photo;
use serde_json::json;

use crate::support::{World, function_is_mine, function_works};

/// An id whose photo was never asked for.
fn unknown_id() -> String {
    photo_domain::PhotoId::generate().to_string()
}

#[tokio::test]
async fn a_photo_whose_event_was_lost_is_processed_after_all() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let photo_id = world.upload_unheard(&photo("orientation-1.jpg").unwrap()).await;
    // Its time has not come: its event may only be late.
    world.reconcile(&["due"]).await;
    assert_eq!(world.api.photo(&photo_id).await.unwrap().json()["status"], "pending");

    world.make_due(&photo_id).await;
    // A dry run says it and does nothing.
    let dry = world.reconcile_as(&json!({ "dry_run": true, "parts": ["due"] })).await;
    assert!(dry["retried"].as_u64() >= Some(1) && dry["dry_run"] == true, "{dry}");
    assert!(!world.item(&photo_id).await.contains_key("attempts"));

    assert!(world.reconcile(&["due"]).await["retried"].as_u64() >= Some(1));
    assert_eq!(world.api.settled(&photo_id).await.unwrap()["status"], "ready");
    assert_eq!(world.item(&photo_id).await["attempts"], AttributeValue::N("1".to_owned()));
}

#[tokio::test]
async fn an_upload_that_never_came_expires_and_one_that_comes_late_is_still_taken() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo("orientation-1.jpg").unwrap();
    let created = world.api.create("image/jpeg", bytes.len()).await.unwrap();
    world.make_due(&created.photo_id).await;
    assert!(world.reconcile(&["due"]).await["expired"].as_u64() >= Some(1));
    assert_eq!(world.api.photo(&created.photo_id).await.unwrap().json()["status"], "expired");
    assert!(!world.item(&created.photo_id).await.contains_key("due_at"));

    assert_eq!(world.api.put(created.upload().unwrap(), bytes).await.unwrap().status, 200);
    let is_ready = async || {
        let photo = world.api.photo(&created.photo_id).await?.json();
        Ok((photo["status"] == "ready").then_some(()))
    };
    until("the late upload", is_ready).await.unwrap();
}

#[tokio::test]
async fn while_processing_is_stopped_no_attempt_is_counted() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    world.aws.enable_mapping(false).await.unwrap();
    let stopped = async {
        let photo_id = world.api.upload("image/jpeg", &photo("orientation-1.jpg")?).await?;
        until("the event in the queue", async || Ok((world.aws.queued().await?.0 > 0).then_some(()))).await?;
        // As if it had failed again and again before: the end would be next.
        let tried = [("attempts", AttributeValue::N(upkeep::MAX_ATTEMPTS.to_string()))];
        world.aws.set_attributes(&world.owner, &photo_id, &tried).await?;
        world.make_due(&photo_id).await;
        let summary = world.reconcile(&["due"]).await;
        anyhow::Ok((photo_id, summary))
    };
    let stopped = stopped.await;
    world.aws.enable_mapping(true).await.unwrap();
    let (photo_id, summary) = stopped.unwrap();
    assert!(summary["postponed"].as_u64() >= Some(1) && summary["gave_up"] == 0, "{summary}");
    // Nothing was lost: the event waited in the queue.
    assert_eq!(world.api.settled(&photo_id).await.unwrap()["status"], "ready");
}

#[tokio::test]
async fn a_photo_that_no_attempt_settles_fails() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let photo_id = world.upload_unheard(&photo("orientation-1.jpg").unwrap()).await;
    let tried = [("attempts", AttributeValue::N(upkeep::MAX_ATTEMPTS.to_string()))];
    world.aws.set_attributes(&world.owner, &photo_id, &tried).await.unwrap();
    world.make_due(&photo_id).await;
    world.reconcile(&["due"]).await;
    let record = world.api.settled(&photo_id).await.unwrap();
    assert_eq!(
        (&record["status"], &record["failure"]["code"]),
        (&json!("failed"), &json!("RETRIES_EXHAUSTED"))
    );
}

#[tokio::test]
async fn orphans_are_marked_or_removed_once_they_are_old_enough_and_nothing_else_is() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let bytes = photo("orientation-1.jpg").unwrap();
    let kept =
        world.api.process("image/jpeg", &bytes).await.unwrap()["photo_id"].as_str().unwrap().to_owned();
    let orphan = unknown_id();
    let (original, variant) = (world.key(&orphan), format!("{}small.jpg", world.prefix(&orphan)));
    let notifications = world.aws.silence(&world.stack.originals_bucket).await.unwrap();
    for (bucket, key) in
        [(&world.stack.originals_bucket, &original), (&world.stack.thumbnails_bucket, &variant)]
    {
        world.aws.s3.put_object().bucket(bucket).key(key).body(bytes.clone().into()).send().await.unwrap();
    }
    world.aws.notify(&world.stack.originals_bucket, notifications).await.unwrap();
    let state = async || {
        let tag = world.aws.state_tag(&original).await.unwrap();
        (tag, world.thumbnails(&orphan).await.len(), world.thumbnails(&kept).await.len())
    };
    let untouched = (None, 1, 6);

    // A day is the grace: nothing here is as old.
    world.reconcile(&["originals", "variants"]).await;
    assert_eq!(state().await, untouched);

    let function = &world.stack.reconcile_function;
    let soon = [
        ("PHOTODROP_ORPHAN_GRACE_SECONDS", "1"),
        ("PHOTODROP_ORPHAN_RETENTION_DAYS", "0"),
        ("PHOTODROP_RECONCILE_MAX_ORPHAN_PERCENT", "100"),
    ];
    let before = world.aws.set_environment(function, &soon).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let dry = world.reconcile_as(&json!({ "dry_run": true, "parts": ["originals", "variants"] })).await;
    let after_dry_run = state().await;
    let done = world.reconcile(&["originals", "variants"]).await;
    world.aws.restore_environment(function, before).await.unwrap();

    assert!(
        dry["originals_orphaned"].as_u64() >= Some(1) && dry["variants_removed"].as_u64() >= Some(1),
        "{dry}"
    );
    assert_eq!(after_dry_run, untouched);
    assert_eq!(dry["originals_orphaned"], done["originals_orphaned"]);
    assert_eq!(state().await, (Some("orphaned".to_owned()), 0, 6));
}

/// Variants without a record: of each owner so many photos with one variant.
async fn strangers(world: &World, owners: &[&str], photos: usize) -> Vec<String> {
    let mut prefixes = Vec::new();
    for owner in owners {
        for _ in 0..photos {
            let prefix = format!("photos/{owner}/{}/", unknown_id());
            let put = world.aws.s3.put_object().bucket(&world.stack.thumbnails_bucket);
            put.key(format!("{prefix}small.jpg")).body(vec![7].into()).send().await.unwrap();
            prefixes.push(prefix);
        }
    }
    prefixes
}

/// A run over the thumbnails bucket, and how many of the strangers are left.
async fn listed(world: &World, percent: &str, prefixes: &[String]) -> (serde_json::Value, usize) {
    let function = &world.stack.reconcile_function;
    let settings = [
        ("PHOTODROP_ORPHAN_GRACE_SECONDS", "1"),
        ("PHOTODROP_RECONCILE_MAX_ORPHAN_PERCENT", percent),
        ("PHOTODROP_RECONCILE_MAX_LISTED", "100000"),
    ];
    let before = world.aws.set_environment(function, &settings).await.unwrap();
    let summary = world.reconcile(&["variants"]).await;
    world.aws.restore_environment(function, before).await.unwrap();
    let mut left = 0;
    for prefix in prefixes {
        left += world.aws.objects(&world.stack.thumbnails_bucket, prefix).await.unwrap().len();
    }
    (summary, left)
}

#[tokio::test]
async fn a_bucket_full_of_strangers_is_not_touched() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let owners: Vec<_> = (0..12).map(|number| format!("stranger-{number}")).collect();
    let owners: Vec<_> = owners.iter().map(String::as_str).collect();
    let prefixes = strangers(&world, &owners, 3).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (summary, left) = listed(&world, "0", &prefixes).await;
    assert_eq!((&summary["refused"], left), (&json!(1), 36), "{summary}");
    let (summary, left) = listed(&world, "100", &prefixes).await;
    assert_eq!((&summary["refused"], left), (&json!(0), 0), "{summary}");
}

#[tokio::test]
async fn one_owner_s_strangers_stop_no_other_owner_s() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    // What other tests have left is litter of this run too.
    listed(&world, "100", &[]).await;
    let flood = strangers(&world, &["a-flood"], 30).await;
    let photo_id =
        world.api.process("image/jpeg", &photo("orientation-1.jpg").unwrap()).await.unwrap()["photo_id"]
            .clone();
    let stray = format!("{}stray.jpg", world.prefix(photo_id.as_str().unwrap()));
    let put = world.aws.s3.put_object().bucket(&world.stack.thumbnails_bucket).key(&stray);
    put.body(vec![7].into()).send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (summary, left) = listed(&world, "10", &flood).await;
    let strays = world.aws.objects(&world.stack.thumbnails_bucket, &stray).await.unwrap().len();
    let (after, left_after) = listed(&world, "100", &flood).await;
    assert_eq!(
        (&summary["refused"], &summary["owners_skipped"], left),
        (&json!(0), &json!(1), 30),
        "{summary}"
    );
    assert_eq!(strays, 0, "the other owner's stray variant is removed: {summary}");
    assert_eq!((&after["owners_skipped"], left_after), (&json!(0), 0), "{after}");
}

#[tokio::test]
async fn one_owner_s_unused_requests_delay_no_other_owner_s_delete() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let token = world.aws.token_of("flood").await.unwrap();
    let (flood, owner) = (world.api.with_token(Some(&token)), subject(&token).unwrap());
    let one = json!({ "content_type": "image/jpeg", "size_bytes": 7 });
    let mut unused = Vec::new();
    for _ in 0..28 {
        let created = flood.post_to("uploads", &json!({ "uploads": vec![&one; 25] }), 201).await.unwrap();
        let ids = created["uploads"].as_array().unwrap().iter();
        unused.extend(ids.map(|upload| upload["photo_id"].as_str().unwrap().to_owned()));
    }
    let due = [("due_at", AttributeValue::N("1".to_owned()))];
    for photo_id in &unused {
        world.aws.set_attributes(&owner, photo_id, &due).await.unwrap();
    }
    let bytes = photo("orientation-1.jpg").unwrap();
    let deleted =
        world.api.process("image/jpeg", &bytes).await.unwrap()["photo_id"].as_str().unwrap().to_owned();
    assert_eq!(world.api.delete(&deleted).await.unwrap().status, 204);
    world.make_delete_due(&deleted).await;
    // All of the other's are due before this one.
    let later = [("due_at", AttributeValue::N("2".to_owned()))];
    world.aws.set_attributes(&world.owner, &deleted, &later).await.unwrap();

    let summary = world.reconcile(&["due"]).await;
    assert!(world.aws.item(&world.owner, &deleted).await.unwrap().is_none(), "{summary}");
    // Usually all in this run. A slow machine takes several.
    let mut wait = Wait::begin("the end of all unused requests");
    loop {
        let mut expired = 0;
        for photo_id in &unused {
            let item = world.aws.item(&owner, photo_id).await.unwrap().unwrap();
            expired += usize::from(item["status"] == AttributeValue::S("expired".to_owned()));
        }
        if expired == unused.len() {
            break;
        }
        wait.got_to(expired);
        wait.pause(Duration::from_secs(1), expired).await.unwrap();
        world.reconcile(&["due"]).await;
    }
}

#[tokio::test]
async fn two_runs_at_the_same_time_do_what_one_does() {
    let _function = function_is_mine().await;
    let world = World::new().await;
    let bytes = photo("orientation-1.jpg").unwrap();
    let abandoned = world.api.create("image/jpeg", 1).await.unwrap().photo_id;
    let lost = world.upload_unheard(&bytes).await;
    let deleted =
        world.api.process("image/jpeg", &bytes).await.unwrap()["photo_id"].as_str().unwrap().to_owned();
    assert_eq!(world.api.delete(&deleted).await.unwrap().status, 204);
    for photo_id in [&abandoned, &lost] {
        world.make_due(photo_id).await;
    }
    world.make_delete_due(&deleted).await;
    tokio::join!(world.reconcile(&[]), world.reconcile(&[]));
    assert_eq!(world.api.photo(&abandoned).await.unwrap().json()["status"], "expired");
    assert_eq!(world.api.settled(&lost).await.unwrap()["status"], "ready");
    assert_eq!(world.item(&lost).await["attempts"], AttributeValue::N("1".to_owned()));
    assert!(world.aws.item(&world.owner, &deleted).await.unwrap().is_none());
    assert!(world.originals(&deleted).await.is_empty() && world.thumbnails(&deleted).await.is_empty());
}

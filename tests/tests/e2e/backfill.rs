//! Backfills: other variants for photos that are there, and photos taken over from somebody else's bucket.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use photo_domain::PhotoId;
use photodrop_tests::Holdup;
use photodrop_tests::aws::{Item, subject};
use photodrop_tests::patience::{self, Wait};
use photodrop_tests::photos::photo;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{FOREIGN_BUCKET, World, function_is_mine};

/// Other settings than the stack's.
const OTHER: (&str, &str) = ("PHOTODROP_VARIANTS", "tiny:100,hero:640x360:cover:webp");

/// A user whom no other test knows: a backfill of one owner's photos leaves the others' alone.
async fn stranger() -> World {
    let world = World::new().await;
    let token = world.aws.token_of(&format!("backfill-{}", PhotoId::generate())).await.unwrap();
    let (api, owner) = (world.api.with_token(Some(&token)), subject(&token).unwrap());
    World { api, owner, ..world }
}

/// Both functions deployed with other settings; as they were once it is undone.
struct Deployed(Vec<(String, HashMap<String, String>)>);

impl Deployed {
    async fn with(world: &World, changes: &[(&str, &str)]) -> Self {
        let mut before = Vec::new();
        for function in [&world.stack.thumbnail_function, &world.stack.reconcile_function] {
            before.push((function.clone(), world.aws.set_environment(function, changes).await.unwrap()));
        }
        Self(before)
    }

    async fn undo(self, world: &World) {
        for (function, environment) in self.0 {
            world.aws.restore_environment(&function, environment).await.unwrap();
        }
    }
}

/// One call; its answer.
async fn backfill(world: &World, request: Value) -> Value {
    let event = json!({ "backfill": request });
    let answer = world.aws.invoke(&world.stack.reconcile_function, &event).await.unwrap();
    assert_eq!(answer["backfill"]["failed"], 0, "{answer}");
    answer["backfill"].clone()
}

/// Calls with a limit until there is no more, each of which looks at one object at most: all answers.
async fn one_by_one(world: &World, mut request: Value) -> Vec<Value> {
    request["limit"] = json!(1);
    let mut answers = Vec::new();
    loop {
        let answer = backfill(world, request.clone()).await;
        assert!(answer["examined"].as_u64() <= Some(1), "{answer}");
        request["checkpoint"] = answer["checkpoint"].clone();
        answers.push(answer);
        assert!(answers.len() < 20, "it never ends: {answers:?}");
        if answers.last().unwrap()["complete"] == true {
            return answers;
        }
    }
}

fn sum(answers: &[Value], name: &str) -> u64 {
    answers.iter().map(|answer| answer[name].as_u64().unwrap()).sum()
}

fn counts(answer: &Value) -> [u64; 3] {
    ["examined", "started", "skipped"].map(|name| answer[name].as_u64().unwrap())
}

async fn uploaded(world: &World) -> String {
    let photo = world.api.process("image/jpeg", &photo("orientation-6.jpg").unwrap()).await.unwrap();
    assert_eq!(photo["status"], "ready");
    photo["photo_id"].as_str().unwrap().to_owned()
}

/// Waits for a photo's item to become what is waited for.
async fn until(world: &World, photo_id: &str, what: &str, done: impl Fn(&Item) -> bool) {
    let mut wait = Wait::begin(format_args!("{photo_id} to be {what}"));
    loop {
        let item = world.item(photo_id).await;
        if done(&item) {
            return;
        }
        wait.pause(Duration::from_millis(200), item).await.unwrap();
    }
}

/// Waits until the thumbnail function has logged something about a photo.
async fn logged(world: &World, photo_id: &str, message: &str) -> anyhow::Result<()> {
    let look = async || Ok((world.aws.logged_of(photo_id, message).await? > 0).then_some(()));
    patience::until(message, look).await
}

async fn renewed(world: &World, photo_id: &str) {
    until(world, photo_id, "renewed", |item| item.contains_key("renewed")).await;
}

/// The photo's variants as its client sees them, each of them fetched.
async fn variants(world: &World, photo_id: &str) -> Vec<(String, String)> {
    let shown = world.api.photo(photo_id).await.unwrap().json();
    assert_eq!(shown["status"], "ready", "{shown}");
    let mut variants = Vec::new();
    for variant in shown["variants"].as_array().unwrap() {
        let url = variant["url"].as_str().unwrap();
        let reply = world.api.send(Method::GET, url, &[], vec![]).await.unwrap();
        assert_eq!(
            (reply.status.as_u16(), reply.bytes.len() as u64),
            (200, variant["size_bytes"].as_u64().unwrap())
        );
        let text = |name: &str| variant[name].as_str().unwrap().to_owned();
        variants.push((text("name"), text("format")));
    }
    variants
}

fn named(variants: &[(&str, &str)]) -> Vec<(String, String)> {
    variants.iter().map(|(name, format)| ((*name).to_owned(), (*format).to_owned())).collect()
}

#[tokio::test]
async fn after_a_change_of_the_settings_a_backfill_gives_every_photo_the_new_variants_once() {
    let _function = function_is_mine().await;
    let world = stranger().await;
    let queue = world.aws.listen("backfill-renewed").await.unwrap();
    let photo_id = uploaded(&world).await;
    let before = variants(&world, &photo_id).await;
    let request = json!({ "source": "photos", "owner": world.owner });
    // By today's settings there is nothing to do.
    assert_eq!(counts(&backfill(&world, request.clone()).await), [1, 0, 1]);

    let grace = ("PHOTODROP_ORPHAN_GRACE_SECONDS", "1");
    let deployed = Deployed::with(&world, &[OTHER, grace]).await;
    let mut dry = request.clone();
    dry["dry_run"] = json!(true);
    let item = world.announced(&photo_id).await;
    assert_eq!(counts(&backfill(&world, dry).await), [1, 1, 0]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((world.item(&photo_id).await, variants(&world, &photo_id).await), (item, before));

    let answer = backfill(&world, request.clone()).await;
    assert_eq!((counts(&answer), &answer["complete"]), ([1, 1, 0], &json!(true)));
    renewed(&world, &photo_id).await;
    let now = variants(&world, &photo_id).await;
    assert_eq!(now, named(&[("tiny", "webp"), ("tiny", "jpeg"), ("hero", "webp")]));
    // URLs of before still work, until the sweep.
    assert_eq!(world.thumbnails(&photo_id).await.len(), 6 + 3);
    // Again: nothing is left to do, and a repeated event does nothing.
    assert_eq!(counts(&backfill(&world, request).await), [1, 0, 1]);

    let mut ready = Vec::new();
    let mut wait = Wait::begin("two announcements");
    while ready.len() < 2 {
        let events = world.aws.drain(&queue).await.unwrap();
        ready.extend(events.into_iter().filter(|event| event["detail"]["photo_id"] == *photo_id));
        wait.pause(Duration::from_millis(200), &ready).await.unwrap();
    }
    let (first, second) = (&ready[0]["detail"], &ready[1]["detail"]);
    assert_eq!(
        (&ready[0]["detail-type"], &ready[1]["detail-type"]),
        (&json!("PhotoReady"), &json!("PhotoReady"))
    );
    assert_eq!((first.get("renewed"), &second["renewed"]), (None, &json!(true)));
    assert_eq!(second["variants"].as_array().unwrap().len(), 3);
    assert_ne!(first["event_id"], second["event_id"]);

    tokio::time::sleep(Duration::from_secs(2)).await;
    world.reconcile(&["variants"]).await;
    let left = world.thumbnails(&photo_id).await.len();
    deployed.undo(&world).await;
    assert_eq!((left, variants(&world, &photo_id).await), (3, now));
}

#[tokio::test]
async fn calls_with_a_limit_of_one_go_through_all_photos_by_their_checkpoints() {
    let _function = function_is_mine().await;
    let world = stranger().await;
    let mut photo_ids = Vec::new();
    for _ in 0..3 {
        photo_ids.push(uploaded(&world).await);
    }
    let deployed = Deployed::with(&world, &[OTHER]).await;
    let request = json!({ "source": "photos", "owner": world.owner });
    let dry = one_by_one(&world, json!({ "source": "photos", "owner": world.owner, "dry_run": true })).await;
    let answers = one_by_one(&world, request).await;
    for photo_id in &photo_ids {
        renewed(&world, photo_id).await;
    }
    deployed.undo(&world).await;
    assert_eq!((sum(&dry, "started"), sum(&answers, "started"), sum(&answers, "skipped")), (3, 3, 0));
    assert!(answers.len() >= 3 && answers[0]["checkpoint"].is_string(), "{answers:?}");

    // A checkpoint of one backfill is no other's.
    let other = json!({ "backfill": { "source": "photos", "checkpoint": answers[0]["checkpoint"] } });
    let refused = world.aws.invoke(&world.stack.reconcile_function, &other).await.unwrap_err();
    assert!(refused.to_string().contains("of another backfill"), "{refused}");
}

#[tokio::test]
async fn a_photo_that_cannot_be_read_now_keeps_its_variants() {
    let _function = function_is_mine().await;
    let world = stranger().await;
    let photo_id = uploaded(&world).await;
    let (item, before) = (world.announced(&photo_id).await, variants(&world, &photo_id).await);
    let deployed = Deployed::with(&world, &[OTHER, ("PHOTODROP_MAX_PIXELS", "1")]).await;
    let answer = backfill(&world, json!({ "source": "photos", "owner": world.owner })).await;
    let tried = logged(&world, &photo_id, "not renewed: left as it was").await;
    deployed.undo(&world).await;
    tried.unwrap();
    assert_eq!(counts(&answer), [1, 1, 0]);
    assert_eq!((world.item(&photo_id).await, variants(&world, &photo_id).await), (item, before));
    assert_eq!(world.thumbnails(&photo_id).await.len(), 6);
    assert_eq!(world.aws.state_tag(&world.key(&photo_id)).await.unwrap(), None);
}

#[tokio::test]
async fn a_photo_that_failed_is_ready_once_it_can_be_read_and_a_backfill_is_asked_to_try() {
    let _function = function_is_mine().await;
    let world = stranger().await;
    let deployed = Deployed::with(&world, &[("PHOTODROP_MAX_PIXELS", "1")]).await;
    let failed = world.api.process("image/jpeg", &photo("orientation-6.jpg").unwrap()).await;
    deployed.undo(&world).await;
    let failed = failed.unwrap();
    assert_eq!(failed["failure"]["code"], "TOO_MANY_PIXELS");
    let photo_id = failed["photo_id"].as_str().unwrap();
    assert_eq!(world.tag_when_due(photo_id).await.as_deref(), Some("failed"));

    let request = json!({ "source": "photos", "owner": world.owner });
    assert_eq!(counts(&backfill(&world, request.clone()).await), [1, 0, 1]);
    let mut again = request;
    again["include_failed"] = json!(true);
    assert_eq!(counts(&backfill(&world, again).await), [1, 1, 0]);
    let is_ready = |item: &Item| item["status"] == AttributeValue::S("ready".to_owned());
    until(&world, photo_id, "ready", is_ready).await;
    assert_eq!(variants(&world, photo_id).await.len(), 6);
    let item = world.item(photo_id).await;
    assert!(!item.contains_key("failure_code") && !item.contains_key("renewed"), "{item:?}");
    // The rule by which originals of failed photos expire goes by the tag, and reconcile never tags it again.
    world.announced(photo_id).await;
    world.reconcile(&["due"]).await;
    assert_eq!(world.aws.state_tag(&world.key(photo_id)).await.unwrap().as_deref(), Some("ready"));
}

#[tokio::test]
async fn a_photo_that_is_deleted_while_it_is_renewed_stays_deleted_and_leaves_nothing() {
    let _function = function_is_mine().await;
    let world = stranger().await;
    let photo_id = uploaded(&world).await;
    let holdup = Holdup::start(&world.stack.endpoint).await.unwrap();
    let deployed = Deployed::with(&world, &[OTHER]).await;
    let function = &world.stack.thumbnail_function;
    world.aws.set_environment(function, &[("AWS_ENDPOINT_URL_S3", &holdup.url)]).await.unwrap();
    let answer = backfill(&world, json!({ "source": "photos", "owner": world.owner })).await;
    let is_held = async || Ok((holdup.held() > 0).then_some(()));
    let asked = patience::until("the function to ask for the original", is_held).await;
    // It has read the record, and is about to read the original.
    let deleted = world.api.delete(&photo_id).await;
    holdup.release();
    let refused = logged(&world, &photo_id, "renewed or deleted meanwhile: duplicate event").await;
    deployed.undo(&world).await;
    asked.and(refused).unwrap();
    assert_eq!((counts(&answer), deleted.unwrap().status.as_u16()), ([1, 1, 0], 204));
    assert_eq!(world.api.photo(&photo_id).await.unwrap().status, 404);

    world.make_delete_due(&photo_id).await;
    world.reconcile(&["due"]).await;
    assert!(world.aws.item(&world.owner, &photo_id).await.unwrap().is_none());
    assert!(world.originals(&photo_id).await.is_empty() && world.thumbnails(&photo_id).await.is_empty());
}

/// What there is in the originals bucket of a user's photos, by photo.
async fn taken_over(world: &World) -> BTreeMap<String, String> {
    let prefix = format!("photos/{}/", world.owner);
    let objects = world.aws.objects(&world.stack.originals_bucket, &prefix).await.unwrap();
    objects.into_iter().map(|(key, etag)| (key.split('/').nth(2).unwrap().to_owned(), etag)).collect()
}

/// Objects of somebody else's bucket below a prefix of their own: three photos, and what is none.
async fn somebody_elses_photos(world: &World, prefix: &str) {
    // It may be there from another test.
    let _ = world.aws.s3.create_bucket().bucket(FOREIGN_BUCKET).send().await;
    for (name, bytes) in [
        ("1.jpg", photo("orientation-6.jpg").unwrap()),
        ("Straße 1+2 %/☀ & ü.png", photo("alpha.png").unwrap()),
        ("no extension", photo("animated.gif").unwrap()),
        ("notes.txt", b"Dear diary, today I took photos.".to_vec()),
        ("text.jpg", photo("not-an-image.jpg").unwrap()),
        ("empty.jpg", Vec::new()),
    ] {
        let put = world.aws.s3.put_object().bucket(FOREIGN_BUCKET).key(format!("{prefix}{name}"));
        // What it is called there says nothing of what it is.
        put.content_type("application/octet-stream").body(bytes.into()).send().await.unwrap();
    }
}

#[tokio::test]
async fn photos_of_somebody_else_s_bucket_become_the_owner_s_and_only_once() {
    let _function = function_is_mine().await;
    let world = stranger().await;
    let prefix = format!("run {}/", world.owner);
    somebody_elses_photos(&world, &prefix).await;
    let request =
        json!({ "source": "bucket", "bucket": FOREIGN_BUCKET, "prefix": prefix, "owner": world.owner });

    let mut dry = request.clone();
    dry["dry_run"] = json!(true);
    let dry = backfill(&world, dry).await;
    assert_eq!((counts(&dry), dry["notes"].as_array().unwrap().len()), ([6, 3, 3], 3), "{dry}");
    assert!(taken_over(&world).await.is_empty());

    let answers = one_by_one(&world, request.clone()).await;
    assert_eq!((sum(&answers, "examined"), sum(&answers, "started"), sum(&answers, "skipped")), (6, 3, 3));
    let taken = taken_over(&world).await;
    assert_eq!(taken.len(), 3);
    let mut shown = BTreeMap::new();
    for photo_id in taken.keys() {
        let photo = world.api.settled(photo_id).await.unwrap();
        assert_eq!(
            (&photo["status"], photo["variants"].as_array().map(Vec::len)),
            (&json!("ready"), Some(6)),
            "{photo}"
        );
        assert_eq!(variants(&world, photo_id).await.len(), 6);
        let original =
            world.aws.s3.head_object().bucket(&world.stack.originals_bucket).key(world.key(photo_id));
        let content_type = original.send().await.unwrap().content_type.unwrap();
        shown.insert(photo["file_name"].as_str().unwrap().to_owned(), content_type);
    }
    let expected = [("1.jpg", "image/jpeg"), ("no extension", "image/gif"), ("☀ & ü.png", "image/png")];
    assert_eq!(shown, expected.map(|(name, kind)| (name.to_owned(), kind.to_owned())).into());

    // Again: no second photo of anything, and what is there stays as it is.
    let again = backfill(&world, request.clone()).await;
    assert_eq!((counts(&again), taken_over(&world).await), ([6, 0, 6], taken.clone()));

    // What its owner deletes does not come back.
    let deleted = taken.keys().next().unwrap();
    assert_eq!(world.api.delete(deleted).await.unwrap().status, 204);
    world.make_delete_due(deleted).await;
    world.reconcile(&["due"]).await;
    assert!(world.aws.item(&world.owner, deleted).await.unwrap().is_none());
    let after = backfill(&world, request).await;
    assert_eq!((counts(&after), taken_over(&world).await.len()), ([6, 0, 6], 2), "{after}");
    assert!(after["notes"].to_string().contains("its owner has deleted the photo"), "{after}");
}

#[tokio::test]
async fn a_copy_that_failed_half_way_is_made_good_by_the_next_backfill() {
    let _function = function_is_mine().await;
    let world = stranger().await;
    let prefix = format!("run {}/", world.owner);
    somebody_elses_photos(&world, &prefix).await;
    let request = json!({ "source": "bucket", "prefix": format!("{prefix}1"), "owner": world.owner });
    assert_eq!(counts(&backfill(&world, request.clone()).await), [1, 1, 0]);
    let photo_id = taken_over(&world).await.into_keys().next().unwrap();
    world.api.settled(&photo_id).await.unwrap();
    // As if the copy had never been made: the record is pending, and nothing is there.
    let key = world.key(&photo_id);
    world.aws.s3.delete_object().bucket(&world.stack.originals_bucket).key(&key).send().await.unwrap();
    let pending = [
        ("status", AttributeValue::S("pending".to_owned())),
        ("expires_at", AttributeValue::N("4102444800".to_owned())),
    ];
    world.aws.set_attributes(&world.owner, &photo_id, &pending).await.unwrap();
    assert_eq!(counts(&backfill(&world, request).await), [1, 1, 0]);
    assert_eq!(world.api.settled(&photo_id).await.unwrap()["status"], "ready");
    assert_eq!(taken_over(&world).await.len(), 1);
}

#[tokio::test]
async fn what_the_stack_may_not_read_is_not_taken_over() {
    let world = stranger().await;
    let own = &world.stack.originals_bucket;
    for (bucket, reason) in [
        ("somebody-elses-secrets", "from somebody-elses-photos alone"),
        (own, "from somebody-elses-photos alone"),
    ] {
        let event = json!({ "backfill": { "source": "bucket", "bucket": bucket, "owner": world.owner } });
        let error = world.aws.invoke(&world.stack.reconcile_function, &event).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    // Nor does it help to tell the function so: its role knows one bucket.
    let _function = function_is_mine().await;
    let other = format!("other-{}", world.owner);
    world.aws.s3.create_bucket().bucket(&other).send().await.unwrap();
    let function = &world.stack.reconcile_function;
    let before = world.aws.set_environment(function, &[("PHOTODROP_BACKFILL_BUCKET", &other)]).await.unwrap();
    let event = json!({ "backfill": { "source": "bucket", "owner": world.owner } });
    let answer = world.aws.invoke(function, &event).await;
    world.aws.restore_environment(function, before).await.unwrap();
    let error = answer.unwrap_err().to_string();
    assert!(error.contains("ListObjectsV2") && error.contains("AccessDenied"), "{error}");
}

//! What one owner may take. The counter's item is written as if the day had been busy, so that no test has to be.

use aws_sdk_dynamodb::types::AttributeValue;
use photo_domain::PhotoId;
use photo_domain::quota::day;
use photodrop_tests::aws::event_for;
use photodrop_tests::aws::{self, Item};
use photodrop_tests::patience::{Wait, until};
use photodrop_tests::photos::photo;
use photodrop_tests::{Api, Created, Reply};
use serde_json::json;

use crate::support::{World, function_works};

/// The template's default.
const PHOTOS_PER_DAY: u64 = 2000;
const BYTES_PER_DAY: u64 = 21_474_836_480;
/// What the test stack is deployed with (`TEST_PARAMETERS` in infra/local/settings.py): so many that nobody else's
/// photos come near it.
const PENDING: u64 = 1000;

/// An owner of a test's own, who has already taken some of the day.
struct Busy {
    world: World,
    api: Api,
    owner: String,
}

impl Busy {
    async fn new(user: &str, so_far: &[(&str, u64)]) -> Self {
        let world = World::new().await;
        let token = world.aws.token_of(user).await.unwrap();
        let owner = aws::subject(&token).unwrap();
        let mut item = world.aws.dynamodb.put_item().table_name(&world.stack.table_name);
        for (name, value) in key(&owner) {
            item = item.item(name, value);
        }
        for (name, value) in so_far {
            item = item.item(*name, AttributeValue::N(value.to_string()));
        }
        item.send().await.unwrap();
        Self { api: world.api.with_token(Some(&token)), owner, world }
    }

    async fn counter(&self) -> Item {
        let request = self.world.aws.dynamodb.get_item().table_name(&self.world.stack.table_name);
        request.set_key(Some(key(&self.owner))).consistent_read(true).send().await.unwrap().item.unwrap()
    }

    async fn counted(&self, name: &str) -> u64 {
        self.counter().await[name].as_n().unwrap().parse().unwrap()
    }
}

/// Today's counter of an owner.
fn key(owner: &str) -> Item {
    let today = day(PhotoId::generate());
    Item::from([
        ("pk".to_owned(), AttributeValue::S(format!("owner#{owner}"))),
        ("sk".to_owned(), AttributeValue::S(format!("quota#{today}"))),
    ])
}

/// Asks for an upload. The emulator stops environments that it has too many of, sometimes one that it has just given
/// a request to: nothing of ours ran then, and its gateway answers 502 without a problem document.
async fn post(api: &Api, size_bytes: usize, headers: &[(&str, &str)]) -> Reply {
    let body = json!({ "content_type": "image/jpeg", "size_bytes": size_bytes }).to_string();
    let mut wait = Wait::begin("an answer of the function");
    loop {
        let reply = api.post(&body, headers).await.unwrap();
        if reply.status.as_u16() != 502 {
            return reply;
        }
        assert_ne!(reply.header("content-type"), "application/problem+json", "{}", reply.text());
        wait.pause(std::time::Duration::from_millis(100), reply.status).await.unwrap();
    }
}

#[tokio::test]
async fn of_many_requests_at_once_exactly_as_many_get_through_as_there_is_room_for() {
    let busy = Busy::new("quota-photos", &[("photos", PHOTOS_PER_DAY - 5), ("bytes", 0)]).await;
    let asked = (0..12).map(|_| {
        let api = busy.api.clone();
        tokio::spawn(async move { post(&api, 1000, &[]).await })
    });
    let mut statuses = Vec::new();
    for request in asked.collect::<Vec<_>>() {
        let reply = request.await.unwrap();
        if reply.status.as_u16() == 429 {
            assert_eq!(reply.json()["code"], "QUOTA_EXCEEDED");
            let wait: u64 = reply.header("retry-after").parse().unwrap();
            assert!((1..=86_400).contains(&wait), "{wait}");
        }
        statuses.push(reply.status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [[201; 5].as_slice(), [429; 7].as_slice()].concat());
    assert_eq!(busy.counted("photos").await, PHOTOS_PER_DAY);
    assert_eq!(busy.counted("bytes").await, 5000);
    assert!(busy.counter().await.contains_key("expires_at"), "nothing of a day stays for ever");
}

#[tokio::test]
async fn bytes_are_counted_as_announced() {
    let busy = Busy::new("quota-bytes", &[("photos", 1), ("bytes", BYTES_PER_DAY - 1500)]).await;
    assert_eq!(post(&busy.api, 1000, &[]).await.status.as_u16(), 201);
    assert_eq!(post(&busy.api, 501, &[]).await.status.as_u16(), 429);
    assert_eq!(post(&busy.api, 500, &[]).await.status.as_u16(), 201);
    assert_eq!(busy.counted("bytes").await, BYTES_PER_DAY);
}

#[tokio::test]
async fn a_repeated_request_counts_once_and_is_answered_when_nothing_is_left() {
    let busy = Busy::new("quota-replay", &[("photos", PHOTOS_PER_DAY - 1), ("bytes", 0)]).await;
    let key = format!("k-{}", PhotoId::generate());
    let headers = [("idempotency-key", key.as_str())];
    let first: Created = serde_json::from_slice(&post(&busy.api, 7, &headers).await.bytes).unwrap();
    let again = post(&busy.api, 7, &headers).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (201, "true"));
    assert_eq!(again.json()["photo_id"], first.photo_id);
    assert_eq!(busy.counted("photos").await, PHOTOS_PER_DAY);
    assert_eq!(post(&busy.api, 7, &[]).await.status.as_u16(), 429);
}

#[tokio::test]
async fn a_slot_comes_back_with_the_photo_s_end_and_once_alone() {
    let _function = function_works().await;
    let busy = Busy::new("quota-pending", &[("photos", 1), ("bytes", 0), ("pending", PENDING - 1)]).await;
    let (refused, after_end, after_duplicate) = slots(&busy).await.unwrap();
    assert_eq!((refused.0, refused.1.as_str()), (429, "30"));
    assert_eq!((after_end, after_duplicate), (PENDING - 1, PENDING - 1));
}

/// The refusal of one too many, and the slots that are taken after a photo's end and after its event came again.
async fn slots(busy: &Busy) -> anyhow::Result<((u16, String), u64, u64)> {
    let bytes = photo("orientation-1.jpg")?;
    let created = busy.api.create("image/jpeg", bytes.len()).await?;
    let refused = post(&busy.api, 7, &[]).await;
    busy.api.put(created.upload()?, bytes).await?;
    busy.api.settled(&created.photo_id).await?;
    let after_end = busy.counted("pending").await;
    let stack = &busy.world.stack;
    let key = format!("photos/{}/{}/original", busy.owner, created.photo_id);
    let event = event_for(&stack.originals_bucket, &key, None);
    busy.world.aws.invoke(&stack.thumbnail_function, &event).await?;
    let wait = refused.header("retry-after").to_owned();
    Ok(((refused.status.as_u16(), wait), after_end, busy.counted("pending").await))
}

#[tokio::test]
async fn what_comes_after_it_expired_counts_after_all() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo("orientation-1.jpg").unwrap();
    let size = bytes.len() as u64;
    let busy = Busy::new("quota-late", &[("photos", 1), ("bytes", 0), ("pending", 0)]).await;
    let created = busy.api.create("image/jpeg", bytes.len()).await.unwrap();
    assert_eq!((busy.counted("photos").await, busy.counted("bytes").await), (2, size));
    let due = [("due_at", AttributeValue::N("1".to_owned()))];
    world.aws.set_attributes(&busy.owner, &created.photo_id, &due).await.unwrap();
    world.reconcile(&["due"]).await;
    assert_eq!(busy.api.photo(&created.photo_id).await.unwrap().json()["status"], "expired");
    assert_eq!((busy.counted("photos").await, busy.counted("bytes").await), (1, 0));
    // Its URL still works, and what comes is never thrown away.
    assert_eq!(busy.api.put(created.upload().unwrap(), bytes).await.unwrap().status, 200);
    let status = until("the late upload's end", async || {
        let photo = busy.api.photo(&created.photo_id).await?.json();
        Ok(photo["status"].as_str().filter(|status| *status != "expired").map(str::to_owned))
    });
    let status = status.await.unwrap();
    assert_eq!(status, "ready");
    let event = event_for(
        &world.stack.originals_bucket,
        &format!("photos/{}/{}/original", busy.owner, created.photo_id),
        None,
    );
    world.aws.invoke(&world.stack.thumbnail_function, &event).await.unwrap();
    assert_eq!(
        (busy.counted("photos").await, busy.counted("bytes").await),
        (2, size),
        "once, and once alone"
    );
}

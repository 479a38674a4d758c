//! Repeating a request.

use std::collections::BTreeSet;

use photodrop_tests::Created;
use photodrop_tests::photos::photo;
use serde_json::json;

use crate::support::{World, function_works};

/// A key that no other run has used.
fn fresh_key(name: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{name}-{}", now.as_nanos())
}

#[tokio::test]
async fn the_same_key_and_body_give_the_same_photo_and_another_body_is_a_conflict() {
    let _function = function_works().await;
    let world = World::new().await;
    let key = fresh_key("same");
    let headers = [("idempotency-key", key.as_str())];
    let bytes = photo("orientation-1.jpg").unwrap();
    let body = json!({ "content_type": "image/jpeg", "size_bytes": bytes.len() }).to_string();

    let first = world.api.post(&body, &headers).await.unwrap();
    assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (201, ""));
    let second = world.api.post(&body, &headers).await.unwrap();
    assert_eq!((second.status.as_u16(), second.header("idempotency-replayed")), (201, "true"));
    let first: Created = serde_json::from_slice(&first.bytes).unwrap();
    let second: Created = serde_json::from_slice(&second.bytes).unwrap();
    assert_eq!(first.photo_id, second.photo_id);

    let other = json!({ "content_type": "image/jpeg", "size_bytes": bytes.len() + 1 }).to_string();
    let conflict = world.api.post(&other, &headers).await.unwrap();
    assert_eq!(
        (conflict.status.as_u16(), conflict.json()["code"].as_str()),
        (409, Some("IDEMPOTENCY_CONFLICT"))
    );

    // The replayed URL is as good as the first one, and after it is used there is none.
    assert_eq!(world.api.put(second.upload().unwrap(), bytes).await.unwrap().status, 200);
    assert_eq!(world.api.settled(&first.photo_id).await.unwrap()["status"], "ready");
    let third: Created =
        serde_json::from_slice(&world.api.post(&body, &headers).await.unwrap().bytes).unwrap();
    assert_eq!(
        (third.photo_id, third.status.as_str(), third.upload.is_none()),
        (first.photo_id, "ready", true)
    );
}

#[tokio::test]
async fn a_key_that_is_repeated_too_late_gets_no_signature() {
    let world = World::new().await;
    let checksum = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    for (body, minutes) in [
        (json!({ "content_type": "image/jpeg", "size_bytes": 7 }), 15),
        (
            json!({ "content_type": "image/jpeg", "size_bytes": 7, "upload_method": "POST", "checksum_sha256": checksum }),
            15,
        ),
        (
            json!({ "content_type": "image/jpeg", "size_bytes": 9 << 20, "upload_method": "multipart" }),
            24 * 60,
        ),
    ] {
        let (key, body) = (fresh_key("late"), body.to_string());
        let headers = [("idempotency-key", key.as_str())];
        let photo_id =
            world.api.post(&body, &headers).await.unwrap().json()["photo_id"].as_str().unwrap().to_owned();
        for (age, signed) in [(minutes - 1, true), (minutes, false), (10 * minutes, false)] {
            world.age(&photo_id, age).await;
            let reply = world.api.post(&body, &headers).await.unwrap();
            assert_eq!(
                (reply.status.as_u16(), &reply.json()["status"]),
                (201, &json!("pending")),
                "{}",
                reply.text()
            );
            assert_eq!(
                (reply.json()["upload"].is_object(), &reply.json()["photo_id"]),
                (signed, &json!(photo_id))
            );
        }
        // Nothing is signed for a photo that is being deleted.
        world.age(&photo_id, 0).await;
        assert_eq!(world.api.delete(&photo_id).await.unwrap().status, 204);
        let reply = world.api.post(&body, &headers).await.unwrap();
        assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (409, &json!("IDEMPOTENCY_CONFLICT")));
    }
}

#[tokio::test]
async fn of_ten_requests_with_one_key_at_once_one_makes_a_photo() {
    let world = World::new().await;
    let key = fresh_key("race");
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (api, key) = (world.api.clone(), key.clone());
        requests.spawn(async move {
            api.post(r#"{"content_type":"image/jpeg","size_bytes":7}"#, &[("idempotency-key", &key)])
                .await
                .unwrap()
        });
    }
    let replies = requests.join_all().await;
    let ids: BTreeSet<String> = replies
        .iter()
        .map(|reply| {
            assert_eq!(reply.status, 201, "{}", reply.text());
            reply.json()["photo_id"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(replies.iter().filter(|reply| reply.header("idempotency-replayed").is_empty()).count(), 1);
}

#[tokio::test]
async fn one_key_of_two_owners_stands_for_two_photos() {
    let world = World::new().await;
    let other = world.api.with_token(Some(&world.aws.token_of("another").await.unwrap()));
    let key = fresh_key("owners");
    let body = r#"{"content_type":"image/jpeg","size_bytes":7}"#;
    let mine = world.api.post(body, &[("idempotency-key", &key)]).await.unwrap();
    let theirs = other.post(body, &[("idempotency-key", &key)]).await.unwrap();
    assert_eq!((mine.status.as_u16(), theirs.status.as_u16()), (201, 201));
    assert_ne!(mine.json()["photo_id"], theirs.json()["photo_id"]);
}

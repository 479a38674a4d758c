//! The list and entity tags, on real photos.

use photodrop_tests::photos::photo;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{World, function_works};

#[tokio::test]
async fn every_photo_is_on_exactly_one_page_the_newest_first_and_a_deleted_one_on_none() {
    let world = World::new().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(world.api.create("image/jpeg", 5).await.unwrap().photo_id);
    }
    world.api.delete(&made[1]).await.unwrap();
    let (mut seen, mut cursor): (Vec<String>, Option<String>) = (Vec::new(), None);
    // Other tests make photos of the same owner meanwhile: newer ones, which pages that are begun do not have.
    for _ in 0..500 {
        let query = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        let reply = world.api.get(&format!("/api/v4/photo?limit=3{query}")).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        let page = reply.json();
        let photos = page["photos"].as_array().unwrap();
        assert!(photos.len() <= 3);
        seen.extend(photos.iter().map(|photo| photo["photo_id"].as_str().unwrap().to_owned()));
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || seen.contains(&made[0]) {
            break;
        }
    }
    assert!(seen.is_sorted_by(|a, b| a > b), "the newest first, none twice");
    let of_ours: Vec<_> = seen.iter().filter(|id| made.contains(id)).collect();
    assert_eq!(of_ours, [&made[4], &made[3], &made[2], &made[0]]);
    let reply = world.api.get("/api/v4/photo?cursor=made-up").await.unwrap();
    assert_eq!((reply.status.as_u16(), &reply.json()["errors"][0]["pointer"]), (400, &Value::from("cursor")));
    assert_eq!(world.api.with_token(None).get("/api/v4/photo").await.unwrap().status, 401);
}

#[tokio::test]
async fn a_page_of_large_photos_is_bound_and_all_are_listed() {
    let world = World::new().await;
    let user = format!("collector-{}", std::process::id());
    let api = world.api.with_token(Some(&world.aws.token_of(&user).await.unwrap()));
    // Quotes: each is two bytes in the answer, and four in the JSON string that Lambda has of it.
    let metadata: serde_json::Map<_, _> =
        (0..16).map(|entry| (format!("{entry:02}"), Value::from("\"".repeat(512)))).collect();
    let one = json!({ "content_type": "image/jpeg", "size_bytes": 5, "metadata": metadata });
    let mut made = Vec::new();
    for _ in 0..3 {
        let batch = json!({ "uploads": vec![&one; 25] });
        let created = api.post_to("uploads", &batch, 201).await.unwrap();
        let uploads = created["uploads"].as_array().unwrap();
        made.extend(uploads.iter().map(|upload| upload["photo_id"].as_str().unwrap().to_owned()));
    }
    let (mut seen, mut query) = (Vec::new(), String::new());
    for page in 0..75 {
        let reply = api.get(&format!("/api/v4/photo?limit=100{query}")).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        let as_lambda_has_it = Value::from(reply.text()).to_string().len();
        assert!(as_lambda_has_it <= 1_001_000, "page {page} has {as_lambda_has_it} bytes");
        let body = reply.json();
        let photos = body["photos"].as_array().unwrap();
        assert!(!photos.is_empty(), "page {page}");
        seen.extend(photos.iter().map(|photo| photo["photo_id"].as_str().unwrap().to_owned()));
        match body["next_cursor"].as_str() {
            Some(cursor) => query = format!("&cursor={cursor}"),
            None => break,
        }
    }
    seen.reverse();
    assert_eq!(seen, made, "each photo once, the newest first");
}

#[tokio::test]
async fn a_photo_that_has_not_changed_is_304_and_its_urls_still_work() {
    let _function = function_works().await;
    let world = World::new().await;
    let settled = world.api.process("image/jpeg", &photo("orientation-6.jpg").unwrap()).await.unwrap();
    let path = format!("/api/v4/photo/{}", settled["photo_id"].as_str().unwrap());
    let first = world.api.get(&path).await.unwrap();
    let etag = first.header("etag").to_owned();
    let again = world.api.call(Method::GET, &path, &[("if-none-match", &etag)], "").await.unwrap();
    // A window may have ended in between; then the tag is another.
    if again.header("etag") == etag {
        assert_eq!((again.status.as_u16(), again.bytes.len()), (304, 0));
    }
    let url = first.json()["variants"][0]["url"].as_str().unwrap().to_owned();
    let shown = world.api.send(Method::GET, &url, &[], vec![]).await.unwrap();
    assert_eq!(shown.status, 200, "{}", shown.text());
    assert!(shown.header("cache-control").contains("immutable"));
}

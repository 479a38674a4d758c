//! What a presigned URL allows: exactly the announced bytes, once.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use photodrop_tests::api::Upload;
use photodrop_tests::photos::photo;
use reqwest::Method;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::{World, function_works};

fn query(url: &str, name: &str) -> String {
    let (_, query) = url.split_once('?').unwrap();
    let value = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    value.unwrap_or_else(|| panic!("{name} is in {url}")).1.replace("%3B", ";")
}

fn with_url(upload: &Upload, url: String) -> Upload {
    Upload { url, ..upload.clone() }
}

#[tokio::test]
async fn the_answer_lists_exactly_the_signed_headers_and_expires_within_five_minutes() {
    let world = World::new().await;
    let digest = STANDARD.encode(Sha256::digest(b"x"));
    let body = json!({ "content_type": "image/png", "size_bytes": 1, "checksum_sha256": digest });
    let created = world.api.create_with(&body).await.unwrap();
    let upload = created.upload().unwrap();
    let signed = query(&upload.url, "X-Amz-SignedHeaders");
    let signed: BTreeSet<&str> = signed.split(';').filter(|name| *name != "host").collect();
    let listed: BTreeSet<&str> = upload.headers.keys().map(String::as_str).collect();
    assert_eq!(signed, listed);
    assert_eq!(
        listed,
        BTreeSet::from(["content-length", "content-type", "if-none-match", "x-amz-checksum-sha256"])
    );
    let seconds: i64 = query(&upload.url, "X-Amz-Expires").parse().unwrap();
    assert!((1..=300).contains(&seconds), "{seconds}");
    // The answer promises what the signature holds.
    let date = query(&upload.url, "X-Amz-Date").replace(['-', ':'], "");
    let promised = upload.expires_at.replace(['-', ':'], "");
    assert_eq!(seconds_of_day(&promised), (seconds_of_day(&date) + seconds) % 86_400, "{date} {promised}");
}

/// Of `YYYYMMDDTHHMMSS…`.
fn seconds_of_day(time: &str) -> i64 {
    let part = |from: usize| time[from..from + 2].parse::<i64>().unwrap();
    part(9) * 3600 + part(11) * 60 + part(13)
}

#[tokio::test]
async fn a_url_for_putting_does_nothing_else() {
    let world = World::new().await;
    let created = world.api.create("image/jpeg", 1).await.unwrap();
    let url = &created.upload().unwrap().url;
    for method in [Method::GET, Method::DELETE, Method::POST, Method::HEAD] {
        let reply = world.api.send(method.clone(), url, &[], vec![]).await.unwrap();
        assert_eq!(reply.status, 403, "{method}: {}", reply.text());
    }
}

#[tokio::test]
async fn of_two_puts_at_once_one_counts() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo("orientation-1.jpg").unwrap();
    let created = world.api.create("image/jpeg", bytes.len()).await.unwrap();
    let upload = created.upload().unwrap();
    let put = || world.api.put(upload, bytes.clone());
    let (a, b, c) = tokio::join!(put(), put(), put());
    let mut statuses = [a, b, c].map(|reply| reply.unwrap().status.as_u16());
    statuses.sort_unstable();
    // S3 answers 412 to who comes late and 409 to who comes meanwhile.
    assert!(statuses[0] == 200 && statuses[1..].iter().all(|s| [409, 412].contains(s)), "{statuses:?}");
    assert_eq!(world.api.settled(&created.photo_id).await.unwrap()["status"], "ready");
}

#[tokio::test]
async fn nothing_but_the_announced_bytes_is_taken_and_only_once() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo("orientation-1.jpg").unwrap();
    let created = world.api.create("image/jpeg", bytes.len()).await.unwrap();
    let upload = created.upload().unwrap();
    let other = world.api.create("image/jpeg", bytes.len()).await.unwrap();

    let longer = [bytes.as_slice(), b"x"].concat();
    let shorter = bytes[1..].to_vec();
    let elsewhere = with_url(upload, upload.url.replace(&created.photo_id, &other.photo_id));
    let later = with_url(upload, upload.url.replace("X-Amz-Expires=300", "X-Amz-Expires=604800"));
    let unsigned = with_url(upload, upload.url.split_once('?').unwrap().0.to_owned());
    let refused = [
        ("another type", world.api.put_with(upload, &[("content-type", "text/html")], bytes.clone()).await),
        ("no type", world.api.put_with(upload, &[("content-type", "")], bytes.clone()).await),
        ("overwriting allowed", world.api.put_with(upload, &[("if-none-match", "")], bytes.clone()).await),
        ("longer", world.api.put(upload, longer).await),
        ("shorter", world.api.put(upload, shorter).await),
        ("another key", world.api.put(&elsewhere, bytes.clone()).await),
        ("a later expiry", world.api.put(&later, bytes.clone()).await),
        ("no signature", world.api.put(&unsigned, bytes.clone()).await),
    ];
    for (what, reply) in refused {
        let reply = reply.unwrap();
        assert_eq!(reply.status, 403, "{what}: {}", reply.text());
    }
    assert!(
        world
            .aws
            .objects(&world.stack.originals_bucket, &world.prefix(&created.photo_id))
            .await
            .unwrap()
            .is_empty()
    );

    assert_eq!(world.api.put(upload, bytes.clone()).await.unwrap().status, 200);
    let again = world.api.put(upload, vec![0; bytes.len()]).await.unwrap();
    assert_eq!(again.status, 412, "a second PUT: {}", again.text());
    assert_eq!(
        world.api.settled(&created.photo_id).await.unwrap()["status"],
        "ready",
        "the first bytes stayed"
    );
}

#[tokio::test]
async fn other_bytes_than_the_checksum_s_are_refused() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo("orientation-1.jpg").unwrap();
    let digest = STANDARD.encode(Sha256::digest(&bytes));
    let body = json!({ "content_type": "image/jpeg", "size_bytes": bytes.len(), "checksum_sha256": digest });
    let created = world.api.create_with(&body).await.unwrap();
    let upload = created.upload().unwrap();
    let mut damaged = bytes.clone();
    damaged[1000] ^= 1;
    let reply = world.api.put(upload, damaged.clone()).await.unwrap();
    assert_eq!(reply.status, 400, "{}", reply.text());
    let own = STANDARD.encode(Sha256::digest(&damaged));
    let reply = world.api.put_with(upload, &[("x-amz-checksum-sha256", &own)], damaged).await.unwrap();
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert_eq!(world.api.put(upload, bytes).await.unwrap().status, 200);
    assert_eq!(world.api.settled(&created.photo_id).await.unwrap()["status"], "ready");
}

#[tokio::test]
async fn an_expired_url_is_refused() {
    use aws_sdk_s3::presigning::PresigningConfig;
    // The product's own expiry is minutes; the same kind of URL is signed here for one second, and for many.
    let _function = function_works().await;
    let world = World::new().await;
    let created = world.api.create("image/jpeg", 1).await.unwrap();
    for (seconds, status) in [(1, 403), (60, 200)] {
        let presigned = world
            .aws
            .s3
            .put_object()
            .bucket(&world.stack.originals_bucket)
            .key(world.key(&created.photo_id))
            .content_type("image/jpeg")
            .content_length(1)
            .if_none_match("*")
            .presigned(PresigningConfig::expires_in(Duration::from_secs(seconds)).unwrap())
            .await
            .unwrap();
        let headers = presigned.headers().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let upload = Upload {
            method: "PUT".to_owned(),
            url: presigned.uri().to_owned(),
            headers,
            expires_at: String::new(),
        };
        tokio::time::sleep(Duration::from_secs(3)).await;
        let reply = world.api.put(&upload, vec![0]).await.unwrap();
        assert_eq!(reply.status, status, "{seconds} s: {}", reply.text());
        assert_eq!(reply.text().contains("expired"), status == 403, "{}", reply.text());
    }
    assert_eq!(world.api.settled(&created.photo_id).await.unwrap()["failure"]["code"], "NOT_AN_IMAGE");
}

#[tokio::test]
async fn a_variant_s_url_opens_that_variant_alone() {
    let _function = function_works().await;
    let world = World::new().await;
    let record = world.api.process("image/jpeg", &photo("orientation-1.jpg").unwrap()).await.unwrap();
    let url = record["variants"][0]["url"].as_str().unwrap();
    for other in [
        url.replace("small.webp", "small.jpg"),
        url.replace(&world.stack.thumbnails_bucket, &world.stack.originals_bucket),
        url.split_once('?').unwrap().0.to_owned(),
    ] {
        let reply = world.api.send(Method::GET, &other, &[], vec![]).await.unwrap();
        assert_eq!(reply.status, 403, "{other}");
    }
    let reply = world.api.send(Method::DELETE, url, &[], vec![]).await.unwrap();
    assert_eq!(reply.status, 403);
}

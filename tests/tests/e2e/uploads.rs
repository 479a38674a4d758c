//! Several uploads at once, forms, and what Uppy does.

use std::fmt::Write as _;
use std::time::Duration;

use photodrop_tests::patience::Wait;
use photodrop_tests::photos::photo;
use photodrop_tests::{Api, Reply};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{World, function_works};

pub(crate) fn checksum(bytes: &[u8]) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(bytes))
}

/// A form as a browser sends it: the fields, and the file last.
pub(crate) async fn post(api: &Api, upload: &Value, changed: &[(&str, &str)], bytes: &[u8]) -> Reply {
    const BOUNDARY: &str = "----photodrop-test";
    let mut body = Vec::new();
    for (name, value) in upload["fields"].as_object().unwrap() {
        let value =
            changed.iter().find(|(other, _)| other == name).map_or(value.as_str().unwrap(), |(_, v)| *v);
        body.extend(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .into_bytes(),
        );
    }
    let file =
        "Content-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg";
    body.extend(format!("--{BOUNDARY}\r\n{file}\r\n\r\n").into_bytes());
    body.extend(bytes);
    body.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let url = upload["url"].as_str().unwrap();
    api.send(Method::POST, url, &[("content-type", &content_type)], body).await.unwrap()
}

async fn form(world: &World, bytes: &[u8], checksum: &str) -> Value {
    let body = json!({ "content_type": "image/jpeg", "size_bytes": bytes.len(), "upload_method": "POST", "checksum_sha256": checksum });
    world.api.post_to("upload", &body, 201).await.unwrap()
}

#[tokio::test]
async fn a_form_brings_exactly_the_announced_photo() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo("orientation-6.jpg").unwrap();
    let created = form(&world, &bytes, &checksum(&bytes)).await;
    let upload = &created["upload"];
    let elsewhere = upload["fields"]["key"].as_str().unwrap().replace("original", "other");
    for (changed, bytes) in [
        (&[("key", elsewhere.as_str())][..], bytes.as_slice()),
        (&[("Content-Type", "text/html")], &bytes),
        (&[("x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")], &bytes),
        (&[], &bytes[1..]),
        (&[("x-amz-signature", "0000")], &bytes),
    ] {
        let refused = post(&world.api, upload, changed, bytes).await;
        assert!(matches!(refused.status.as_u16(), 400 | 403), "{changed:?}: {}", refused.status);
    }
    let reply = post(&world.api, upload, &[], &bytes).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    let photo = world.api.settled(created["photo_id"].as_str().unwrap()).await.unwrap();
    assert_eq!(photo["status"], "ready");
}

#[tokio::test]
async fn six_copies_of_a_form_at_once_are_rendered_three_times_at_most() {
    let _function = function_works().await;
    let world = World::new().await;
    // Large enough that the first render is not over before the last copy has come.
    let bytes = photo("photo-6mp.jpg").unwrap();
    let created = form(&world, &bytes, &checksum(&bytes)).await;
    let photo_id = created["photo_id"].as_str().unwrap();
    let send = || post(&world.api, &created["upload"], &[], &bytes);
    let (first, second, third, fourth, fifth, sixth) =
        tokio::join!(send(), send(), send(), send(), send(), send());
    for reply in [first, second, third, fourth, fifth, sixth] {
        assert_eq!(reply.status, 204, "{}", reply.text());
    }
    assert_eq!(world.api.settled(photo_id).await.unwrap()["status"], "ready");
    // Each of the six invocations has one of these for its last line about the photo, but those that announce it.
    let rendered = wait_for_all(&world, photo_id, 6).await;
    assert!((1..=3).contains(&rendered), "rendered {rendered} times");
    let item = world.item(photo_id).await;
    let counted: usize = item["renders"].as_n().unwrap().parse().unwrap();
    assert!((rendered..=3).contains(&counted), "{rendered} rendered, {counted} counted");
    // Once it is ready a further copy renders nothing.
    assert_eq!(send().await.status, 204);
    assert_eq!(wait_for_all(&world, photo_id, 7).await, rendered);
}

/// Waits until this many invocations have ended with a photo; how many of them have rendered it.
async fn wait_for_all(world: &World, photo_id: &str, invocations: usize) -> usize {
    const ENDS: [&str; 5] = [
        "photo settled",
        "settled meanwhile: duplicate event",
        "settled before: duplicate event",
        "form sent too often: not rendered again",
        "the original was replaced after this event: left to the newer event",
    ];
    let mut wait = Wait::begin(format!("{invocations} invocations"));
    loop {
        let mut ended = 0;
        for message in ENDS {
            ended += world.aws.logged_of(photo_id, message).await.unwrap();
        }
        if ended >= invocations {
            return world.aws.logged_of(photo_id, "variants written").await.unwrap();
        }
        wait.got_to(ended);
        wait.pause(Duration::from_millis(500), ended).await.unwrap();
    }
}

#[tokio::test]
async fn other_bytes_in_a_form_never_become_a_photo() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo("orientation-6.jpg").unwrap();
    let created = form(&world, &bytes, &checksum(b"other")).await;
    // S3 refuses them. The local stack does not look, and then the pipeline does.
    if post(&world.api, &created["upload"], &[], &bytes).await.status == 204 {
        let photo = world.api.settled(created["photo_id"].as_str().unwrap()).await.unwrap();
        assert_eq!(photo["failure"]["code"], "CHECKSUM_MISMATCH");
    }
}

#[tokio::test]
async fn a_batch_is_all_or_nothing_and_the_same_again_by_its_key() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo("orientation-1.jpg").unwrap();
    let one = json!({ "content_type": "image/jpeg", "size_bytes": bytes.len() });
    let body = json!({ "uploads": [one, one, one] }).to_string();
    let key = format!("batch-{}-{:?}", std::process::id(), std::time::SystemTime::now());
    let path = "/api/v4/photo/uploads";
    let headers = [("idempotency-key", key.as_str())];
    let ask = || world.api.call(Method::POST, path, &headers, &body);
    let (first, again) = (ask().await.unwrap(), ask().await.unwrap());
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201), "{}", again.text());
    assert_eq!(again.header("idempotency-replayed"), "true");
    let ids = |reply: &Reply| -> Vec<String> {
        let uploads = reply.json()["uploads"].as_array().unwrap().clone();
        uploads.iter().map(|upload| upload["photo_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((ids(&first).len(), ids(&first)), (3, ids(&again)));
    for upload in first.json()["uploads"].as_array().unwrap() {
        let put = world.api.send_signed(&upload["upload"], bytes.clone()).await.unwrap();
        assert_eq!(put.status, 200, "{}", put.text());
    }
    for id in ids(&first) {
        assert_eq!(world.api.settled(&id).await.unwrap()["status"], "ready");
    }
    let other = json!({ "uploads": [one] }).to_string();
    let conflict = world.api.call(Method::POST, path, &[("idempotency-key", &key)], &other).await.unwrap();
    assert_eq!((conflict.status.as_u16(), &conflict.json()["code"]), (409, &json!("IDEMPOTENCY_CONFLICT")));
}

#[tokio::test]
async fn uppy_s_requests_bring_a_photo_in_one_and_in_parts() {
    let _function = function_works().await;
    let world = World::new().await;
    // What @uppy/aws-s3 6 does: it signs, sends the method that it asked with, and takes the key of the first answer.
    let sign = async |mut request: Value, bytes: Vec<u8>| {
        let mut signed = world.api.post_to("uppy/sign", &request, 200).await.unwrap();
        signed["method"] = request["method"].take();
        (world.api.send_signed(&signed, bytes).await.unwrap(), signed)
    };
    let small = photo("orientation-6.jpg").unwrap();
    let about = |method: &str, bytes: &[u8]| json!({ "method": method, "key": "uppy-1", "contentType": "image/jpeg", "size": bytes.len(), "fileName": "me.jpg" });
    let (put, signed) = sign(about("PUT", &small), small.clone()).await;
    assert_eq!(put.status, 200, "{}", put.text());
    let photo_id = signed["photo_id"].as_str().unwrap();
    assert_eq!(world.api.settled(photo_id).await.unwrap()["status"], "ready");

    let mut large = photo("photo-6mp.jpg").unwrap();
    large.resize(9 << 20, 0);
    let (begun, signed) = sign(about("POST", &large), vec![]).await;
    let text = begun.text();
    let upload_id = text.split("<UploadId>").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    let key = signed["key"].clone();
    let next = |method: &str| json!({ "method": method, "key": key, "uploadId": upload_id });
    let mut parts = String::new();
    for (number, part) in (1..).zip(large.chunks(5 << 20)) {
        let mut request = next("PUT");
        request["partNumber"] = json!(number);
        let (reply, _) = sign(request, part.to_vec()).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let etag = reply.header("etag").trim_matches('"').to_owned();
        write!(parts, "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>").unwrap();
    }
    assert_eq!(sign(next("GET"), vec![]).await.0.status, 200);
    let list = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let (complete, _) = sign(next("POST"), list.into_bytes()).await;
    assert_eq!(complete.status, 200, "{}", complete.text());
    assert_eq!(world.api.settled(signed["photo_id"].as_str().unwrap()).await.unwrap()["status"], "ready");
}

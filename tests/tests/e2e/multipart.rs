//! Uploads in parts, as a client makes them: every request presigned, every guarantee of a PUT.

use photodrop_tests::photos::photo;
use serde_json::{Value, json};

use crate::support::{World, function_works};

/// A JPEG of more than one part: a real photo, and behind its end bytes that no decoder looks at.
fn large() -> Vec<u8> {
    let mut bytes = photo("photo-6mp.jpg").unwrap();
    bytes.resize(9 << 20, 0);
    bytes
}

fn checksum(bytes: &[u8]) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(bytes))
}

struct Upload<'a> {
    world: &'a World,
    photo_id: String,
    part_size: usize,
    s3_id: String,
}

impl<'a> Upload<'a> {
    async fn begin(world: &'a World, body: &Value) -> Self {
        let created = world.api.post_to("upload", body, 201).await.unwrap();
        let upload = &created["upload"];
        assert_eq!((&upload["method"], &upload["part_count"]), (&json!("multipart"), &json!(2)));
        let part_size = usize::try_from(upload["part_size_bytes"].as_u64().unwrap()).unwrap();
        let photo_id = created["photo_id"].as_str().unwrap().to_owned();
        let mut begun = Self { world, photo_id, part_size, s3_id: String::new() };
        let signed = begun.sign(json!({ "operation": "CreateMultipartUpload" })).await;
        let reply = world.api.send_signed(&signed, Vec::new()).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        begun.s3_id = between(&reply.text(), "<UploadId>", "</UploadId>").to_owned();
        begun
    }

    async fn sign(&self, mut asked: Value) -> Value {
        if !self.s3_id.is_empty() {
            asked["upload_id"] = json!(self.s3_id);
        }
        self.world.api.post_to(&format!("{}/sign", self.photo_id), &asked, 200).await.unwrap()
    }

    async fn put(&self, number: usize, bytes: &[u8]) -> photodrop_tests::Reply {
        let signed = self.sign(json!({ "operation": "UploadPart", "part_number": number })).await;
        self.world.api.send_signed(&signed, bytes.to_vec()).await.unwrap()
    }

    async fn complete(&self, etags: &[String]) -> photodrop_tests::Reply {
        let signed = self.sign(json!({ "operation": "CompleteMultipartUpload" })).await;
        self.world.api.send_signed(&signed, parts_list(etags)).await.unwrap()
    }

    async fn put_all(&self, bytes: &[u8]) -> Vec<String> {
        let mut etags = Vec::new();
        for (number, part) in (1..).zip(bytes.chunks(self.part_size)) {
            let reply = self.put(number, part).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            etags.push(reply.header("etag").to_owned());
        }
        etags
    }
}

/// What completes an upload.
fn parts_list(etags: &[String]) -> Vec<u8> {
    use std::fmt::Write as _;
    let mut parts = String::new();
    for (number, etag) in (1..).zip(etags) {
        write!(parts, "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>").unwrap();
    }
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>").into_bytes()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split_once(before).and_then(|(_, rest)| rest.split_once(after)).map_or("", |(found, _)| found)
}

fn body(bytes: &[u8], checksum: &str) -> Value {
    json!({ "content_type": "image/jpeg", "size_bytes": bytes.len(), "upload_method": "multipart", "checksum_sha256": checksum })
}

#[tokio::test]
async fn a_photo_in_parts_can_be_taken_up_again_and_becomes_ready() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = large();
    let upload = Upload::begin(&world, &body(&bytes, &checksum(&bytes))).await;
    let first = upload.put(1, &bytes[..upload.part_size]).await;
    assert_eq!(first.status, 200, "{}", first.text());
    // After a break S3 tells which parts there are.
    let listed =
        world.api.send_signed(&upload.sign(json!({ "operation": "ListParts" })).await, vec![]).await.unwrap();
    assert_eq!(between(&listed.text(), "<PartNumber>", "</PartNumber>"), "1", "{}", listed.text());
    // A part of another length is refused; so is a photo of a part alone.
    let short = upload.put(2, &bytes[..1000]).await;
    assert_eq!(short.status, 403, "{}", short.text());
    let incomplete = upload.complete(&[first.header("etag").to_owned()]).await;
    assert_eq!(incomplete.status, 400, "{}", incomplete.text());
    let second = upload.put(2, &bytes[upload.part_size..]).await;
    let etags = [first.header("etag").to_owned(), second.header("etag").to_owned()];
    let complete = upload.complete(&etags).await;
    assert_eq!(complete.status, 200, "{}", complete.text());
    let photo = world.api.settled(&upload.photo_id).await.unwrap();
    assert_eq!((&photo["status"], photo["variants"].as_array().unwrap().len()), (&json!("ready"), 6));
    // Nothing is signed for it any more.
    let create = json!({ "operation": "CreateMultipartUpload" });
    let closed = world.api.post_to(&format!("{}/sign", upload.photo_id), &create, 409).await.unwrap();
    assert_eq!(closed["code"], "UPLOAD_CLOSED");
}

#[tokio::test]
async fn other_bytes_than_announced_fail_though_s3_could_not_tell() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = large();
    let upload = Upload::begin(&world, &body(&bytes, &checksum(b"other"))).await;
    let etags = upload.put_all(&bytes).await;
    assert_eq!(upload.complete(&etags).await.status, 200);
    let photo = world.api.settled(&upload.photo_id).await.unwrap();
    assert_eq!(photo["failure"]["code"], "CHECKSUM_MISMATCH", "{photo}");
}

#[tokio::test]
async fn of_two_uploads_of_one_photo_the_first_bytes_stay_and_an_aborted_one_is_gone() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = large();
    let upload = Upload::begin(&world, &body(&bytes, &checksum(&bytes))).await;
    let mut other = Upload { s3_id: String::new(), photo_id: upload.photo_id.clone(), ..upload };
    let signed = other.sign(json!({ "operation": "CreateMultipartUpload" })).await;
    let begun = world.api.send_signed(&signed, Vec::new()).await.unwrap();
    other.s3_id = between(&begun.text(), "<UploadId>", "</UploadId>").to_owned();
    let etags = other.put_all(&bytes).await;
    // Signed while the photo is pending, sent after another upload of it is complete.
    let late = upload.sign(json!({ "operation": "CompleteMultipartUpload" })).await;
    let abort = upload.sign(json!({ "operation": "AbortMultipartUpload" })).await;
    let early_etags = upload.put_all(&bytes).await;
    assert_eq!(other.complete(&etags).await.status, 200);
    let second = world.api.send_signed(&late, parts_list(&early_etags)).await.unwrap();
    assert_eq!(second.status, 412, "{}", second.text());
    assert_eq!(world.api.send_signed(&abort, vec![]).await.unwrap().status, 204);
    assert_eq!(world.api.settled(&upload.photo_id).await.unwrap()["status"], "ready");
}

#[tokio::test]
async fn an_upload_in_parts_whose_time_has_not_come_is_not_expired_and_a_deleted_one_waits() {
    let world = World::new().await;
    let bytes = large();
    let upload = Upload::begin(&world, &body(&bytes, &checksum(&bytes))).await;
    world.make_due(&upload.photo_id).await;
    world.reconcile(&["due"]).await;
    assert_eq!(world.api.photo(&upload.photo_id).await.unwrap().json()["status"], "pending");
    let now = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let due = |item: &photodrop_tests::aws::Item| item["due_at"].as_n().unwrap().parse::<i64>().unwrap();
    assert!(due(&world.item(&upload.photo_id).await) > now + 3000, "looked at again in an hour");
    assert_eq!(world.api.delete(&upload.photo_id).await.unwrap().status, 204);
    world.make_due(&upload.photo_id).await;
    world.reconcile(&["due"]).await;
    assert!(due(&world.item(&upload.photo_id).await) > now + 600, "removed when nothing signed can come");
}

#[tokio::test]
async fn a_photo_takes_parts_of_five_multipart_uploads_and_of_no_more() {
    let world = World::new().await;
    let bytes = large();
    let upload = Upload::begin(&world, &body(&bytes, &checksum(&bytes))).await;
    // One signature, used as often as its holder likes.
    let mut anew = Upload { s3_id: String::new(), photo_id: upload.photo_id.clone(), ..upload };
    let create = anew.sign(json!({ "operation": "CreateMultipartUpload" })).await;
    let mut ids = vec![upload.s3_id.clone()];
    for _ in 0..5 {
        let begun = world.api.send_signed(&create, Vec::new()).await.unwrap();
        ids.push(between(&begun.text(), "<UploadId>", "</UploadId>").to_owned());
    }
    let path = format!("{}/sign", upload.photo_id);
    let part = |id: &String| json!({ "operation": "UploadPart", "part_number": 1, "upload_id": id });
    for id in &ids[..5] {
        world.api.post_to(&path, &part(id), 200).await.unwrap();
    }
    assert_eq!(world.api.post_to(&path, &part(&ids[5]), 409).await.unwrap()["code"], "TOO_MANY_UPLOADS");
    // Each that is known goes on.
    anew.s3_id.clone_from(&ids[4]);
    assert_eq!(anew.put(2, &bytes[anew.part_size..]).await.status, 200);
    for id in &ids {
        let abort = json!({ "operation": "AbortMultipartUpload", "upload_id": id });
        let signed = world.api.post_to(&path, &abort, 200).await.unwrap();
        assert_eq!(world.api.send_signed(&signed, vec![]).await.unwrap().status, 204);
    }
    assert_eq!(world.api.delete(&upload.photo_id).await.unwrap().status, 204);
}

#[tokio::test]
async fn the_parts_of_a_deleted_photo_are_removed() {
    let world = World::new().await;
    let bytes = large();
    let upload = Upload::begin(&world, &body(&bytes, &checksum(&bytes))).await;
    let etags = upload.put_all(&bytes).await;
    let complete = upload.sign(json!({ "operation": "CompleteMultipartUpload" })).await;
    // An id that S3 does not know is noted as well, and is no trouble.
    let unknown = json!({ "operation": "UploadPart", "part_number": 1, "upload_id": "../?<&%unknown" });
    world.api.post_to(&format!("{}/sign", upload.photo_id), &unknown, 200).await.unwrap();
    let key = world.key(&upload.photo_id);
    assert_eq!(world.aws.parts(&key, &upload.s3_id).await.unwrap(), 2);
    assert_eq!(world.api.delete(&upload.photo_id).await.unwrap().status, 204);

    world.make_due(&upload.photo_id).await;
    world.reconcile(&["due"]).await;
    assert_eq!(world.aws.parts(&key, &upload.s3_id).await.unwrap(), 2, "a completion may still come");

    world.make_delete_due(&upload.photo_id).await;
    world.reconcile(&["due"]).await;
    assert!(world.aws.item(&world.owner, &upload.photo_id).await.unwrap().is_none());
    assert!(world.aws.parts(&key, &upload.s3_id).await.is_err(), "the upload is gone, and with it the parts");
    let late = world.api.send_signed(&complete, parts_list(&etags)).await.unwrap();
    assert_eq!(late.status, 404, "{}", late.text());
    assert!(world.originals(&upload.photo_id).await.is_empty());
}

//! Uploads in parts, each request signed by itself.

use std::time::Duration;

use photo_aws::PartsRequest;
use photo_domain::{OriginalKey, UploadMethod, UploadRequest};
use photodrop_tests::Reply;
use serde_json::json;

use crate::s3::{ORIGINALS, S3, new_key};
use crate::support::{now, record};

const PART: usize = 5 << 20;

/// Two parts' bytes; no two places of them are alike.
fn bytes() -> Vec<u8> {
    (0_u32..).flat_map(u32::to_be_bytes).take(PART + 1000).collect()
}

pub(crate) struct Upload<'a> {
    s3: &'a S3,
    key: OriginalKey,
    pub(crate) request: UploadRequest,
    pub(crate) id: String,
}

impl<'a> Upload<'a> {
    pub(crate) async fn begin(s3: &'a S3, key: &OriginalKey) -> Self {
        let mut request = record(bytes().len() as u64).request;
        request.method = UploadMethod::multipart(request.size_bytes);
        let mut upload = Self { s3, key: key.clone(), request, id: String::new() };
        let reply = upload.send(&PartsRequest::Create, Vec::new()).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        upload.id = between(&reply.text(), "<UploadId>", "</UploadId>").to_owned();
        upload
    }

    pub(crate) async fn send(&self, request: &PartsRequest, body: Vec<u8>) -> Reply {
        self.send_at(request, body, Duration::ZERO).await
    }

    async fn send_at(&self, request: &PartsRequest, body: Vec<u8>, age: Duration) -> Reply {
        let life = Duration::from_mins(5);
        let signed = self.s3.signer.sign_parts_request(&self.key, &self.request, request, now() - age, life);
        let signed = signed.await.unwrap();
        let signed = json!({ "method": signed.method, "url": signed.url, "headers": signed.headers });
        self.s3.http.send_signed(&signed, body).await.unwrap()
    }

    /// Sends `sent` as a part that was signed for `announced` bytes.
    async fn part(&self, number: u64, announced: usize, sent: &[u8]) -> Reply {
        let length = announced as u64;
        let request = PartsRequest::UploadPart { upload_id: self.id.clone(), number, length };
        self.send(&request, sent.to_vec()).await
    }

    pub(crate) async fn both_parts(&self) -> [String; 2] {
        let bytes = bytes();
        // The last part first: parts come in any order.
        let second = self.part(2, 1000, &bytes[PART..]).await;
        let first = self.part(1, PART, &bytes[..PART]).await;
        [first, second].map(|reply| {
            assert_eq!(reply.status, 200, "{}", reply.text());
            reply.header("etag").to_owned()
        })
    }

    pub(crate) async fn complete(&self, parts: &[(usize, String)]) -> Reply {
        self.send(&PartsRequest::Complete { upload_id: self.id.clone() }, parts_list(parts)).await
    }
}

/// What completes an upload of these parts, by number and `ETag`.
pub(crate) fn parts_list(parts: &[(usize, String)]) -> Vec<u8> {
    let part = |(number, etag): &(usize, String)| {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
    };
    let parts: Vec<_> = parts.iter().map(part).collect();
    format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.concat()).into_bytes()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split_once(before).and_then(|(_, rest)| rest.split_once(after)).map_or("", |(found, _)| found)
}

#[tokio::test]
async fn parts_in_any_order_become_the_photo_once() {
    let s3 = S3::start().await;
    let key = new_key();
    let (upload, late) = (Upload::begin(&s3, &key).await, Upload::begin(&s3, &key).await);
    let [first, second] = upload.both_parts().await;
    let listed = upload.send(&PartsRequest::List { upload_id: upload.id.clone() }, Vec::new()).await;
    assert_eq!(listed.text().matches("<PartNumber>").count(), 2, "{}", listed.text());
    let reply = upload.complete(&[(1, first), (2, second)]).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let original = s3.objects.read_original(&key, None, 1 << 24).await.unwrap();
    assert!(original.bytes == bytes(), "{} bytes", original.bytes.len());
    assert!(original.etag.ends_with("-2\""), "{}", original.etag);
    // The first bytes stay.
    let [first, second] = late.both_parts().await;
    let reply = late.complete(&[(1, first), (2, second)]).await;
    assert_eq!(reply.status, 412, "{}", reply.text());
}

#[tokio::test]
async fn parts_listed_in_the_wrong_order_are_400() {
    let s3 = S3::start().await;
    let upload = Upload::begin(&s3, &new_key()).await;
    let [first, second] = upload.both_parts().await;
    let reply = upload.complete(&[(2, second), (1, first)]).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(s3.keys(ORIGINALS).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_part_is_signed_for_its_place_and_length() {
    let s3 = S3::start().await;
    let upload = Upload::begin(&s3, &new_key()).await;
    for (what, reply) in [
        ("longer", upload.part(1, 10, b"01234567890").await),
        ("shorter", upload.part(1, 10, b"012345678").await),
    ] {
        assert_eq!(reply.status, 403, "{what}: {}", reply.text());
    }
    let part = PartsRequest::UploadPart { upload_id: upload.id.clone(), number: 1, length: 3 };
    let old = upload.send_at(&part, b"abc".to_vec(), Duration::from_mins(6)).await;
    assert_eq!(old.status, 403, "{}", old.text());
    let life = Duration::from_mins(5);
    let signed =
        s3.signer.sign_parts_request(&upload.key, &upload.request, &part, now(), life).await.unwrap();
    let other_id = Upload::begin(&s3, &new_key()).await.id;
    for url in [
        signed.url.replace("partNumber=1", "partNumber=2"),
        signed.url.replace(&upload.id, &other_id),
        signed.url.replace("partNumber=1&", ""),
        signed.url.replace(&upload.key.photo_id.to_string(), &new_key().photo_id.to_string()),
    ] {
        assert_ne!(url, signed.url);
        let reply = s3.http.send(reqwest::Method::PUT, &url, &[], b"abc".to_vec()).await.unwrap();
        assert_eq!(reply.status, 403, "{url}: {}", reply.text());
    }
    assert_eq!(upload.part(1, 3, b"abc").await.status, 200);
}

#[tokio::test]
async fn an_aborted_upload_takes_no_parts() {
    let s3 = S3::start().await;
    let (upload, other) = (Upload::begin(&s3, &new_key()).await, Upload::begin(&s3, &new_key()).await);
    let abort = PartsRequest::Abort { upload_id: upload.id.clone() };
    assert_eq!(upload.send(&abort, Vec::new()).await.status, 204);
    let late = upload.part(1, 3, b"abc").await;
    assert!(late.status.is_client_error(), "{}: {}", late.status, late.text());
    s3.objects.abort_upload(&other.key, &other.id).await.unwrap();
    let late = other.part(1, 3, b"abc").await;
    assert!(late.status.is_client_error(), "{}: {}", late.status, late.text());
}

//! Forms: a policy's signature and every condition in it.

use std::time::Duration;

use photo_aws::SignedForm;
use photo_domain::{Checksum, UploadMethod};
use photodrop_tests::Reply;

use crate::objects::checksum;
use crate::s3::{ORIGINALS, S3, new_key};
use crate::support::{now, record};

const BYTES: &[u8] = b"\x89PNG the bytes of a form";

async fn sign(s3: &S3, key: &photo_domain::OriginalKey, age: Duration) -> SignedForm {
    let mut request = record(BYTES.len() as u64).request;
    request.method = UploadMethod::Post;
    request.checksum = Some(Checksum::parse(&checksum(BYTES)).unwrap());
    s3.signer.sign_form(key, &request, now() - age, Duration::from_mins(5)).await.unwrap()
}

/// Posts a form as a browser does: the fields, then the file.
async fn post(s3: &S3, form: &SignedForm, bytes: &[u8]) -> Reply {
    use std::fmt::Write as _;
    let mut body = String::new();
    for (name, value) in &form.fields {
        write!(body, "--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").unwrap();
    }
    body.push_str("--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n");
    body.push_str("content-type: application/octet-stream\r\n\r\n");
    let body = [body.as_bytes(), bytes, b"\r\n--b--\r\n"].concat();
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    s3.http.send(reqwest::Method::POST, &form.url, &headers, body).await.unwrap()
}

#[tokio::test]
async fn a_form_brings_the_announced_bytes() {
    let s3 = S3::start().await;
    let key = new_key();
    let form = sign(&s3, &key, Duration::ZERO).await;
    let reply = post(&s3, &form, BYTES).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(s3.objects.read_original(&key, None, 1000).await.unwrap().bytes, BYTES);
    let stored = s3.client.head_object().bucket(ORIGINALS).key(key.to_string()).send().await.unwrap();
    assert_eq!(stored.content_type(), Some("image/jpeg"));
}

#[tokio::test]
async fn a_form_brings_nothing_else() {
    let s3 = S3::start().await;
    let key = new_key();
    let form = sign(&s3, &key, Duration::ZERO).await;
    for (name, value) in [
        ("key", new_key().to_string()),
        ("Content-Type", "text/html".to_owned()),
        ("x-amz-checksum-sha256", checksum(b"x")),
        ("x-amz-security-token", "another".to_owned()),
        ("x-amz-signature", "0".repeat(64)),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY".to_owned()),
    ] {
        let mut changed = form.clone();
        assert_ne!(changed.fields.insert(name.to_owned(), value.clone()), Some(value));
        let reply = post(&s3, &changed, BYTES).await;
        assert!([400, 403].contains(&reply.status.as_u16()), "{name}: {} {}", reply.status, reply.text());
    }
    for (what, bytes) in [("longer", [BYTES, b"x"].concat()), ("shorter", BYTES[1..].to_vec())] {
        let reply = post(&s3, &form, &bytes).await;
        assert_eq!(reply.status, 400, "{what}: {}", reply.text());
    }
    let old = sign(&s3, &key, Duration::from_mins(6)).await;
    let expired = post(&s3, &old, BYTES).await;
    assert_eq!(expired.status, 403, "{}", expired.text());
    assert_eq!(s3.keys(ORIGINALS).await, Vec::<String>::new());
    assert_eq!(post(&s3, &form, BYTES).await.status, 204);
}

#[tokio::test]
async fn a_form_with_other_bytes_is_400() {
    let s3 = S3::start().await;
    let form = sign(&s3, &new_key(), Duration::ZERO).await;
    let mut damaged = BYTES.to_vec();
    damaged[9] ^= 1;
    let reply = post(&s3, &form, &damaged).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(reply.text().contains("<Code>BadDigest</Code>"), "{}", reply.text());
}

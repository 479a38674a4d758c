//! What s3s does otherwise than AWS documents: the table of differences in `docs/ARCHITECTURE.md`. A newer s3s that does as AWS
//! fails here, and its row goes.

use std::time::Duration;

use photo_aws::{Bucket, OriginalTag, PartsRequest};

use crate::multipart::Upload;
use crate::objects::{BYTES, presign, put};
use crate::s3::{ORIGINALS, S3, new_key};

#[tokio::test]
async fn s3s_ignores_if_match_of_a_read() {
    let s3 = S3::start().await;
    let key = new_key();
    s3.put(ORIGINALS, &key.to_string(), BYTES).await;
    let read = s3.objects.read_original(&key, Some("\"0\""), 1000).await;
    assert_eq!(read.unwrap().bytes, BYTES, "AWS: 412");
}

#[tokio::test]
async fn s3s_keeps_an_object_whose_checksum_is_wrong() {
    let s3 = S3::start().await;
    let signed = presign(&s3, &new_key(), true, Duration::ZERO).await;
    let mut damaged = BYTES.to_vec();
    damaged[5] ^= 1;
    assert_eq!(put(&s3, &signed, &[], &damaged).await.status, 400);
    assert_eq!(s3.keys(ORIGINALS).await.len(), 1, "AWS: none");
}

#[tokio::test]
async fn s3s_takes_headers_that_are_not_signed() {
    let s3 = S3::start().await;
    for (name, value) in [("x-amz-tagging", "a=b"), ("authorization", "Bearer token")] {
        let mut signed = presign(&s3, &new_key(), false, Duration::ZERO).await;
        signed.headers.insert(name.to_owned(), value.to_owned());
        let reply = put(&s3, &signed, &[], BYTES).await;
        assert_eq!(reply.status, 200, "{name}, AWS: 403 or 400: {}", reply.text());
    }
}

#[tokio::test]
async fn s3s_does_not_compare_an_upload_with_its_size() {
    let s3 = S3::start().await;
    let mut upload = Upload::begin(&s3, &new_key()).await;
    let [first, second] = upload.both_parts().await;
    upload.request.size_bytes += 1;
    let reply = upload.complete(&[(1, first), (2, second)]).await;
    assert_eq!(reply.status, 200, "AWS: 400: {}", reply.text());
}

#[tokio::test]
async fn s3s_lists_no_etags() {
    let s3 = S3::start().await;
    let upload = Upload::begin(&s3, &new_key()).await;
    upload.both_parts().await;
    let parts = upload.send(&PartsRequest::List { upload_id: upload.id.clone() }, Vec::new()).await;
    assert!(!parts.text().contains("<ETag>"), "{}", parts.text());
    s3.put(ORIGINALS, &new_key().to_string(), BYTES).await;
    let page = s3.objects.list_after(Bucket::Originals, None, 10).await.unwrap();
    assert_eq!(page.objects[0].etag, "");
}

#[tokio::test]
async fn s3s_knows_no_tags_and_no_versions() {
    let s3 = S3::start().await;
    let key = new_key();
    s3.put(ORIGINALS, &key.to_string(), BYTES).await;
    assert!(s3.objects.tag_original(&key, OriginalTag::Failed).await.is_err());
    assert!(s3.objects.remove_all(Bucket::Originals, &key).await.is_err());
}

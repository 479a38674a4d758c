//! Presigned PUTs and GETs, reading, listing and copying.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use photo_aws::objects::NewVariant;
use photo_aws::{Bucket, Peeked, PresignedUpload, ReadError, Taken};
use photo_domain::{Checksum, ContentType, OriginalKey, VariantFormat};
use photodrop_tests::Reply;
use photodrop_tests::api::Upload;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::s3::{FOREIGN, ORIGINALS, S3, THUMBNAILS, new_key};
use crate::support::{now, record};

pub(crate) const BYTES: &[u8] = b"\xff\xd8\xff the bytes of a photo";
const LIFE: Duration = Duration::from_mins(5);

pub(crate) fn checksum(bytes: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(bytes))
}

pub(crate) async fn presign(
    s3: &S3,
    key: &OriginalKey,
    with_checksum: bool,
    age: Duration,
) -> PresignedUpload {
    let mut request = record(BYTES.len() as u64).request;
    request.checksum = with_checksum.then(|| Checksum::parse(&checksum(BYTES)).unwrap());
    s3.objects.presign_upload(key, &request, now() - age, LIFE).await.unwrap()
}

/// Puts bytes with the signed headers, some of them replaced, or left out where the value is empty.
pub(crate) async fn put(s3: &S3, signed: &PresignedUpload, changed: &[(&str, &str)], bytes: &[u8]) -> Reply {
    let headers = signed.headers.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    let upload = Upload {
        method: "PUT".to_owned(),
        url: signed.url.clone(),
        headers: headers.collect(),
        expires_at: String::new(),
    };
    s3.http.put_with(&upload, changed, bytes.to_vec()).await.unwrap()
}

#[tokio::test]
async fn the_announced_bytes_are_taken_once() {
    let s3 = S3::start().await;
    for with_checksum in [false, true] {
        let key = new_key();
        let signed = presign(&s3, &key, with_checksum, Duration::ZERO).await;
        assert!(signed.url.contains("X-Amz-Security-Token="), "as on Lambda: {}", signed.url);
        let reply = put(&s3, &signed, &[], BYTES).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let again = put(&s3, &signed, &[], BYTES).await;
        assert_eq!(again.status, 412, "{}", again.text());
        assert!(again.text().contains("<Code>PreconditionFailed</Code>"), "{}", again.text());
        let original = s3.objects.read_original(&key, Some(reply.header("etag")), 1000).await.unwrap();
        assert_eq!((original.bytes.as_slice(), original.etag.as_str()), (BYTES, reply.header("etag")));
        let stored = s3.client.head_object().bucket(ORIGINALS).key(key.to_string()).send().await.unwrap();
        assert_eq!(stored.content_type(), Some("image/jpeg"));
    }
}

#[tokio::test]
async fn anything_but_the_announced_is_403() {
    let s3 = S3::start().await;
    let (key, other) = (new_key(), new_key());
    let signed = presign(&s3, &key, true, Duration::ZERO).await;
    let with_url = |url: String| PresignedUpload { url, ..signed.clone() };
    let (address, query) = signed.url.split_once('?').unwrap();
    let token = query.split('&').find(|pair| pair.starts_with("X-Amz-Security-Token=")).unwrap();
    let own = checksum(b"x");
    let refused = [
        ("another type", put(&s3, &signed, &[("content-type", "text/html")], BYTES).await),
        ("no type", put(&s3, &signed, &[("content-type", "")], BYTES).await),
        ("overwriting", put(&s3, &signed, &[("if-none-match", "")], BYTES).await),
        ("another checksum", put(&s3, &signed, &[("x-amz-checksum-sha256", &own)], b"x").await),
        ("no checksum", put(&s3, &signed, &[("x-amz-checksum-sha256", "")], BYTES).await),
        ("longer", put(&s3, &signed, &[], &[BYTES, b"x"].concat()).await),
        ("shorter", put(&s3, &signed, &[], &BYTES[1..]).await),
        (
            "another key",
            put(
                &s3,
                &with_url(signed.url.replace(&key.photo_id.to_string(), &other.photo_id.to_string())),
                &[],
                BYTES,
            )
            .await,
        ),
        (
            "a later expiry",
            put(&s3, &with_url(signed.url.replace("Expires=300", "Expires=604800")), &[], BYTES).await,
        ),
        ("no session", put(&s3, &with_url(signed.url.replace(&format!("&{token}"), "")), &[], BYTES).await),
        ("no signature", put(&s3, &with_url(address.to_owned()), &[], BYTES).await),
    ];
    for (what, reply) in refused {
        assert_eq!(reply.status, 403, "{what}: {}", reply.text());
    }
    for method in [reqwest::Method::GET, reqwest::Method::DELETE, reqwest::Method::HEAD] {
        let reply = s3.http.send(method.clone(), &signed.url, &[], Vec::new()).await.unwrap();
        assert_eq!(reply.status, 403, "{method}: {}", reply.text());
    }
    let old = presign(&s3, &key, true, LIFE + Duration::from_secs(5)).await;
    let expired = put(&s3, &old, &[], BYTES).await;
    assert_eq!(expired.status, 403, "{}", expired.text());
    assert!(expired.text().contains("Request has expired"), "{}", expired.text());
    assert_eq!(s3.keys(ORIGINALS).await, Vec::<String>::new());
    assert_eq!(put(&s3, &signed, &[], BYTES).await.status, 200);
}

#[tokio::test]
async fn other_bytes_than_the_checksum_are_400() {
    let s3 = S3::start().await;
    let signed = presign(&s3, &new_key(), true, Duration::ZERO).await;
    let mut damaged = BYTES.to_vec();
    damaged[5] ^= 1;
    let reply = put(&s3, &signed, &[], &damaged).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(reply.text().contains("<Code>BadDigest</Code>"), "{}", reply.text());
}

#[tokio::test]
async fn a_missing_original_is_told_from_a_large_one() {
    let s3 = S3::start().await;
    let key = new_key();
    let missing = s3.objects.read_original(&key, None, 1000).await.unwrap_err();
    assert!(matches!(missing, ReadError::Missing), "{missing:?}");
    assert_eq!(s3.objects.find_original(&key).await.unwrap(), None);
    s3.put(ORIGINALS, &key.to_string(), BYTES).await;
    let large = s3.objects.read_original(&key, None, BYTES.len() as u64 - 1).await.unwrap_err();
    assert!(matches!(large, ReadError::TooLarge { .. }), "{large:?}");
    let found = s3.objects.find_original(&key).await.unwrap().unwrap();
    assert_eq!((found.key, found.size_bytes), (key.to_string(), BYTES.len() as u64));
    s3.objects.check_originals().await.unwrap();
    s3.objects.check_thumbnails().await.unwrap();
}

#[tokio::test]
async fn a_variant_opens_by_its_own_signature() {
    let s3 = S3::start().await;
    let key = format!("{}small.webp", new_key().prefix());
    let variant = NewVariant { key: key.clone(), format: VariantFormat::WebP, bytes: BYTES.to_vec() };
    for _ in 0..2 {
        s3.objects.write_variants(vec![variant.clone()]).await.unwrap();
    }
    let signed = s3.objects.presign_variant(&key, now(), LIFE).await.unwrap();
    let reply = s3.get(&signed).await;
    assert_eq!((reply.status.as_u16(), reply.bytes.as_slice()), (200, BYTES));
    assert_eq!(reply.header("content-type"), "image/webp");
    assert_eq!(reply.header("cache-control"), "private, max-age=31536000, immutable");
    for refused in [
        signed.replace("small.webp", "other.webp"),
        signed.replace("/thumbnails/", "/originals/"),
        signed.split_once('?').unwrap().0.to_owned(),
        s3.objects.presign_variant(&key, now() - Duration::from_hours(1), LIFE).await.unwrap(),
    ] {
        let reply = s3.get(&refused).await;
        assert_eq!(reply.status, 403, "{refused}: {}", reply.text());
    }
    s3.objects.remove_variant(&key).await.unwrap();
    s3.objects.remove_variant(&key).await.unwrap();
    let gone = s3.get(&signed).await;
    assert_eq!(gone.status, 404, "{}", gone.text());
    assert!(gone.text().contains("<Code>NoSuchKey</Code>"), "{}", gone.text());
    assert_eq!(s3.keys(THUMBNAILS).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_bucket_is_listed_page_by_page() {
    let s3 = S3::start().await;
    let mut keys: Vec<_> = (0..5).map(|_| new_key().to_string()).collect();
    for key in &keys {
        s3.put(ORIGINALS, key, BYTES).await;
    }
    s3.put(ORIGINALS, "elsewhere/a", BYTES).await;
    keys.sort_unstable();
    let mut found: Vec<String> = Vec::new();
    for expected_more in [true, true, false] {
        let after = found.last().cloned();
        let page = s3.objects.list_after(Bucket::Originals, after.as_deref(), 2).await.unwrap();
        assert_eq!(page.more, expected_more);
        found.extend(page.objects.into_iter().map(|object| object.key));
    }
    assert_eq!(found, keys);
    let owners = s3.objects.list_originals(Some(&new_key().owner), None, 100).await.unwrap();
    assert_eq!(owners.objects.len(), 5);
}

#[tokio::test]
async fn a_foreign_object_is_taken_over_as_it_was_listed() {
    let s3 = S3::start().await;
    let bucket = s3.objects.foreign(FOREIGN);
    // Keys that `x-amz-copy-source` has to encode.
    for name in ["holiday 2020/ä+b%20.jpg", "plain.jpg", "a&b=c;d.jpg"] {
        s3.put(FOREIGN, name, BYTES).await;
        let stored = s3.client.head_object().bucket(FOREIGN).key(name).send().await.unwrap();
        let page = bucket.list("", None, 10).await.unwrap();
        let mut object = page.objects.into_iter().find(|object| object.key == name).unwrap();
        stored.e_tag().unwrap().clone_into(&mut object.etag);
        let Peeked::Bytes(first) = bucket.first_bytes(&object).await.unwrap() else { panic!("{name}") };
        assert_eq!(first, &BYTES[..ContentType::SIGNATURE_BYTES.min(BYTES.len())]);
        let key = new_key();
        assert_eq!(bucket.take(&object, ContentType::Jpeg, &key).await.unwrap(), Taken::Now, "{name}");
        assert_eq!(s3.objects.read_original(&key, None, 1000).await.unwrap().bytes, BYTES);
        object.etag = "\"00000000000000000000000000000000\"".to_owned();
        let changed = bucket.take(&object, ContentType::Jpeg, &new_key()).await.unwrap();
        assert_eq!(changed, Taken::Changed, "{name}");
        object.key.push('x');
        let gone = bucket.take(&object, ContentType::Jpeg, &new_key()).await.unwrap();
        assert_eq!(gone, Taken::Changed, "{name}");
    }
}

//! The buckets: what is under a signature, and what each refusal means.

use std::collections::BTreeMap;
use std::time::Duration;

use photo_aws::objects::NewVariant;
use photo_aws::{OriginalTag, PresignedUpload, ReadError};
use photo_domain::{
    Checksum, ContentType, Metadata, OriginalKey, OwnerId, UploadMethod, UploadRequest, VariantFormat,
};
use time::macros::datetime;

use photo_aws::replay::{Answer, objects};

const CHECKSUM: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

fn key() -> OriginalKey {
    OriginalKey {
        owner: OwnerId::from_subject("auth0|7").unwrap(),
        photo_id: "01935b7c-0000-7000-8000-000000000001".parse().unwrap(),
    }
}

async fn presign(checksum: Option<&str>) -> PresignedUpload {
    let (objects, sent) = objects(Vec::new());
    let request = UploadRequest {
        file_name: None,
        content_type: ContentType::Jpeg.into(),
        size_bytes: 123_456,
        checksum: checksum.map(|text| Checksum::parse(text).unwrap()),
        metadata: Metadata::default(),
        method: UploadMethod::Put,
    };
    let now = datetime!(2026-11-24 12:00:00 UTC);
    let presigned = objects.presign_upload(&key(), &request, now, Duration::from_mins(5)).await.unwrap();
    assert!(sent.all().is_empty(), "signing must not use the network");
    presigned
}

fn query(url: &str) -> BTreeMap<String, String> {
    let (_, query) = url.split_once('?').unwrap();
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

#[tokio::test]
async fn the_signature_binds_key_type_length_and_no_overwrite() {
    let presigned = presign(None).await;
    let expected = [("content-length", "123456"), ("content-type", "image/jpeg"), ("if-none-match", "*")];
    assert_eq!(presigned.headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    let query = query(&presigned.url);
    assert_eq!(query["X-Amz-SignedHeaders"], "content-length%3Bcontent-type%3Bhost%3Bif-none-match");
    assert_eq!(query["X-Amz-Expires"], "300");
    assert_eq!(query["X-Amz-Date"], "20261124T120000Z");
    assert_eq!(presigned.expires_at, datetime!(2026-11-24 12:05:00 UTC));
    let (address, _) = presigned.url.split_once('?').unwrap();
    // The key's percent sign is encoded once more in the URL.
    assert_eq!(
        address,
        "https://originals.s3.eu-central-1.amazonaws.com/photos/auth0%257C7/01935b7c-0000-7000-8000-000000000001/original"
    );
}

#[tokio::test]
async fn a_given_checksum_is_signed_and_none_is_made_up() {
    let presigned = presign(Some(CHECKSUM)).await;
    assert_eq!(presigned.headers["x-amz-checksum-sha256"], CHECKSUM);
    assert!(query(&presigned.url)["X-Amz-SignedHeaders"].ends_with("x-amz-checksum-sha256"));
    let without = presign(None).await;
    assert!(!without.url.to_lowercase().contains("checksum"), "{}", without.url);
    assert!(!without.url.to_lowercase().contains("crc32"), "{}", without.url);
}

async fn read(answers: Vec<Answer>, limit: u64) -> Result<Vec<u8>, ReadError> {
    let (objects, _) = objects(answers);
    objects.read_original(&key(), Some("\"0123\""), limit).await.map(|original| original.bytes)
}

#[tokio::test]
async fn an_original_is_read_up_to_the_limit_and_no_further() {
    let body = || vec![(200, "x".repeat(1000))];
    assert_eq!(read(body(), 1000).await.unwrap().len(), 1000);
    assert!(matches!(read(body(), 999).await, Err(ReadError::TooLarge { limit: 999 })));
}

#[tokio::test]
async fn each_refusal_of_a_read_is_told_apart() {
    let error = |code: &str| format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
    assert!(matches!(read(vec![(404, error("NoSuchKey"))], 1).await, Err(ReadError::Missing)));
    assert!(matches!(read(vec![(412, error("PreconditionFailed"))], 1).await, Err(ReadError::Replaced)));
    for (status, code) in
        [(403, "AccessDenied"), (404, "NoSuchBucket"), (500, "InternalError"), (503, "SlowDown")]
    {
        let result = read(vec![(status, error(code))], 1).await;
        assert!(matches!(result, Err(ReadError::Aws(_))), "{code}: {result:?}");
    }
}

#[tokio::test]
async fn every_variant_is_written_to_the_thumbnails_bucket() {
    let (objects, sent) = objects(vec![(200, String::new()), (200, String::new())]);
    let variant = |name: &str| NewVariant {
        key: format!("photos/a/b/{name}"),
        format: VariantFormat::Jpeg,
        bytes: vec![7],
    };
    objects.write_variants(vec![variant("small.jpg"), variant("large.jpg")]).await.unwrap();
    let sent = sent.all();
    assert_eq!(sent.len(), 2);
    for request in sent {
        assert_eq!(request.method, "PUT");
        assert!(request.uri.starts_with("https://thumbnails.s3."), "{}", request.uri);
    }
}

#[tokio::test]
async fn one_variant_that_is_not_written_fails_them_all() {
    let (objects, _) = objects(vec![(200, String::new()), (503, String::new())]);
    let variant = || NewVariant { key: "k".to_owned(), format: VariantFormat::WebP, bytes: vec![7] };
    assert!(objects.write_variants(vec![variant(), variant()]).await.is_err());
}

#[tokio::test]
async fn tagging_an_original_that_is_gone_is_no_error() {
    let missing = "<Error><Code>NoSuchKey</Code><Message>m</Message></Error>".to_owned();
    let (objects, sent) = objects(vec![(200, String::new()), (404, missing), (500, String::new())]);
    objects.tag_original(&key(), OriginalTag::Failed).await.unwrap();
    assert!(
        String::from_utf8(sent.all()[0].body.clone())
            .unwrap()
            .contains("<Key>photodrop-state</Key><Value>failed</Value>")
    );
    objects.tag_original(&key(), OriginalTag::Orphaned).await.unwrap();
    assert!(objects.tag_original(&key(), OriginalTag::Orphaned).await.is_err());
}

mod uploads {
    use photo_aws::PartsRequest;
    use photo_aws::replay::upload_signer;

    use super::*;

    const SIZE: u64 = (5 << 20) + 7;

    fn request() -> UploadRequest {
        UploadRequest {
            file_name: None,
            content_type: ContentType::Jpeg.into(),
            size_bytes: SIZE,
            checksum: Some(Checksum::parse(CHECKSUM).unwrap()),
            metadata: Metadata::default(),
            method: UploadMethod::multipart(SIZE),
        }
    }

    async fn sign(asked: PartsRequest) -> photo_aws::SignedRequest {
        let (signer, sent) = upload_signer();
        let announced = request();
        let now = datetime!(2026-11-24 12:00:00 UTC);
        let request =
            signer.sign_parts_request(&key(), &announced, &asked, now, Duration::from_mins(5)).await.unwrap();
        assert!(sent.all().is_empty(), "signing must not use the network");
        assert_eq!(request.expires_at, datetime!(2026-11-24 12:05:00 UTC));
        request
    }

    #[tokio::test]
    async fn every_request_of_an_upload_in_parts_binds_what_it_does() {
        let upload_id = || "u/1+2".to_owned();
        let cases = [
            (PartsRequest::Create, "POST", "uploads=", "content-type%3Bhost"),
            (
                PartsRequest::UploadPart { upload_id: upload_id(), number: 2, length: 7 },
                "PUT",
                "partNumber=2&uploadId=u%2F1%2B2",
                "content-length%3Bhost",
            ),
            (PartsRequest::List { upload_id: upload_id() }, "GET", "uploadId=u%2F1%2B2", "host"),
            (
                PartsRequest::Complete { upload_id: upload_id() },
                "POST",
                "uploadId=u%2F1%2B2",
                "content-type%3Bhost%3Bif-none-match%3Bx-amz-mp-object-size",
            ),
            (PartsRequest::Abort { upload_id: upload_id() }, "DELETE", "uploadId=u%2F1%2B2", "host"),
        ];
        for (asked, method, begins, signed_headers) in cases {
            let signed = sign(asked).await;
            assert_eq!(signed.method, method);
            let (address, query_text) = signed.url.split_once('?').unwrap();
            assert!(
                address.ends_with("/photos/auth0%257C7/01935b7c-0000-7000-8000-000000000001/original"),
                "{address}"
            );
            assert!(query_text.starts_with(begins), "{query_text}");
            let query = query(&signed.url);
            assert_eq!(query["X-Amz-SignedHeaders"], signed_headers);
            assert_eq!(query["X-Amz-Expires"], "300");
            assert_eq!(query["X-Amz-Signature"].len(), 64);
        }
        let part = sign(PartsRequest::UploadPart { upload_id: upload_id(), number: 2, length: 7 }).await;
        assert_eq!(part.headers, BTreeMap::from([("content-length".to_owned(), "7".to_owned())]));
        let complete = sign(PartsRequest::Complete { upload_id: upload_id() }).await;
        assert_eq!(complete.headers["x-amz-mp-object-size"], SIZE.to_string());
        assert_eq!(complete.headers["if-none-match"], "*");
    }

    #[tokio::test]
    async fn a_form_s_policy_has_one_key_one_type_one_length_and_one_checksum() {
        use base64::Engine as _;
        let (signer, sent) = upload_signer();
        let now = datetime!(2026-11-24 12:00:00 UTC);
        let form = signer.sign_form(&key(), &request(), now, Duration::from_mins(5)).await.unwrap();
        assert!(sent.all().is_empty(), "signing must not use the network");
        assert_eq!(form.url, "https://originals.s3.eu-central-1.amazonaws.com/");
        let policy = base64::engine::general_purpose::STANDARD.decode(&form.fields["policy"]).unwrap();
        let policy: serde_json::Value = serde_json::from_slice(&policy).unwrap();
        assert_eq!(policy["expiration"], "2026-11-24T12:05:00.000Z");
        let conditions = policy["conditions"].as_array().unwrap();
        for needed in [
            serde_json::json!({ "bucket": "originals" }),
            serde_json::json!({ "key": key().to_string() }),
            serde_json::json!({ "Content-Type": "image/jpeg" }),
            serde_json::json!({ "x-amz-checksum-sha256": CHECKSUM }),
            serde_json::json!(["content-length-range", SIZE, SIZE]),
        ] {
            assert!(conditions.contains(&needed), "{needed} is not in {policy}");
        }
        // Each field that is sent is in the policy, but those that S3 takes without.
        for (name, value) in &form.fields {
            if name != "policy" && name != "x-amz-signature" {
                assert!(conditions.contains(&serde_json::json!({ name: value })), "{name}");
            }
        }
    }
}

//! On Lambda what is signed has the session token of the function's role: how long answers become.

use photo_aws::replay;
use serde_json::{Value, json};
use upload::App;

use crate::list::{usual, walk_as};
use crate::support::{Call, ID, app, asked_for, found, ok};

/// API Gateway meters the answers of HTTP APIs in steps of 512 KB.
const METERED_AS_ONE: usize = 500_000;

/// The most bytes of a POST's fields before the file, by S3's `MaxPostPreDataLengthExceeded`.
const MOST_FORM_BYTES: usize = 20_000;

/// The most bytes of a request's headers and query, by S3's `RequestHeaderSectionTooLarge`.
const MOST_HEADER_BYTES: usize = 8_000;

/// How long tokens are: as Lambda's are, and the most that AWS calls typical
/// ([AWS STS API Reference, `AssumeRole`](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html)).
const TOKEN_LENGTHS: [usize; 3] = [800, 1_200, 4_095];

/// A token as STS makes them: base64, of which URLs escape three characters.
fn token(length: usize) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = (0..length - 2).map(|place| char::from(DIGITS[place * 7919 % 64]));
    format!("IQoJb3JpZ2luX2VjE{}==", digits.skip(17).collect::<String>())
}

/// The app as it is on Lambda, with a token of so many characters.
pub(crate) fn of_a_role(app: App, length: usize) -> App {
    let (objects, signer) = replay::signers_of_a_role(&token(length));
    App { objects, signer, ..app }
}

#[tokio::test]
async fn a_page_with_session_tokens_is_metered_as_one_request() {
    let items: Vec<_> = (0..100).rev().map(|number| usual(number, 6)).collect();
    for (length, pages) in [(1_200, 3..=3), (4_095, 6..=7)] {
        let seen = walk_as(&items, 100, |app| of_a_role(app, length)).await;
        assert!(pages.contains(&seen.len()), "{length}: {seen:?}");
    }
    // A page of the usual size has its photos.
    assert_eq!(walk_as(&items[..40], 20, |app| of_a_role(app, 1_200)).await, [20, 20]);
    let many_variants: Vec<_> = (0..6).rev().map(|number| usual(number, 60)).collect();
    assert_eq!(walk_as(&many_variants, 100, |app| of_a_role(app, 4_095)).await, [1; 6]);
}

/// A batch of 25, each with this on top.
fn batch(more: &Value) -> String {
    let mut upload =
        json!({ "content_type": "image/jpeg", "size_bytes": 400_000, "file_name": "a".repeat(255) });
    upload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "uploads": vec![upload; 25] }).to_string()
}

#[tokio::test]
async fn a_batch_with_session_tokens_is_metered_as_one_request() {
    let checksum = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    for length in TOKEN_LENGTHS {
        for more in [
            json!({}),
            json!({ "checksum_sha256": checksum }),
            json!({ "upload_method": "POST", "checksum_sha256": checksum }),
            json!({ "size_bytes": 900_000, "upload_method": "multipart" }),
        ] {
            let (app, table, _) = app(vec![ok(), ok(), ok()], vec![]);
            let app = of_a_role(app, length);
            let reply = Call::new("POST", "/api/v4/photo/uploads").body(&batch(&more)).to(&app).await;
            assert_eq!((reply.status, table.all().len()), (201, 1), "{more}: {}", reply.body);
            let uploads = reply.body["uploads"].as_array().unwrap();
            assert_eq!(uploads.len(), 25);
            assert!(reply.body.to_string().len() < METERED_AS_ONE, "{length} {more}");
            for upload in uploads {
                let upload = &upload["upload"];
                let url = upload["url"].as_str().unwrap_or_default().len();
                assert!(url < MOST_HEADER_BYTES, "{length} {more}: {url}");
                let fields: usize = upload["fields"].as_object().map_or(0, |fields| {
                    // `multipart/form-data` has some 150 bytes around each field.
                    fields.iter().map(|(name, value)| name.len() + value.to_string().len() + 150).sum()
                });
                assert!(fields < MOST_FORM_BYTES, "{length} {more}: {fields}");
            }
        }
    }
}

#[tokio::test]
async fn a_part_is_signed_by_a_url_that_s3_takes() {
    let parts = json!({
        "upload_method": { "S": "multipart" }, "part_size_bytes": { "N": "5242880" }, "size_bytes": { "N": "20000000" },
    });
    let mut record = asked_for(1);
    record.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    // S3's ids of multipart uploads are some 130 characters; photodrop takes 1,024.
    let upload_id = "u".repeat(1_024);
    for length in TOKEN_LENGTHS {
        for asked in [
            json!({ "operation": "UploadPart", "upload_id": upload_id, "part_number": 3 }),
            json!({ "operation": "CompleteMultipartUpload", "upload_id": upload_id }),
        ] {
            let (app, ..) = app(vec![found(&record), ok()], vec![]);
            let path = format!("/api/v4/photo/{ID}/sign");
            let reply = Call::new("POST", &path).body(&asked.to_string()).to(&of_a_role(app, length)).await;
            assert_eq!(reply.status, 200, "{}", reply.body);
            let url = reply.body["url"].as_str().unwrap();
            assert!(url.contains("X-Amz-Security-Token=IQoJ") && url.len() < MOST_HEADER_BYTES, "{length}");
        }
    }
}

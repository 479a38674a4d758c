//! What comes with a photo: the name of its type, its file name, the JSON around them.

use photodrop_tests::photos::photo;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{World, function_works};

const OCTET_STREAM: &str = "application/octet-stream";

/// A photo of a grid of tiles, as phones write it, made of one of the project's.
const HEIC: &str = "../../photo-heif/testdata/grid-irot.heic";

#[tokio::test]
async fn every_name_of_a_type_is_signed_stored_and_answered_as_one() {
    let _function = function_works().await;
    let world = World::new().await;
    for (sent, expected, name) in [
        ("image/jpg", "image/jpeg", "orientation-1.jpg"),
        ("image/pjpeg", "image/jpeg", "orientation-1.jpg"),
        (" Image/JPEG ; charset=binary", "image/jpeg", "orientation-1.jpg"),
        ("image/x-png", "image/png", "alpha.png"),
    ] {
        let bytes = photo(name).unwrap();
        let created = world.api.create(sent, bytes.len()).await.unwrap();
        let upload = created.upload().unwrap();
        assert_eq!(upload.headers["content-type"], expected, "{sent}");
        // The signature binds the normalised name and no other.
        let refused =
            world.api.put_with(upload, &[("content-type", sent.trim())], bytes.clone()).await.unwrap();
        assert_eq!(refused.status, 403, "{sent}");
        assert_eq!(world.api.put(upload, bytes).await.unwrap().status, 200, "{sent}");
        let record = world.api.settled(&created.photo_id).await.unwrap();
        assert_eq!(
            (&record["status"], &record["content_type"]),
            (&json!("ready"), &json!(expected)),
            "{record}"
        );
    }
}

#[tokio::test]
async fn a_photo_without_a_type_is_what_its_bytes_are() {
    let _function = function_works().await;
    let world = World::new().await;
    for (name, expected) in [
        ("orientation-1.jpg", Ok("jpeg")),
        ("alpha.png", Ok("png")),
        ("lossy.webp", Ok("webp")),
        ("still.gif", Ok("gif")),
        (HEIC, Ok("heic")),
        ("unsupported.avif", Err("UNSUPPORTED_TYPE")),
        ("unsupported.tiff", Err("UNSUPPORTED_TYPE")),
        ("not-an-image.jpg", Err("NOT_AN_IMAGE")),
    ] {
        let record = world.api.process(OCTET_STREAM, &photo(name).unwrap()).await.unwrap();
        assert_eq!(record["content_type"], OCTET_STREAM);
        match expected {
            Ok(format) => assert_eq!(record["original"]["format"], format, "{name}: {record}"),
            Err(code) => assert_eq!(record["failure"]["code"], code, "{name}: {record}"),
        }
    }
}

#[tokio::test]
async fn no_type_comes_by_form_batch_parts_and_uppy_too() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo("alpha.png").unwrap();
    let body = json!({
        "content_type": "application/octet-stream; x=y", "size_bytes": bytes.len(), "upload_method": "POST",
        "checksum_sha256": super::uploads::checksum(&bytes),
    });
    let created = world.api.post_to("upload", &body, 201).await.unwrap();
    let upload = &created["upload"];
    assert_eq!(upload["fields"]["Content-Type"], OCTET_STREAM);
    let other = [("Content-Type", "image/png")];
    let refused = super::uploads::post(&world.api, upload, &other, &bytes).await;
    assert!(matches!(refused.status.as_u16(), 400 | 403), "{}", refused.status);
    assert_eq!(super::uploads::post(&world.api, upload, &[], &bytes).await.status, 204);
    assert_is_png(&world, &created["photo_id"]).await;

    let one = json!({ "content_type": OCTET_STREAM, "size_bytes": bytes.len() });
    let batch = world.api.post_to("uploads", &json!({ "uploads": [one] }), 201).await.unwrap();
    let created = &batch["uploads"][0];
    assert_eq!(world.api.send_signed(&created["upload"], bytes.clone()).await.unwrap().status, 200);
    assert_is_png(&world, &created["photo_id"]).await;

    let body = json!({ "method": "PUT", "key": "a", "contentType": OCTET_STREAM, "size": bytes.len(), "fileName": "a\u{0}" });
    let mut signed = world.api.post_to("uppy/sign", &body, 200).await.unwrap();
    signed["method"] = "PUT".into();
    assert_eq!(world.api.send_signed(&signed, bytes).await.unwrap().status, 200);
    assert_is_png(&world, &signed["photo_id"]).await;

    let body = json!({ "content_type": "image/*", "size_bytes": 9 << 20, "upload_method": "multipart" });
    let created = world.api.post_to("upload", &body, 201).await.unwrap();
    let path = format!("{}/sign", created["photo_id"].as_str().unwrap());
    let begun =
        world.api.post_to(&path, &json!({ "operation": "CreateMultipartUpload" }), 200).await.unwrap();
    assert_eq!(begun["headers"]["content-type"], OCTET_STREAM);
}

async fn assert_is_png(world: &World, photo_id: &Value) {
    let record = world.api.settled(photo_id.as_str().unwrap()).await.unwrap();
    assert_eq!(
        (&record["content_type"], &record["original"]["format"]),
        (&json!(OCTET_STREAM), &json!("png"))
    );
}

#[tokio::test]
async fn a_heic_becomes_ready_under_each_of_its_names() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo(HEIC).unwrap();
    for (sent, stored) in
        [("image/heic", "image/heic"), ("image/heif", "image/heic"), (OCTET_STREAM, OCTET_STREAM)]
    {
        let record = world.api.process(sent, &bytes).await.unwrap();
        assert_eq!(
            (&record["status"], &record["content_type"]),
            (&json!("ready"), &json!(stored)),
            "{record}"
        );
        assert_eq!(record["original"]["format"], "heic");
        for variant in record["variants"].as_array().unwrap() {
            let opened =
                world.api.send(Method::GET, variant["url"].as_str().unwrap(), &[], vec![]).await.unwrap();
            let magic: &[u8] = if variant["format"] == "jpeg" { b"\xff\xd8\xff" } else { b"RIFF" };
            assert_eq!((opened.status.as_u16(), opened.bytes.starts_with(magic)), (200, true), "{variant}");
        }
        let formats: Vec<_> = record["variants"].as_array().unwrap().iter().map(|v| &v["format"]).collect();
        assert!(formats.contains(&&json!("jpeg")) && formats.contains(&&json!("webp")), "{formats:?}");
    }
    let mismatch = world.api.process("image/jpeg", &bytes).await.unwrap();
    assert_eq!(mismatch["failure"]["code"], "TYPE_MISMATCH");
}

#[tokio::test]
async fn a_file_name_never_refuses_a_photo() {
    let world = World::new().await;
    for (sent, shown) in [
        ("cat\u{0}\n\u{85}.jpg".to_owned(), Some("cat.jpg".to_owned())),
        (format!("{}.jpeg", "ü".repeat(1000)), Some(format!("{}.jpeg", "ü".repeat(250)))),
        ("🌞".repeat(255), Some("🌞".repeat(255))),
        ("x".repeat(100_000), Some("x".repeat(255))),
        ("../../etc/passwd".to_owned(), Some("../../etc/passwd".to_owned())),
        ("\t\r\n".to_owned(), None),
        (String::new(), None),
    ] {
        let body = json!({ "content_type": "image/jpeg", "size_bytes": 1, "file_name": sent });
        let created = world.api.create_with(&body).await.unwrap();
        let record = world.api.photo(&created.photo_id).await.unwrap().json();
        assert_eq!(record.get("file_name").and_then(Value::as_str), shown.as_deref(), "{sent:?}");
    }
    // Cut by a client inside a character.
    let half = r#"{"content_type":"image/jpeg","size_bytes":1,"file_name":"a\ud83c"}"#;
    let created = world.api.post(half, &[]).await.unwrap();
    assert_eq!(created.status, 201, "{}", created.text());
}

#[tokio::test]
async fn a_byte_order_mark_before_the_json_is_skipped() {
    let world = World::new().await;
    let one = r#"{"content_type":"image/jpeg","size_bytes":1}"#;
    let batch = format!(r#"{{"uploads":[{one}]}}"#);
    let uppy = r#"{"method":"PUT","key":"a","contentType":"image/jpeg","size":1}"#;
    for (path, body, status) in [("upload", one, 201), ("uploads", &batch, 201), ("uppy/sign", uppy, 200)] {
        let url = format!("/api/v4/photo/{path}");
        let reply = world.api.call(Method::POST, &url, &[], &format!("\u{feff}{body}")).await.unwrap();
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
    }
}

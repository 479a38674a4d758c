//! Real photos, the whole way.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use photodrop_tests::photos::photo;
use reqwest::Method;
use serde_json::Value;

use crate::support::{World, function_works};

/// In seconds.
const DAY: u64 = 86_400;

/// The variants' pixels, by `name.format`.
async fn variants(world: &World, record: &Value) -> Vec<(String, image::RgbImage)> {
    let mut pictures = Vec::new();
    for variant in record["variants"].as_array().unwrap() {
        let name = format!("{}.{}", variant["name"].as_str().unwrap(), variant["format"].as_str().unwrap());
        // Without credentials: the signature is in the URL.
        let reply = world.api.send(Method::GET, variant["url"].as_str().unwrap(), &[], vec![]).await.unwrap();
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        assert_eq!(reply.header("content-type"), format!("image/{}", variant["format"].as_str().unwrap()));
        assert_eq!(reply.header("cache-control"), "private, max-age=31536000, immutable");
        assert_eq!(reply.bytes.len() as u64, variant["size_bytes"].as_u64().unwrap(), "{name}");
        for metadata in
            [b"Exif".as_slice(), b"http://ns.adobe.com/xap", b"ICC_PROFILE", b"ICCP", b"EXIF", b"XMP "]
        {
            assert!(!reply.bytes.windows(metadata.len()).any(|w| w == metadata), "{name} carries metadata");
        }
        let picture = image::load_from_memory(&reply.bytes).unwrap().to_rgb8();
        assert_eq!(u64::from(picture.width()), variant["width"].as_u64().unwrap(), "{name}");
        assert_eq!(u64::from(picture.height()), variant["height"].as_u64().unwrap(), "{name}");
        pictures.push((name, picture));
    }
    pictures
}

/// The mean difference of two pictures' channels, 0 to 255.
fn difference(a: &image::RgbImage, b: &image::RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let total: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    #[expect(clippy::cast_precision_loss, reason = "a thumbnail has far fewer than 2^52 channels")]
    let mean = total as f64 / a.as_raw().len() as f64;
    mean
}

#[tokio::test]
async fn every_orientation_of_a_photo_gives_the_same_upright_thumbnails() {
    let _function = function_works().await;
    let world = World::new().await;
    let mut upright = None;
    for orientation in 1..=8 {
        let name = format!("orientation-{orientation}.jpg");
        let record = world.api.process("image/jpeg", &photo(&name).unwrap()).await.unwrap();
        assert_eq!(record["status"], "ready", "{name}: {record}");
        let pictures = variants(&world, &record).await;
        let size = (record["original"]["width"].clone(), record["original"]["height"].clone());
        let (first_size, first) = upright.get_or_insert_with(|| (size.clone(), pictures.clone()));
        assert_eq!(&size, first_size, "{name}");
        for ((name, picture), (_, expected)) in pictures.iter().zip(first.iter()) {
            let difference = difference(picture, expected);
            assert!(difference < 4.0, "orientation {orientation}, {name}: {difference}");
        }
    }
}

#[tokio::test]
async fn every_kind_of_photo_becomes_ready_with_all_its_variants() {
    let _function = function_works().await;
    let world = World::new().await;
    for (name, content_type) in [
        ("photo-6mp.jpg", "image/jpeg"),
        ("alpha.png", "image/png"),
        ("palette-4bit.png", "image/png"),
        ("animated.gif", "image/gif"),
        ("lossy.webp", "image/webp"),
        ("lossless-alpha.webp", "image/webp"),
        ("grayscale.jpg", "image/jpeg"),
        ("cmyk.jpg", "image/jpeg"),
        ("display-p3.jpg", "image/jpeg"),
    ] {
        let bytes = photo(name).unwrap();
        let record = world.api.process(content_type, &bytes).await.unwrap();
        assert_eq!(record["status"], "ready", "{name}: {record}");
        assert_eq!(record["content_type"], content_type);
        assert_eq!(record["original"]["format"], content_type.trim_start_matches("image/"));
        let names: Vec<_> = variants(&world, &record).await.into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            ["small.webp", "small.jpeg", "medium.webp", "medium.jpeg", "large.webp", "large.jpeg"],
            "{name}"
        );
        let original =
            record["original"]["width"].as_u64().unwrap().max(record["original"]["height"].as_u64().unwrap());
        for (variant, limit) in record["variants"].as_array().unwrap().iter().step_by(2).zip([160, 480, 1280])
        {
            let longest = variant["width"].as_u64().unwrap().max(variant["height"].as_u64().unwrap());
            assert_eq!(longest, original.min(limit), "{name}: exact, and never enlarged");
        }
        let hash = STANDARD.decode(record["thumbhash"].as_str().unwrap()).unwrap();
        let (width, height, _) = thumbhash::thumb_hash_to_rgba(&hash).expect("a thumbhash that can be drawn");
        assert!(width > 0 && height > 0);
        let color = record["dominant_color"].as_str().unwrap();
        assert!(color.len() == 7 && color.starts_with('#'), "{color}");
    }
}

#[tokio::test]
async fn a_photo_has_what_its_client_said_of_it() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo("orientation-1.jpg").unwrap();
    let body = serde_json::json!({
        "content_type": "image/jpeg", "size_bytes": bytes.len(), "file_name": "Ümläut 1+2 %20.jpg",
        "metadata": { "album": "summer", "emoji": "🌞" },
    });
    let created = world.api.create_with(&body).await.unwrap();
    assert_eq!(created.status, "pending");
    let pending = world.api.photo(&created.photo_id).await.unwrap();
    assert_eq!((pending.json()["status"].as_str(), pending.header("retry-after")), (Some("pending"), "1"));
    // Without bytes it would expire after the 15 days of the template.
    let expires_at: u64 = world.item(&created.photo_id).await["expires_at"].as_n().unwrap().parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!((now + 15 * DAY - 300..=now + 15 * DAY).contains(&expires_at), "{expires_at} at {now}");
    assert_eq!(world.api.put(created.upload().unwrap(), bytes).await.unwrap().status, 200);
    let record = world.api.settled(&created.photo_id).await.unwrap();
    assert_eq!(record["file_name"], body["file_name"]);
    assert_eq!(record["metadata"], body["metadata"]);
    // A settled record has lost its TTL.
    let item = world.item(&created.photo_id).await;
    assert!(!item.contains_key("expires_at"));
}

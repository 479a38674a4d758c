//! Who may do what.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use photodrop_tests::photos::photo;
use serde_json::{Value, json};

use crate::support::{World, function_works};

#[tokio::test]
async fn without_a_good_token_there_is_a_401() {
    let world = World::new().await;
    let token = &world.stack.token;
    let (head, signature) = token.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let tampered = format!("{head}.{flipped}{}", &signature[1..]);
    // Another subject under the old signature, and one that asks for no signature to be checked.
    let (header, claims) = head.split_once('.').unwrap();
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).unwrap();
    let mut claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["sub"] = json!("somebody-else");
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    let renamed = format!("{header}.{claims}.{signature}");
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let unsigned = format!("{none}.{claims}.");
    let elsewhere = world.aws.token_for_another_client("another").await.unwrap();
    for bad in [
        None,
        Some("garbage"),
        Some("a.b.c"),
        Some(tampered.as_str()),
        Some(&renamed),
        Some(&unsigned),
        Some(&elsewhere),
    ] {
        let api = world.api.with_token(bad);
        let post = api.post(r#"{"content_type":"image/jpeg","size_bytes":1}"#, &[]).await.unwrap();
        assert_eq!(post.status, 401, "{bad:?}: {}", post.text());
        let get = api.photo("01935b7c-0000-7000-8000-000000000001").await.unwrap();
        assert_eq!(get.status, 401, "{bad:?}: {}", get.text());
    }
}

#[tokio::test]
async fn another_s_photo_is_as_unknown_as_one_that_never_was() {
    let _function = function_works().await;
    let world = World::new().await;
    let record = world.api.process("image/jpeg", &photo("orientation-1.jpg").unwrap()).await.unwrap();
    let photo_id = record["photo_id"].as_str().unwrap();
    let other = world.api.with_token(Some(&world.aws.token_of("another").await.unwrap()));
    let theirs = other.photo(photo_id).await.unwrap();
    let unknown = other.photo("01935b7c-0000-7000-8000-000000000001").await.unwrap();
    assert_eq!((theirs.status.as_u16(), unknown.status.as_u16()), (404, 404));
    assert_eq!(theirs.json()["detail"], unknown.json()["detail"]);
    // And the other user has a world of their own.
    let own = other.process("image/jpeg", &photo("orientation-1.jpg").unwrap()).await.unwrap();
    assert_eq!(own["status"], "ready");
    assert_eq!(world.api.photo(own["photo_id"].as_str().unwrap()).await.unwrap().status, 404);
}

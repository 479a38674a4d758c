//! Who may do what.

use photodrop_tests::photos::photo;

use crate::support::{World, function_works};

#[tokio::test]
async fn without_a_good_token_there_is_a_401() {
    let world = World::new().await;
    let token = &world.stack.token;
    let (head, signature) = token.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let tampered = format!("{head}.{flipped}{}", &signature[1..]);
    for bad in [None, Some("garbage"), Some("a.b.c"), Some(tampered.as_str())] {
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

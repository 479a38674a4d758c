//! Photos that can never have thumbnails.

use photodrop_tests::photos::photo;

use crate::support::{World, function_works};

#[tokio::test]
async fn each_bad_photo_fails_at_once_with_its_code() {
    let _function = function_works().await;
    let world = World::new().await;
    for (name, content_type, code) in [
        ("not-an-image.jpg", "image/jpeg", "NOT_AN_IMAGE"),
        ("truncated.jpg", "image/jpeg", "CORRUPT_IMAGE"),
        ("alpha.png", "image/jpeg", "TYPE_MISMATCH"),
        ("pixel-bomb.png", "image/png", "TOO_MANY_PIXELS"),
        ("frame-bomb.gif", "image/gif", "TOO_MANY_FRAMES"),
    ] {
        let record = world.api.process(content_type, &photo(name).unwrap()).await.unwrap();
        assert_eq!(record["status"], "failed", "{name}: {record}");
        assert_eq!(record["failure"]["code"], code, "{name}");
        assert_eq!(record["variants"].as_array().unwrap().len(), 0);
        let photo_id = record["photo_id"].as_str().unwrap();
        // The cause is for operators.
        let item = world.item(photo_id).await;
        assert!(item.contains_key("failure_reason"), "{item:?}");
        assert!(!record.to_string().contains("failure_reason"));
        assert_eq!(
            world.aws.state_tag(&world.key(photo_id)).await.unwrap().as_deref(),
            Some("failed"),
            "{name}"
        );
        assert!(
            world
                .aws
                .objects(&world.stack.thumbnails_bucket, &world.prefix(photo_id))
                .await
                .unwrap()
                .is_empty()
        );
    }
}

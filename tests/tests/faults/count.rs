//! The count at the end of every experiment can itself be wrong.

use photodrop_tests::audit::{Expected, findings};
use photodrop_tests::photos::photo;
use photodrop_tests::{Api, Aws, Stack, aws};

use crate::rig::alone;

#[tokio::test]
async fn the_count_finds_what_is_lost_left_over_and_not_as_promised() {
    let _stack_is_mine = alone().await;
    let stack = Stack::load().unwrap();
    let (api, aws, owner) =
        (Api::new(&stack).unwrap(), Aws::new(&stack).await, aws::subject(&stack.token).unwrap());
    let created = api.create("image/jpeg", 1).await.unwrap();
    let count = async |photo_id: &str, expected| {
        findings(&stack, &api, &aws, &owner, photo_id, expected).await.unwrap()
    };

    let promised = &created.photo_id;
    assert_eq!(
        count(promised, Expected::Ready).await,
        [format!("{promised} is pending, not ready"), format!("{promised} has 0 originals")]
    );

    let bytes = photo("orientation-1.jpg").unwrap();
    let photo_id = &api.upload("image/jpeg", &bytes).await.unwrap();
    api.settled(photo_id).await.unwrap();
    assert_eq!(count(photo_id, Expected::Ready).await, [""; 0]);
    assert_eq!(count(photo_id, Expected::Failed("CORRUPT_IMAGE")).await.len(), 1);

    let prefix = format!("photos/{owner}/{photo_id}/");
    let bucket = &stack.thumbnails_bucket;
    aws.s3.delete_object().bucket(bucket).key(format!("{prefix}small.webp")).send().await.unwrap();
    let put = |name: &str| aws.s3.put_object().bucket(bucket).key(format!("{prefix}{name}"));
    put("small.jpg").body(vec![0; 3].into()).send().await.unwrap();
    put("huge.jpg").body(vec![0; 3].into()).send().await.unwrap();
    let found = count(photo_id, Expected::Ready).await;
    let table = [
        ("small.webp", "is promised and not there"),
        ("small.jpg", "has 3 bytes, not"),
        ("huge.jpg", "is left over"),
    ];
    assert_eq!(found.len(), table.len(), "{found:?}");
    for (name, complaint) in table {
        assert!(
            found.iter().any(|line| line.contains(name) && line.contains(complaint)),
            "{name}: {found:?}"
        );
    }
}

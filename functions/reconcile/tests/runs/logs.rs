//! What a run writes into its log: nothing about whose a photo is.

use photo_aws::replay::Lines;
use serde_json::json;

use crate::support::{
    Answers, ID, OLD, OTHER_ID, batch, due, found, item, listing, ok, original, ready, run, variant,
};

/// The owner of every photo of these tests, in each of its spellings.
const OWNER: [&str; 3] = ["auth0|7", "auth0%7C7", "auth0%257C7"];

#[tokio::test]
async fn no_line_of_a_run_names_an_owner() {
    let lines = Lines::capture();
    let (down, removed) = ((500, format!("photos/auth0%7C7/{ID}")), (204, String::new()));
    let denied =
        "<Error><Code>AccessDenied</Code><Message>arn:aws:s3:::b/photos/auth0%7C7/x</Message></Error>";
    let orphans = [variant(ID, "old.webp"), variant(OTHER_ID, "small.webp")];
    let checked = || vec![ok(), batch(&[item(ID, &ready())]), ok(), ok(), ok()];
    let deleting = json!({ "status": { "S": "deleting" }, "deleted_at": { "S": "2026-11-24T12:10:00Z" } });
    for (parts, table, buckets) in [
        ("variants", checked(), vec![listing(&orphans, OLD, false), removed.clone(), removed]),
        ("variants", checked(), vec![listing(&orphans, OLD, false), (403, denied.to_owned())]),
        ("originals", checked(), vec![listing(&[original(ID), original(OTHER_ID)], OLD, false)]),
        ("originals", vec![down.clone()], vec![]),
        ("due", due(&[ID], vec![found(ID, &json!({}))]), vec![listing(&[original(ID)], OLD, false)]),
        ("due", due(&[ID], vec![found(ID, &deleting)]), vec![down]),
    ] {
        run(parts, Answers { table, buckets, ..Answers::default() }).await;
    }
    let lines = lines.all();
    assert!(lines.len() > 10, "{lines:#?}");
    let mut replaced = 0;
    for line in lines {
        for spelling in OWNER {
            assert!(!line.to_string().contains(spelling), "{spelling} is in {line}");
        }
        // The formatter replaces owners. Only what AWS says of a failed call may need that.
        for (field, value) in line.as_object().unwrap() {
            assert!(field == "error" || !value.to_string().contains("[owner]"), "{field} of {line}");
        }
        replaced += usize::from(line["error"].to_string().contains("[owner]"));
    }
    assert_eq!(replaced, 1, "the answer AccessDenied names a key");
}

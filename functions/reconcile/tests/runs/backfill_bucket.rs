//! Photos that are taken over from somebody else's bucket.

use photo_aws::replay::{Answer, Sent};
use serde_json::{Value, json};

use crate::support::{Answers, Calls, OLD, backfill, batch, body, item, listing, ok, ready, refused, writes};

const KEY: &str = "2019/Straße 1+2 %.gif";

fn request() -> Value {
    json!({ "source": "bucket", "owner": "auth0|7", "prefix": "2019/" })
}

/// S3's answer to a read of the first bytes; answers here are text, and a GIF's first bytes are.
fn gif() -> Answer {
    (206, "GIF89a".to_owned())
}

fn copied() -> Answer {
    (200, "<CopyObjectResult><ETag>&quot;0123&quot;</ETag></CopyObjectResult>".to_owned())
}

fn found(key: &str) -> Answer {
    listing(&[key.to_owned()], OLD, false)
}

async fn run(request: Value, buckets: Vec<Answer>, table: Vec<Answer>) -> (Value, Calls) {
    let settings =
        [("PHOTODROP_BACKFILL_BUCKET", "foreign"), ("PHOTODROP_ALLOWED_CONTENT_TYPES", "image/gif")];
    let (answer, calls) =
        backfill(request, &settings, Answers { table, buckets, ..Answers::default() }).await;
    (answer.unwrap(), calls)
}

fn counts(answer: &Value) -> [u64; 4] {
    ["examined", "started", "skipped", "failed"].map(|name| answer[name].as_u64().unwrap())
}

/// The id of the photo whose record, and whose note, the backfill asks the table for first.
fn asked_for(table: &Sent) -> String {
    let keys = body(&table.all()[0])["RequestItems"]["photos"]["Keys"].clone();
    keys[0]["sk"]["S"].as_str().unwrap().strip_prefix("photo#").unwrap().to_owned()
}

/// What a second backfill finds in the table.
fn recorded(id: &str, more: &Value) -> Answer {
    batch(&[item(id, more)])
}

#[tokio::test]
async fn an_object_becomes_a_photo_by_a_record_a_note_and_a_copy_in_this_order() {
    let (answer, calls) =
        run(request(), vec![found(KEY), gif(), copied()], vec![batch(&[]), ok(), ok(), ok()]).await;
    assert_eq!((counts(&answer), &answer["complete"]), ([1, 1, 0, 0], &json!(true)), "{answer}");

    let id = asked_for(&calls.table);
    assert!(
        id.parse::<photo_domain::PhotoId>().unwrap().made_at().year() == 2020,
        "it sorts by the object's age"
    );
    let [_, _, record, note] = calls.table.all().try_into().unwrap();
    let (record, note) = (body(&record), body(&note));
    assert_eq!(record["ConditionExpression"], "attribute_not_exists(pk)");
    let record = &record["Item"];
    assert_eq!(record["sk"]["S"], format!("photo#{id}"));
    assert_eq!(
        (&record["status"]["S"], &record["content_type"]["S"]),
        (&json!("pending"), &json!("image/gif"))
    );
    assert_eq!(
        (&record["size_bytes"]["N"], &record["file_name"]["S"]),
        (&json!("5"), &json!("Straße 1+2 %.gif"))
    );
    assert!(record["due_at"]["N"].is_string() && record.get("quota_day").is_none());
    assert_eq!(note["Item"]["sk"]["S"], format!("import#{id}"));

    let [list, read, copy] = calls.buckets.all().try_into().unwrap();
    assert!(list.uri.starts_with("https://foreign.") && list.uri.contains("prefix=2019%2F"), "{}", list.uri);
    assert_eq!((&*read.headers["range"], &*read.headers["if-match"]), ("bytes=0-63", "\"0123\""));
    assert!(
        copy.uri
            .contains(&format!("originals.s3.eu-central-1.amazonaws.com/photos/auth0%257C7/{id}/original"))
    );
    for (name, value) in [
        ("x-amz-copy-source", "foreign/2019/Stra%C3%9Fe%201%2B2%20%25.gif"),
        ("x-amz-copy-source-if-match", "\"0123\""),
        ("content-type", "image/gif"),
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-tagging-directive", "REPLACE"),
    ] {
        assert_eq!(copy.headers[name], value, "{name}");
    }
    // S3 tells the thumbnail function.
    assert!(calls.thumbnails.all().is_empty());
}

#[tokio::test]
async fn doing_it_again_asks_for_the_same_photo_and_makes_no_second_one() {
    let (_, calls) =
        run(request(), vec![found(KEY), gif(), copied()], vec![batch(&[]), ok(), ok(), ok()]).await;
    let id = asked_for(&calls.table);
    let failed = json!({ "status": { "S": "failed" }, "failure_code": { "S": "CORRUPT_IMAGE" } });
    for more in [ready(), failed, json!({ "status": { "S": "deleting" } })] {
        let (answer, calls) = run(request(), vec![found(KEY)], vec![recorded(&id, &more)]).await;
        assert_eq!((counts(&answer), asked_for(&calls.table)), ([1, 0, 1, 0], id.clone()), "{more}");
        assert!(writes(&calls.table).is_empty() && calls.buckets.all().len() == 1);
    }
    // Its copy is there, and what becomes of it is on its way.
    let pending = json!({ "status": { "S": "pending" } });
    let there = listing(&[format!("photos/auth0%7C7/{id}/original")], OLD, false);
    let (answer, calls) = run(request(), vec![found(KEY), there], vec![recorded(&id, &pending)]).await;
    assert_eq!((counts(&answer), writes(&calls.table)), ([1, 0, 1, 0], vec![]));
    // Another owner's, or another object's, is another photo.
    let mut other = request();
    other["owner"] = json!("auth0|8");
    let (_, calls) = run(other, vec![found(KEY), gif(), copied()], vec![batch(&[]), ok(), ok(), ok()]).await;
    assert_ne!(asked_for(&calls.table), id);
}

#[tokio::test]
async fn a_copy_that_was_never_made_is_made_by_the_next_backfill() {
    let (_, calls) =
        run(request(), vec![found(KEY), gif(), copied()], vec![batch(&[]), ok(), ok(), ok()]).await;
    let id = asked_for(&calls.table);
    for status in ["pending", "expired"] {
        let record = recorded(&id, &json!({ "status": { "S": status } }));
        let nothing = listing(&[], OLD, false);
        let (answer, calls) =
            run(request(), vec![found(KEY), nothing, gif(), copied()], vec![record, refused(status), ok()])
                .await;
        assert_eq!(counts(&answer), [1, 1, 0, 0], "{status}: {answer}");
        assert_eq!(calls.buckets.all().len(), 4);
    }
}

#[tokio::test]
async fn a_photo_that_its_owner_has_deleted_does_not_come_back() {
    let note = (200, json!({ "Item": { "pk": { "S": "x" }, "sk": { "S": "y" } } }).to_string());
    let (answer, calls) = run(request(), vec![found(KEY)], vec![batch(&[]), note]).await;
    assert_eq!(counts(&answer), [1, 0, 1, 0]);
    assert!(answer["notes"][0]["reason"].as_str().unwrap().contains("deleted"), "{answer}");
    assert!(writes(&calls.table).is_empty() && calls.buckets.all().len() == 1);
    let asked = body(&calls.table.all()[1])["Key"]["sk"]["S"].clone();
    assert_eq!(asked, format!("import#{}", asked_for(&calls.table)));
}

#[tokio::test]
async fn what_can_be_no_photo_is_passed_over_before_anything_is_written() {
    let text = (206, "Dear diary,".to_owned());
    let webp = (206, "RIFF    WEBP".to_owned());
    let changed = (412, "<Error><Code>PreconditionFailed</Code></Error>".to_owned());
    let gone = (404, "<Error><Code>NoSuchKey</Code></Error>".to_owned());
    let sized = |bytes: u64| {
        let (status, body) = found(KEY);
        (status, body.replace("<Size>5</Size>", &format!("<Size>{bytes}</Size>")))
    };
    for (object, read, reason) in [
        (sized(0), None, "it is empty"),
        (sized(1001), None, "it has more bytes than MaxUploadBytes"),
        (found(KEY), Some(text), "its first bytes are of no photo that can be read"),
        (found(KEY), Some(webp), "its type is not one of AllowedContentTypes"),
        (found(KEY), Some(changed), "written or removed since it was listed"),
        (found(KEY), Some(gone), "written or removed since it was listed"),
    ] {
        let buckets = std::iter::once(object).chain(read).collect();
        let (answer, calls) = run(request(), buckets, vec![batch(&[]), ok()]).await;
        assert_eq!(counts(&answer), [1, 0, 1, 0], "{reason}: {answer}");
        assert_eq!(answer["notes"], json!([{ "key": KEY, "reason": reason }]));
        assert!(writes(&calls.table).is_empty(), "{reason}");
    }
}

#[tokio::test]
async fn an_object_that_changes_while_it_is_copied_is_left_to_the_next_backfill() {
    let changed = (412, "<Error><Code>PreconditionFailed</Code></Error>".to_owned());
    let (answer, _) =
        run(request(), vec![found(KEY), gif(), changed], vec![batch(&[]), ok(), ok(), ok()]).await;
    assert_eq!(counts(&answer), [1, 0, 1, 0]);
    assert_eq!(answer["notes"][0]["reason"], "written or removed since it was listed");
}

#[tokio::test]
async fn a_dry_run_reads_and_writes_nothing() {
    let mut dry = request();
    dry["dry_run"] = json!(true);
    let (answer, calls) = run(dry, vec![found(KEY), gif()], vec![batch(&[]), ok()]).await;
    assert_eq!((counts(&answer), &answer["dry_run"]), ([1, 1, 0, 0], &json!(true)));
    assert!(writes(&calls.table).is_empty() && calls.buckets.all().iter().all(|call| call.method == "GET"));
}

#[tokio::test]
async fn each_call_that_fails_leaves_the_object_to_the_next_backfill() {
    let error = || (500, String::new());
    for (buckets, table) in [
        (vec![found(KEY), error()], vec![batch(&[]), ok()]),
        (vec![found(KEY)], vec![batch(&[]), error()]),
        (vec![found(KEY), gif()], vec![batch(&[]), ok(), error()]),
        (vec![found(KEY), gif()], vec![batch(&[]), ok(), ok(), error()]),
        (vec![found(KEY), gif(), error()], vec![batch(&[]), ok(), ok(), ok()]),
    ] {
        let (answer, calls) = run(request(), buckets, table).await;
        assert_eq!(counts(&answer), [1, 0, 0, 1], "{answer}");
        assert_eq!(answer["notes"][0]["key"], KEY);
        drop(calls);
    }
}

#[tokio::test]
async fn no_other_bucket_and_nobody_s_photos_are_taken_over() {
    let settings = [("PHOTODROP_BACKFILL_BUCKET", "foreign")];
    for (request, reason) in [
        (json!({ "source": "bucket" }), "the source bucket needs an owner"),
        (json!({ "source": "bucket", "owner": "" }), "owner: the subject is empty"),
        (
            json!({ "source": "bucket", "owner": "a", "bucket": "other" }),
            "the stack takes photos over from foreign alone",
        ),
        (
            json!({ "source": "bucket", "owner": "a", "include_failed": true }),
            "the source bucket takes no include_failed",
        ),
    ] {
        let (answer, calls) = backfill(request.clone(), &settings, Answers::default()).await;
        let error = answer.unwrap_err();
        assert!(error.starts_with(reason), "{request}: {error}");
        assert!(calls.buckets.all().is_empty() && calls.table.all().is_empty());
    }
}

#[tokio::test]
async fn the_log_names_no_key_and_no_owner() {
    let lines = photo_aws::replay::Lines::capture();
    let (answer, _) =
        run(request(), vec![found("2019/Jane Doe.txt"), (206, "Dear".to_owned())], vec![batch(&[]), ok()])
            .await;
    assert_eq!(counts(&answer), [1, 0, 1, 0]);
    let text = format!("{:?}", lines.all());
    assert!(text.contains("passed over") && text.contains("backfilled"), "{text}");
    assert!(!text.contains("Jane") && !text.contains("auth0"), "{text}");
}

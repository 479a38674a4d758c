//! Several uploads at once, forms, uploads in parts, and Uppy.

use serde_json::{Value, json};

use crate::support::{Call, ID, OWNER, app, asked_for, found, ok, ready};

const MULTIPART: &str = r#"{"content_type":"image/jpeg","size_bytes":600000,"upload_method":"multipart"}"#;
const CHECKSUM: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

fn post(path: &str, body: &Value) -> Call {
    Call::new("POST", &format!("/api/v4/photo/{path}")).body(&body.to_string())
}

/// A photo that was asked for in parts just now.
fn parted(more: &Value) -> (u16, String) {
    let mut record = json!({
        "upload_method": { "S": "multipart" }, "part_size_bytes": { "N": "5242880" },
        "size_bytes": { "N": "5242887" }, "created_at": asked_for(0)["created_at"],
    });
    for (name, value) in more.as_object().unwrap() {
        record[name] = value.clone();
    }
    found(&record)
}

#[tokio::test]
async fn a_batch_is_one_write_and_no_call_to_s3() {
    let (app, table, buckets) = app(vec![ok()], vec![]);
    let one = json!({ "content_type": "image/jpeg", "size_bytes": 5 });
    let reply = post("uploads", &json!({ "uploads": [one, one, one] })).to(&app).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    assert_eq!((table.all().len(), buckets.all().len()), (1, 0));
    assert!(table.all()[0].target.ends_with("TransactWriteItems"));
    let uploads = reply.body["uploads"].as_array().unwrap();
    assert_eq!(uploads.len(), 3);
    for upload in uploads {
        let url = upload["upload"]["url"].as_str().unwrap();
        assert!(url.contains(upload["photo_id"].as_str().unwrap()), "{url}");
    }
}

#[tokio::test]
async fn a_batch_with_one_wrong_upload_writes_nothing_and_says_which() {
    let good = json!({ "content_type": "image/jpeg", "size_bytes": 5 });
    for (bad, status, pointer) in [
        (json!({ "content_type": "image/jpeg" }), 400, "/uploads/1/size_bytes"),
        (json!({ "content_type": "image/jpeg", "size_bytes": 1_000_001 }), 413, "/uploads/1/size_bytes"),
        (json!({ "content_type": "text/html", "size_bytes": 5 }), 415, "/uploads/1/content_type"),
    ] {
        let (app, table, _) = app(vec![], vec![]);
        let reply = post("uploads", &json!({ "uploads": [good, bad] })).to(&app).await;
        assert_eq!((reply.status, &reply.body["errors"][0]["pointer"]), (status, &json!(pointer)));
        assert_eq!(table.all().len(), 0);
    }
}

#[tokio::test]
async fn a_form_has_its_fields_and_costs_one_write() {
    let (app, table, buckets) = app(vec![ok()], vec![]);
    let body = json!({ "content_type": "image/png", "size_bytes": 5, "upload_method": "POST", "checksum_sha256": CHECKSUM });
    let reply = post("upload", &body).to(&app).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    assert_eq!((table.all().len(), buckets.all().len()), (1, 0));
    let upload = &reply.body["upload"];
    assert_eq!(upload["method"], "POST");
    assert_eq!(upload["fields"]["Content-Type"], "image/png");
    assert_eq!(upload["fields"]["x-amz-checksum-sha256"], CHECKSUM);
    assert!(upload.get("headers").is_none());
}

#[tokio::test]
async fn an_upload_in_parts_says_how_it_is_cut() {
    let (app, table, _) = app(vec![ok()], vec![]);
    let reply = Call::new("POST", "/api/v4/photo/upload").body(MULTIPART).to(&app).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let upload = &reply.body["upload"];
    assert_eq!((&upload["method"], &upload["part_count"]), (&json!("multipart"), &json!(1)));
    assert_eq!(upload["part_size_bytes"], 5 << 20);
    let item = serde_json::from_slice::<Value>(&table.all()[0].body).unwrap()["Item"].clone();
    assert_eq!(item["upload_method"]["S"], "multipart");
}

#[tokio::test]
async fn every_request_of_an_upload_in_parts_is_signed_by_one_read() {
    for (body, method, header) in [
        (json!({ "operation": "CreateMultipartUpload" }), "POST", Some(("content-type", "image/jpeg"))),
        (
            json!({ "operation": "UploadPart", "upload_id": "u", "part_number": 2 }),
            "PUT",
            Some(("content-length", "7")),
        ),
        (json!({ "operation": "ListParts", "upload_id": "u" }), "GET", None),
        (
            json!({ "operation": "CompleteMultipartUpload", "upload_id": "u" }),
            "POST",
            Some(("x-amz-mp-object-size", "5242887")),
        ),
        (json!({ "operation": "AbortMultipartUpload", "upload_id": "u" }), "DELETE", None),
    ] {
        let known = json!({ "upload_ids": { "SS": ["u"] } });
        let (app, table, buckets) = app(vec![parted(&known)], vec![]);
        let reply = post(&format!("{ID}/sign"), &body).to(&app).await;
        assert_eq!((reply.status, &reply.body["method"]), (200, &json!(method)), "{}", reply.body);
        if let Some((name, value)) = header {
            assert_eq!(reply.body["headers"][name], value);
        }
        assert!(reply.body["url"].as_str().unwrap().contains("X-Amz-Expires=300"));
        assert_eq!((table.all().len(), buckets.all().len()), (1, 0));
        assert!(table.all()[0].target.ends_with("GetItem"), "a read, no write");
    }
}

#[tokio::test]
async fn parts_are_signed_for_a_few_multipart_uploads_of_a_photo_alone() {
    let part = json!({ "operation": "UploadPart", "upload_id": "new", "part_number": 1 });
    let refused = |status: &str| {
        let item = json!({ "status": { "S": status } });
        (400, json!({ "__type": "ConditionalCheckFailedException", "Item": item }).to_string())
    };
    let others = json!({ "upload_ids": { "SS": ["a", "b"] } });
    for (bound, status, code) in [
        (ok(), 200, None),
        (refused("pending"), 409, Some("TOO_MANY_UPLOADS")),
        (refused("ready"), 409, Some("UPLOAD_CLOSED")),
    ] {
        let (app, table, _) = app(vec![parted(&others), bound], vec![]);
        let reply = post(&format!("{ID}/sign"), &part).to(&app).await;
        assert_eq!((reply.status, reply.body["code"].as_str()), (status, code), "{}", reply.body);
        assert_eq!(reply.body.get("url").is_some(), code.is_none());
        let write: Value = serde_json::from_slice(&table.all()[1].body).unwrap();
        assert_eq!(write["UpdateExpression"], "ADD upload_ids :add_upload_ids");
        assert_eq!(write["ExpressionAttributeValues"][":add_upload_ids"], json!({ "SS": ["new"] }));
        assert_eq!(write["ExpressionAttributeValues"][":most"]["N"], "5");
    }
}

#[tokio::test]
async fn a_closed_upload_is_signed_no_more() {
    let create = json!({ "operation": "CreateMultipartUpload" });
    let old = json!({ "created_at": { "S": "2026-11-01T12:00:00Z" } });
    let settled = ready();
    for (answer, status, code) in [
        (parted(&old), 409, "UPLOAD_CLOSED"),
        (parted(&settled), 409, "UPLOAD_CLOSED"),
        (found(&json!({})), 409, "UPLOAD_CLOSED"),
        (parted(&json!({ "status": { "S": "deleting" } })), 404, "NOT_FOUND"),
        (ok(), 404, "NOT_FOUND"),
    ] {
        let (app, ..) = app(vec![answer], vec![]);
        let reply = post(&format!("{ID}/sign"), &create).to(&app).await;
        assert_eq!((reply.status, &reply.body["code"]), (status, &json!(code)));
    }
    let part = json!({ "operation": "UploadPart", "upload_id": "u", "part_number": 3 });
    let (app, ..) = app(vec![parted(&json!({}))], vec![]);
    let reply = post(&format!("{ID}/sign"), &part).to(&app).await;
    assert_eq!((reply.status, &reply.body["errors"][0]["pointer"]), (400, &json!("/part_number")));
}

#[tokio::test]
async fn nobody_signs_without_a_token() {
    for path in ["upload", "uploads", "uppy/sign", &format!("{ID}/sign")] {
        let (app, table, _) = app(vec![], vec![]);
        let reply = post(path, &json!({ "operation": "CreateMultipartUpload" })).anonymous().to(&app).await;
        assert_eq!((reply.status, table.all().len()), (401, 0), "{path}");
    }
}

#[tokio::test]
async fn uppy_gets_a_photo_of_its_own_key_and_no_header_that_a_browser_refuses() {
    for (method, size, expected) in [("PUT", 5, "if-none-match"), ("POST", 600_000, "content-type")] {
        let (app, table, buckets) = app(vec![ok()], vec![]);
        let body = json!({ "method": method, "key": "uppys-idea.jpg", "contentType": "image/jpeg", "size": size, "fileName": "a.jpg" });
        let reply = post("uppy/sign", &body).to(&app).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!((table.all().len(), buckets.all().len()), (1, 0));
        let photo_id = reply.body["photo_id"].as_str().unwrap();
        assert_eq!(reply.body["key"], format!("photos/auth0%7C7/{photo_id}/original"));
        assert!(reply.body["headers"][expected].is_string(), "{}", reply.body);
        assert!(reply.body["headers"].get("content-length").is_none());
    }
}

#[tokio::test]
async fn uppy_is_told_that_it_asks_again_too_late() {
    let body =
        json!({ "method": "PUT", "key": "k", "contentType": "image/jpeg", "size": 5, "idempotencyKey": "k" });
    let (first, table, _) = app(vec![ok()], vec![]);
    post("uppy/sign", &body).to(&first).await;
    let write: Value = serde_json::from_slice(&table.all()[0].body).unwrap();
    let key = write["TransactItems"][1]["Put"]["Item"].clone();
    for (minutes_ago, status, code) in [(14, 200, None), (15, 409, Some("UPLOAD_CLOSED"))] {
        let mut taken = key.clone();
        taken["photo_id"] = json!({ "S": ID });
        let reasons = json!([{ "Code": "None" }, { "Code": "ConditionalCheckFailed", "Item": taken }]);
        let refusal = json!({ "__type": "TransactionCanceledException", "CancellationReasons": reasons });
        let answers = vec![(400, refusal.to_string()), found(&asked_for(minutes_ago))];
        let (app, ..) = app(answers, vec![]);
        let reply = post("uppy/sign", &body).to(&app).await;
        assert_eq!((reply.status, reply.body["code"].as_str()), (status, code), "{}", reply.body);
    }
}

#[tokio::test]
async fn uppy_goes_on_with_the_caller_s_own_photo_alone() {
    let go_on = |key: String| json!({ "method": "PUT", "key": key, "uploadId": "u", "partNumber": 1 });
    let (app, ..) = app(vec![parted(&json!({})), ok()], vec![]);
    let reply = post("uppy/sign", &go_on(format!("photos/auth0%7C7/{ID}/original"))).to(&app).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(reply.body["url"].as_str().unwrap().contains("partNumber=1&uploadId=u"));
    for key in [format!("photos/another/{ID}/original"), "no-key".to_owned(), OWNER.to_owned()] {
        let (app, table, _) = crate::support::app(vec![parted(&json!({}))], vec![]);
        let reply = post("uppy/sign", &go_on(key)).to(&app).await;
        assert_eq!((reply.status, table.all().len()), (404, 0));
    }
}

#[tokio::test]
async fn what_uppy_s_adapter_forgot_is_named_as_it_calls_it() {
    for (body, pointer) in [
        (json!({ "method": "PUT", "key": "k", "contentType": "image/jpeg" }), "/size"),
        (json!({ "method": "POST", "key": "k", "size": 600_000 }), "/contentType"),
        (json!({ "method": "POST", "key": "k", "size": 5, "contentType": "image/jpeg" }), "/method"),
        (json!({ "method": "DELETE", "key": "k" }), "/method"),
        (json!({ "method": "PUT", "key": "k", "uploadId": "u" }), "/partNumber"),
        (
            json!({ "method": "PUT", "key": "k", "partNumber": 1, "contentType": "image/jpeg", "size": 5 }),
            "/uploadId",
        ),
        (json!({ "method": "PUT", "uploadId": "u", "partNumber": 1 }), "/key"),
    ] {
        let (app, table, _) = app(vec![], vec![]);
        let reply = post("uppy/sign", &body).to(&app).await;
        let found = (reply.status, &reply.body["errors"][0]["pointer"], table.all().len());
        assert_eq!(found, (400, &json!(pointer), 0), "{}", reply.body);
    }
}

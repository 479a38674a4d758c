//! The upload function and the thumbnail function as they are, on the three together.

use std::time::{Duration, Instant};

use lambda_http::{Body, Request, RequestExt as _, request};
use photo_aws::created_event::created_event;
use photo_aws::{Created, Settled};
use photo_domain::OriginalKey;
use photo_domain::quota::{Counter, Quotas};
use photo_domain::record::Status;
use photodrop_tests::photos::photo;
use photodrop_tests::schemas::mistakes;
use reconcile::Reconciler;
use serde_json::{Value, json};
use sha2::Digest as _;
use thumbnail::Pipeline;
use upload::App;

use crate::messages::{TestQueue, bus};
use crate::multipart::parts_list;
use crate::s3::{ORIGINALS, S3, THUMBNAILS};
use crate::support::{Table, key_of, now, owner, ready, record};

const QUOTAS: Quotas = Quotas { photos_per_day: 50, bytes_per_day: 100_000_000, pending: 30 };

/// What the template gives to the functions.
fn setting(name: &str) -> Option<String> {
    let value = match name {
        "PHOTODROP_ORIGINALS_BUCKET" => ORIGINALS,
        "PHOTODROP_THUMBNAILS_BUCKET" => THUMBNAILS,
        "PHOTODROP_ALLOWED_CONTENT_TYPES" => "image/jpeg,image/png,image/webp,image/gif",
        "PHOTODROP_MAX_UPLOAD_BYTES" => "33554432",
        "PHOTODROP_MULTIPART_THRESHOLD_BYTES" => "6000000",
        "PHOTODROP_UPLOAD_URL_EXPIRY_SECONDS" => "300",
        "PHOTODROP_DOWNLOAD_URL_EXPIRY_SECONDS" => "900",
        "PHOTODROP_PENDING_RETENTION_DAYS" => "15",
        "PHOTODROP_OWNER_PHOTOS_PER_DAY" => "50",
        "PHOTODROP_OWNER_BYTES_PER_DAY" => "100000000",
        "PHOTODROP_OWNER_PENDING_PHOTOS" => "30",
        "PHOTODROP_MAX_PIXELS" => "120000000",
        "PHOTODROP_MAX_SIDE" => "65535",
        "PHOTODROP_VARIANTS" => "small:160,medium:480",
        "PHOTODROP_VARIANT_FORMATS" => "webp,jpeg",
        "PHOTODROP_JPEG_QUALITY" | "PHOTODROP_WEBP_QUALITY" | "PHOTODROP_AVIF_QUALITY" => "80",
        "PHOTODROP_AVIF_SPEED" => "10",
        "PHOTODROP_ANIMATION" => "first-frame",
        "PHOTODROP_SANITIZED_ORIGINAL" => "off",
        "PHOTODROP_DAMAGED_PHOTOS" => "show",
        "PHOTODROP_BACKGROUND" => "ffffff",
        "PHOTODROP_WEBP_METHOD" => "2",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" => "1769",
        "PHOTODROP_RECONCILE_MODE" => "apply",
        "PHOTODROP_RECONCILE_MAX_RECORDS" | "PHOTODROP_RECONCILE_MAX_ORPHANS" => "100",
        "PHOTODROP_RECONCILE_MAX_LISTED" => "1000",
        "PHOTODROP_ORPHAN_GRACE_SECONDS" => "86400",
        "PHOTODROP_ORPHAN_RETENTION_DAYS" => "31",
        "PHOTODROP_RECONCILE_MAX_ORPHAN_PERCENT" => "20",
        // Given to the parts themselves.
        "PHOTODROP_TABLE_NAME"
        | "PHOTODROP_EVENT_BUS_NAME"
        | "PHOTODROP_THUMBNAIL_QUEUE_URL"
        | "PHOTODROP_FAILURE_QUEUE_URL" => "-",
        _ => return None,
    };
    Some(value.to_owned())
}

struct Product {
    app: App,
    pipeline: Pipeline,
    s3: S3,
    table: Table,
    events: TestQueue,
    thumbnails: TestQueue,
    failures: TestQueue,
}

impl Product {
    async fn new() -> Self {
        let (table, s3) = (Table::with_quotas(QUOTAS).await, S3::start().await);
        let (bus, events) = bus().await;
        let (thumbnails, failures) = (TestQueue::new().await, TestQueue::new().await);
        let app = App {
            config: upload::Config::read(&setting).unwrap(),
            store: table.store.clone(),
            objects: s3.objects.clone(),
            signer: s3.signer.clone(),
        };
        let pipeline = Pipeline {
            config: thumbnail::Config::read(&setting).unwrap(),
            store: table.store.clone(),
            objects: s3.objects.clone(),
            bus,
            queue: thumbnails.queue.clone(),
            failures: failures.queue.clone(),
        };
        Self { app, pipeline, s3, table, events, thumbnails, failures }
    }

    /// Calls the upload function as API Gateway does.
    async fn call(&self, method: &str, path: &str, body: &Value, key: Option<&str>) -> (u16, Value) {
        let mut event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
            "headers": { "host": "id.execute-api.us-east-1.amazonaws.com", "content-type": "application/json" },
            "requestContext": {
                "accountId": "123456789012", "apiId": "id", "domainName": "id.execute-api.us-east-1.amazonaws.com",
                "domainPrefix": "id", "requestId": "req-1", "routeKey": "$default", "stage": "$default",
                "time": "24/Nov/2026:12:00:00 +0000", "timeEpoch": 1_795_521_600_000_i64,
                "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t" },
                "authorizer": { "jwt": { "claims": { "sub": owner().as_str() }, "scopes": null } }
            },
            "isBase64Encoded": false
        });
        if !body.is_null() {
            event["body"] = json!(body.to_string());
        }
        if let Some(key) = key {
            event["headers"]["idempotency-key"] = json!(key);
        }
        let request: Request = request::from_str(&event.to_string()).unwrap();
        let response = self.app.handle(request.with_lambda_context(lambda_http::Context::default())).await;
        let (parts, body) = response.into_parts();
        let body = match body {
            Body::Text(text) => serde_json::from_str(&text).unwrap(),
            _ => Value::Null,
        };
        (parts.status.as_u16(), body)
    }

    /// Tells the thumbnail queue of an original, as reconcile does, and invokes the function with what comes of it.
    async fn process(&self, photo_id: &str) {
        let key = OriginalKey { owner: owner(), photo_id: photo_id.parse().unwrap() };
        let found = self.s3.objects.find_original(&key).await.unwrap().unwrap();
        // s3s lists no ETags.
        let head = self.s3.client.head_object().bucket(ORIGINALS).key(&found.key).send().await.unwrap();
        let found = photo_aws::FoundObject { etag: head.e_tag.unwrap(), ..found };
        let event = created_event(ORIGINALS, &key, &found);
        self.thumbnails.queue.send(&event.to_string()).await.unwrap();
        self.invoke().await;
    }

    /// Invokes the thumbnail function with the next message of its queue.
    async fn invoke(&self) {
        let message = self.thumbnails.receive().await.unwrap();
        let invocation = self.thumbnails.delivery(&message).await;
        let deadline = Instant::now() + Duration::from_mins(1);
        Box::pin(self.pipeline.handle(invocation, deadline)).await.unwrap();
        self.thumbnails.delete(&message).await;
    }

    /// The next event on the bus: its name and its photo.
    async fn event(&self) -> (String, String) {
        let message = self.events.receive().await.unwrap();
        self.events.delete(&message).await;
        let event: Value = serde_json::from_str(message.body().unwrap()).unwrap();
        let name = text(&event, "detail-type").to_owned();
        assert_eq!(mistakes(&name, &event["detail"]).unwrap(), Vec::<String>::new());
        (name, text(&event["detail"], "photo_id").to_owned())
    }

    async fn get(&self, photo_id: &str) -> (u16, Value) {
        self.call("GET", &format!("/api/v4/photo/{photo_id}"), &Value::Null, None).await
    }
}

fn checksum(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(bytes))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

#[tokio::test]
async fn a_photo_comes_becomes_ready_and_is_deleted() {
    let product = Product::new().await;
    let bytes = photo("orientation-6.jpg").unwrap();
    let body = json!({ "content_type": "image/jpeg", "size_bytes": bytes.len(), "file_name": "ä.jpg",
        "checksum_sha256": checksum(&bytes), "metadata": { "album": "ü" } });
    let (status, created) = product.call("POST", "/api/v4/photo/upload", &body, Some("key")).await;
    assert_eq!(status, 201, "{created}");
    let photo_id = text(&created, "photo_id");
    let (status, again) = product.call("POST", "/api/v4/photo/upload", &body, Some("key")).await;
    assert_eq!((status, text(&again, "photo_id")), (201, photo_id), "{again}");
    let reply = product.s3.http.send_signed(&created["upload"], bytes.clone()).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let reply = product.s3.http.send_signed(&again["upload"], bytes).await.unwrap();
    assert_eq!(reply.status, 412, "{}", reply.text());

    product.process(photo_id).await;
    let (status, record) = product.get(photo_id).await;
    assert_eq!((status, &record["status"]), (200, &json!("ready")), "{record}");
    let variants = record["variants"].as_array().unwrap();
    assert_eq!(variants.len(), 4);
    for variant in variants {
        let reply = product.s3.get(text(variant, "url")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(json!(reply.bytes.len()), variant["size_bytes"]);
        let decoded = image::load_from_memory(&reply.bytes).unwrap();
        assert_eq!(
            (json!(decoded.width()), json!(decoded.height())),
            (variant["width"].clone(), variant["height"].clone())
        );
    }
    assert_eq!(product.event().await, ("PhotoReady".to_owned(), photo_id.to_owned()));
    // The same event again ends in the same state.
    product.process(photo_id).await;
    assert_eq!(product.get(photo_id).await.1["updated_at"], record["updated_at"]);

    let (_, list) = product.call("GET", "/api/v4/photo", &Value::Null, None).await;
    assert_eq!(list["photos"][0]["photo_id"], photo_id, "{list}");
    let path = format!("/api/v4/photo/{photo_id}");
    assert_eq!(product.call("DELETE", &path, &Value::Null, None).await.0, 204);
    assert_eq!(product.get(photo_id).await.0, 404);
}

#[tokio::test]
async fn bytes_that_are_no_photo_fail_and_are_announced() {
    let product = Product::new().await;
    let bytes = b"not a photo, but as long as announced".to_vec();
    let put = json!({ "content_type": "image/png", "size_bytes": bytes.len() });
    let (_, created) = product.call("POST", "/api/v4/photo/upload", &put, None).await;
    let reply = product.s3.http.send_signed(&created["upload"], bytes.clone()).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let photo_id = text(&created, "photo_id");
    // s3s has no tags: the tag of a failed original is not seen here, and the photo fails all the same.
    product.process(photo_id).await;
    let (_, record) = product.get(photo_id).await;
    assert_eq!(record["failure"]["code"], "NOT_AN_IMAGE", "{record}");
    assert_eq!(product.event().await, ("PhotoFailed".to_owned(), photo_id.to_owned()));
}

#[tokio::test]
async fn a_large_photo_comes_in_parts_that_the_api_signs() {
    let product = Product::new().await;
    let mut bytes = photo("photo-6mp.jpg").unwrap();
    // No decoder looks behind the end of the photo.
    bytes.resize(7 << 20, 0);
    let body = json!({ "content_type": "image/jpeg", "size_bytes": bytes.len(), "upload_method": "multipart",
        "checksum_sha256": checksum(&bytes) });
    let (status, created) = product.call("POST", "/api/v4/photo/upload", &body, None).await;
    assert_eq!(status, 201, "{created}");
    let photo_id = text(&created, "photo_id");
    let part_size = usize::try_from(created["upload"]["part_size_bytes"].as_u64().unwrap()).unwrap();
    let sign = async |asked: Value| {
        let (status, signed) =
            product.call("POST", &format!("/api/v4/photo/{photo_id}/sign"), &asked, None).await;
        assert_eq!(status, 200, "{signed}");
        signed
    };
    let create = sign(json!({ "operation": "CreateMultipartUpload" })).await;
    let begun = product.s3.http.send_signed(&create, Vec::new()).await.unwrap().text();
    let (_, rest) = begun.split_once("<UploadId>").unwrap();
    let (id, _) = rest.split_once("</UploadId>").unwrap();
    let mut etags = Vec::new();
    for (number, part) in (1..).zip(bytes.chunks(part_size)) {
        let asked = json!({ "operation": "UploadPart", "part_number": number, "upload_id": id });
        let reply = product.s3.http.send_signed(&sign(asked).await, part.to_vec()).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        etags.push((number, reply.header("etag").to_owned()));
    }
    let complete = sign(json!({ "operation": "CompleteMultipartUpload", "upload_id": id })).await;
    let reply = product.s3.http.send_signed(&complete, parts_list(&etags)).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    product.process(photo_id).await;
    assert_eq!(product.get(photo_id).await.1["status"], "ready");
}

#[tokio::test]
async fn a_batch_fills_a_quota_and_a_message_is_set_aside() {
    let product = Product::new().await;
    let one = json!({ "content_type": "image/jpeg", "size_bytes": 10 });
    let batch = json!({ "uploads": vec![one; 20] });
    let (status, created) = product.call("POST", "/api/v4/photo/uploads", &batch, Some("batch")).await;
    assert_eq!(status, 201, "{created}");
    let (status, refused) = product.call("POST", "/api/v4/photo/uploads", &batch, Some("other")).await;
    assert_eq!((status, text(&refused, "code")), (429, "QUOTA_EXCEEDED"), "{refused}");
    let (status, again) = product.call("POST", "/api/v4/photo/uploads", &batch, Some("batch")).await;
    assert_eq!((status, &again["uploads"][19]["photo_id"]), (201, &created["uploads"][19]["photo_id"]));
    let key =
        OriginalKey { owner: owner(), photo_id: text(&created["uploads"][0], "photo_id").parse().unwrap() };
    assert_eq!(product.table.counter(&key).await.pending, 20);

    product.thumbnails.queue.send("{\"hello\":\"world\"}").await.unwrap();
    let message = product.thumbnails.receive().await.unwrap();
    let invocation = product.thumbnails.delivery(&message).await;
    product.pipeline.handle(invocation, Instant::now() + Duration::from_mins(1)).await.unwrap();
    assert_eq!(product.failures.receive().await.unwrap().body.as_deref(), Some("{\"hello\":\"world\"}"));
}

#[tokio::test]
async fn reconcile_finishes_what_was_left() {
    let product = Product::new().await;
    let bytes = photo("orientation-1.jpg").unwrap();
    // Asked for so long ago that they are due: one without bytes, one whose event was lost, one whose announcement is unsent.
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut old = record(bytes.len() as u64);
        old.created_at -= Duration::from_mins(20);
        assert_eq!(product.table.store.create(&old, None).await.unwrap(), Created::New);
        ids.push(key_of(&old));
    }
    let [absent, lost, unannounced] = &ids[..] else { panic!("{ids:?}") };
    product.s3.put(ORIGINALS, &lost.to_string(), &bytes).await;
    let then = now() - Duration::from_mins(10);
    assert_eq!(product.table.store.settle(unannounced, &ready(), then).await.unwrap(), Settled::Now);

    let reconciler = Reconciler {
        config: reconcile::Config::read(&setting).unwrap(),
        store: product.table.store.clone(),
        objects: product.s3.objects.clone(),
        bus: product.pipeline.bus.clone(),
        thumbnails: product.thumbnails.queue.clone(),
    };
    let run = async || {
        let request = serde_json::from_value(json!({ "parts": ["due"] })).unwrap();
        let summary = reconciler.run(request, Instant::now() + Duration::from_mins(2)).await;
        assert_eq!((summary.errors, summary.complete), (0, true), "{summary:?}");
    };
    run().await;
    let status = async |key: &OriginalKey| product.table.store.get(key).await.unwrap().unwrap().status();
    assert_eq!(status(absent).await, Status::Expired);
    assert_eq!(product.event().await, ("PhotoReady".to_owned(), unannounced.photo_id.to_string()));
    product.invoke().await;
    assert_eq!(status(lost).await, Status::Ready);
    assert_eq!(product.event().await, ("PhotoReady".to_owned(), lost.photo_id.to_string()));
    let counted = Counter { photos: 2, bytes: 2 * bytes.len() as u64, pending: 0 };
    assert_eq!(product.table.counter(absent).await, counted, "of the day that all three were asked for");
    // Nothing is left.
    run().await;
    assert!(product.events.receive().await.is_none() && product.thumbnails.receive().await.is_none());
}

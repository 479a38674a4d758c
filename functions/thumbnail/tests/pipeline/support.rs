//! A pipeline, events as S3 sends them, and what became of a record.

use std::path::Path;
use std::time::{Duration, Instant};

use photo_aws::replay::{self, Answer, Sent};
use serde_json::{Value, json};
use thumbnail::event::Invocation;
use thumbnail::{Config, Pipeline};

pub(crate) const ID: &str = "01935b7c-0000-7000-8000-000000000001";

/// A photo of the imaging crate's test data.
pub(crate) fn photo(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/photo-imaging/testdata").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The first `percent` % of its bytes.
pub(crate) fn cut(name: &str, percent: usize) -> Vec<u8> {
    let mut bytes = photo(name);
    bytes.truncate(bytes.len() * percent / 100);
    bytes
}

/// A pipeline with one original in its bucket, and what it sends to the table and to the buckets.
pub(crate) fn pipeline(
    original: Vec<u8>,
    table: Vec<Answer>,
    buckets: Vec<Answer>,
) -> (Pipeline, Sent, Sent) {
    pipeline_with(&[], original, table, buckets)
}

/// The same with these settings changed.
pub(crate) fn pipeline_with(
    settings: &[(&str, &str)],
    original: Vec<u8>,
    table: Vec<Answer>,
    buckets: Vec<Answer>,
) -> (Pipeline, Sent, Sent) {
    // As many bytes as the record of `found` has announced.
    let announced = format!("\"N\":\"{}\"", original.len());
    let table =
        table.into_iter().map(|(status, body)| (status, body.replace(ANNOUNCED, &announced))).collect();
    let (objects, to_buckets) = replay::objects_holding(original, buckets);
    with_settings(settings, objects, to_buckets, table)
}

/// A pipeline whose buckets give these answers to everything.
pub(crate) fn pipeline_without_original(table: Vec<Answer>, buckets: Vec<Answer>) -> (Pipeline, Sent, Sent) {
    let (objects, to_buckets) = replay::objects(buckets);
    with_objects(objects, to_buckets, table)
}

fn with_objects(objects: photo_aws::Objects, to_buckets: Sent, table: Vec<Answer>) -> (Pipeline, Sent, Sent) {
    with_settings(&[], objects, to_buckets, table)
}

fn with_settings(
    settings: &[(&str, &str)],
    objects: photo_aws::Objects,
    to_buckets: Sent,
    table: Vec<Answer>,
) -> (Pipeline, Sent, Sent) {
    let (store, to_table) = replay::store(table);
    let config = Config::read(&|name| {
        if let Some((_, value)) = settings.iter().find(|(known, _)| *known == name) {
            return Some((*value).to_owned());
        }
        let value = match name {
            "PHOTODROP_TABLE_NAME" => "photos",
            "PHOTODROP_ORIGINALS_BUCKET" => "originals",
            "PHOTODROP_THUMBNAILS_BUCKET" => "thumbnails",
            "PHOTODROP_EVENT_BUS_NAME" => "photodrop",
            "PHOTODROP_THUMBNAIL_QUEUE_URL" | "PHOTODROP_FAILURE_QUEUE_URL" => "https://sqs/q",
            "PHOTODROP_ALLOWED_CONTENT_TYPES" => "image/jpeg,image/png,image/webp,image/gif",
            "PHOTODROP_MAX_UPLOAD_BYTES" => "5000000",
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
            "PHOTODROP_OWNER_PHOTOS_PER_DAY"
            | "PHOTODROP_OWNER_BYTES_PER_DAY"
            | "PHOTODROP_OWNER_PENDING_PHOTOS" => "0",
            _ => return None,
        };
        Some(value.to_owned())
    });
    let (bus, _) = replay::event_bus(vec![replay::event_taken()]);
    let (queue, _) = replay::queue(vec![ok(); 30]);
    let (failures, _) = replay::queue(vec![replay::message_taken(); 30]);
    (Pipeline { config: config.unwrap(), store, objects, bus, queue, failures }, to_table, to_buckets)
}

/// One record of an event.
pub(crate) fn record(key: &str) -> Value {
    json!({
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
        "eventTime": "2026-11-24T12:00:00.000Z", "eventName": "ObjectCreated:Put",
        "userIdentity": { "principalId": "AWS:x" }, "requestParameters": { "sourceIPAddress": "192.0.2.1" },
        "responseElements": {},
        "s3": { "s3SchemaVersion": "1.0", "configurationId": "c",
            "bucket": { "name": "originals", "ownerIdentity": { "principalId": "x" }, "arn": "arn:aws:s3:::originals" },
            "object": { "key": key, "size": 1, "eTag": "0123", "sequencer": "00" } }
    })
}

/// The key of the one photo, as S3 writes it in an event.
pub(crate) fn key() -> String {
    format!("photos/auth0%257C7/{ID}/original")
}

pub(crate) fn event(records: &[Value]) -> Invocation {
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

/// A message of the queue as Lambda delivers it for the `receive_count`th time.
pub(crate) fn delivery(body: &str, receive_count: u32) -> Invocation {
    serde_json::from_value(json!({ "Records": [{
        "messageId": "m-1", "receiptHandle": "r-1", "body": body, "eventSource": "aws:sqs", "awsRegion": "eu-central-1",
        "attributes": { "ApproximateReceiveCount": receive_count.to_string(), "SentTimestamp": "1" },
        "messageAttributes": {}, "md5OfBody": "", "eventSourceARN": "arn:aws:sqs:eu-central-1:000000000000:q",
    }] }))
    .unwrap()
}

/// The same of an event of the one photo.
pub(crate) fn delivered(record: &Value, receive_count: u32) -> Invocation {
    delivery(&json!({ "Records": [record] }).to_string(), receive_count)
}

/// A deadline that no test reaches.
pub(crate) fn far() -> Instant {
    Instant::now() + Duration::from_mins(10)
}

pub(crate) fn ok() -> Answer {
    (200, "{}".to_owned())
}

/// S3's answers to this many writes.
pub(crate) fn written(count: usize) -> Vec<Answer> {
    vec![(200, String::new()); count]
}

/// The size in the record, until it is known what comes.
const ANNOUNCED: &str = r#""N":"123456""#;

/// DynamoDB's answer to a read of the photo's record.
pub(crate) fn found(status: &str, content_type: &str) -> Answer {
    let item = json!({
        "pk": { "S": "owner#auth0%7C7" }, "sk": { "S": format!("photo#{ID}") }, "photo_id": { "S": ID },
        "owner": { "S": "auth0|7" }, "status": { "S": status }, "content_type": { "S": content_type },
        "size_bytes": { "N": "123456" }, "expires_at": { "N": "1796817600" }, "failure_code": { "S": "NOT_AN_IMAGE" },
        "created_at": { "S": "2026-11-24T12:00:00.123Z" }, "updated_at": { "S": "2026-11-24T12:00:00.123Z" },
    });
    (200, json!({ "Item": item }).to_string())
}

/// The same of a photo that is uploaded in another way than by a PUT.
pub(crate) fn found_by(method: &str, status: &str) -> Answer {
    let (code, body) = found(status, "image/jpeg");
    let mut body: Value = serde_json::from_str(&body).unwrap();
    body["Item"]["upload_method"] = json!({ "S": method });
    body["Item"]["part_size_bytes"] = json!({ "N": "5242880" });
    (code, body.to_string())
}

/// DynamoDB's refusal of an update because of the status that the record has.
pub(crate) fn refused(status: &str) -> Answer {
    let item = json!({ "status": { "S": status } });
    (400, json!({ "__type": "ConditionalCheckFailedException", "Item": item }).to_string())
}

/// What the first update sets that is no count of a render, by attribute.
pub(crate) fn settled(sent: &Sent) -> Value {
    let updates = sent.all().into_iter().filter(|request| request.target.ends_with("UpdateItem"));
    let mut bodies = updates.map(|update| serde_json::from_slice::<Value>(&update.body).unwrap());
    let is_count = |body: &Value| body["UpdateExpression"].as_str().unwrap().contains("ADD renders");
    let body = bodies.find(|body| !is_count(body)).expect("an update is expected");
    let names = body["ExpressionAttributeNames"].as_object().unwrap();
    let assigned = names.iter().filter(|(placeholder, _)| placeholder.starts_with("#a"));
    assigned
        .map(|(placeholder, name)| {
            let value = &body["ExpressionAttributeValues"][placeholder.replace('#', ":")];
            (name.as_str().unwrap().to_owned(), value.clone())
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Method and path of what was sent to the buckets.
pub(crate) fn calls(sent: &Sent) -> Vec<String> {
    let path = |uri: &str| uri.split_once(".amazonaws.com/").map_or(uri, |(_, path)| path).to_owned();
    sent.all().iter().map(|request| format!("{} {}", request.method, path(&request.uri))).collect()
}

//! A reconciler, the answers it gets, and what it sends.

use std::time::{Duration, Instant};

use photo_aws::replay::{self, Answer, Sent};
use reconcile::{Config, Reconciler, Request, Summary};
use serde_json::{Value, json};

pub(crate) const ID: &str = "01935b7c-0000-7000-8000-000000000001";
pub(crate) const OTHER_ID: &str = "01935b7c-0000-7000-8000-000000000002";
/// Older than any grace.
pub(crate) const OLD: &str = "2020-01-01T00:00:00Z";

/// What AWS answers; whatever is not written down is answered with 500.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) table: Vec<Answer>,
    pub(crate) buckets: Vec<Answer>,
    /// How many messages wait in the thumbnail queue when a run asks.
    pub(crate) waiting: u64,
    /// Of the thumbnail queue to messages; if there are none, it takes what it is given.
    pub(crate) thumbnails: Option<Vec<Answer>>,
}

/// What was sent.
pub(crate) struct Calls {
    pub(crate) table: Sent,
    pub(crate) buckets: Sent,
    pub(crate) bus: Sent,
    pub(crate) thumbnails: Sent,
}

impl Calls {
    /// The events that were put into the thumbnail queue.
    pub(crate) fn events(&self) -> Vec<Value> {
        let sent =
            self.thumbnails.all().into_iter().filter(|request| request.target.ends_with("SendMessage"));
        sent.map(|request| serde_json::from_str(body(&request)["MessageBody"].as_str().unwrap()).unwrap())
            .collect()
    }
}

/// One run of some parts.
pub(crate) async fn run(parts: &str, answers: Answers) -> (Summary, Calls) {
    run_with(&json!({ "parts": [parts] }), &[], answers).await
}

/// One run with changes of the configuration.
pub(crate) async fn run_with(
    request: &Value,
    settings: &[(&str, &str)],
    answers: Answers,
) -> (Summary, Calls) {
    let waiting = json!({ "Attributes": { "ApproximateNumberOfMessages": answers.waiting.to_string() } });
    let mut thumbnails = vec![(200, waiting.to_string())];
    thumbnails.extend(answers.thumbnails.unwrap_or_else(|| vec![replay::message_taken(); 10]));
    let answers = Answers { thumbnails: Some(thumbnails), ..answers };
    let (reconciler, calls) = reconciler(settings, answers);
    let request: Request = serde_json::from_value(request.clone()).unwrap();
    (reconciler.run(request, Instant::now() + Duration::from_mins(10)).await, calls)
}

pub(crate) fn reconciler(settings: &[(&str, &str)], answers: Answers) -> (Reconciler, Calls) {
    let config = Config::read(&|name| {
        let changed = settings.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let value = changed.unwrap_or(match name {
            "PHOTODROP_TABLE_NAME" => "photos",
            "PHOTODROP_ORIGINALS_BUCKET" => "originals",
            "PHOTODROP_THUMBNAILS_BUCKET" => "thumbnails",
            "PHOTODROP_OWNER_PHOTOS_PER_DAY"
            | "PHOTODROP_OWNER_BYTES_PER_DAY"
            | "PHOTODROP_OWNER_PENDING_PHOTOS" => "0",
            "PHOTODROP_EVENT_BUS_NAME" => "photodrop",
            "PHOTODROP_THUMBNAIL_QUEUE_URL" => "https://sqs/q",
            "PHOTODROP_RECONCILE_MODE" => "apply",
            "PHOTODROP_RECONCILE_MAX_RECORDS" | "PHOTODROP_RECONCILE_MAX_ORPHANS" => "100",
            "PHOTODROP_RECONCILE_MAX_LISTED" | "PHOTODROP_MAX_UPLOAD_BYTES" => "1000",
            "PHOTODROP_ORPHAN_GRACE_SECONDS" => "86400",
            "PHOTODROP_ORPHAN_RETENTION_DAYS" => "30",
            "PHOTODROP_RECONCILE_MAX_ORPHAN_PERCENT" => "10",
            "PHOTODROP_BACKFILL_BUCKET" => "",
            "PHOTODROP_ALLOWED_CONTENT_TYPES" => "image/jpeg,image/png",
            name if photo_aws::config::RECIPE_VARIABLES.contains(&name) => "as today",
            _ => return None,
        });
        Some(value.to_owned())
    });
    let (store, table) = replay::store(answers.table);
    let (objects, buckets) = replay::objects(answers.buckets);
    let (bus, to_bus) = replay::event_bus(vec![replay::event_taken(); 10]);
    let (thumbnails, to_thumbnails) =
        replay::queue(answers.thumbnails.unwrap_or_else(|| vec![replay::message_taken(); 10]));
    let calls = Calls { table, buckets, bus: to_bus, thumbnails: to_thumbnails };
    (Reconciler { config: config.unwrap(), store, objects, bus, thumbnails }, calls)
}

/// One backfill with changes of the configuration: its answer, or why there is none.
pub(crate) async fn backfill(
    request: Value,
    settings: &[(&str, &str)],
    answers: Answers,
) -> (Result<Value, String>, Calls) {
    let (reconciler, calls) = reconciler(settings, answers);
    let event = serde_json::from_value(json!({ "backfill": request })).unwrap();
    let answer = reconciler.handle(event, Instant::now() + Duration::from_mins(10)).await;
    let answer = answer.map(|answer| serde_json::to_value(answer).unwrap()["backfill"].clone());
    (answer.map_err(|error| photo_aws::error_chain(&error)), calls)
}

/// The recipe of the configuration of these tests.
pub(crate) fn todays_recipe() -> String {
    reconciler(&[], Answers::default()).0.config.recipe.to_string()
}

/// DynamoDB's answer to a question for several records.
pub(crate) fn batch(items: &[Value]) -> Answer {
    (200, json!({ "Responses": { "photos": items }, "UnprocessedKeys": {} }).to_string())
}

pub(crate) fn ok() -> Answer {
    (200, "{}".to_owned())
}

pub(crate) fn refused(status: &str) -> Answer {
    let item = json!({ "status": { "S": status } });
    (400, json!({ "__type": "ConditionalCheckFailedException", "Item": item }).to_string())
}

/// One page of the index of due records: owner, photo, and since when it is due.
pub(crate) fn due_page(photos: &[(&str, &str, i64)], more: bool) -> Answer {
    let keys = |(owner, id, due_at): &(&str, &str, i64)| {
        json!({ "pk": { "S": format!("owner#{owner}") }, "sk": { "S": format!("photo#{id}") },
            "due_shard": { "S": "0" }, "due_at": { "N": due_at.to_string() } })
    };
    let items: Vec<_> = photos.iter().map(keys).collect();
    let mut page = json!({ "Items": items, "Count": items.len() });
    if let Some(last) = items.last().filter(|_| more) {
        page["LastEvaluatedKey"] = last.clone();
    }
    (200, page.to_string())
}

/// How many requests the reading of the index takes where each partition has one page.
pub(crate) const SHARDS: usize = 16;

/// The index of due records names these photos in its first partition and none in the others; behind it comes
/// what is asked of the table for each photo.
pub(crate) fn due(ids: &[&str], then: Vec<Answer>) -> Vec<Answer> {
    let photos: Vec<_> = ids.iter().zip(1..).map(|(id, due_at)| ("auth0%7C7", *id, due_at)).collect();
    let mut answers = vec![due_page(&photos, false)];
    answers.extend(vec![due_page(&[], false); SHARDS - 1]);
    answers.extend(then);
    answers
}

/// A record with these attributes on top of what every one has.
pub(crate) fn item(id: &str, more: &Value) -> Value {
    let mut item = json!({
        "pk": { "S": "owner#auth0%7C7" }, "sk": { "S": format!("photo#{id}") }, "photo_id": { "S": id },
        "owner": { "S": "auth0|7" }, "status": { "S": "pending" }, "content_type": { "S": "image/jpeg" },
        "size_bytes": { "N": "123456" }, "expires_at": { "N": "1796817600" }, "created_at": { "S": OLD },
        "updated_at": { "S": OLD }, "due_shard": { "S": "1" }, "due_at": { "N": "1600000000" },
    });
    for (name, value) in more.as_object().unwrap() {
        item[name] = value.clone();
    }
    item
}

pub(crate) fn found(id: &str, more: &Value) -> Answer {
    (200, json!({ "Item": item(id, more) }).to_string())
}

/// What a record has on top when it is ready.
pub(crate) fn ready() -> Value {
    json!({
        "status": { "S": "ready" }, "format": { "S": "image/jpeg" }, "width": { "N": "4" }, "height": { "N": "3" },
        "thumbhash": { "S": "1QcS" }, "dominant_color": { "S": "#336699" }, "original_etag": { "S": "\"0123\"" },
        "variants": { "L": [ { "M": {
            "name": { "S": "small" }, "format": { "S": "webp" }, "width": { "N": "4" }, "height": { "N": "3" },
            "size_bytes": { "N": "9" }, "key": { "S": variant(ID, "small.webp") } } } ] },
    })
}

pub(crate) fn original(id: &str) -> String {
    format!("photos/auth0%7C7/{id}/original")
}

pub(crate) fn variant(id: &str, name: &str) -> String {
    format!("photos/auth0%7C7/{id}/{name}")
}

/// S3's listing of these keys.
pub(crate) fn listing(keys: &[String], written_at: &str, more: bool) -> Answer {
    let contents: Vec<_> = keys
        .iter()
        .map(|key| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>{written_at}</LastModified><ETag>&quot;0123&quot;</ETag>\
                 <Size>5</Size></Contents>"
            )
        })
        .collect();
    (
        200,
        format!(
            "<ListBucketResult><IsTruncated>{more}</IsTruncated>{}</ListBucketResult>",
            contents.concat()
        ),
    )
}

/// S3's listing of every version of these keys.
pub(crate) fn versions(keys: &[String]) -> Answer {
    let versions: Vec<_> = keys
        .iter()
        .map(|key| format!("<Version><Key>{key}</Key><VersionId>null</VersionId></Version>"))
        .collect();
    (
        200,
        format!(
            "<ListVersionsResult><IsTruncated>false</IsTruncated>{}</ListVersionsResult>",
            versions.concat()
        ),
    )
}

pub(crate) fn body(request: &photo_aws::replay::Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// The operations that were asked of the table, without those that change nothing.
pub(crate) fn writes(sent: &Sent) -> Vec<String> {
    let operations = sent.all().into_iter().map(|request| request.target.replace("DynamoDB_20120810.", ""));
    operations.filter(|name| !["GetItem", "Query", "BatchGetItem"].contains(&name.as_str())).collect()
}

/// Everything but reads that was asked of the buckets: method and path.
pub(crate) fn changes(sent: &Sent) -> Vec<String> {
    let all = sent.all().into_iter().filter(|request| request.method != "GET");
    all.map(|request| {
        let (host, path) = request.uri.trim_start_matches("https://").split_once('/').unwrap();
        let bucket = host.split('.').next().unwrap();
        format!("{} {bucket} {}", request.method, path.split('?').next().unwrap())
    })
    .collect()
}

/// The events that were announced: name and detail.
pub(crate) fn announced(sent: &Sent) -> Vec<(String, Value)> {
    let entries = sent.all().into_iter().map(|request| body(&request)["Entries"][0].clone());
    entries
        .map(|entry| {
            let detail = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
            (entry["DetailType"].as_str().unwrap().to_owned(), detail)
        })
        .collect()
}

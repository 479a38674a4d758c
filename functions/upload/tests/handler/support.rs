//! An app, requests as API Gateway sends them, and answers taken apart.

use lambda_http::{Body, Context, Request, RequestExt as _, request};
use photo_aws::replay::{self, Answer, Sent};
use serde_json::{Value, json};
use upload::{App, Config};

pub(crate) const OWNER: &str = "auth0|7";
pub(crate) const ID: &str = "01935b7c-0000-7000-8000-000000000001";

/// An app whose table and buckets give these answers, and what it sends to each.
pub(crate) fn app(table: Vec<Answer>, buckets: Vec<Answer>) -> (App, Sent, Sent) {
    let (store, to_table) = replay::store(table);
    let (objects, to_buckets) = replay::objects(buckets);
    let config = Config::read(&|name| {
        let value = match name {
            "PHOTODROP_TABLE_NAME" => "photos",
            "PHOTODROP_ORIGINALS_BUCKET" => "originals",
            "PHOTODROP_THUMBNAILS_BUCKET" => "thumbnails",
            "PHOTODROP_ALLOWED_CONTENT_TYPES" => "image/jpeg,image/png,image/webp,image/gif",
            "PHOTODROP_MAX_UPLOAD_BYTES" => "1000000",
            "PHOTODROP_MULTIPART_THRESHOLD_BYTES" => "500000",
            "PHOTODROP_UPLOAD_URL_EXPIRY_SECONDS" => "300",
            "PHOTODROP_DOWNLOAD_URL_EXPIRY_SECONDS" => "900",
            "PHOTODROP_PENDING_RETENTION_DAYS" => "15",
            "PHOTODROP_OWNER_PHOTOS_PER_DAY"
            | "PHOTODROP_OWNER_BYTES_PER_DAY"
            | "PHOTODROP_OWNER_PENDING_PHOTOS" => "0",
            _ => return None,
        };
        Some(value.to_owned())
    });
    let (signer, _) = replay::upload_signer();
    (App { config: config.unwrap(), store, objects, signer }, to_table, to_buckets)
}

/// A request in API Gateway's payload format 2.0.
pub(crate) struct Call {
    event: Value,
    context: Context,
}

impl Call {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
            "headers": { "host": "id.execute-api.eu-central-1.amazonaws.com", "content-type": "application/json" },
            "requestContext": {
                "accountId": "123456789012", "apiId": "id", "domainName": "id.execute-api.eu-central-1.amazonaws.com",
                "domainPrefix": "id", "requestId": "req-1", "routeKey": "$default", "stage": "$default",
                "time": "24/Nov/2026:12:00:00 +0000", "timeEpoch": 1_795_521_600_000_i64,
                "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t" },
                "authorizer": { "jwt": { "claims": { "sub": OWNER }, "scopes": null } }
            },
            "isBase64Encoded": false
        });
        Self { event, context: Context::default() }
    }

    /// What Lambda says about the invocation.
    pub(crate) fn context(mut self, request_id: &str, trace_header: &str) -> Self {
        request_id.clone_into(&mut self.context.request_id);
        self.context.xray_trace_id = Some(trace_header.to_owned());
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.event["body"] = json!(body);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.event["headers"][name] = json!(value);
        self
    }

    pub(crate) fn query(mut self, query: &str) -> Self {
        self.event["rawQueryString"] = json!(query);
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        self.event["queryStringParameters"] =
            pairs.map(|(name, value)| (name.to_owned(), json!(value))).collect();
        self
    }

    pub(crate) fn anonymous(mut self) -> Self {
        self.event["requestContext"]["authorizer"] = Value::Null;
        self
    }

    pub(crate) async fn to(self, app: &App) -> Reply {
        let request: Request = request::from_str(&self.event.to_string()).unwrap();
        let response = app.handle(request.with_lambda_context(self.context)).await;
        let (parts, body) = response.into_parts();
        let body = match body {
            Body::Text(text) => serde_json::from_str(&text).unwrap(),
            Body::Empty => Value::Null,
            other => panic!("no text: {other:?}"),
        };
        Reply { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) fn ok() -> Answer {
    (200, "{}".to_owned())
}

/// DynamoDB's answer to a read of this item, on top of what every photo's record has.
pub(crate) fn found(more: &Value) -> Answer {
    let mut item = json!({
        "pk": { "S": "owner#auth0%7C7" }, "sk": { "S": format!("photo#{ID}") }, "photo_id": { "S": ID },
        "owner": { "S": OWNER }, "status": { "S": "pending" }, "content_type": { "S": "image/jpeg" },
        "size_bytes": { "N": "123456" }, "file_name": { "S": "cat.jpg" }, "expires_at": { "N": "1796817600" },
        "created_at": { "S": "2026-11-24T12:00:00.123Z" }, "updated_at": { "S": "2026-11-24T12:00:00.123Z" },
    });
    for (name, value) in more.as_object().unwrap() {
        item[name] = value.clone();
    }
    (200, json!({ "Item": item }).to_string())
}

/// What a record has on top that was asked for so many minutes ago.
pub(crate) fn asked_for(minutes_ago: i64) -> Value {
    let at = time::OffsetDateTime::now_utc() - time::Duration::minutes(minutes_ago);
    json!({ "created_at": { "S": at.format(&time::format_description::well_known::Rfc3339).unwrap() } })
}

/// What a record has on top when it is ready.
pub(crate) fn ready() -> Value {
    json!({
        "status": { "S": "ready" }, "format": { "S": "image/jpeg" }, "width": { "N": "4032" }, "height": { "N": "3024" },
        "thumbhash": { "S": "1QcSHQRnh493V4dIh4eXh1h4kJUI" }, "dominant_color": { "S": "#336699" },
        "original_etag": { "S": "\"0123\"" },
        "variants": { "L": [ { "M": {
            "name": { "S": "small" }, "format": { "S": "webp" }, "width": { "N": "160" }, "height": { "N": "120" },
            "size_bytes": { "N": "4096" }, "key": { "S": format!("photos/auth0%7C7/{ID}/small.webp") } } } ] },
    })
}

//! What `@uppy/aws-s3` 6 gives its `signRequest`, with what the adapter adds of the file.

use lambda_http::Body;
use photo_aws::PartsRequest;
use photo_domain::{IdempotencyKey, OriginalKey, OwnerId, UploadRequest};
use serde_json::{Map, Value};

use super::fields::whole_number;
use super::sign::{Asked, upload_id};
use super::{Fields, MAX_BODY_BYTES, object};
use crate::config::Config;
use crate::error::ApiError;

/// What is to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UppyRequest {
    /// The first request of a file: its photo is to be made.
    Begin {
        /// The photo.
        upload: UploadRequest,
        /// What makes repeating it safe.
        idempotency_key: Option<IdempotencyKey>,
    },
    /// A later request of an upload in parts.
    Continue {
        /// The photo that its key names.
        key: OriginalKey,
        /// The request.
        asked: Asked,
    },
}

/// Reads Uppy's request: which of S3's it stands for follows from what it has.
pub fn request(body: &Body, owner: &OwnerId, config: &Config) -> Result<UppyRequest, ApiError> {
    let mut sent = object(body, MAX_BODY_BYTES)?.unwrap_or_default();
    let is_part = sent.get("partNumber").is_some_and(|value| !value.is_null());
    let begins = sent.get("uploadId").is_none_or(Value::is_null);
    let method = sent.get("method").and_then(Value::as_str).map(str::to_owned);
    match (method.as_deref(), begins) {
        // A part of nothing: no new photo is meant.
        (Some("PUT"), true) if is_part => go_on(Fields::new(sent), Some("PUT"), owner),
        (Some("PUT"), true) => begin(&mut sent, "PUT", config),
        (Some("POST"), true) => begin(&mut sent, "multipart", config),
        (_, true) => {
            let mut fields = Fields::new(sent);
            fields.error("method", "PUT or POST is expected; to delete a photo, DELETE it by its id");
            fields.finish(None)
        }
        (method, false) => go_on(Fields::new(sent), method, owner),
    }
}

/// `PutObject` and `CreateMultipartUpload`. The key is Uppy's own idea of one, and not looked at.
fn begin(sent: &mut Map<String, Value>, method: &str, config: &Config) -> Result<UppyRequest, ApiError> {
    let idempotency_key = match sent.remove("idempotencyKey").filter(|value| !value.is_null()) {
        None => None,
        Some(value) => {
            Some(value.as_str().and_then(|text| IdempotencyKey::parse(text).ok()).ok_or_else(|| {
                super::invalid("/idempotencyKey", photo_domain::request::InvalidIdempotencyKey.to_string())
            })?)
        }
    };
    if sent.get("size").is_none_or(Value::is_null) {
        let detail = "is missing: Uppy does not send it by itself, the adapter adds file.size";
        return Err(super::invalid("/size", detail));
    }
    // The API's own names, and back again in what is wrong.
    let mut fields = Map::from_iter([("upload_method".to_owned(), method.into())]);
    for (ours, uppys) in FIELDS {
        if let Some(value) = sent.remove(uppys) {
            fields.insert(ours.to_owned(), value);
        }
    }
    let upload = Fields::new(fields).into_upload(config).map_err(|error| {
        FIELDS
            .iter()
            .chain([&METHOD])
            .fold(error, |error, (ours, uppys)| error.renamed(&format!("/{ours}"), &format!("/{uppys}")))
    })?;
    Ok(UppyRequest::Begin { upload, idempotency_key })
}

/// The API's name of a field, and Uppy's (or, where Uppy has none, the adapter's).
const FIELDS: [(&str, &str); 5] = [
    ("content_type", "contentType"),
    ("size_bytes", "size"),
    ("file_name", "fileName"),
    ("checksum_sha256", "checksumSha256"),
    ("metadata", "metadata"),
];

/// Uppy's `method` is that of S3's request; what is wrong with ours is wrong with it.
const METHOD: (&str, &str) = ("upload_method", "method");

/// `ListParts`, `UploadPart`, `CompleteMultipartUpload` and `AbortMultipartUpload`.
fn go_on(mut fields: Fields, method: Option<&str>, owner: &OwnerId) -> Result<UppyRequest, ApiError> {
    let key = fields.required("key", |value| value.as_str().map(str::to_owned), "a string");
    let upload_id = upload_id(&mut fields, "uploadId");
    let asked = upload_id.and_then(|upload_id| match method {
        Some("PUT") => fields
            .required("partNumber", whole_number, "a whole number")
            .map(|number| Asked::Part { upload_id, number, field: "partNumber" }),
        Some("GET") => Some(Asked::Whole(PartsRequest::List { upload_id })),
        Some("POST") => Some(Asked::Whole(PartsRequest::Complete { upload_id })),
        Some("DELETE") => Some(Asked::Whole(PartsRequest::Abort { upload_id })),
        _ => {
            fields.error("method", "GET, PUT, POST or DELETE is expected");
            None
        }
    });
    let (key, asked) = fields.finish(key.zip(asked))?;
    // Another's key, and what is no key at all, names nothing for this caller.
    let key: OriginalKey = key.parse().map_err(|_| ApiError::NotFound)?;
    if key.owner != *owner {
        return Err(ApiError::NotFound);
    }
    Ok(UppyRequest::Continue { key, asked })
}

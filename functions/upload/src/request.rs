//! A request's parts, checked.

use std::collections::BTreeMap;

use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt as _};
use photo_domain::{Checksum, ContentType, FileName, IdempotencyKey, Metadata, OwnerId, UploadRequest};
use serde_json::{Map, Value};

use crate::config::Config;
use crate::error::{ApiError, FieldError};

/// The largest body that is parsed, in bytes: every field at its limit is below 16 KiB.
const MAX_BODY_BYTES: usize = 32 * 1024;

/// The header that makes repeating a request safe.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// API Gateway's id of a request; the client has it in the header `apigw-requestid` too.
#[must_use]
pub fn request_id(request: &Request) -> String {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

/// The caller: the subject of the token that API Gateway's authorizer has verified.
pub fn owner(request: &Request) -> Result<OwnerId, ApiError> {
    let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() else {
        return Err(ApiError::Unauthenticated);
    };
    let jwt = context.authorizer.as_ref().and_then(|authorizer| authorizer.jwt.as_ref());
    let subject = jwt.and_then(|jwt| jwt.claims.get("sub")).ok_or(ApiError::Unauthenticated)?;
    OwnerId::from_subject(subject).map_err(|_| ApiError::Unauthenticated)
}

/// The idempotency key, if the client sent one.
pub fn idempotency_key(request: &Request) -> Result<Option<IdempotencyKey>, ApiError> {
    let Some(value) = request.headers().get(IDEMPOTENCY_KEY) else { return Ok(None) };
    value
        .to_str()
        .ok()
        .and_then(|text| IdempotencyKey::parse(text).ok())
        .map(Some)
        .ok_or_else(|| invalid("Idempotency-Key", photo_domain::request::InvalidIdempotencyKey.to_string()))
}

/// The upload that the body asks for.
pub fn upload_request(body: &Body, config: &Config) -> Result<UploadRequest, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(ApiError::MissingFile);
    }
    if body.len() > MAX_BODY_BYTES {
        return Err(invalid(
            "",
            format!(
                "has more than {MAX_BODY_BYTES} bytes: announce the photo in JSON, its bytes go to upload.url"
            ),
        ));
    }
    let fields: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| invalid("", format!("a JSON object is expected ({})", position(&error))))?;
    if fields.is_empty() {
        return Err(ApiError::MissingFile);
    }
    Fields { fields, errors: Vec::new() }.into_request(config)
}

fn invalid(pointer: &str, detail: impl Into<String>) -> ApiError {
    ApiError::InvalidRequest(vec![FieldError::new(pointer, detail)])
}

/// Where the JSON stops being JSON; the message of the parser itself may quote what was sent.
fn position(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

/// The body's fields and what is wrong with them.
struct Fields {
    fields: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    fn into_request(mut self, config: &Config) -> Result<UploadRequest, ApiError> {
        let content_type =
            self.required("content_type", |value| value.as_str().map(str::to_owned), "a string");
        let size_bytes = self.required("size_bytes", Value::as_u64, "a whole number of bytes");
        if size_bytes == Some(0) {
            self.error("size_bytes", "must be at least 1");
        }
        let file_name = self.text("file_name").and_then(|text| {
            FileName::parse(&text).map_err(|error| self.error("file_name", error.to_string())).ok()
        });
        let checksum = self.text("checksum_sha256");
        let metadata = self.metadata();
        let (Some(content_type), Some(size_bytes), true) = (content_type, size_bytes, self.errors.is_empty())
        else {
            return Err(ApiError::InvalidRequest(self.errors));
        };

        let content_type: Option<ContentType> =
            content_type.parse().ok().filter(|known| config.allowed_content_types.contains(known));
        let Some(content_type) = content_type else {
            return Err(ApiError::UnsupportedType { allowed: config.allowed_content_types.clone() });
        };
        if size_bytes > config.max_upload_bytes {
            return Err(ApiError::TooLarge { limit_bytes: config.max_upload_bytes });
        }
        let checksum = checksum.map(|text| Checksum::parse(&text)).transpose()?;
        Ok(UploadRequest { file_name, content_type, size_bytes, checksum, metadata })
    }

    fn error(&mut self, name: &str, detail: impl Into<String>) {
        self.errors.push(FieldError::new(&format!("/{name}"), detail));
    }

    /// A field's value; `null` is as good as absent.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name).filter(|value| !value.is_null())
    }

    fn required<T>(&mut self, name: &str, read: impl Fn(&Value) -> Option<T>, expected: &str) -> Option<T> {
        let Some(value) = self.take(name) else {
            self.error(name, "is missing");
            return None;
        };
        let read = read(&value);
        if read.is_none() {
            self.error(name, format!("{expected} is expected"));
        }
        read
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let value = self.take(name)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.error(name, "a string is expected");
        }
        text
    }

    fn metadata(&mut self) -> Metadata {
        let Some(value) = self.take("metadata") else { return Metadata::default() };
        let Ok(entries) = serde_json::from_value::<BTreeMap<String, String>>(value) else {
            self.error("metadata", "an object of strings is expected");
            return Metadata::default();
        };
        Metadata::new(entries).map_err(|error| self.error("metadata", error.to_string())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::environment;

    fn parse(body: &str) -> Result<UploadRequest, ApiError> {
        upload_request(&Body::from(body), &Config::read(&environment).unwrap())
    }

    #[test]
    fn a_full_request_is_understood() {
        let request = parse(
            r#"{"file_name":"cat.jpg","content_type":"Image/JPEG","size_bytes":1000000,"metadata":{"album":"x"},
                "checksum_sha256":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","something_new":true}"#,
        )
        .unwrap();
        assert_eq!(request.content_type, ContentType::Jpeg);
        assert_eq!(request.size_bytes, 1_000_000);
        assert_eq!(request.file_name.unwrap().as_str(), "cat.jpg");
        assert!(request.checksum.is_some());
        assert_eq!(request.metadata.entries()["album"], "x");
    }

    #[test]
    fn nulls_are_as_good_as_absent() {
        let request = parse(
            r#"{"content_type":"image/png","size_bytes":1,"file_name":null,"checksum_sha256":null,"metadata":null}"#,
        );
        assert_eq!(request.unwrap().file_name, None);
    }

    #[test]
    fn each_bad_body_has_its_code() {
        let too_long = format!(r#"{{"content_type":"{}"}}"#, "x".repeat(40_000));
        let cases = [
            ("", "MISSING_FILE"),
            (" \r\n", "MISSING_FILE"),
            ("{}", "MISSING_FILE"),
            ("not json", "INVALID_REQUEST"),
            ("[]", "INVALID_REQUEST"),
            ("\"text\"", "INVALID_REQUEST"),
            (r#"{"content_type":"image/jpeg"}"#, "INVALID_REQUEST"),
            (r#"{"size_bytes":1}"#, "INVALID_REQUEST"),
            (r#"{"content_type":7,"size_bytes":1}"#, "INVALID_REQUEST"),
            (r#"{"content_type":"image/jpeg","size_bytes":0}"#, "INVALID_REQUEST"),
            (r#"{"content_type":"image/jpeg","size_bytes":-1}"#, "INVALID_REQUEST"),
            (r#"{"content_type":"image/jpeg","size_bytes":1.5}"#, "INVALID_REQUEST"),
            (r#"{"content_type":"image/jpeg","size_bytes":"1"}"#, "INVALID_REQUEST"),
            (r#"{"content_type":"image/jpeg","size_bytes":1,"file_name":""}"#, "INVALID_REQUEST"),
            (r#"{"content_type":"image/jpeg","size_bytes":1,"file_name":7}"#, "INVALID_REQUEST"),
            (r#"{"content_type":"image/jpeg","size_bytes":1,"metadata":{"a":1}}"#, "INVALID_REQUEST"),
            (r#"{"content_type":"image/jpeg","size_bytes":1,"checksum_sha256":"abc"}"#, "INVALID_CHECKSUM"),
            (r#"{"content_type":"image/svg+xml","size_bytes":1}"#, "UNSUPPORTED_TYPE"),
            // Known, but not allowed by this configuration.
            (r#"{"content_type":"image/gif","size_bytes":1}"#, "UNSUPPORTED_TYPE"),
            (r#"{"content_type":"image/jpeg","size_bytes":1000001}"#, "TOO_LARGE"),
            (&too_long, "INVALID_REQUEST"),
        ];
        for (body, code) in cases {
            assert_eq!(parse(body).unwrap_err().code(), code, "{body}");
        }
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let Err(ApiError::InvalidRequest(errors)) =
            parse(r#"{"size_bytes":"x","file_name":"","metadata":[]}"#)
        else {
            panic!("an invalid request is expected")
        };
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/content_type", "/size_bytes", "/file_name", "/metadata"]);
    }
}

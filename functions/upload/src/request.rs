//! A request's parts, checked.

use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt as _};
use photo_domain::{Cursor, IdempotencyKey, OwnerId, UploadRequest};
use serde_json::Value;

use crate::config::Config;
use crate::error::{ApiError, FieldError};

mod body;
mod fields;
pub mod sign;
pub mod uppy;

use body::{MAX_BATCH_BODY_BYTES, MAX_BODY_BYTES, object};
use fields::Fields;

/// The most uploads that one request asks for. With the counter and the idempotency key they are one transaction, of
/// which DynamoDB takes 100 writes and 4 MB.
pub const MAX_BATCH: usize = 25;

/// How many photos a page has unless the client says otherwise.
const DEFAULT_PAGE: usize = 20;

/// The most photos of a page. It has fewer where they would be more than
/// [`MAX_PAGE_BYTES`](crate::response::MAX_PAGE_BYTES).
pub const MAX_PAGE: usize = 100;

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
    let missing = || ApiError::MissingFile { expected: "content_type and size_bytes" };
    let fields = object(body, MAX_BODY_BYTES)?.filter(|fields| !fields.is_empty()).ok_or_else(missing)?;
    Fields::new(fields).into_upload(config)
}

/// The uploads that the body asks for together, in order: one to [`MAX_BATCH`]. Everything that is wrong with any of
/// them is named at once.
pub fn upload_requests(body: &Body, config: &Config) -> Result<Vec<UploadRequest>, ApiError> {
    let missing = || ApiError::MissingFile { expected: "uploads, a list of content_type and size_bytes" };
    let mut fields = object(body, MAX_BATCH_BODY_BYTES)?.ok_or_else(missing)?;
    let uploads = fields.remove("uploads").ok_or_else(missing)?;
    let Value::Array(uploads) = uploads else {
        return Err(invalid("/uploads", "a list of uploads is expected"));
    };
    if uploads.is_empty() {
        return Err(missing());
    }
    if uploads.len() > MAX_BATCH {
        return Err(invalid("/uploads", format!("has more than {MAX_BATCH} uploads")));
    }
    let mut requests = Vec::with_capacity(uploads.len());
    let (mut mistakes, mut refusal) = (Vec::new(), None);
    for (number, upload) in uploads.into_iter().enumerate() {
        let read = match upload {
            Value::Object(fields) => Fields::new(fields).into_upload(config),
            _ => Err(invalid("", "an object is expected")),
        };
        match read.map_err(|error| error.within(&format!("/uploads/{number}"))) {
            Ok(request) => requests.push(request),
            Err(ApiError::InvalidRequest(errors)) => mistakes.extend(errors),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    if !mistakes.is_empty() {
        return Err(ApiError::InvalidRequest(mistakes));
    }
    refusal.map_or(Ok(requests), Err)
}

/// The page of the list that the query asks for: where it begins and how many photos it has.
pub fn page(request: &Request, owner: &OwnerId) -> Result<(Option<Cursor>, usize), ApiError> {
    let query = request.query_string_parameters();
    let mut errors = Vec::new();
    let cursor = query.first("cursor").and_then(|text| {
        let read = Cursor::decode(text, owner);
        read.map_err(|error| errors.push(FieldError::new("cursor", error.to_string()))).ok()
    });
    let limit = query
        .first("limit")
        .map_or(Some(DEFAULT_PAGE), |text| text.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit)));
    let Some(limit) = limit else {
        errors.push(FieldError::new("limit", format!("a number from 1 to {MAX_PAGE} is expected")));
        return Err(ApiError::InvalidRequest(errors));
    };
    if errors.is_empty() { Ok((cursor, limit)) } else { Err(ApiError::InvalidRequest(errors)) }
}

/// Whether the client has an answer with this entity tag already. Tags are compared weakly (RFC 9110, section 13.1.2).
#[must_use]
pub fn has_already(request: &Request, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let sent = request.headers().get_all(http::header::IF_NONE_MATCH);
    sent.iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

fn invalid(pointer: &str, detail: impl Into<String>) -> ApiError {
    ApiError::InvalidRequest(vec![FieldError::new(pointer, detail)])
}

#[cfg(test)]
mod tests {
    use photo_domain::{ContentType, UploadMethod};

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
        assert_eq!(request.content_type, ContentType::Jpeg.into());
        assert_eq!(request.size_bytes, 1_000_000);
        assert_eq!(request.file_name.unwrap().as_str(), "cat.jpg");
        assert!(request.checksum.is_some());
        assert_eq!(request.metadata.entries()["album"], "x");
    }

    #[test]
    fn a_declared_type_is_normalised() {
        for (sent, expected) in [
            (" Image/JPEG; charset=binary", "image/jpeg"),
            ("image/jpg", "image/jpeg"),
            ("image/x-png", "image/png"),
            ("application/octet-stream", "application/octet-stream"),
            ("Application/Octet-Stream; x=y", "application/octet-stream"),
        ] {
            let body = serde_json::json!({ "content_type": sent, "size_bytes": 1 }).to_string();
            assert_eq!(parse(&body).unwrap().content_type.as_str(), expected, "{sent}");
        }
    }

    #[test]
    fn a_file_name_never_refuses_a_photo() {
        let windows_path = r"C:\\é\\".repeat(6000);
        for (sent, kept) in [
            (String::new(), None),
            (r"\r\n\u0000".to_owned(), None),
            (r"cat\u0000\n.jpg".to_owned(), Some("cat.jpg".to_owned())),
            (format!("{}.jpg", "é".repeat(300)), Some(format!("{}.jpg", "é".repeat(251)))),
            (windows_path.clone(), Some(r"C:\é\".repeat(51))),
        ] {
            let body = format!(r#"{{"content_type":"image/png","size_bytes":1,"file_name":"{sent}"}}"#);
            let request = parse(&body).unwrap();
            assert_eq!(request.file_name.map(|name| name.as_str().to_owned()), kept, "{sent}");
        }
    }

    #[test]
    fn each_method_is_understood() {
        let with = |method: &str, more: &str| {
            parse(&format!(
                r#"{{"content_type":"image/png","size_bytes":600000,"upload_method":"{method}"{more}}}"#
            ))
        };
        let checksum = r#","checksum_sha256":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=""#;
        assert_eq!(with("PUT", "").unwrap().method, UploadMethod::Put);
        assert_eq!(with("POST", checksum).unwrap().method, UploadMethod::Post);
        assert_eq!(with("multipart", "").unwrap().method, UploadMethod::multipart(600_000));
        let small = r#"{"content_type":"image/png","size_bytes":499999,"upload_method":"multipart"}"#;
        for (result, pointer) in [
            (with("put", ""), "/upload_method"),
            (with("POST", ""), "/checksum_sha256"),
            (parse(small), "/upload_method"),
            (parse(r#"{"content_type":"image/png","size_bytes":1,"upload_method":7}"#), "/upload_method"),
        ] {
            let Err(ApiError::InvalidRequest(errors)) = result else { panic!("{result:?}") };
            assert_eq!(errors[0].pointer, pointer, "{errors:?}");
        }
    }

    fn parse_all(body: &str) -> Result<Vec<UploadRequest>, ApiError> {
        upload_requests(&Body::from(body), &Config::read(&environment).unwrap())
    }

    #[test]
    fn a_batch_names_every_wrong_field_of_every_upload() {
        let Err(ApiError::InvalidRequest(errors)) = parse_all(
            r#"{"uploads":[{"content_type":"image/png","size_bytes":1},{"size_bytes":0},7,{"content_type":"image/png","size_bytes":9999999}]}"#,
        ) else {
            panic!("an invalid request is expected")
        };
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/uploads/1/content_type", "/uploads/1/size_bytes", "/uploads/2"]);
    }

    #[test]
    fn each_bad_batch_has_its_code() {
        let one = r#"{"content_type":"image/png","size_bytes":1}"#;
        let many = format!(r#"{{"uploads":[{}]}}"#, vec![one; 26].join(","));
        let most = format!(r#"{{"uploads":[{}]}}"#, vec![one; 25].join(","));
        assert_eq!(parse_all(&most).unwrap().len(), 25);
        for (body, code) in [
            ("", "MISSING_FILE"),
            ("{}", "MISSING_FILE"),
            (r#"{"uploads":[]}"#, "MISSING_FILE"),
            (r#"{"uploads":{}}"#, "INVALID_REQUEST"),
            (many.as_str(), "INVALID_REQUEST"),
            (r#"{"uploads":[{"content_type":"image/png","size_bytes":9999999}]}"#, "TOO_LARGE"),
            (r#"{"uploads":[{"content_type":"text/html","size_bytes":1}]}"#, "UNSUPPORTED_TYPE"),
        ] {
            assert_eq!(parse_all(body).unwrap_err().code(), code, "{body}");
        }
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
        let too_long = format!(r#"{{"content_type":"{}"}}"#, "x".repeat(300_000));
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
            (r#"{"content_type":"image/jpeg","size_bytes":1,"file_name":7}"#, "INVALID_REQUEST"),
            (r#"{"content_type":"image/jpeg","size_bytes":1,"metadata":{"a":1}}"#, "INVALID_REQUEST"),
            (r#"{"content_type":"image/jpeg","size_bytes":1,"checksum_sha256":"abc"}"#, "INVALID_CHECKSUM"),
            (r#"{"content_type":"image/svg+xml","size_bytes":1}"#, "UNSUPPORTED_TYPE"),
            (r#"{"content_type":"","size_bytes":1}"#, "UNSUPPORTED_TYPE"),
            (r#"{"content_type":null,"size_bytes":1}"#, "INVALID_REQUEST"),
            // Known, but not allowed by this configuration.
            (r#"{"content_type":"image/gif","size_bytes":1}"#, "UNSUPPORTED_TYPE"),
            (r#"{"content_type":"image/heif","size_bytes":1}"#, "UNSUPPORTED_TYPE"),
            (r#"{"content_type":"image/jpeg","size_bytes":1000001}"#, "TOO_LARGE"),
            (r#"{"content_type":"image/jpeg","size_bytes":1000001.0}"#, "TOO_LARGE"),
            (r#"{"content_type":"image/jpeg","size_bytes":99999999999999999999}"#, "TOO_LARGE"),
            (r#"{"content_type":"image/jpeg","size_bytes":1e999}"#, "INVALID_REQUEST"),
            (&too_long, "INVALID_REQUEST"),
        ];
        for (body, code) in cases {
            assert_eq!(parse(body).unwrap_err().code(), code, "{body}");
        }
    }

    #[test]
    fn a_whole_number_may_be_written_as_json_allows() {
        for size in ["1000", "1000.0", "1e3", "10.0E+2"] {
            let request = parse(&format!(r#"{{"content_type":"image/png","size_bytes":{size}}}"#));
            assert_eq!(request.unwrap().size_bytes, 1000, "{size}");
        }
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let Err(ApiError::InvalidRequest(errors)) =
            parse(r#"{"size_bytes":"x","file_name":7,"metadata":[]}"#)
        else {
            panic!("an invalid request is expected")
        };
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/content_type", "/size_bytes", "/file_name", "/metadata"]);
    }
}

//! Every way a request can fail, as an RFC 9457 problem document with a stable code.
//!
//! What a client reads here is all that it gets: causes go to the log.

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header};
use lambda_http::Body;
use photo_aws::AwsError;
use photo_domain::quota::Exceeded;
use photo_domain::{ContentType, DeclaredType, MAX_MULTIPART_UPLOADS, MAX_OWNER_CHARS};
use serde::Serialize;

/// A request that was not served.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No file was announced.
    #[error(
        "The body is empty: send JSON with {expected}. The bytes go to S3 afterwards, as the answer says."
    )]
    MissingFile {
        /// What this path wants.
        expected: &'static str,
    },
    /// The body or a header is not as documented.
    #[error("The request is not as documented; errors lists what is wrong.")]
    InvalidRequest(Vec<FieldError>),
    /// The checksum is no SHA-256 in base64.
    #[error("checksum_sha256: {problem}")]
    InvalidChecksum {
        /// What is wrong with it.
        problem: photo_domain::request::InvalidChecksum,
        /// Where it is in the body.
        pointer: String,
    },
    /// The content type is not allowed here.
    #[error("content_type is not one that can be uploaded here: {} are.", list(.allowed))]
    UnsupportedType {
        /// What is allowed.
        allowed: Vec<ContentType>,
        /// Where it is in the body.
        pointer: String,
    },
    /// More bytes than may be uploaded.
    #[error("size_bytes is over the limit of {limit_bytes} bytes.")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
        /// Where it is in the body.
        pointer: String,
    },
    /// No caller: API Gateway's authorizer lets no such request through, so this one came past it.
    #[error("A bearer token with a subject of at most {MAX_OWNER_CHARS} characters is needed.")]
    Unauthenticated,
    /// No such photo of this caller, or no such path.
    #[error("There is nothing at this path for you.")]
    NotFound,
    /// The path takes another method.
    #[error("This path takes {allow}.")]
    MethodNotAllowed {
        /// The method it takes.
        allow: &'static str,
    },
    /// The idempotency key stands for another request.
    #[error("This Idempotency-Key was used for another request, or its photo is gone: use a new key.")]
    IdempotencyConflict,
    /// The photo takes no further request of an upload.
    #[error(
        "This photo's upload takes no request any more, or was not asked for as multipart: look at the photo's status."
    )]
    UploadClosed,
    /// The photo's upload was begun anew too often.
    #[error(
        "This photo has {MAX_MULTIPART_UPLOADS} multipart uploads already: go on with one of them, or ask for a new photo."
    )]
    TooManyUploads,
    /// The owner has taken all that one may take.
    #[error("{}", quota(*.exceeded))]
    QuotaExceeded {
        /// Which limit is reached.
        exceeded: Exceeded,
        /// When it is worth asking again.
        retry_after: Duration,
    },
    /// One request for more than a whole day's quota: to wait for tomorrow does not help.
    #[error("This is more than you may ask for in a whole day: ask for less.")]
    BeyondQuota(Exceeded),
    /// AWS did not do its part.
    #[error("The service cannot do this now. Try again.")]
    Unavailable(#[from] AwsError),
}

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where it is: a JSON pointer into the body (RFC 6901), or a header's name.
    pub pointer: String,
    /// What is wrong.
    pub detail: String,
}

impl FieldError {
    /// A mistake at `pointer`.
    #[must_use]
    pub fn new(pointer: &str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.to_owned(), detail: detail.into() }
    }
}

/// The body of a failed request.
#[derive(Debug, Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

impl ApiError {
    /// The stable code, status and title; the one table of them.
    fn kind(&self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::MissingFile { .. } => ("MISSING_FILE", StatusCode::BAD_REQUEST, "No file was announced"),
            Self::InvalidRequest(_) => {
                ("INVALID_REQUEST", StatusCode::BAD_REQUEST, "The request is not valid")
            }
            Self::InvalidChecksum { .. } => {
                ("INVALID_CHECKSUM", StatusCode::BAD_REQUEST, "The checksum is not valid")
            }
            Self::UnsupportedType { .. } => {
                ("UNSUPPORTED_TYPE", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The content type is not supported")
            }
            Self::TooLarge { .. } | Self::BeyondQuota(_) => {
                ("TOO_LARGE", StatusCode::PAYLOAD_TOO_LARGE, "The request is for too much")
            }
            Self::Unauthenticated => ("UNAUTHENTICATED", StatusCode::UNAUTHORIZED, "The caller is not known"),
            Self::NotFound => ("NOT_FOUND", StatusCode::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed { .. } => {
                ("METHOD_NOT_ALLOWED", StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed")
            }
            Self::IdempotencyConflict => {
                ("IDEMPOTENCY_CONFLICT", StatusCode::CONFLICT, "The idempotency key is taken")
            }
            Self::UploadClosed => ("UPLOAD_CLOSED", StatusCode::CONFLICT, "The upload is closed"),
            Self::TooManyUploads => {
                ("TOO_MANY_UPLOADS", StatusCode::CONFLICT, "The upload was begun too often")
            }
            Self::QuotaExceeded { .. } => {
                ("QUOTA_EXCEEDED", StatusCode::TOO_MANY_REQUESTS, "The quota is used up")
            }
            Self::Unavailable(_) => {
                ("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE, "The service is unavailable")
            }
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind().0
    }

    /// The same mistake in a part of a larger body: every pointer begins with `prefix`.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Self {
        for pointer in self.pointers() {
            pointer.insert_str(0, prefix);
        }
        self
    }

    /// The same mistake in a body that calls a field otherwise.
    #[must_use]
    pub fn renamed(mut self, from: &str, to: &str) -> Self {
        for pointer in self.pointers().into_iter().filter(|pointer| *pointer == from) {
            to.clone_into(pointer);
        }
        self
    }

    fn pointers(&mut self) -> Vec<&mut String> {
        match self {
            Self::InvalidRequest(errors) => errors.iter_mut().map(|error| &mut error.pointer).collect(),
            Self::InvalidChecksum { pointer, .. }
            | Self::UnsupportedType { pointer, .. }
            | Self::TooLarge { pointer, .. } => vec![pointer],
            _ => Vec::new(),
        }
    }

    /// What is wrong, place by place.
    fn errors(&self) -> Vec<FieldError> {
        match self {
            Self::InvalidRequest(errors) => errors.clone(),
            Self::InvalidChecksum { pointer, problem } => vec![FieldError::new(pointer, problem.to_string())],
            Self::UnsupportedType { pointer, allowed } => {
                vec![FieldError::new(
                    pointer,
                    format!(
                        "one of {} is expected, or {} where the type is not known",
                        list(allowed),
                        DeclaredType::OctetStream
                    ),
                )]
            }
            Self::TooLarge { pointer, limit_bytes } => {
                vec![FieldError::new(pointer, format!("is over {limit_bytes}"))]
            }
            _ => Vec::new(),
        }
    }

    /// The answer that the client gets.
    #[must_use]
    pub fn to_response(&self, request_id: &str) -> Response<Body> {
        let (code, status, title) = self.kind();
        let problem = Problem {
            r#type: format!("urn:photodrop:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: self.to_string(),
            code,
            request_id,
            errors: self.errors(),
        };
        let mut response = crate::response::json(status, &problem);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self {
            Self::QuotaExceeded { retry_after, .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs()));
            }
            Self::Unavailable(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::MethodNotAllowed { allow } => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allow));
            }
            Self::Unauthenticated => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

fn quota(exceeded: Exceeded) -> &'static str {
    match exceeded {
        Exceeded::Photos => "You have asked for as many uploads as you may in a day.",
        Exceeded::Bytes => "You have announced as many bytes as you may in a day, or would with this photo.",
        Exceeded::Pending => "As many photos as may be are pending: upload those that were asked for first.",
    }
}

fn list(types: &[ContentType]) -> String {
    types.iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_a_problem_document_with_its_code() {
        let cause = AwsError { operation: "dynamodb:PutItem", source: "secret detail".into() };
        let errors = [
            ApiError::MissingFile { expected: "content_type and size_bytes" },
            ApiError::InvalidRequest(vec![FieldError::new("/size_bytes", "is missing")]),
            ApiError::InvalidChecksum {
                problem: photo_domain::request::InvalidChecksum,
                pointer: "/checksum_sha256".to_owned(),
            },
            ApiError::UnsupportedType {
                allowed: vec![ContentType::Jpeg, ContentType::Png],
                pointer: "/content_type".to_owned(),
            },
            ApiError::TooLarge { limit_bytes: 1000, pointer: "/size_bytes".to_owned() },
            ApiError::Unauthenticated,
            ApiError::NotFound,
            ApiError::MethodNotAllowed { allow: "GET" },
            ApiError::IdempotencyConflict,
            ApiError::UploadClosed,
            ApiError::TooManyUploads,
            ApiError::QuotaExceeded { exceeded: Exceeded::Photos, retry_after: Duration::from_mins(1) },
            ApiError::BeyondQuota(Exceeded::Bytes),
            ApiError::Unavailable(cause),
        ];
        let mut documents = Vec::new();
        for error in errors {
            let response = error.to_response("req-1");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
            let document: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(document["status"], response.status().as_u16());
            assert_eq!(document["code"], error.code());
            documents.push(document);
        }
        assert!(!serde_json::to_string(&documents).unwrap().contains("secret"));
        insta::assert_json_snapshot!(documents);
    }
}

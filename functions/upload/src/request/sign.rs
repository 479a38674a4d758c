//! Which request of an upload in parts is to be signed.

use lambda_http::Body;
use photo_aws::PartsRequest;
use photo_domain::{PartedUpload, UploadRequest};

use super::fields::whole_number;
use super::{Fields, MAX_BODY_BYTES, invalid, object};
use crate::error::ApiError;

/// The longest id of an upload that is taken: S3's own have some 150 characters, and say nothing of their length.
const MAX_UPLOAD_ID_CHARS: usize = 1024;

/// A request that is asked for, before it is known whether the photo has such a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// One that says everything itself.
    Whole(PartsRequest),
    /// A part, whose length the record tells.
    Part {
        /// S3's id of the upload.
        upload_id: String,
        /// The part's number.
        number: u64,
        /// The field that the number came in.
        field: &'static str,
    },
}

impl Asked {
    /// The request itself, for a photo with these parts.
    pub fn of(&self, request: &UploadRequest, parts: PartedUpload) -> Result<PartsRequest, ApiError> {
        match self {
            Self::Whole(asked) => Ok(asked.clone()),
            Self::Part { upload_id, number, field } => {
                let Some(length) = parts.part_length(request.size_bytes, *number) else {
                    let count = parts.part_count(request.size_bytes);
                    return Err(invalid(
                        &format!("/{field}"),
                        format!("a part from 1 to {count} is expected"),
                    ));
                };
                Ok(PartsRequest::UploadPart { upload_id: upload_id.clone(), number: *number, length })
            }
        }
    }
}

/// Reads `{operation, upload_id?, part_number?}`.
pub fn asked(body: &Body) -> Result<Asked, ApiError> {
    let mut fields = Fields::new(object(body, MAX_BODY_BYTES)?.unwrap_or_default());
    let Some(operation) = fields.required("operation", |value| value.as_str().map(str::to_owned), "a string")
    else {
        return fields.finish(None);
    };
    let asked = match operation.as_str() {
        "CreateMultipartUpload" => Some(Asked::Whole(PartsRequest::Create)),
        "UploadPart" => {
            let upload_id = upload_id(&mut fields, "upload_id");
            let number = fields.required("part_number", whole_number, "a whole number");
            upload_id.zip(number).map(|(upload_id, number)| Asked::Part {
                upload_id,
                number,
                field: "part_number",
            })
        }
        "ListParts" => upload_id(&mut fields, "upload_id")
            .map(|upload_id| Asked::Whole(PartsRequest::List { upload_id })),
        "CompleteMultipartUpload" => upload_id(&mut fields, "upload_id")
            .map(|upload_id| Asked::Whole(PartsRequest::Complete { upload_id })),
        "AbortMultipartUpload" => upload_id(&mut fields, "upload_id")
            .map(|upload_id| Asked::Whole(PartsRequest::Abort { upload_id })),
        _ => {
            fields.error(
                "operation",
                "CreateMultipartUpload, UploadPart, ListParts, CompleteMultipartUpload or AbortMultipartUpload is expected",
            );
            None
        }
    };
    fields.finish(asked)
}

/// S3's id of an upload, in the field of that name.
pub(super) fn upload_id(fields: &mut Fields, name: &str) -> Option<String> {
    let legal = |text: &&str| {
        (1..=MAX_UPLOAD_ID_CHARS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    };
    let read = |value: &serde_json::Value| value.as_str().filter(legal).map(str::to_owned);
    fields.required(name, read, "the UploadId that S3 gave")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Asked, ApiError> {
        asked(&Body::from(body))
    }

    #[test]
    fn every_operation_is_understood() {
        let id = || "u1".to_owned();
        for (body, expected) in [
            (r#"{"operation":"CreateMultipartUpload"}"#, Asked::Whole(PartsRequest::Create)),
            (
                r#"{"operation":"UploadPart","upload_id":"u1","part_number":3}"#,
                Asked::Part { upload_id: id(), number: 3, field: "part_number" },
            ),
            (
                r#"{"operation":"ListParts","upload_id":"u1"}"#,
                Asked::Whole(PartsRequest::List { upload_id: id() }),
            ),
            (
                r#"{"operation":"CompleteMultipartUpload","upload_id":"u1"}"#,
                Asked::Whole(PartsRequest::Complete { upload_id: id() }),
            ),
            (
                r#"{"operation":"AbortMultipartUpload","upload_id":"u1"}"#,
                Asked::Whole(PartsRequest::Abort { upload_id: id() }),
            ),
        ] {
            assert_eq!(parse(body).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = format!(r#"{{"operation":"ListParts","upload_id":"{}"}}"#, "x".repeat(1025));
        for (body, pointers) in [
            ("", &["/operation"][..]),
            ("{}", &["/operation"]),
            (r#"{"operation":"DeleteObject"}"#, &["/operation"]),
            (r#"{"operation":"UploadPart"}"#, &["/upload_id", "/part_number"]),
            (r#"{"operation":"UploadPart","upload_id":"u","part_number":1.5}"#, &["/part_number"]),
            (r#"{"operation":"ListParts","upload_id":"a b"}"#, &["/upload_id"]),
            (r#"{"operation":"ListParts","upload_id":""}"#, &["/upload_id"]),
            (&long, &["/upload_id"]),
        ] {
            let Err(ApiError::InvalidRequest(errors)) = parse(body) else { panic!("{body}") };
            let found: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{body}");
        }
    }

    #[test]
    fn a_part_has_its_length_and_no_part_has_none() {
        let body = r#"{"operation":"UploadPart","upload_id":"u","part_number":2}"#;
        let request = |size_bytes| UploadRequest {
            file_name: None,
            content_type: photo_domain::ContentType::Jpeg.into(),
            size_bytes,
            checksum: None,
            metadata: photo_domain::Metadata::default(),
            method: photo_domain::UploadMethod::multipart(size_bytes),
        };
        let of = |size_bytes| {
            let request = request(size_bytes);
            let photo_domain::UploadMethod::Multipart(parts) = request.method else { panic!() };
            parse(body).unwrap().of(&request, parts)
        };
        let expected = PartsRequest::UploadPart { upload_id: "u".to_owned(), number: 2, length: 1 };
        assert_eq!(of((5 << 20) + 1).unwrap(), expected);
        assert_eq!(of(5 << 20).unwrap_err().code(), "INVALID_REQUEST");
    }
}

//! A JSON object's fields, and everything that is wrong with them.

use std::collections::BTreeMap;

use photo_domain::{Checksum, DeclaredType, FileName, Metadata, UploadMethod, UploadRequest};
use serde_json::{Map, Value};

use crate::config::Config;
use crate::error::{ApiError, FieldError};

/// A whole number that is not negative, however it is written: JSON and its schemas know `1000.0` as an integer too. One
/// that no `u64` holds is as good as the largest, and then over every limit.
pub(super) fn whole_number(value: &Value) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number, and it saturates"
    )]
    let rounded = |number: f64| (number >= 0.0 && number.fract() == 0.0).then_some(number as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(rounded))
}

/// The fields that are left to look at, and the mistakes so far.
pub(super) struct Fields {
    fields: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    pub(super) const fn new(fields: Map<String, Value>) -> Self {
        Self { fields, errors: Vec::new() }
    }

    pub(super) fn into_upload(mut self, config: &Config) -> Result<UploadRequest, ApiError> {
        let content_type =
            self.required("content_type", |value| value.as_str().map(str::to_owned), "a string");
        let size_bytes = self.required("size_bytes", whole_number, "a whole number of bytes");
        if size_bytes == Some(0) {
            self.error("size_bytes", "must be at least 1");
        }
        let file_name = self.text("file_name").and_then(|text| FileName::clean(&text));
        let checksum = self.text("checksum_sha256");
        let metadata = self.metadata();
        let method = self.method(size_bytes.unwrap_or(0), checksum.is_some(), config);
        let (Some(content_type), Some(size_bytes), Some(method), true) =
            (content_type, size_bytes, method, self.errors.is_empty())
        else {
            return Err(ApiError::InvalidRequest(self.errors));
        };

        let is_allowed = |declared: &DeclaredType| match declared {
            DeclaredType::Image(image) => config.allowed_content_types.contains(image),
            // Whether the type that the bytes have is allowed is decided by the thumbnail function.
            DeclaredType::OctetStream => true,
        };
        let Some(content_type) = content_type.parse().ok().filter(is_allowed) else {
            return Err(ApiError::UnsupportedType {
                allowed: config.allowed_content_types.clone(),
                pointer: "/content_type".to_owned(),
            });
        };
        if size_bytes > config.max_upload_bytes {
            return Err(ApiError::TooLarge {
                limit_bytes: config.max_upload_bytes,
                pointer: "/size_bytes".to_owned(),
            });
        }
        let checksum = checksum.map(|text| Checksum::parse(&text)).transpose().map_err(|problem| {
            ApiError::InvalidChecksum { problem, pointer: "/checksum_sha256".to_owned() }
        })?;
        Ok(UploadRequest { file_name, content_type, size_bytes, checksum, metadata, method })
    }

    /// How the bytes are to come.
    fn method(&mut self, size_bytes: u64, has_checksum: bool, config: &Config) -> Option<UploadMethod> {
        let Some(value) = self.take("upload_method") else { return Some(UploadMethod::Put) };
        let threshold = config.multipart_threshold_bytes;
        match value.as_str() {
            Some("PUT") => return Some(UploadMethod::Put),
            Some("POST") if has_checksum => return Some(UploadMethod::Post),
            // A form cannot say "unless there is one already"; with the checksum it can only bring the same bytes.
            Some("POST") => self.error("checksum_sha256", "is needed with upload_method POST"),
            Some("multipart") if size_bytes >= threshold => return Some(UploadMethod::multipart(size_bytes)),
            Some("multipart") => {
                self.error("upload_method", format!("multipart is for {threshold} bytes and more: use PUT"));
            }
            _ => self.error("upload_method", "PUT, POST or multipart is expected"),
        }
        None
    }

    pub(super) fn error(&mut self, name: &str, detail: impl Into<String>) {
        self.errors.push(FieldError::new(&format!("/{name}"), detail));
    }

    /// What was read, unless something is wrong.
    pub(super) fn finish<T>(self, read: Option<T>) -> Result<T, ApiError> {
        match read {
            Some(read) if self.errors.is_empty() => Ok(read),
            _ => Err(ApiError::InvalidRequest(self.errors)),
        }
    }

    /// A field's value; `null` is as good as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn required<T>(
        &mut self,
        name: &str,
        read: impl Fn(&Value) -> Option<T>,
        expected: &str,
    ) -> Option<T> {
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

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
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

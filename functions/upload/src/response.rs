//! The answers' JSON.

use std::collections::BTreeMap;

use http::{HeaderValue, Response, StatusCode, header};
use lambda_http::Body;
use photo_aws::{PresignedUpload, SignedForm, SignedRequest};
use photo_domain::record::{Outcome, PhotoRecord, State};
use photo_domain::{PhotoId, StoredVariant, VariantFormat};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use time::OffsetDateTime;

/// The answer to a request for an upload.
#[derive(Debug, Serialize)]
pub struct CreatedUpload {
    /// The photo.
    pub photo_id: PhotoId,
    /// Its status; `pending` unless an idempotency key was replayed.
    pub status: &'static str,
    /// How to bring the bytes; `null` once they have come and been looked at, or have not come in time.
    pub upload: Option<Upload>,
}

/// How to bring a photo's bytes.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Upload {
    /// By one request.
    Request(Signed),
    /// By a form.
    Form {
        /// Always `POST`.
        method: &'static str,
        /// Where to.
        url: String,
        /// The fields to send, before the field `file`.
        fields: BTreeMap<String, String>,
        /// When the policy stops working.
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    /// In parts; each request is asked for by itself.
    Parts {
        /// Always `multipart`.
        method: &'static str,
        /// The length of every part but the last.
        part_size_bytes: u64,
        /// How many parts there are.
        part_count: u64,
        /// When the upload has to be complete.
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
}

/// A signed request.
#[derive(Debug, Serialize)]
pub struct Signed {
    /// The method.
    pub method: &'static str,
    /// Where to.
    pub url: String,
    /// Exactly the headers to send, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// When the URL stops working.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

impl From<PresignedUpload> for Signed {
    fn from(presigned: PresignedUpload) -> Self {
        let PresignedUpload { url, headers, expires_at } = presigned;
        Self { method: "PUT", url, headers, expires_at }
    }
}

impl From<SignedRequest> for Signed {
    fn from(signed: SignedRequest) -> Self {
        let SignedRequest { method, url, headers, expires_at } = signed;
        Self { method, url, headers, expires_at }
    }
}

impl From<SignedForm> for Upload {
    fn from(form: SignedForm) -> Self {
        let SignedForm { url, fields, expires_at } = form;
        Self::Form { method: "POST", url, fields, expires_at }
    }
}

/// The answer to several uploads that were asked for together.
#[derive(Debug, Serialize)]
pub struct CreatedUploads {
    /// Each of them, in the order of the request.
    pub uploads: Vec<CreatedUpload>,
}

/// What Uppy's `signRequest` has to return.
#[derive(Debug, Serialize)]
pub struct UppySigned {
    /// The URL to send to.
    pub url: String,
    /// The object's key, whatever Uppy had thought of.
    pub key: String,
    /// The headers to send, without those that a browser sets by itself.
    pub headers: BTreeMap<String, String>,
    /// The photo that it is for; Uppy passes it over, pages may want it.
    pub photo_id: PhotoId,
}

/// The most bytes of a page of the list. A page that would have more ends sooner.
///
/// On AWS each variant's URL has the session token of the function's role, some 1 kB, so a hundred photos with six variants
/// would be a megabyte. API Gateway meters the answers of HTTP APIs in steps of 512 KB
/// ([Amazon API Gateway pricing](https://aws.amazon.com/api-gateway/pricing/)). Lambda takes 6 MB; it has the body as a JSON
/// string, at most twice as long.
pub const MAX_PAGE_BYTES: usize = 500_000;

/// What stands around the photos of a page: the members' names and a cursor.
const MAX_FRAME_BYTES: usize = 300;

/// Some of a caller's photos.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the field is `photos` in the API")]
pub struct Photos {
    /// The photos, the newest first.
    photos: Vec<Box<RawValue>>,
    /// What asks for the next ones; `null` at the end.
    next_cursor: Option<String>,
    #[serde(skip)]
    bytes: usize,
}

impl Photos {
    /// An empty page.
    #[must_use]
    pub fn new() -> Self {
        Self { photos: Vec::new(), next_cursor: None, bytes: MAX_FRAME_BYTES }
    }

    /// Adds a photo, if the page has room for it. The first photo has: a photo larger than a page gets a page of its own,
    /// so that every cursor leads on.
    #[must_use]
    pub fn push(&mut self, photo: &Photo<'_>) -> bool {
        // The type has string keys, so writing it cannot fail.
        let Ok(text) = to_raw_value(photo) else { return true };
        // A comma too.
        let bytes = self.bytes + text.get().len() + 1;
        if bytes > MAX_PAGE_BYTES && !self.photos.is_empty() {
            return false;
        }
        self.photos.push(text);
        self.bytes = bytes;
        true
    }

    /// Says what asks for the next page.
    #[must_use]
    pub fn with_next(self, next_cursor: Option<String>) -> Self {
        Self { next_cursor, ..self }
    }
}

impl Default for Photos {
    fn default() -> Self {
        Self::new()
    }
}

/// A photo as its owner sees it.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the field is `photo_id` in the API")]
pub struct Photo<'a> {
    photo_id: PhotoId,
    status: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    content_type: &'static str,
    size_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<OriginalImage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbhash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dominant_color: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    damaged: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received_percent: Option<u8>,
    variants: Vec<Variant<'a>>,
}

/// Why a photo has no thumbnails.
#[derive(Debug, Serialize)]
struct Failure {
    code: &'static str,
}

/// What the uploaded bytes are.
#[derive(Debug, Serialize)]
struct OriginalImage {
    format: &'static str,
    width: u32,
    height: u32,
}

/// One thumbnail.
#[derive(Debug, Serialize)]
struct Variant<'a> {
    name: &'a str,
    format: VariantFormat,
    width: u32,
    height: u32,
    size_bytes: u64,
    url: String,
}

impl<'a> Photo<'a> {
    /// The photo of a record; `urls` are its variants', in their order.
    #[must_use]
    pub fn new(record: &'a PhotoRecord, urls: Vec<String>) -> Self {
        let PhotoRecord { request, state, .. } = record;
        let processed = match state {
            State::Settled(Outcome::Ready(processed)) => Some(processed),
            _ => None,
        };
        let received_percent = processed.and_then(|processed| processed.received_percent);
        let failure = match state {
            State::Settled(Outcome::Failed { code, .. }) => Some(Failure { code: code.as_str() }),
            _ => None,
        };
        Self {
            photo_id: record.photo_id,
            status: record.status().as_str(),
            created_at: record.created_at,
            content_type: request.content_type.as_str(),
            size_bytes: request.size_bytes,
            file_name: request.file_name.as_ref().map(photo_domain::FileName::as_str),
            metadata: request.metadata.entries(),
            failure,
            original: processed.map(|processed| OriginalImage {
                format: format_name(processed.format),
                width: processed.width,
                height: processed.height,
            }),
            thumbhash: processed.map(|processed| processed.thumbhash.as_str()),
            dominant_color: processed.map(|processed| processed.dominant_color.as_str()),
            damaged: received_percent.map(|_| true),
            received_percent,
            variants: variants(record)
                .iter()
                .zip(urls)
                .map(|(variant, url)| Variant::new(variant, url))
                .collect(),
        }
    }
}

impl<'a> Variant<'a> {
    fn new(variant: &'a StoredVariant, url: String) -> Self {
        Self {
            name: variant.name.as_str(),
            format: variant.format,
            width: variant.width,
            height: variant.height,
            size_bytes: variant.size_bytes,
            url,
        }
    }
}

/// The variants of a record; none unless it is `ready`.
#[must_use]
pub fn variants(record: &PhotoRecord) -> &[StoredVariant] {
    match &record.state {
        State::Settled(Outcome::Ready(processed)) => &processed.variants,
        _ => &[],
    }
}

/// `image/jpeg` is `jpeg`, as the variants' formats are called.
fn format_name(content_type: photo_domain::ContentType) -> &'static str {
    content_type.as_str().trim_start_matches("image/")
}

/// A JSON answer that no cache keeps: every one of them is about one caller.
#[must_use]
pub fn json<T: Serialize>(status: StatusCode, body: &T) -> Response<Body> {
    // The types above have string keys and no maps of anything else, so writing them cannot fail.
    let text = serde_json::to_string(body).unwrap_or_default();
    let mut response = Response::new(Body::Text(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}

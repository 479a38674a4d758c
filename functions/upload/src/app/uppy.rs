//! What `@uppy/aws-s3` asks of its `signRequest`, answered as it wants it.

use http::{Response, StatusCode};
use lambda_http::{Body, Request};
use photo_aws::{PartsRequest, telemetry};
use photo_domain::{OriginalKey, UploadMethod, upkeep};

use super::create::nothing_made;
use super::{App, now};
use crate::error::ApiError;
use crate::request;
use crate::request::sign::Asked;
use crate::request::uppy::UppyRequest;
use crate::response::{Signed, UppySigned, json};

impl App {
    pub(super) async fn sign_for_uppy(&self, request: &Request) -> Result<Response<Body>, ApiError> {
        let owner = request::owner(request)?;
        let (key, signed) = match request::uppy::request(request.body(), &owner, &self.config)? {
            UppyRequest::Continue { key, asked } => {
                telemetry::photo(key.photo_id);
                let signed = Signed::from(self.sign_next(&key, &asked).await?);
                (key, signed)
            }
            UppyRequest::Begin { upload, idempotency_key } => {
                let (fingerprint, now) = (upload.fingerprint(), now());
                let made =
                    self.make(&owner, vec![upload], idempotency_key.as_ref(), &fingerprint, now).await?;
                let Some(record) = made.records.first() else { return Err(nothing_made()) };
                let key = OriginalKey { owner, photo_id: record.photo_id };
                let signed = match record.request.method {
                    UploadMethod::Multipart(_) => {
                        let create = Asked::Whole(PartsRequest::Create);
                        Signed::from(self.sign_for(record, &create, now).await?)
                    }
                    // A repeated request: the bytes of the first one have come, or its time is over.
                    _ if !upkeep::is_signed(record, now) => return Err(ApiError::UploadClosed),
                    _ => {
                        let expiry = self.config.upload_url_expiry;
                        Signed::from(self.objects.presign_upload(&key, &record.request, now, expiry).await?)
                    }
                };
                (key, signed)
            }
        };
        let Signed { url, mut headers, .. } = signed;
        // A browser sets it by itself, and lets no page do so.
        headers.remove("content-length");
        let photo_id = key.photo_id;
        Ok(json(StatusCode::OK, &UppySigned { url, key: key.to_string(), headers, photo_id }))
    }
}

//! The requests of an upload in parts, signed one by one: a read, no write, and no call to S3.

use http::{Response, StatusCode};
use lambda_http::{Body, Request};
use photo_aws::{SignedRequest, telemetry};
use photo_domain::record::{PhotoRecord, State};
use photo_domain::{OriginalKey, PhotoId, UploadMethod, upkeep};
use time::OffsetDateTime;

use super::{App, now};
use crate::error::ApiError;
use crate::request;
use crate::request::sign::Asked;
use crate::response::{Signed, json};

impl App {
    pub(super) async fn sign(&self, request: &Request, photo_id: &str) -> Result<Response<Body>, ApiError> {
        let owner = request::owner(request)?;
        let photo_id: PhotoId = photo_id.parse().map_err(|_| ApiError::NotFound)?;
        telemetry::photo(photo_id);
        let asked = request::sign::asked(request.body())?;
        let key = OriginalKey { owner, photo_id };
        let signed = self.sign_next(&key, &asked).await?;
        Ok(json(StatusCode::OK, &Signed::from(signed)))
    }

    /// Signs a request for a photo that is there.
    pub(super) async fn sign_next(
        &self,
        key: &OriginalKey,
        asked: &Asked,
    ) -> Result<SignedRequest, ApiError> {
        let record = self.visible(key).await?.ok_or(ApiError::NotFound)?;
        self.sign_for(&record, asked, now()).await
    }

    /// Signs a request for a photo whose bytes have not come, while there is time for them.
    pub(super) async fn sign_for(
        &self,
        record: &PhotoRecord,
        asked: &Asked,
        now: OffsetDateTime,
    ) -> Result<SignedRequest, ApiError> {
        let open = matches!(record.state, State::Pending { .. } | State::Expired { .. });
        let in_time = now < upkeep::signing_ends_at(record.request.method, record.created_at);
        let UploadMethod::Multipart(parts) = record.request.method else {
            return Err(ApiError::UploadClosed);
        };
        if !open || !in_time {
            return Err(ApiError::UploadClosed);
        }
        let asked = asked.of(&record.request, parts)?;
        let key = OriginalKey { owner: record.owner.clone(), photo_id: record.photo_id };
        let expiry = self.config.upload_url_expiry;
        Ok(self.signer.sign_parts_request(&key, &record.request, &asked, now, expiry).await?)
    }
}

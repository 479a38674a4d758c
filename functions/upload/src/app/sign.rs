//! The requests of an upload in parts, signed one by one: a read, one write for the first part of each multipart upload,
//! and no call to S3.

use http::{Response, StatusCode};
use lambda_http::{Body, Request};
use photo_aws::{Bound, SignedRequest, telemetry};
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
        let tracked = self.store.track(key).await?.ok_or(ApiError::NotFound)?;
        if matches!(tracked.record.state, State::Deleting(_)) {
            return Err(ApiError::NotFound);
        }
        let signed = self.sign_for(&tracked.record, asked, now()).await?;
        if let Asked::Part { upload_id, .. } = asked
            && !tracked.upload_ids.contains(upload_id)
        {
            match self.store.bind_upload(key, upload_id).await? {
                Bound::Yes => {}
                Bound::TooMany => return Err(ApiError::TooManyUploads),
                Bound::Closed => return Err(ApiError::UploadClosed),
            }
        }
        Ok(signed)
    }

    /// Signs a request for a photo whose bytes have not come, while there is time for them.
    pub(super) async fn sign_for(
        &self,
        record: &PhotoRecord,
        asked: &Asked,
        now: OffsetDateTime,
    ) -> Result<SignedRequest, ApiError> {
        let UploadMethod::Multipart(parts) = record.request.method else {
            return Err(ApiError::UploadClosed);
        };
        if !upkeep::is_signed(record, now) {
            return Err(ApiError::UploadClosed);
        }
        let asked = asked.of(&record.request, parts)?;
        let key = OriginalKey { owner: record.owner.clone(), photo_id: record.photo_id };
        let expiry = self.config.upload_url_expiry;
        Ok(self.signer.sign_parts_request(&key, &record.request, &asked, now, expiry).await?)
    }
}

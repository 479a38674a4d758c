//! Uploads that are asked for, alone and together.

use futures::future::try_join_all;
use http::header::{HeaderName, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use lambda_http::{Body, Request};
use photo_aws::metrics::{Document, QUOTA_REFUSALS, UPLOADS_CREATED};
use photo_aws::{AwsError, Created, IdempotentRequest, telemetry};
use photo_domain::record::{PhotoRecord, State};
use photo_domain::{IdempotencyKey, OriginalKey, OwnerId, PhotoId, UploadMethod, UploadRequest, upkeep};
use time::OffsetDateTime;

use super::{App, now};
use crate::error::ApiError;
use crate::request;
use crate::response::{CreatedUpload, CreatedUploads, Signed, Upload, json};
use crate::routes::BASE_PATH;

/// Says that an answer repeats an earlier one.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The photos of a request, whether it or an earlier one made them.
pub(super) struct Made {
    pub(super) records: Vec<PhotoRecord>,
    replayed: bool,
}

impl App {
    /// One conditional write and a signature; nothing here waits for an image.
    pub(super) async fn create_upload(&self, request: &Request) -> Result<Response<Body>, ApiError> {
        let owner = request::owner(request)?;
        let idempotency_key = request::idempotency_key(request)?;
        let upload = request::upload_request(request.body(), &self.config)?;
        let fingerprint = upload.fingerprint();
        let now = now();
        let made = self.make(&owner, vec![upload], idempotency_key.as_ref(), &fingerprint, now).await?;
        let Some(record) = made.records.first() else { return Err(nothing_made()) };
        let mut response = json(StatusCode::CREATED, &self.created(record, now).await?);
        if let Ok(location) = HeaderValue::from_str(&format!("{BASE_PATH}/{}", record.photo_id)) {
            response.headers_mut().insert(LOCATION, location);
        }
        Ok(marked(response, made.replayed))
    }

    /// All of the uploads by one write, or none of them.
    pub(super) async fn create_uploads(&self, request: &Request) -> Result<Response<Body>, ApiError> {
        let owner = request::owner(request)?;
        let idempotency_key = request::idempotency_key(request)?;
        let uploads = request::upload_requests(request.body(), &self.config)?;
        let fingerprint = UploadRequest::fingerprint_of_all(&uploads);
        let now = now();
        let made = self.make(&owner, uploads, idempotency_key.as_ref(), &fingerprint, now).await?;
        let uploads = try_join_all(made.records.iter().map(|record| self.created(record, now))).await?;
        Ok(marked(json(StatusCode::CREATED, &CreatedUploads { uploads }), made.replayed))
    }

    /// Makes the photos, or finds those that the idempotency key stands for.
    pub(super) async fn make(
        &self,
        owner: &OwnerId,
        uploads: Vec<UploadRequest>,
        idempotency_key: Option<&IdempotencyKey>,
        fingerprint: &str,
        now: OffsetDateTime,
    ) -> Result<Made, ApiError> {
        let expires_at = now + self.config.pending_retention;
        let ids = PhotoId::generate_many(uploads.len());
        let record = |(photo_id, request)| PhotoRecord {
            photo_id,
            owner: owner.clone(),
            request,
            created_at: now,
            state: State::Pending { expires_at },
        };
        let records: Vec<_> = ids.into_iter().zip(uploads).map(record).collect();
        let idempotent = idempotency_key.map(|key| IdempotentRequest { key, fingerprint });
        let created = match records.as_slice() {
            [record] => self.store.create(record, idempotent).await?,
            several => self.store.create_all(several, idempotent).await?,
        };
        match created {
            Created::QuotaExceeded(exceeded) => {
                Document::new().count(QUOTA_REFUSALS).emit();
                Err(ApiError::QuotaExceeded { exceeded, retry_after: exceeded.retry_after(now) })
            }
            Created::BeyondQuota(exceeded) => {
                Document::new().count(QUOTA_REFUSALS).emit();
                Err(ApiError::BeyondQuota(exceeded))
            }
            Created::New => {
                tell(&records);
                Ok(Made { records, replayed: false })
            }
            Created::Replay { same_request: false, .. } => Err(ApiError::IdempotencyConflict),
            Created::Replay { photo_ids, same_request: true } => self.replay(owner, &photo_ids).await,
        }
    }

    /// The photos of a repeated request, as they are now.
    async fn replay(&self, owner: &OwnerId, photo_ids: &[PhotoId]) -> Result<Made, ApiError> {
        if let [photo_id] = photo_ids {
            telemetry::photo(*photo_id);
        }
        tracing::info!("idempotency key replayed");
        let keys: Vec<_> = photo_ids
            .iter()
            .map(|photo_id| OriginalKey { owner: owner.clone(), photo_id: *photo_id })
            .collect();
        let found = try_join_all(keys.iter().map(|key| self.visible(key))).await?;
        // A photo is gone while its key still stands: a new photo under the old key would be a surprise.
        let records = found.into_iter().collect::<Option<_>>().ok_or(ApiError::IdempotencyConflict)?;
        Ok(Made { records, replayed: true })
    }

    async fn created(&self, record: &PhotoRecord, now: OffsetDateTime) -> Result<CreatedUpload, ApiError> {
        let upload = self.how_to_upload(record, now).await?;
        Ok(CreatedUpload { photo_id: record.photo_id, status: record.status().as_str(), upload })
    }

    async fn how_to_upload(
        &self,
        record: &PhotoRecord,
        now: OffsetDateTime,
    ) -> Result<Option<Upload>, AwsError> {
        if !upkeep::is_signed(record, now) {
            return Ok(None);
        }
        let expiry = self.config.upload_url_expiry;
        let key = OriginalKey { owner: record.owner.clone(), photo_id: record.photo_id };
        Ok(match record.request.method {
            UploadMethod::Put => {
                let presigned = self.objects.presign_upload(&key, &record.request, now, expiry).await?;
                Some(Upload::Request(Signed::from(presigned)))
            }
            UploadMethod::Post => {
                Some(Upload::from(self.signer.sign_form(&key, &record.request, now, expiry).await?))
            }
            UploadMethod::Multipart(parts) => Some(Upload::Parts {
                method: "multipart",
                part_size_bytes: parts.part_size_bytes(),
                part_count: parts.part_count(record.request.size_bytes),
                expires_at: upkeep::signing_ends_at(record.request.method, record.created_at),
            }),
        })
    }
}

/// One line and one count for what was made.
fn tell(records: &[PhotoRecord]) {
    // Before the metric, whose line then has the photo's id.
    if let [record] = records {
        telemetry::photo(record.photo_id);
    }
    #[expect(clippy::cast_precision_loss, reason = "at most a batch")]
    Document::new().value(UPLOADS_CREATED, records.len() as f64).emit();
    for record in records {
        tracing::info!(
            photo_id = %record.photo_id,
            content_type = record.request.content_type.as_str(),
            size_bytes = record.request.size_bytes,
            method = record.request.method.as_str(),
            "upload created"
        );
    }
}

fn marked(mut response: Response<Body>, replayed: bool) -> Response<Body> {
    if replayed {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// Every request makes a photo at least; this is for the type alone.
pub(super) fn nothing_made() -> ApiError {
    ApiError::NotFound
}

//! What each route does.

use std::time::Instant;

use futures::future::{join3, try_join_all};
use http::header::{HeaderName, LOCATION, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use lambda_http::{Body, Request, RequestExt as _};
use photo_aws::metrics::{Document, QUOTA_REFUSALS, UPLOADS_CREATED};
use photo_aws::usage::{self, Meter};
use photo_aws::{AwsError, Created, IdempotentRequest, Objects, PhotoStore, error_chain, telemetry};
use photo_domain::record::{PhotoRecord, State};
use photo_domain::{OriginalKey, OwnerId, PhotoId, upkeep};
use serde_json::json;
use time::OffsetDateTime;
use tracing::Instrument as _;

use crate::config::Config;
use crate::error::ApiError;
use crate::request;
use crate::response::{CreatedUpload, Photo, Upload, json, variants};
use crate::routes::{BASE_PATH, NoRoute, Route, route};

/// Says that an answer repeats an earlier one.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The request path.
#[derive(Debug)]
pub struct App {
    /// The settings.
    pub config: Config,
    /// The records.
    pub store: PhotoStore,
    /// The buckets.
    pub objects: Objects,
}

impl App {
    /// Serves one request; whatever goes wrong is an answer too.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        let context = request.lambda_context_ref();
        let span = telemetry::invocation(
            context.map_or("", |context| &context.request_id),
            context.and_then(|context| context.xray_trace_id.as_deref()),
        );
        Box::pin(self.answer(request)).instrument(span).await
    }

    async fn answer(&self, request: Request) -> Response<Body> {
        let started = Instant::now();
        let meter = Meter::start();
        let request_id = request::request_id(&request);
        let path = request.raw_http_path().to_owned();
        let route = route(request.method(), &path);
        let served = match route {
            Ok(route) => self.serve(route, &request).await,
            Err(NoRoute::Path) => Err(ApiError::NotFound),
            Err(NoRoute::Method { allow }) => Err(ApiError::MethodNotAllowed { allow }),
        };
        let response = served.unwrap_or_else(|error| {
            if let ApiError::Unavailable(cause) = &error {
                tracing::error!(
                    code = error.code(),
                    operation = cause.operation,
                    error = error_chain(cause),
                    "AWS call failed"
                );
            } else {
                tracing::info!(code = error.code(), detail = %error, "request refused");
            }
            error.to_response(&request_id)
        });
        tracing::info!(
            api_request_id = request_id,
            route = route.map_or("none", Route::name),
            status = response.status().as_u16(),
            // As `u64`: the JSON log writes `u128` as a string.
            duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            "request served"
        );
        meter
            .report(Document::new(), usage::memory_mib())
            .property("route", route.map_or("none", Route::name))
            .property("status", response.status().as_u16())
            .emit();
        response
    }

    async fn serve(&self, route: Route<'_>, request: &Request) -> Result<Response<Body>, ApiError> {
        match route {
            Route::CreateUpload => self.create_upload(request).await,
            Route::GetPhoto(photo_id) => self.get_photo(request, photo_id).await,
            Route::DeletePhoto(photo_id) => self.delete_photo(request, photo_id).await,
            Route::Health => Ok(health()),
            Route::Ready => Ok(self.ready().await),
        }
    }

    /// One conditional write and a signature; nothing here waits for an image.
    async fn create_upload(&self, request: &Request) -> Result<Response<Body>, ApiError> {
        let owner = request::owner(request)?;
        let idempotency_key = request::idempotency_key(request)?;
        let upload = request::upload_request(request.body(), &self.config)?;
        let now = OffsetDateTime::now_utc().truncate_to_millisecond();
        let fingerprint = upload.fingerprint();
        let record = PhotoRecord {
            photo_id: PhotoId::generate(),
            owner,
            request: upload,
            created_at: now,
            state: State::Pending { expires_at: now + self.config.pending_retention },
        };
        let idempotent =
            idempotency_key.as_ref().map(|key| IdempotentRequest { key, fingerprint: &fingerprint });
        match self.store.create(&record, idempotent).await? {
            Created::QuotaExceeded(exceeded) => {
                Document::new().count(QUOTA_REFUSALS).emit();
                Err(ApiError::QuotaExceeded { exceeded, retry_after: exceeded.retry_after(now) })
            }
            Created::New => {
                telemetry::photo(record.photo_id);
                Document::new().count(UPLOADS_CREATED).emit();
                tracing::info!(
                    content_type = record.request.content_type.as_str(),
                    size_bytes = record.request.size_bytes,
                    "upload created"
                );
                self.created(&record, now).await
            }
            Created::Replay { same_request: false, .. } => Err(ApiError::IdempotencyConflict),
            Created::Replay { photo_id, same_request: true } => {
                self.replay(record.owner, photo_id, now).await
            }
        }
    }

    /// Answers a repeated request with its photo, as it is now.
    async fn replay(
        &self,
        owner: OwnerId,
        photo_id: PhotoId,
        now: OffsetDateTime,
    ) -> Result<Response<Body>, ApiError> {
        telemetry::photo(photo_id);
        tracing::info!("idempotency key replayed");
        // The photo is gone while its key still stands: a new photo under the old key would be a surprise.
        let found = self.visible(&OriginalKey { owner, photo_id }).await?;
        let mut response = self.created(&found.ok_or(ApiError::IdempotencyConflict)?, now).await?;
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }

    async fn created(&self, record: &PhotoRecord, now: OffsetDateTime) -> Result<Response<Body>, ApiError> {
        let upload = match record.state {
            State::Pending { .. } => {
                let key = OriginalKey { owner: record.owner.clone(), photo_id: record.photo_id };
                let expiry = self.config.upload_url_expiry;
                Some(Upload::from(self.objects.presign_upload(&key, &record.request, now, expiry).await?))
            }
            State::Expired { .. } | State::Settled(_) | State::Deleting(_) => None,
        };
        let photo_id = record.photo_id;
        let created = CreatedUpload { photo_id, status: record.status().as_str(), upload };
        let mut response = json(StatusCode::CREATED, &created);
        if let Ok(location) = HeaderValue::from_str(&format!("{BASE_PATH}/{photo_id}")) {
            response.headers_mut().insert(LOCATION, location);
        }
        Ok(response)
    }

    async fn get_photo(&self, request: &Request, photo_id: &str) -> Result<Response<Body>, ApiError> {
        let owner = request::owner(request)?;
        // What is no id names no photo. The owner is part of the key: another's photo is not found either.
        let photo_id: PhotoId = photo_id.parse().map_err(|_| ApiError::NotFound)?;
        telemetry::photo(photo_id);
        let record = self.visible(&OriginalKey { owner, photo_id }).await?.ok_or(ApiError::NotFound)?;
        let now = OffsetDateTime::now_utc().truncate_to_millisecond();
        let expiry = self.config.download_url_expiry;
        let urls = try_join_all(
            variants(&record).iter().map(|variant| self.objects.presign_variant(&variant.key, now, expiry)),
        )
        .await?;
        let mut response = json(StatusCode::OK, &Photo::new(&record, urls));
        if matches!(record.state, State::Pending { .. }) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Ok(response)
    }

    /// One conditional write. What is to be removed is removed by the reconcile function; to the client the photo
    /// is gone with this answer. One that is gone already, and one that never was, is as good.
    async fn delete_photo(&self, request: &Request, photo_id: &str) -> Result<Response<Body>, ApiError> {
        let owner = request::owner(request)?;
        let photo_id: PhotoId = photo_id.parse().map_err(|_| ApiError::NotFound)?;
        let now = OffsetDateTime::now_utc().truncate_to_millisecond();
        let upload_ends_at = created_at(photo_id).unwrap_or(now) + upkeep::UPLOAD_WINDOW;
        let marked = self.store.mark_deleted(&OriginalKey { owner, photo_id }, upload_ends_at, now).await?;
        tracing::info!(%photo_id, marked, "photo deleted");
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    /// A photo as its owner may see it: one that is being deleted is gone.
    async fn visible(&self, key: &OriginalKey) -> Result<Option<PhotoRecord>, ApiError> {
        let found = self.store.get(key).await?;
        Ok(found.filter(|record| !matches!(record.state, State::Deleting(_))))
    }

    /// Whether photos can be taken now: the table and both buckets answer.
    async fn ready(&self) -> Response<Body> {
        let (table, originals, thumbnails) =
            join3(self.store.check(), self.objects.check_originals(), self.objects.check_thumbnails()).await;
        let all = table.is_ok() && originals.is_ok() && thumbnails.is_ok();
        let body = json!({
            "status": if all { "ready" } else { "unavailable" },
            "checks": {
                "table": check("table", table),
                "originals_bucket": check("originals_bucket", originals),
                "thumbnails_bucket": check("thumbnails_bucket", thumbnails),
            },
        });
        json(if all { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
    }
}

/// When a photo's upload was asked for: its id tells. None for an id from outside the calendar.
fn created_at(photo_id: PhotoId) -> Option<OffsetDateTime> {
    let nanoseconds = i128::from(photo_id.unix_milliseconds()) * 1_000_000;
    // An id that claims to be of the future is no reason to wait for it.
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok().map(|at| at.min(OffsetDateTime::now_utc()))
}

/// The process answers: no storage is asked.
fn health() -> Response<Body> {
    json(StatusCode::OK, &json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

fn check(name: &'static str, result: Result<(), AwsError>) -> &'static str {
    match result {
        Ok(()) => "ok",
        Err(error) => {
            tracing::error!(check = name, error = error_chain(&error), "readiness check failed");
            "failed"
        }
    }
}

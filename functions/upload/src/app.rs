//! What each route does.

use std::time::{Duration, Instant};

use futures::future::join3;
use http::{Response, StatusCode};
use lambda_http::{Body, Request, RequestExt as _};
use photo_aws::metrics::{Document, REQUESTS_FAILED};
use photo_aws::usage::{self, Meter};
use photo_aws::{AwsError, Objects, PhotoStore, UploadSigner, error_chain, telemetry};
use photo_domain::OriginalKey;
use photo_domain::record::{PhotoRecord, State};
use serde_json::json;
use time::OffsetDateTime;
use tracing::Instrument as _;

use crate::config::Config;
use crate::error::ApiError;
use crate::request;
use crate::response::json;
use crate::routes::{NoRoute, Route, route};

mod create;
mod photos;
mod sign;
mod uppy;

/// The most time that a request is worked on. Its calls to AWS, one after another, could take longer together: then the
/// answer is a 503 with a problem document, and the function is not cut off at its own timeout of 10 s, which would cost a
/// cold start. API Gateway gives up at 30 s.
const REQUEST_TIME: Duration = Duration::from_secs(9);

/// The request path.
#[derive(Debug)]
pub struct App {
    /// The settings.
    pub config: Config,
    /// The records.
    pub store: PhotoStore,
    /// The buckets.
    pub objects: Objects,
    /// What signs the uploads that are no single PUT.
    pub signer: UploadSigner,
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
            Ok(route) => {
                let served = tokio::time::timeout(REQUEST_TIME, self.serve(route, &request)).await;
                served.unwrap_or_else(|error| Err(too_late(route, error)))
            }
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
            .value(REQUESTS_FAILED, f64::from(u8::from(response.status().is_server_error())))
            .emit();
        response
    }

    async fn serve(&self, route: Route<'_>, request: &Request) -> Result<Response<Body>, ApiError> {
        match route {
            Route::CreateUpload => self.create_upload(request).await,
            Route::CreateUploads => self.create_uploads(request).await,
            Route::Sign(photo_id) => self.sign(request, photo_id).await,
            Route::SignForUppy => self.sign_for_uppy(request).await,
            Route::ListPhotos => self.list_photos(request).await,
            Route::GetPhoto(photo_id) => self.get_photo(request, photo_id).await,
            Route::DeletePhoto(photo_id) => self.delete_photo(request, photo_id).await,
            Route::Health => Ok(health()),
            Route::Ready => Ok(self.ready().await),
        }
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

/// Now, as precise as records and signatures are.
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc().truncate_to_millisecond()
}

/// AWS took too long, call by call.
fn too_late(route: Route<'_>, error: tokio::time::error::Elapsed) -> ApiError {
    ApiError::Unavailable(AwsError { operation: route.name(), source: error.into() })
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

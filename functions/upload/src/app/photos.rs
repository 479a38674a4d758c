//! Photos as their owner sees them: one, all, and gone.

use std::time::Duration;

use futures::future::try_join_all;
use http::header::{CACHE_CONTROL, ETAG, RETRY_AFTER, VARY};
use http::{HeaderValue, Response, StatusCode};
use lambda_http::{Body, Request};
use photo_aws::{AwsError, telemetry};
use photo_domain::record::{PhotoRecord, State};
use photo_domain::{Cursor, OriginalKey, PhotoId, StoredVariant};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::{App, now};
use crate::error::ApiError;
use crate::request;
use crate::response::{Photo, Photos, json, variants};

impl App {
    pub(super) async fn get_photo(
        &self,
        request: &Request,
        photo_id: &str,
    ) -> Result<Response<Body>, ApiError> {
        let owner = request::owner(request)?;
        // What is no id names no photo. The owner is part of the key: another's photo is not found either.
        let photo_id: PhotoId = photo_id.parse().map_err(|_| ApiError::NotFound)?;
        telemetry::photo(photo_id);
        let record = self.visible(&OriginalKey { owner, photo_id }).await?.ok_or(ApiError::NotFound)?;
        let window = self.url_window(now());
        let etag = etag(&record, window);
        let mut response = if request::has_already(request, &etag) {
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            json(StatusCode::OK, &self.photo(&record, window).await?)
        };
        cached_privately(&mut response);
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            response.headers_mut().insert(ETAG, etag);
        }
        if matches!(record.state, State::Pending { .. }) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Ok(response)
    }

    pub(super) async fn list_photos(&self, request: &Request) -> Result<Response<Body>, ApiError> {
        let owner = request::owner(request)?;
        let (cursor, limit) = request::page(request, &owner)?;
        let page = self.store.list(&owner, cursor, limit).await?;
        let window = self.url_window(now());
        let (mut photos, mut next, mut last) = (Photos::new(), page.next, None);
        for record in &page.photos {
            if !photos.push(&self.photo(record, window).await?) {
                next = last.map(|after| Cursor { after });
                break;
            }
            last = Some(record.photo_id);
        }
        let next_cursor = next.map(|cursor| cursor.encode(&owner));
        let mut response = json(StatusCode::OK, &photos.with_next(next_cursor));
        cached_privately(&mut response);
        Ok(response)
    }

    /// One conditional write. What is to be removed is removed by the reconcile function; to the client the photo
    /// is gone with this answer. One that is gone already, and one that never was, is as good.
    pub(super) async fn delete_photo(
        &self,
        request: &Request,
        photo_id: &str,
    ) -> Result<Response<Body>, ApiError> {
        let owner = request::owner(request)?;
        let photo_id: PhotoId = photo_id.parse().map_err(|_| ApiError::NotFound)?;
        let marked = self.store.mark_deleted(&OriginalKey { owner, photo_id }, now()).await?;
        tracing::info!(%photo_id, marked, "photo deleted");
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    async fn photo<'a>(&self, record: &'a PhotoRecord, window: UrlWindow) -> Result<Photo<'a>, AwsError> {
        let urls = try_join_all(variants(record).iter().map(|variant| self.variant_url(variant, window)));
        Ok(Photo::new(record, urls.await?))
    }

    async fn variant_url(&self, variant: &StoredVariant, window: UrlWindow) -> Result<String, AwsError> {
        if let Some(domain) = &self.config.variant_domain {
            // The key's percent signs are part of it: encoded, as in any URL.
            return Ok(format!("https://{domain}/{}", variant.key.replace('%', "%25")));
        }
        let expiry = self.config.download_url_expiry;
        self.objects.presign_variant(&variant.key, window.0, expiry).await
    }

    /// The window that now is in. URLs are signed as of its beginning, so that they stay the same in it and a browser
    /// finds the thumbnail that it has; it is half of their life, so that none is ever about to end.
    fn url_window(&self, now: OffsetDateTime) -> UrlWindow {
        UrlWindow(window_start(now, self.config.download_url_expiry / 2))
    }
}

/// The time as of which variants' URLs are signed.
#[derive(Clone, Copy, Debug)]
struct UrlWindow(OffsetDateTime);

fn window_start(now: OffsetDateTime, length: Duration) -> OffsetDateTime {
    let seconds = i64::try_from(length.as_secs()).unwrap_or(1).max(1);
    let start = now.unix_timestamp().div_euclid(seconds) * seconds;
    OffsetDateTime::from_unix_timestamp(start).unwrap_or(now)
}

/// Changes with everything that an answer says of a photo, its URLs included. It is weak: where URLs are presigned, two
/// functions sign the same with other credentials.
fn etag(record: &PhotoRecord, UrlWindow(start): UrlWindow) -> String {
    let urls = variants(record).iter().map(|variant| variant.key.clone()).collect();
    let shown = serde_json::to_vec(&Photo::new(record, urls)).unwrap_or_default();
    let digest =
        Sha256::new().chain_update(start.unix_timestamp().to_be_bytes()).chain_update(shown).finalize();
    let mut etag = "W/\"".to_owned();
    for byte in &digest[..16] {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(etag, "{byte:02x}");
    }
    etag.push('"');
    etag
}

/// The caller's own cache may keep it and must ask before it shows it; another caller at this browser has another token.
fn cached_privately(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(VARY, HeaderValue::from_static("Authorization"));
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_window_begins_at_the_same_time_for_everybody_in_it() {
        let start = |now| window_start(now, Duration::from_secs(450));
        assert_eq!(start(datetime!(2026-11-25 12:00:00 UTC)), datetime!(2026-11-25 12:00:00 UTC));
        assert_eq!(start(datetime!(2026-11-25 12:07:29.999 UTC)), datetime!(2026-11-25 12:00:00 UTC));
        assert_eq!(start(datetime!(2026-11-25 12:07:30 UTC)), datetime!(2026-11-25 12:07:30 UTC));
    }
}

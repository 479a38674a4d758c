//! The environment of the upload function; `template.yaml` sets every variable.

use std::time::Duration;

use photo_aws::{ConfigError, Environment, Storage, quota};
use photo_domain::quota::Quotas;
use photo_domain::{ContentType, upkeep};

/// The longest that an upload's signature may be accepted, in seconds: the removal of a deleted photo waits for it.
pub const MAX_UPLOAD_URL_SECONDS: u64 = upkeep::SIGNATURE_LIFE.as_secs();

/// The longest that a variant's URL may be accepted, in seconds.
pub const MAX_DOWNLOAD_URL_SECONDS: u64 = 3600;

/// The largest object that one PUT takes (S3's limit: 5 GiB).
const MAX_SINGLE_PUT_BYTES: u64 = 5 << 30;

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// What the function is told by its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `PHOTODROP_TABLE_NAME`, `PHOTODROP_ORIGINALS_BUCKET`, `PHOTODROP_THUMBNAILS_BUCKET`.
    pub storage: Storage,
    /// `PHOTODROP_ALLOWED_CONTENT_TYPES`: what may be uploaded, comma-separated.
    pub allowed_content_types: Vec<ContentType>,
    /// `PHOTODROP_MAX_UPLOAD_BYTES`.
    pub max_upload_bytes: u64,
    /// `PHOTODROP_MULTIPART_THRESHOLD_BYTES`: from how many bytes on a photo may be uploaded in parts.
    pub multipart_threshold_bytes: u64,
    /// `PHOTODROP_UPLOAD_URL_EXPIRY_SECONDS`: 1 to [`MAX_UPLOAD_URL_SECONDS`].
    pub upload_url_expiry: Duration,
    /// `PHOTODROP_DOWNLOAD_URL_EXPIRY_SECONDS`: 60 to [`MAX_DOWNLOAD_URL_SECONDS`]. A URL is good for at least half of it.
    pub download_url_expiry: Duration,
    /// `PHOTODROP_PENDING_RETENTION_DAYS`: how long the record of an abandoned upload is kept. Longer than
    /// an event can wait in the failure queue (14 days), so that a late event still finds its record.
    pub pending_retention: Duration,
    /// `PHOTODROP_OWNER_PHOTOS_PER_DAY`, `PHOTODROP_OWNER_BYTES_PER_DAY`, `PHOTODROP_OWNER_PENDING_PHOTOS`.
    pub quotas: Quotas,
    /// `PHOTODROP_VARIANT_DOMAIN`: the host name of the CloudFront distribution that variants are shown through; without
    /// it their URLs are presigned.
    pub variant_domain: Option<String>,
}

impl Config {
    /// Reads the environment through `lookup`; the error names every mistake in it.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut env = Environment::new(lookup);
        let storage = Storage::read(&mut env);
        let allowed_content_types = env.list("PHOTODROP_ALLOWED_CONTENT_TYPES");
        let max_upload_bytes = env.number("PHOTODROP_MAX_UPLOAD_BYTES", 1..=MAX_SINGLE_PUT_BYTES);
        let multipart_threshold_bytes =
            env.number("PHOTODROP_MULTIPART_THRESHOLD_BYTES", 1..=MAX_SINGLE_PUT_BYTES);
        let upload_url_seconds =
            env.number("PHOTODROP_UPLOAD_URL_EXPIRY_SECONDS", 1..=MAX_UPLOAD_URL_SECONDS);
        let download_url_seconds =
            env.number("PHOTODROP_DOWNLOAD_URL_EXPIRY_SECONDS", 60..=MAX_DOWNLOAD_URL_SECONDS);
        let pending_retention_days = env.number("PHOTODROP_PENDING_RETENTION_DAYS", 1..=365_u64);
        let quotas = quota::read(&mut env);
        let variant_domain = lookup("PHOTODROP_VARIANT_DOMAIN").filter(|domain| !domain.is_empty());
        let config = (|| {
            Some(Self {
                storage: storage?,
                allowed_content_types: allowed_content_types?,
                max_upload_bytes: max_upload_bytes?,
                multipart_threshold_bytes: multipart_threshold_bytes?,
                upload_url_expiry: Duration::from_secs(upload_url_seconds?),
                download_url_expiry: Duration::from_secs(download_url_seconds?),
                pending_retention: Duration::from_secs(pending_retention_days? * SECONDS_PER_DAY),
                quotas: quotas?,
                variant_domain,
            })
        })();
        env.finish(config)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn environment(name: &str) -> Option<String> {
        let value = match name {
            "PHOTODROP_TABLE_NAME" => "photos",
            "PHOTODROP_ORIGINALS_BUCKET" => "originals",
            "PHOTODROP_THUMBNAILS_BUCKET" => "thumbnails",
            "PHOTODROP_ALLOWED_CONTENT_TYPES" => "image/jpeg,image/png",
            "PHOTODROP_MAX_UPLOAD_BYTES" => "1000000",
            "PHOTODROP_MULTIPART_THRESHOLD_BYTES" => "500000",
            "PHOTODROP_UPLOAD_URL_EXPIRY_SECONDS" => "300",
            "PHOTODROP_DOWNLOAD_URL_EXPIRY_SECONDS" => "900",
            "PHOTODROP_PENDING_RETENTION_DAYS" => "15",
            "PHOTODROP_OWNER_PHOTOS_PER_DAY"
            | "PHOTODROP_OWNER_BYTES_PER_DAY"
            | "PHOTODROP_OWNER_PENDING_PHOTOS" => "0",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn the_environment_of_the_template_is_understood() {
        let config = Config::read(&environment).unwrap();
        assert_eq!(config.allowed_content_types, [ContentType::Jpeg, ContentType::Png]);
        assert_eq!(config.pending_retention, Duration::from_hours(15 * 24));
    }

    #[test]
    fn no_setting_makes_an_upload_url_live_longer_than_five_minutes() {
        let lookup = |name: &str| match name {
            "PHOTODROP_UPLOAD_URL_EXPIRY_SECONDS" => Some("301".to_owned()),
            other => environment(other),
        };
        assert_eq!(
            Config::read(&lookup).unwrap_err().problems,
            ["PHOTODROP_UPLOAD_URL_EXPIRY_SECONDS is 301: 1 to 300 is expected"]
        );
    }

    #[test]
    fn an_empty_environment_names_every_variable_at_once() {
        assert_eq!(Config::read(&|_| None).unwrap_err().problems.len(), 12);
    }
}

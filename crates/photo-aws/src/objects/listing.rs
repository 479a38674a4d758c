//! Looking for objects, and removing them: the reconcile function's part.

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::types::ObjectVersion;
use photo_domain::key::PREFIX;
use photo_domain::{OriginalKey, OwnerId};
use time::OffsetDateTime;

use super::Objects;
use crate::AwsError;

/// One of the two buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// What clients upload.
    Originals,
    /// What is made of it.
    Thumbnails,
}

impl Bucket {
    /// Its name in logs and checkpoints.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Originals => "originals",
            Self::Thumbnails => "thumbnails",
        }
    }
}

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundObject {
    /// Its key.
    pub key: String,
    /// Its `ETag`, in S3's quotes.
    pub etag: String,
    /// Its size.
    pub size_bytes: u64,
    /// When it was written.
    pub written_at: OffsetDateTime,
}

/// A part of a bucket's listing, in the order of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The objects.
    pub objects: Vec<FoundObject>,
    /// Whether there are more after the last of them.
    pub more: bool,
}

impl Objects {
    /// The original of a photo, if it is there. It is looked for by listing: that needs no permission to read photos.
    pub async fn find_original(&self, key: &OriginalKey) -> Result<Option<FoundObject>, AwsError> {
        let key = key.to_string();
        let page = self.list(&self.originals_bucket, &key, None, 1).await?;
        Ok(page.objects.into_iter().find(|object| object.key == key))
    }

    /// What comes after a key in the originals bucket, of all owners or of one.
    pub async fn list_originals(
        &self,
        owner: Option<&OwnerId>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, AwsError> {
        let prefix = match owner {
            Some(owner) => format!("{PREFIX}/{}/", owner.encoded()),
            None => format!("{PREFIX}/"),
        };
        self.list(&self.originals_bucket, &prefix, after, limit).await
    }

    /// What comes after a key in a bucket, below the prefix of all photos; at most `limit` (and 1,000) objects.
    pub async fn list_after(
        &self,
        bucket: Bucket,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, AwsError> {
        self.list(self.name(bucket), &format!("{PREFIX}/"), after, limit).await
    }

    pub(super) async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, AwsError> {
        const OPERATION: &str = "s3:ListObjectsV2";
        let output = self
            .client
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .set_start_after(after.map(str::to_owned))
            .max_keys(i32::try_from(limit.min(1_000)).unwrap_or(1_000))
            .send()
            .await
            .map_err(|error| AwsError::new(OPERATION, error))?;
        let more = output.is_truncated.unwrap_or(false);
        let objects = output.contents.unwrap_or_default().into_iter().map(|object| {
            let written_at = object
                .last_modified
                .and_then(|at| OffsetDateTime::from_unix_timestamp_nanos(at.as_nanos()).ok());
            match (object.key, written_at) {
                (Some(key), Some(written_at)) => Ok(FoundObject {
                    key,
                    etag: object.e_tag.unwrap_or_default(),
                    size_bytes: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                    written_at,
                }),
                // Without its age nothing may be done about an object.
                _ => Err(AwsError::new(OPERATION, "an object without key or time")),
            }
        });
        Ok(Page { objects: objects.collect::<Result<_, _>>()?, more })
    }

    /// Removes everything of a photo from a bucket, every version of it where the bucket keeps versions.
    pub async fn remove_all(&self, bucket: Bucket, key: &OriginalKey) -> Result<usize, AwsError> {
        const OPERATION: &str = "s3:ListObjectVersions";
        let name = self.name(bucket);
        let prefix = key.prefix();
        let mut removed = 0;
        loop {
            // From the start each time: what was listed before is gone.
            let output = self
                .client
                .list_object_versions()
                .bucket(name)
                .prefix(&prefix)
                .send()
                .await
                .map_err(|error| AwsError::new(OPERATION, error))?;
            let more = output.is_truncated.unwrap_or(false);
            let versions = output.versions.unwrap_or_default().into_iter();
            let markers = output.delete_markers.unwrap_or_default().into_iter();
            let found: Vec<_> = versions
                .map(|ObjectVersion { key, version_id, .. }| (key, version_id))
                .chain(markers.map(|marker| (marker.key, marker.version_id)))
                .collect();
            for (key, version) in &found {
                // The prefix is checked once more: a listing that is not what was asked for must not remove anything.
                let Some(key) = key.as_deref().filter(|key| key.starts_with(&prefix)) else {
                    return Err(AwsError::new(OPERATION, "a key outside the photo's prefix was listed"));
                };
                self.delete(name, key, version.as_deref()).await?;
                removed += 1;
            }
            if !more || found.is_empty() {
                return Ok(removed);
            }
        }
    }

    /// Aborts a multipart upload, which removes its parts. Succeeds for completed, aborted and unknown uploads: the
    /// record's upload IDs come from clients.
    pub async fn abort_upload(&self, key: &OriginalKey, upload_id: &str) -> Result<(), AwsError> {
        let request =
            self.client.abort_multipart_upload().bucket(&self.originals_bucket).key(key.to_string());
        match request.upload_id(upload_id).send().await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.code(), Some("NoSuchUpload" | "InvalidArgument")) => Ok(()),
            Err(error) => Err(AwsError::new("s3:AbortMultipartUpload", error)),
        }
    }

    /// Removes one variant that no record names.
    pub async fn remove_variant(&self, key: &str) -> Result<(), AwsError> {
        self.delete(&self.thumbnails_bucket, key, None).await
    }

    async fn delete(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<(), AwsError> {
        self.client
            .delete_object()
            .bucket(bucket)
            .key(key)
            .set_version_id(version.filter(|version| *version != "null").map(str::to_owned))
            .send()
            .await
            .map(drop)
            .map_err(|error| AwsError::new("s3:DeleteObject", error))
    }

    fn name(&self, bucket: Bucket) -> &str {
        match bucket {
            Bucket::Originals => &self.originals_bucket,
            Bucket::Thumbnails => &self.thumbnails_bucket,
        }
    }
}

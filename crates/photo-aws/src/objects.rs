//! The S3 buckets.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Tag, Tagging};
use photo_domain::{OriginalKey, UploadRequest, VariantFormat};
use time::OffsetDateTime;

use crate::AwsError;

#[cfg(feature = "reconcile")]
mod foreign;
mod listing;

#[cfg(feature = "reconcile")]
pub use foreign::{ForeignBucket, Peeked, Taken};

pub use listing::{Bucket, FoundObject, Page};

/// What browsers and shared caches are told of a variant: its bytes never change under its key, and it
/// is for those alone who were given its URL.
const VARIANT_CACHE_CONTROL: &str = "private, max-age=31536000, immutable";

/// The tag that marks originals which the lifecycle rules in `template.yaml` let expire.
pub const STATE_TAG: &str = "photodrop-state";

/// Originals and their variants.
#[derive(Clone, Debug)]
pub struct Objects {
    client: Client,
    originals_bucket: String,
    thumbnails_bucket: String,
}

/// Where and how a client puts a photo's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresignedUpload {
    /// The URL, signature included.
    pub url: String,
    /// The headers that are signed, by lower-case name: the client must send exactly these.
    pub headers: BTreeMap<String, String>,
    /// When the signature stops being accepted.
    pub expires_at: OffsetDateTime,
}

/// An original that was read.
#[derive(Debug)]
pub struct Original {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The `ETag` of the object that they were read from, in S3's quotes.
    pub etag: String,
}

/// Why an original was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such object.
    #[error("the original is not in its bucket")]
    Missing,
    /// The object is not the one that the event told of: a newer event tells of this one.
    #[error("the original was replaced after the event")]
    Replaced,
    /// More bytes than may be read.
    #[error("the original has more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// S3 did not answer as it should.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

/// Why an original has no thumbnails; its lifecycle rule goes by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginalTag {
    /// Its photo is `failed`.
    Failed,
    /// It has no record.
    Orphaned,
    /// Its photo was `failed` and is `ready` now: no rule lets it expire.
    Ready,
}

impl OriginalTag {
    /// The tag's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Orphaned => "orphaned",
            Self::Ready => "ready",
        }
    }
}

/// One variant to be written.
#[derive(Clone, Debug)]
pub struct NewVariant {
    /// Its key in the thumbnails bucket.
    pub key: String,
    /// Its encoding.
    pub format: VariantFormat,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Objects {
    /// The objects of two buckets.
    #[must_use]
    pub fn new(client: Client, originals_bucket: String, thumbnails_bucket: String) -> Self {
        Self { client, originals_bucket, thumbnails_bucket }
    }

    /// The bucket that clients put photos into.
    #[must_use]
    pub fn originals_bucket(&self) -> &str {
        &self.originals_bucket
    }

    /// Signs a PUT of exactly this photo: key, method, type, length, checksum (when given) and no-overwrite
    /// are all under the signature. Pure computation: no network call.
    pub async fn presign_upload(
        &self,
        key: &OriginalKey,
        request: &UploadRequest,
        now: OffsetDateTime,
        expires_in: Duration,
    ) -> Result<PresignedUpload, AwsError> {
        const OPERATION: &str = "s3:PutObject (presign)";
        let length = i64::try_from(request.size_bytes).map_err(|error| AwsError::new(OPERATION, error))?;
        let presigned = self
            .client
            .put_object()
            .bucket(&self.originals_bucket)
            .key(key.to_string())
            .content_type(request.content_type.as_str())
            .content_length(length)
            // The key is this photo's alone, and its first bytes stay.
            .if_none_match("*")
            .set_checksum_sha256(request.checksum.map(|checksum| checksum.to_string()))
            .customize()
            .mutate_request(without_trace)
            .presigned(presigning(OPERATION, now, expires_in)?)
            .await
            .map_err(|error| AwsError::new(OPERATION, error))?;
        Ok(PresignedUpload {
            url: presigned.uri().to_owned(),
            headers: presigned
                .headers()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            expires_at: now + expires_in,
        })
    }

    /// Signs a GET of one variant. Pure computation: no network call.
    pub async fn presign_variant(
        &self,
        key: &str,
        now: OffsetDateTime,
        expires_in: Duration,
    ) -> Result<String, AwsError> {
        const OPERATION: &str = "s3:GetObject (presign)";
        let request = self.client.get_object().bucket(&self.thumbnails_bucket).key(key);
        let presigned = request
            .presigned(presigning(OPERATION, now, expires_in)?)
            .await
            .map_err(|error| AwsError::new(OPERATION, error))?;
        Ok(presigned.uri().to_owned())
    }

    /// Reads an original, at most `limit` bytes of it, and only if it is still the object with `etag`.
    pub async fn read_original(
        &self,
        key: &OriginalKey,
        etag: Option<&str>,
        limit: u64,
    ) -> Result<Original, ReadError> {
        const OPERATION: &str = "s3:GetObject";
        let mut output = self
            .client
            .get_object()
            .bucket(&self.originals_bucket)
            .key(key.to_string())
            .set_if_match(etag.map(str::to_owned))
            .send()
            .await
            .map_err(read_error)?;
        let too_large = ReadError::TooLarge { limit };
        let length = output.content_length().and_then(|length| u64::try_from(length).ok()).unwrap_or(0);
        if length > limit {
            return Err(too_large);
        }
        let etag = output.e_tag.take().unwrap_or_default();
        // The header is believed for the allocation only as far as the limit.
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        while let Some(chunk) =
            output.body.try_next().await.map_err(|error| AwsError::new(OPERATION, error))?
        {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(too_large);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Original { bytes, etag })
    }

    /// Writes variants, all at once; writing one again replaces it with the same bytes.
    pub async fn write_variants(&self, variants: Vec<NewVariant>) -> Result<(), AwsError> {
        futures::future::try_join_all(variants.into_iter().map(|variant| self.write_variant(variant)))
            .await
            .map(drop)
    }

    async fn write_variant(&self, variant: NewVariant) -> Result<(), AwsError> {
        self.client
            .put_object()
            .bucket(&self.thumbnails_bucket)
            .key(variant.key)
            .content_type(variant.format.content_type())
            .cache_control(VARIANT_CACHE_CONTROL)
            .body(ByteStream::from(variant.bytes))
            .send()
            .await
            .map(drop)
            .map_err(|error| AwsError::new("s3:PutObject", error))
    }

    /// Marks an original that has no thumbnails. One that is gone already needs no mark.
    pub async fn tag_original(&self, key: &OriginalKey, tag: OriginalTag) -> Result<(), AwsError> {
        const OPERATION: &str = "s3:PutObjectTagging";
        let tag = Tag::builder()
            .key(STATE_TAG)
            .value(tag.as_str())
            .build()
            .map_err(|error| AwsError::new(OPERATION, error))?;
        let tagging =
            Tagging::builder().tag_set(tag).build().map_err(|error| AwsError::new(OPERATION, error))?;
        let result = self
            .client
            .put_object_tagging()
            .bucket(&self.originals_bucket)
            .key(key.to_string())
            .tagging(tagging)
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(()),
            Err(error) => Err(AwsError::new(OPERATION, error)),
        }
    }

    /// Whether the originals bucket answers.
    pub async fn check_originals(&self) -> Result<(), AwsError> {
        self.check(&self.originals_bucket).await
    }

    /// Whether the thumbnails bucket answers.
    pub async fn check_thumbnails(&self) -> Result<(), AwsError> {
        self.check(&self.thumbnails_bucket).await
    }

    /// `GetBucketLocation` needs a permission that shows nothing of the bucket's content.
    async fn check(&self, bucket: &str) -> Result<(), AwsError> {
        let request = self.client.get_bucket_location().bucket(bucket);
        request.send().await.map(drop).map_err(|error| AwsError::new("s3:GetBucketLocation", error))
    }
}

/// On Lambda the SDK puts the invocation's trace into every request, presigned ones too. It is not signed, but it would
/// be among the headers that the client is told to send, and CORS lets no browser send it.
fn without_trace(request: &mut HttpRequest) {
    request.headers_mut().remove("x-amzn-trace-id");
}

fn presigning(
    operation: &'static str,
    now: OffsetDateTime,
    expires_in: Duration,
) -> Result<PresigningConfig, AwsError> {
    PresigningConfig::builder()
        .start_time(now.into())
        .expires_in(expires_in)
        .build()
        .map_err(|error| AwsError::new(operation, error))
}

fn read_error(error: SdkError<aws_sdk_s3::operation::get_object::GetObjectError>) -> ReadError {
    let status = error.raw_response().map(|response| response.status().as_u16());
    match (status, error.code()) {
        (_, Some("NoSuchKey")) => ReadError::Missing,
        (Some(412), _) | (_, Some("PreconditionFailed")) => ReadError::Replaced,
        _ => ReadError::Aws(AwsError::new("s3:GetObject", error)),
    }
}

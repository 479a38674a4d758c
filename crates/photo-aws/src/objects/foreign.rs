//! A bucket that the stack does not own, and taking photos over from it: a backfill's part.

use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::types::{MetadataDirective, TaggingDirective};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use photo_domain::{ContentType, OriginalKey};

use super::{FoundObject, Objects, Page};
use crate::AwsError;

/// What `x-amz-copy-source` may hold as it is; it is a URL-encoded path
/// ([`CopyObject`](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html)).
const COPY_SOURCE_RESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Somebody else's bucket: it is listed and read, never written.
#[derive(Clone, Copy, Debug)]
pub struct ForeignBucket<'a> {
    objects: &'a Objects,
    name: &'a str,
}

/// What looking into an object found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peeked {
    /// Its first bytes.
    Bytes(Vec<u8>),
    /// It is gone, or another one: it was written since it was listed.
    Changed,
    /// It is in an archive (S3 Glacier) and cannot be read before it is restored.
    Archived,
}

/// How taking an object over ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Its bytes are the photo's original.
    Now,
    /// It is gone, or another one: it was written since it was listed.
    Changed,
}

impl Objects {
    /// The bucket called `name`.
    #[must_use]
    pub const fn foreign<'a>(&'a self, name: &'a str) -> ForeignBucket<'a> {
        ForeignBucket { objects: self, name }
    }
}

impl ForeignBucket<'_> {
    /// What comes after a key, below a prefix; at most `limit` (and 1,000) objects.
    pub async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, AwsError> {
        self.objects.list(self.name, prefix, after, limit).await
    }

    /// An object's first bytes, as many as tell its type.
    pub async fn first_bytes(&self, object: &FoundObject) -> Result<Peeked, AwsError> {
        const OPERATION: &str = "s3:GetObject";
        let result = self
            .objects
            .client
            .get_object()
            .bucket(self.name)
            .key(&object.key)
            .range(format!("bytes=0-{}", ContentType::SIGNATURE_BYTES - 1))
            .if_match(&object.etag)
            .send()
            .await;
        match result {
            Ok(mut output) => {
                let mut bytes = Vec::new();
                // A server that does not know ranges would send all of it.
                while bytes.len() < ContentType::SIGNATURE_BYTES
                    && let Some(chunk) =
                        output.body.try_next().await.map_err(|error| AwsError::new(OPERATION, error))?
                {
                    bytes.extend_from_slice(&chunk);
                }
                Ok(Peeked::Bytes(bytes))
            }
            Err(error) if is_changed(&error) => Ok(Peeked::Changed),
            Err(error) if error.code() == Some("InvalidObjectState") => Ok(Peeked::Archived),
            Err(error) => Err(AwsError::new(OPERATION, error)),
        }
    }

    /// Has S3 copy an object to where its photo's original belongs; S3 then starts the pipeline. Neither the source's
    /// metadata nor its tags come along. Copied again it is the same.
    pub async fn take(
        &self,
        object: &FoundObject,
        content_type: ContentType,
        key: &OriginalKey,
    ) -> Result<Taken, AwsError> {
        let source = format!("{}/{}", self.name, utf8_percent_encode(&object.key, COPY_SOURCE_RESERVED));
        let result = self
            .objects
            .client
            .copy_object()
            .bucket(&self.objects.originals_bucket)
            .key(key.to_string())
            .copy_source(source)
            .copy_source_if_match(&object.etag)
            .content_type(content_type.as_str())
            .metadata_directive(MetadataDirective::Replace)
            .tagging_directive(TaggingDirective::Replace)
            .send()
            .await;
        match result {
            Ok(_) => Ok(Taken::Now),
            Err(error) if is_changed(&error) => Ok(Taken::Changed),
            Err(error) => Err(AwsError::new("s3:CopyObject", error)),
        }
    }
}

/// Whether S3 says that there is no such object, or another one.
fn is_changed<E: aws_sdk_s3::error::ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let status = error.raw_response().map(|response| response.status().as_u16());
    status == Some(412) || matches!(error.code(), Some("NoSuchKey" | "PreconditionFailed"))
}

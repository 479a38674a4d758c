//! S3 requests of an upload that the SDK cannot presign: a form's POST, and the requests of an upload in parts.
//!
//! All of it is local computation: the addresses are the SDK's own, the signatures are made by the crate that the SDK
//! signs with (`aws-sigv4`).

use std::collections::BTreeMap;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use photo_domain::{OriginalKey, UploadRequest};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::AwsError;

/// How SigV4 writes a time.
const AMZ_DATE: &[BorrowedFormatItem<'static>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");
const DATE: &[BorrowedFormatItem<'static>] = format_description!("[year][month][day]");
/// How a POST policy writes a time.
const EXPIRATION: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// What SigV4 leaves as it is in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The content type of the list of parts that completes an upload.
const XML: &str = "application/xml";

/// Signs requests for the originals bucket.
#[derive(Clone, Debug)]
pub struct UploadSigner {
    client: Client,
    credentials: Option<SharedCredentialsProvider>,
    region: Option<Region>,
    bucket: String,
}

/// A request that its holder may send until it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRequest {
    /// The method.
    pub method: &'static str,
    /// The URL, signature included.
    pub url: String,
    /// The headers that are signed, by lower-case name: the client must send exactly these.
    pub headers: BTreeMap<String, String>,
    /// When the signature stops being accepted.
    pub expires_at: OffsetDateTime,
}

/// A form that its holder may post until it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedForm {
    /// Where to.
    pub url: String,
    /// The fields, to be sent before the field `file`.
    pub fields: BTreeMap<String, String>,
    /// When the policy stops being accepted.
    pub expires_at: OffsetDateTime,
}

/// A request of an upload in parts, as S3 calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartsRequest {
    /// Begins the upload.
    Create,
    /// Brings one part.
    UploadPart {
        /// S3's id of the upload.
        upload_id: String,
        /// The part's number, from 1.
        number: u64,
        /// Its exact length in bytes.
        length: u64,
    },
    /// Says which parts there are.
    List {
        /// S3's id of the upload.
        upload_id: String,
    },
    /// Makes the object of the parts, if there is none yet and they have all the bytes.
    Complete {
        /// S3's id of the upload.
        upload_id: String,
    },
    /// Gives the upload up.
    Abort {
        /// S3's id of the upload.
        upload_id: String,
    },
}

impl PartsRequest {
    /// The method, the query and the headers that S3 wants, all of which are signed.
    fn parts(&self, request: &UploadRequest) -> (&'static str, String, BTreeMap<String, String>) {
        let id = |upload_id: &str| format!("uploadId={}", utf8_percent_encode(upload_id, QUERY));
        let header = |name: &str, value: String| (name.to_owned(), value);
        match self {
            Self::Create => {
                let content_type = header("content-type", request.content_type.as_str().to_owned());
                ("POST", "uploads=".to_owned(), BTreeMap::from([content_type]))
            }
            Self::UploadPart { upload_id, number, length } => (
                "PUT",
                format!("partNumber={number}&{}", id(upload_id)),
                BTreeMap::from([header("content-length", length.to_string())]),
            ),
            Self::List { upload_id } => ("GET", id(upload_id), BTreeMap::new()),
            Self::Complete { upload_id } => (
                "POST",
                id(upload_id),
                BTreeMap::from([
                    header("content-type", XML.to_owned()),
                    // The key is this photo's alone, and its first bytes stay.
                    header("if-none-match", "*".to_owned()),
                    header("x-amz-mp-object-size", request.size_bytes.to_string()),
                ]),
            ),
            Self::Abort { upload_id } => ("DELETE", id(upload_id), BTreeMap::new()),
        }
    }
}

impl UploadSigner {
    /// A signer for `bucket`. Without credentials or a region every signature fails, as every call would.
    #[must_use]
    pub fn new(
        client: Client,
        credentials: Option<SharedCredentialsProvider>,
        region: Option<Region>,
        bucket: String,
    ) -> Self {
        Self { client, credentials, region, bucket }
    }

    /// Signs one request of this photo's upload in parts: key, method, query and headers are all under the signature.
    pub async fn sign_parts_request(
        &self,
        key: &OriginalKey,
        request: &UploadRequest,
        asked: &PartsRequest,
        now: OffsetDateTime,
        expires_in: Duration,
    ) -> Result<SignedRequest, AwsError> {
        const OPERATION: &str = "s3:multipart (presign)";
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| AwsError::new(OPERATION, error);
        let (method, query, headers) = asked.parts(request);
        let (credentials, region) = self.identity(OPERATION).await?;
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(expires_in);
        // S3's own ways: keys are not encoded twice, nothing is normalised, and the body is signed by its length.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region.as_ref())
            .name("s3")
            .time(now.into())
            .settings(settings)
            .build()
            .map_err(|error| failed(error.into()))?
            .into();
        let mut url = format!("{}?{query}", self.object_url(OPERATION, key, now).await?);
        let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let signable = SignableRequest::new(method, url.clone(), pairs, SignableBody::UnsignedPayload)
            .map_err(|error| failed(error.into()))?;
        let (instructions, _) = sign(signable, &params).map_err(|error| failed(error.into()))?.into_parts();
        for (name, value) in instructions.params() {
            url.push('&');
            url.push_str(name);
            url.push('=');
            url.extend(utf8_percent_encode(value, QUERY));
        }
        Ok(SignedRequest { method, url, headers, expires_at: now + expires_in })
    }

    /// Signs a policy under which a form may post exactly this photo: key, type, length and, if given, checksum.
    ///
    /// S3 has no condition "and nothing is there yet" for a form. With the checksum in the policy a second POST can only
    /// bring the same bytes.
    pub async fn sign_form(
        &self,
        key: &OriginalKey,
        request: &UploadRequest,
        now: OffsetDateTime,
        expires_in: Duration,
    ) -> Result<SignedForm, AwsError> {
        const OPERATION: &str = "s3:POST (policy)";
        let written = |format: &[BorrowedFormatItem<'_>], at: OffsetDateTime| {
            at.format(format).map_err(|error| AwsError::new(OPERATION, error))
        };
        let (credentials, region) = self.identity(OPERATION).await?;
        let url = self.object_url(OPERATION, key, now).await?;
        let path = format!("/{}", utf8_percent_encode(&key.to_string(), PATH));
        let url = url
            .strip_suffix(&path)
            .map(|bucket| format!("{bucket}/"))
            .ok_or_else(|| AwsError::new(OPERATION, "the address of an object does not end with its key"))?;
        let expires_at = now + expires_in;
        let scope = format!("{}/{region}/s3/aws4_request", written(DATE, now)?);
        let mut fields = BTreeMap::from([
            ("key".to_owned(), key.to_string()),
            ("Content-Type".to_owned(), request.content_type.as_str().to_owned()),
            ("x-amz-algorithm".to_owned(), "AWS4-HMAC-SHA256".to_owned()),
            ("x-amz-credential".to_owned(), format!("{}/{scope}", credentials.access_key_id())),
            ("x-amz-date".to_owned(), written(AMZ_DATE, now)?),
        ]);
        if let Some(token) = credentials.session_token() {
            fields.insert("x-amz-security-token".to_owned(), token.to_owned());
        }
        if let Some(checksum) = request.checksum {
            fields.insert("x-amz-checksum-algorithm".to_owned(), "SHA256".to_owned());
            fields.insert("x-amz-checksum-sha256".to_owned(), checksum.to_string());
        }
        let mut conditions: Vec<Value> = fields.iter().map(|(name, value)| json!({ name: value })).collect();
        conditions.push(json!({ "bucket": self.bucket }));
        conditions.push(json!(["content-length-range", request.size_bytes, request.size_bytes]));
        let policy = json!({ "expiration": written(EXPIRATION, expires_at)?, "conditions": conditions });
        let policy = STANDARD.encode(policy.to_string());
        let signing_key =
            v4::generate_signing_key(credentials.secret_access_key(), now.into(), region.as_ref(), "s3");
        let signature = v4::calculate_signature(signing_key, policy.as_bytes());
        fields.insert("policy".to_owned(), policy);
        fields.insert("x-amz-signature".to_owned(), signature);
        Ok(SignedForm { url, fields, expires_at })
    }

    async fn identity(&self, operation: &'static str) -> Result<(Credentials, &Region), AwsError> {
        let region = self.region.as_ref().ok_or_else(|| AwsError::new(operation, "no region"))?;
        let provider = self.credentials.as_ref().ok_or_else(|| AwsError::new(operation, "no credentials"))?;
        let credentials =
            provider.provide_credentials().await.map_err(|error| AwsError::new(operation, error))?;
        Ok((credentials, region))
    }

    /// Where an original is, by the SDK's own rules for partitions, dual stack, custom endpoints and path style.
    async fn object_url(
        &self,
        operation: &'static str,
        key: &OriginalKey,
        now: OffsetDateTime,
    ) -> Result<String, AwsError> {
        let config = PresigningConfig::builder()
            .start_time(now.into())
            .expires_in(Duration::from_secs(1))
            .build()
            .map_err(|error| AwsError::new(operation, error))?;
        let head = self.client.head_object().bucket(&self.bucket).key(key.to_string());
        let presigned = head.presigned(config).await.map_err(|error| AwsError::new(operation, error))?;
        let (address, _) = presigned.uri().split_once('?').unwrap_or((presigned.uri(), ""));
        Ok(address.to_owned())
    }
}

/// What stays as it is in a path: slashes too.
const PATH: &AsciiSet = &QUERY.remove(b'/');

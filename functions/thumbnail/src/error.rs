//! The one place that decides whether a failure is permanent or transient.
//!
//! - **Permanent**: the photo itself is to blame, or trying again would end the same way. The record
//!   becomes `failed{code}` at once, and the invocation succeeds: Lambda must not retry it.
//! - **Transient**: AWS did not do its part. The invocation fails, Lambda retries it, and after its last
//!   attempt the event is in the failure queue. The record stays `pending`.

use lambda_runtime::Diagnostic;
use photo_aws::{AwsError, ReadError, error_chain};
use photo_domain::FailureCode;
use photo_imaging::ImagingError;

/// Why a photo has no thumbnails yet.
#[derive(Debug)]
pub enum Failure {
    /// It never will.
    Permanent {
        /// What the client is told.
        code: FailureCode,
        /// The cause, for the record and the log.
        reason: String,
    },
    /// A later try may succeed.
    Transient(AwsError),
    /// The event is of an object that another one has replaced; the newer event does the work.
    Stale,
}

impl Failure {
    /// A permanent failure.
    #[must_use]
    pub fn permanent(code: FailureCode, reason: impl Into<String>) -> Self {
        Self::Permanent { code, reason: reason.into() }
    }
}

impl From<AwsError> for Failure {
    fn from(error: AwsError) -> Self {
        Self::Transient(error)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Missing => Self::permanent(FailureCode::OriginalMissing, error.to_string()),
            ReadError::TooLarge { .. } => Self::permanent(FailureCode::TooLarge, error.to_string()),
            ReadError::Replaced => Self::Stale,
            ReadError::Aws(error) => Self::Transient(error),
        }
    }
}

impl From<ImagingError> for Failure {
    /// Rendering depends on the bytes and the configuration alone, so it would end the same way again.
    fn from(error: ImagingError) -> Self {
        // A code that the domain does not know would be a bug of this crate's; a test keeps them in step.
        let code = error.code().parse().unwrap_or(FailureCode::ProcessingFailed);
        Self::permanent(code, error_chain(&error))
    }
}

/// An invocation that Lambda shall retry.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {records} records failed, the first with: {first}")]
pub struct InvocationError {
    /// How many records the event had.
    pub records: usize,
    /// How many of them failed.
    pub failed: usize,
    /// The first failure with its causes.
    pub first: String,
}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Self {
        Self { error_type: "TransientFailure".to_owned(), error_message: error.to_string() }
    }
}

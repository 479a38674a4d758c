//! The one place that decides whether a failure is permanent or transient.
//!
//! - **Permanent**: the photo itself is to blame, or trying again would end the same way. The record
//!   becomes `failed{code}` at once, and the invocation succeeds: the message must not come again.
//! - **Transient**: AWS did not do its part. The invocation fails, the queue delivers the message again later, and
//!   after a hundred deliveries it is in the failure queue. The record stays `pending`.

use std::time::Duration;

use lambda_runtime::Diagnostic;
use photo_aws::{AwsError, ReadError, error_chain};
use photo_domain::FailureCode;
use photo_imaging::ImagingError;

/// Longer than this S3 should not need for an original of any size that is taken; rendering has the rest of the time.
const LONGEST_READ: Duration = Duration::from_secs(20);

/// Why a photo has no thumbnails yet.
#[derive(Debug)]
pub enum Failure {
    /// It never will.
    Permanent(Permanent),
    /// A later try may succeed.
    Transient(AwsError),
    /// The event is of an object that another one has replaced; the newer event does the work.
    Stale,
}

/// Why a photo will never have thumbnails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permanent {
    /// What the client is told.
    pub code: FailureCode,
    /// The cause, for the record and the log.
    pub reason: String,
}

impl Failure {
    /// A permanent failure.
    #[must_use]
    pub fn permanent(code: FailureCode, reason: impl Into<String>) -> Self {
        Self::Permanent(Permanent { code, reason: reason.into() })
    }

    /// A photo that had too little time because S3 took it is not to blame: a later try may succeed.
    #[must_use]
    pub fn after_reading(self, took: Duration) -> Self {
        match self {
            Self::Permanent(Permanent { code: FailureCode::ProcessingTimeout, .. })
                if took > LONGEST_READ =>
            {
                Self::Transient(AwsError { operation: "s3:GetObject", source: SlowRead(took).into() })
            }
            other => other,
        }
    }
}

/// S3 took so long that no time was left for the photo.
#[derive(Debug, thiserror::Error)]
#[error("reading the original took {} ms, and no time was left to render it", .0.as_millis())]
struct SlowRead(Duration);

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

/// An invocation whose messages the queue shall deliver again.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_whose_time_went_into_a_slow_read_is_tried_again() {
        let late = || Failure::permanent(FailureCode::ProcessingTimeout, "the deadline passed before decode");
        assert!(matches!(late().after_reading(Duration::from_secs(21)), Failure::Transient(_)));
        assert!(matches!(late().after_reading(Duration::from_secs(19)), Failure::Permanent(_)));
        let corrupt = Failure::permanent(FailureCode::CorruptImage, "").after_reading(Duration::from_mins(1));
        let is_corrupt = |failed: &Permanent| failed.code == FailureCode::CorruptImage;
        assert!(matches!(&corrupt, Failure::Permanent(failed) if is_corrupt(failed)), "{corrupt:?}");
    }
}

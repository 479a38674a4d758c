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

use crate::{FUNCTION_TIMEOUT, WRITE_RESERVE};

/// What a render must have had of an invocation before a timeout is the photo's fault: the function's timeout without
/// [`WRITE_RESERVE`] and without 20 s for the table's and S3's calls before the render.
const FAIR_RENDER_TIME: Duration =
    FUNCTION_TIMEOUT.saturating_sub(WRITE_RESERVE).saturating_sub(Duration::from_secs(20));

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

    /// Makes a timeout transient if the render had too little of the invocation's time, because calls to AWS took it: the photo
    /// is not to blame, and a later try may succeed.
    #[must_use]
    pub fn of_render_within(self, available: Duration) -> Self {
        match self {
            Self::Permanent(Permanent { code: FailureCode::ProcessingTimeout, .. })
                if available < FAIR_RENDER_TIME =>
            {
                Self::Transient(AwsError { operation: "render", source: LateRender(available).into() })
            }
            other => other,
        }
    }
}

/// Calls before the render took so long that too little time was left for it.
#[derive(Debug, thiserror::Error)]
#[error("the render had {} ms of the invocation, and needs {} ms before it may fail the photo", .0.as_millis(), FAIR_RENDER_TIME.as_millis())]
struct LateRender(Duration);

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
    fn a_timeout_is_permanent_if_the_render_had_its_share() {
        let late = || Failure::permanent(FailureCode::ProcessingTimeout, "the deadline passed before decode");
        for (available, is_transient) in [(0, true), (34, true), (35, false), (55, false)] {
            let failure = late().of_render_within(Duration::from_secs(available));
            assert_eq!(matches!(failure, Failure::Transient(_)), is_transient, "{available} s");
        }
        let corrupt = Failure::permanent(FailureCode::CorruptImage, "").of_render_within(Duration::ZERO);
        let is_corrupt = |failed: &Permanent| failed.code == FailureCode::CorruptImage;
        assert!(matches!(&corrupt, Failure::Permanent(failed) if is_corrupt(failed)), "{corrupt:?}");
    }
}

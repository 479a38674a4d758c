//! Why a photo can never have thumbnails.

use std::fmt;
use std::str::FromStr;

/// The stable, upper-case code that a client sees in `failure.code`. Adding one is compatible; renaming one is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureCode {
    /// The bytes are no image at all.
    NotAnImage,
    /// An image, but of a kind that is not decoded.
    UnsupportedType,
    /// An image of another type than the client declared and S3 stored.
    TypeMismatch,
    /// The right kind of image, but truncated or damaged.
    CorruptImage,
    /// More bytes than the limit.
    TooLarge,
    /// More pixels, a longer side or more decoder memory than the limit.
    TooManyPixels,
    /// More animation frames than the limit. Versions that counted frames without decoding them gave it.
    TooManyFrames,
    /// Not done within the time of an invocation.
    ProcessingTimeout,
    /// Another number of bytes than announced.
    SizeMismatch,
    /// Other bytes than announced: their SHA-256 is not the one that was given.
    ChecksumMismatch,
    /// The object was gone when its event came.
    OriginalMissing,
    /// The decoder or an encoder gave up for a reason of its own.
    ProcessingFailed,
    /// It was tried again and again for four days and never came to an end.
    RetriesExhausted,
}

impl FailureCode {
    /// Every code.
    pub const ALL: [Self; 13] = [
        Self::NotAnImage,
        Self::UnsupportedType,
        Self::TypeMismatch,
        Self::CorruptImage,
        Self::TooLarge,
        Self::TooManyPixels,
        Self::TooManyFrames,
        Self::ProcessingTimeout,
        Self::SizeMismatch,
        Self::ChecksumMismatch,
        Self::OriginalMissing,
        Self::ProcessingFailed,
        Self::RetriesExhausted,
    ];

    /// The code as clients and records have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAnImage => "NOT_AN_IMAGE",
            Self::UnsupportedType => "UNSUPPORTED_TYPE",
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::CorruptImage => "CORRUPT_IMAGE",
            Self::TooLarge => "TOO_LARGE",
            Self::TooManyPixels => "TOO_MANY_PIXELS",
            Self::TooManyFrames => "TOO_MANY_FRAMES",
            Self::ProcessingTimeout => "PROCESSING_TIMEOUT",
            Self::SizeMismatch => "SIZE_MISMATCH",
            Self::ChecksumMismatch => "CHECKSUM_MISMATCH",
            Self::OriginalMissing => "ORIGINAL_MISSING",
            Self::ProcessingFailed => "PROCESSING_FAILED",
            Self::RetriesExhausted => "RETRIES_EXHAUSTED",
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no failure code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown failure code {0:?}")]
pub struct UnknownFailureCode(String);

impl FromStr for FailureCode {
    type Err = UnknownFailureCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or_else(|| UnknownFailureCode(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_what_it_wrote() {
        for code in FailureCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
        }
        assert!("not_an_image".parse::<FailureCode>().is_err());
    }
}

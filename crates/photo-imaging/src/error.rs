//! Everything that can go wrong between the bytes and the variants.

use crate::format::{Format, OutputFormat};

/// Why a photo cannot be rendered. Permanent by nature: the same bytes with the same limits fail the same way,
/// [`ImagingError::DeadlinePassed`] excepted.
#[derive(Debug, thiserror::Error)]
pub enum ImagingError {
    /// No known image type begins like this.
    #[error("the bytes are not an image")]
    NotAnImage,
    /// An image, recognised by its first bytes, that is not decoded here.
    #[error("{0} is not supported")]
    UnsupportedType(&'static str),
    /// The right type, but cut off or damaged.
    #[error("damaged {format} image: {reason}")]
    Corrupt {
        /// The type that the bytes begin like.
        format: Format,
        /// What the parser or decoder said. For logs, not for clients.
        reason: String,
    },
    /// More bytes than [`crate::Limits::max_bytes`].
    #[error("{bytes} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Length of the input.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// More pixels than [`crate::Limits::max_pixels`].
    #[error("{width} x {height} px, at most {limit} pixels are allowed")]
    TooManyPixels {
        /// Width in px, as stored.
        width: u32,
        /// Height in px, as stored.
        height: u32,
        /// The limit.
        limit: u64,
    },
    /// A side is longer than [`crate::Limits::max_side`].
    #[error("{width} x {height} px, at most {limit} px a side are allowed")]
    SideTooLong {
        /// Width in px, as stored.
        width: u32,
        /// Height in px, as stored.
        height: u32,
        /// The limit.
        limit: u32,
    },
    /// Decoding would take more memory than [`crate::Limits::max_decoder_bytes`].
    #[error("decoding takes {bytes} bytes of memory, at most {limit} are allowed")]
    TooMuchMemory {
        /// What the header lets expect.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// [`crate::Limits::deadline`] passed; `step` was not begun.
    #[error("the deadline passed before {step}")]
    DeadlinePassed {
        /// The step that was due.
        step: &'static str,
    },
    /// A library panicked in this step. Its message is on standard error.
    #[error("panic while {step}")]
    Panicked {
        /// What was being done.
        step: &'static str,
    },
    /// The resizer refused.
    #[error("resizing failed")]
    Resize(#[from] fast_image_resize::ResizeError),
    /// An encoder refused.
    #[error("encoding {format} failed: {reason}")]
    Encode {
        /// The format asked for.
        format: OutputFormat,
        /// What the encoder said.
        reason: String,
    },
    /// A promise between two steps of this crate was broken.
    #[error("internal error: {0}")]
    Internal(String),
}

impl ImagingError {
    /// Every code that [`ImagingError::code`] gives.
    pub const CODES: [&'static str; 7] = [
        "NOT_AN_IMAGE",
        "UNSUPPORTED_TYPE",
        "CORRUPT_IMAGE",
        "TOO_LARGE",
        "TOO_MANY_PIXELS",
        "PROCESSING_TIMEOUT",
        "PROCESSING_FAILED",
    ];

    /// The stable, upper-case code that a client sees.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAnImage => "NOT_AN_IMAGE",
            Self::UnsupportedType(_) => "UNSUPPORTED_TYPE",
            Self::Corrupt { .. } => "CORRUPT_IMAGE",
            Self::TooLarge { .. } => "TOO_LARGE",
            Self::TooManyPixels { .. } | Self::SideTooLong { .. } | Self::TooMuchMemory { .. } => {
                "TOO_MANY_PIXELS"
            }
            Self::DeadlinePassed { .. } => "PROCESSING_TIMEOUT",
            Self::Panicked { .. } | Self::Resize(_) | Self::Encode { .. } | Self::Internal(_) => {
                "PROCESSING_FAILED"
            }
        }
    }

    pub(crate) fn corrupt(format: Format, reason: impl Into<String>) -> Self {
        Self::Corrupt { format, reason: reason.into() }
    }
}

//! Errors of the crate.

/// Why a file is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file may be valid, but files of this kind are not decoded.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// The container is damaged, or contradicts itself.
    #[error("{0}")]
    Corrupt(&'static str),
    /// The file has more parts than a photo needs.
    #[error("too many {0}")]
    LimitExceeded(&'static str),
    /// The caller's `should_stop` returned true.
    #[error("decoding was stopped")]
    Stopped,
}

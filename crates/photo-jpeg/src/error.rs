//! What can go wrong with a file.

/// Why a JPEG is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Right or not, files of this kind are not decoded here.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// Cut off, damaged, or made to look like a JPEG.
    #[error("{0}")]
    Corrupt(&'static str),
    /// The caller's `should_stop` said so.
    #[error("decoding was stopped")]
    Stopped,
}

pub(crate) const TRUNCATED: Error = Error::Corrupt("the file ends inside a segment");

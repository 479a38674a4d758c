//! Everything that can go wrong, with the exit code that tells a script.

use std::path::PathBuf;

use crate::api::Problem;

/// Why a command, or its part for one file, did not get done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The command line, or what it names, cannot be used.
    #[error("{0}")]
    Usage(String),
    /// No token, or a refused one.
    #[error("{0}")]
    Auth(String),
    /// No answer at all.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// Which host.
        host: String,
        /// The innermost cause.
        reason: String,
    },
    /// The API refused.
    #[error("{0}")]
    Api(Problem),
    /// S3 refused.
    #[error("the storage refused the bytes: {status} {code}: {message}")]
    Storage {
        /// The HTTP status.
        status: u16,
        /// S3's code.
        code: String,
        /// S3's text.
        message: String,
    },
    /// The thumbnail function refused the bytes.
    #[error("the photo {photo_id} failed: {code}")]
    PhotoFailed {
        /// Which photo.
        photo_id: String,
        /// Why.
        code: String,
    },
    /// The photo was waited for in vain.
    #[error("the photo {photo_id} is still pending after {seconds} s")]
    StillPending {
        /// Which photo.
        photo_id: String,
        /// How long.
        seconds: u64,
    },
    /// The file is no photo.
    #[error("{0}")]
    NotAPhoto(&'static str),
    /// An answer is not what was agreed.
    #[error("the answer cannot be understood: {0}")]
    Answer(String),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// AWS refused an operator's call.
    #[error("{0}")]
    Aws(String),
    /// Some of several things were not done; each was reported.
    #[error("{failed} of {total} {what} failed")]
    Some {
        /// How many.
        failed: usize,
        /// Of how many.
        total: usize,
        /// Of what.
        what: &'static str,
    },
}

impl CliError {
    /// The exit code, as `--help` lists them.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Auth(_) => 3,
            Self::Unreachable { .. } => 4,
            _ => 1,
        }
    }

    /// A stable code for `--json`.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Usage(_) => "USAGE",
            Self::Auth(_) => "UNAUTHENTICATED",
            Self::Unreachable { .. } => "UNREACHABLE",
            Self::Api(problem) => &problem.code,
            Self::Storage { .. } => "STORAGE_REFUSED",
            Self::PhotoFailed { code, .. } => code,
            Self::StillPending { .. } => "STILL_PENDING",
            Self::NotAPhoto(_) => "NOT_AN_IMAGE",
            Self::Answer(_) => "BAD_ANSWER",
            Self::Io { .. } => "IO",
            Self::Aws(_) => "AWS",
            Self::Some { .. } => "SOME_FAILED",
        }
    }

    /// The same error once more, for another file that it concerns.
    pub(crate) fn repeated(&self) -> Self {
        match self {
            Self::Auth(text) => Self::Auth(text.clone()),
            Self::Unreachable { host, reason } => {
                Self::Unreachable { host: host.clone(), reason: reason.clone() }
            }
            Self::Api(problem) => Self::Api(problem.clone()),
            other => Self::Answer(other.to_string()),
        }
    }

    /// Whether nothing else can work either: the other files need not be tried.
    pub(crate) fn ends_all(&self) -> bool {
        matches!(self, Self::Usage(_) | Self::Auth(_) | Self::Unreachable { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_can_tell_what_went_wrong_by_the_exit_code() {
        let cases = [
            (CliError::Usage(String::new()), 2),
            (CliError::Auth(String::new()), 3),
            (CliError::Unreachable { host: String::new(), reason: String::new() }, 4),
            (CliError::PhotoFailed { photo_id: String::new(), code: "NOT_AN_IMAGE".to_owned() }, 1),
            (CliError::Some { failed: 1, total: 2, what: "files" }, 1),
        ];
        for (error, code) in cases {
            assert_eq!(error.exit_code(), code, "{error:?}");
            assert_eq!(error.ends_all(), code > 1, "{error:?}");
        }
    }
}

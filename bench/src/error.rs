//! What ends a benchmark early, in one line each.

use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Usage(String),
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{tool} {what}")]
    Worker { tool: String, what: String },
    #[error("{photo}: {what}")]
    Photo { photo: String, what: String },
    #[error("the system refused: {0}")]
    System(#[from] nix::errno::Errno),
    #[error("talking to a worker: {0}")]
    Pipe(#[from] std::io::Error),
    #[error("a worker's message: {0}")]
    Message(#[from] serde_json::Error),
    #[error("docs/PERFORMANCE.md has no line {0:?}")]
    NoMarker(&'static str),
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    pub(crate) fn photo(photo: &str, what: &(impl ToString + ?Sized)) -> Self {
        Self::Photo { photo: photo.to_owned(), what: what.to_string() }
    }
}

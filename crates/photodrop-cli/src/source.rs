//! A file to upload: what is announced of it, and its bytes.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::error::CliError;
use crate::sniff::{self, HEAD_BYTES};

/// How much is read at once while a checksum is made, in bytes.
const READ_BYTES: usize = 256 * 1024;

/// A photo on disk, looked at once.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its bytes.
    pub(crate) size_bytes: u64,
    /// The type that its first bytes tell.
    pub(crate) content_type: Option<&'static str>,
    /// SHA-256 in base64, as S3 takes it.
    pub(crate) checksum_sha256: String,
}

impl Source {
    /// Reads a file to its end for its size, type and checksum.
    pub(crate) async fn look_at(path: PathBuf) -> Result<Self, CliError> {
        blocking(move || {
            let failed = |source| CliError::Io { path: path.clone(), source };
            let mut file = File::open(&path).map_err(failed)?;
            if file.metadata().map_err(failed)?.is_dir() {
                return Err(CliError::NotAPhoto("is a folder: name its files (photos/*.jpg)"));
            }
            let mut digest = Sha256::new();
            let mut buffer = vec![0; READ_BYTES];
            let mut head = Vec::with_capacity(HEAD_BYTES);
            let mut size_bytes = 0;
            loop {
                let count = file.read(&mut buffer).map_err(failed)?;
                let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
                let missing = HEAD_BYTES.saturating_sub(head.len());
                head.extend(read.iter().take(missing));
                digest.update(read);
                size_bytes += count as u64;
            }
            if size_bytes == 0 {
                return Err(CliError::NotAPhoto("is empty"));
            }
            Ok(Self {
                content_type: sniff::content_type(&head),
                checksum_sha256: STANDARD.encode(digest.finalize()),
                size_bytes,
                path,
            })
        })
        .await
    }

    /// Its name without folders.
    pub(crate) fn file_name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// A range of its bytes.
    pub(crate) async fn read(&self, start: u64, length: u64) -> Result<Bytes, CliError> {
        let path = self.path.clone();
        blocking(move || read_range(&path, start, length)).await
    }
}

fn read_range(path: &Path, start: u64, length: u64) -> Result<Bytes, CliError> {
    let failed = |source| CliError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(length).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 == length {
        Ok(Bytes::from(bytes))
    } else {
        Err(failed(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "has become shorter meanwhile")))
    }
}

/// Runs what waits for the disk where it holds up nothing else.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CliError> + Send + 'static,
) -> Result<T, CliError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(CliError::Answer(format!("reading broke off: {error}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_looked_at_once_for_all_that_is_announced_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, b"GIF89a, hello").unwrap();
        let source = Source::look_at(path.clone()).await.unwrap();
        assert_eq!((source.size_bytes, source.content_type), (13, Some("image/gif")));
        assert_eq!(source.checksum_sha256, STANDARD.encode(Sha256::digest(b"GIF89a, hello")));
        assert_eq!(source.file_name(), "a.txt");
        assert_eq!(source.read(3, 4).await.unwrap(), b"89a,".as_slice());
        std::fs::write(&path, b"GIF").unwrap();
        assert!(matches!(source.read(3, 4).await, Err(CliError::Io { .. })), "the file became shorter");
    }

    #[tokio::test]
    async fn a_folder_an_empty_and_a_missing_file_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        std::fs::write(&empty, b"").unwrap();
        assert!(matches!(Source::look_at(empty).await, Err(CliError::NotAPhoto("is empty"))));
        assert!(matches!(Source::look_at(folder.path().to_owned()).await, Err(CliError::NotAPhoto(_))));
        assert!(matches!(Source::look_at(folder.path().join("none")).await, Err(CliError::Io { .. })));
    }
}

//! Which multipart uploads are under way, and which files were asked for together: what no server can be asked for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::CliError;
use crate::files;
use crate::upload::batch::Batch;

/// The beginning of the names of files that describe a batch.
const BATCH: &str = "batch-";
/// The beginning of the names of files that say that S3 has acknowledged the bytes of a batch's member.
const ACKNOWLEDGED: &str = "acknowledged-";
/// How long a batch is remembered: less than the 24 hours that the API keeps an idempotency key.
const BATCH_LIFE: Duration = Duration::from_hours(23);

/// A folder with one file for each unfinished multipart upload.
#[derive(Clone, Debug)]
pub(crate) struct State {
    folder: PathBuf,
}

/// An unfinished multipart upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    /// Whose bytes they are.
    pub(crate) photo_id: String,
    /// S3's id of the upload.
    pub(crate) upload_id: String,
    /// The length of every part but the last.
    pub(crate) part_size_bytes: u64,
}

impl State {
    /// The folder given, else the one for state that the XDG base directory specification names.
    pub(crate) fn new(given: Option<&Path>) -> Result<Self, CliError> {
        given.map(Path::to_owned).or_else(default_folder).map(|folder| Self { folder }).ok_or_else(|| {
            CliError::Usage(
                "no home folder: say where to remember unfinished uploads (--state DIR)".to_owned(),
            )
        })
    }

    /// Makes the folder if it is missing, and makes sure that no other user can write to it.
    pub(crate) fn prepare(&self) -> Result<(), CliError> {
        files::make_folder(&self.folder)?;
        files::own_folder(&self.folder)
    }

    /// A file in the folder; `key` has letters, digits, `-` and `_` alone.
    pub(crate) fn file(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    /// What is remembered under a key. What cannot be read, or what another user could have written, counts as forgotten:
    /// the upload begins again.
    pub(crate) fn recall(&self, key: &str) -> Option<Unfinished> {
        let text = files::read_own(&self.file(key)).ok()??;
        files::own_folder(&self.folder).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Remembers an upload; whole or not at all.
    pub(crate) fn remember(&self, key: &str, unfinished: &Unfinished) -> Result<(), CliError> {
        let text = serde_json::to_vec(unfinished).map_err(|error| CliError::Answer(error.to_string()))?;
        self.prepare()?;
        files::write(&self.file(key), &text, files::PRIVATE)
    }

    /// Whether anything can be remembered.
    pub(crate) fn is_usable(&self) -> bool {
        self.prepare().is_ok()
    }

    /// Remembers a batch; whole or not at all.
    pub(crate) fn remember_batch(&self, batch: &Batch) -> Result<(), CliError> {
        let text = serde_json::to_vec(batch).map_err(|error| CliError::Answer(error.to_string()))?;
        self.prepare()?;
        files::write(&self.file(&format!("{BATCH}{}", batch.key)), &text, files::PRIVATE)
    }

    /// The batches of the last day, the newest last. Older ones are removed; what another user could have written is left out.
    pub(crate) fn batches(&self) -> Vec<Batch> {
        if files::own_folder(&self.folder).is_err() {
            return Vec::new();
        }
        let mut batches = Vec::new();
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with(BATCH) && !name.starts_with(ACKNOWLEDGED) {
                continue;
            }
            let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok();
            // A time in the future is another clock's: the file counts as new.
            if modified.and_then(|time| time.elapsed().ok()).is_some_and(|age| age > BATCH_LIFE) {
                // One that stays behind is looked at again the next time.
                let _ = std::fs::remove_file(entry.path());
                continue;
            }
            if name.starts_with(BATCH) {
                let text = files::read_own(&entry.path()).ok().flatten();
                let batch = text.and_then(|text| serde_json::from_slice::<Batch>(&text).ok());
                batches.extend(batch.map(|batch| (modified, batch)));
            }
        }
        batches.sort_by_key(|(modified, _)| *modified);
        batches.into_iter().map(|(_, batch)| batch).collect()
    }

    /// Remembers that S3 has acknowledged the bytes of a batch's member.
    pub(crate) fn acknowledge(&self, key: &str, index: usize) -> Result<(), CliError> {
        self.prepare()?;
        files::write(&self.file(&format!("{ACKNOWLEDGED}{key}-{index}")), b"", files::PRIVATE)
    }

    /// Whether a run remembered that S3 has acknowledged the bytes of a batch's member.
    pub(crate) fn is_acknowledged(&self, key: &str, index: usize) -> bool {
        let file = self.file(&format!("{ACKNOWLEDGED}{key}-{index}"));
        files::own_folder(&self.folder).is_ok() && matches!(files::read_own(&file), Ok(Some(_)))
    }

    /// Forgets an upload.
    pub(crate) fn forget(&self, key: &str) {
        // One that stays behind is found not to exist when it is next looked at.
        let _ = std::fs::remove_file(self.file(key));
    }
}

fn default_folder() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || {
        Some(PathBuf::from(std::env::var_os("HOME").filter(|value| !value.is_empty())?).join(".local/state"))
    };
    Some(state.or_else(home)?.join("photodrop"))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_unfinished_upload_is_remembered_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(Some(&folder.path().join("new/folder"))).unwrap();
        let unfinished =
            Unfinished { photo_id: "p".to_owned(), upload_id: "u".to_owned(), part_size_bytes: 5 };
        assert_eq!(state.recall("k"), None);
        state.remember("k", &unfinished).unwrap();
        assert_eq!(state.recall("k"), Some(unfinished));
        std::fs::write(state.file("k"), "{").unwrap();
        assert_eq!(state.recall("k"), None, "a broken file is none");
        state.forget("k");
        assert!(!state.file("k").exists());
    }

    #[test]
    fn a_batch_is_remembered_for_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(Some(folder.path())).unwrap();
        assert!(state.is_usable() && state.batches().is_empty());
        let batch: Batch = serde_json::from_value(serde_json::json!({ "key": "cli-1", "owner": "jane",
            "uploads": [{ "file_name": "a" }], "photo_ids": ["p"] }))
        .unwrap();
        state.remember_batch(&batch).unwrap();
        state.acknowledge("cli-1", 0).unwrap();
        assert!(state.is_acknowledged("cli-1", 0) && !state.is_acknowledged("cli-1", 1));
        std::fs::write(state.file("batch-broken"), "{").unwrap();
        assert_eq!(state.batches(), std::slice::from_ref(&batch));
        for name in ["batch-cli-1", "acknowledged-cli-1-0"] {
            let file = std::fs::File::options().write(true).open(state.file(name)).unwrap();
            file.set_modified(std::time::SystemTime::now() - Duration::from_hours(24)).unwrap();
        }
        assert!(state.batches().is_empty() && !state.is_acknowledged("cli-1", 0));
        assert!(!state.file("batch-cli-1").exists());
        state.remember_batch(&batch).unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(state.batches().is_empty() && !state.is_usable());
    }

    #[test]
    fn what_another_user_could_have_written_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(Some(&folder.path().join("state"))).unwrap();
        let unfinished =
            Unfinished { photo_id: "p".to_owned(), upload_id: "u".to_owned(), part_size_bytes: 5 };
        state.remember("k", &unfinished).unwrap();
        let change =
            |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        for (path, open, closed) in
            [(state.file("k"), 0o622, 0o600), (folder.path().join("state"), 0o777, 0o700)]
        {
            change(&path, open);
            assert_eq!(state.recall("k"), None, "{}", path.display());
            change(&path, closed);
            assert_eq!(state.recall("k").as_ref(), Some(&unfinished));
        }
    }
}

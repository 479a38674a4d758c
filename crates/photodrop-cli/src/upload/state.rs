//! Which multipart uploads are under way: what the storage cannot be asked for.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::CliError;
use crate::files;

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

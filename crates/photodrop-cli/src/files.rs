//! Files that this program keeps or goes by: written whole, and read only if no other user could have written them.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use crate::error::CliError;

/// The mode of a file that is its owner's alone.
pub(crate) const PRIVATE: u32 = 0o600;
/// The mode of a file that everybody may read, less what the user's umask takes away.
pub(crate) const SHARED: u32 = 0o666;

/// No file that is kept here is larger, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// The bits of a mode that let the group and others write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Writes a file whole or not at all. A symbolic link in its place is replaced, and never followed.
pub(crate) fn write(path: &Path, contents: &[u8], mode: u32) -> Result<(), CliError> {
    let failed = |source| CliError::Io { path: path.to_owned(), source };
    let (fresh, mut file) = create_beside(path, mode).map_err(failed)?;
    file.write_all(contents).and_then(|()| std::fs::rename(&fresh, path)).map_err(|source| {
        let _ = std::fs::remove_file(&fresh);
        failed(source)
    })
}

/// Makes a file with a random name in a file's folder.
fn create_beside(path: &Path, mode: u32) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let fresh =
        path.with_file_name(format!(".{}.{}.new", name.to_string_lossy(), uuid::Uuid::new_v4().simple()));
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
    Ok((fresh, file))
}

/// Reads a file that is the user's own; nothing if there is none.
pub(crate) fn read_own(path: &Path) -> Result<Option<Vec<u8>>, CliError> {
    let failed = |source| CliError::Io { path: path.to_owned(), source };
    // Without `O_NONBLOCK` a FIFO in its place would be waited for.
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) if is_symlink(path) => return Err(not_trusted(path, "is a symbolic link")),
        Err(source) => return Err(failed(source)),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(not_trusted(path, "is no regular file"));
    }
    own(path, &metadata, metadata.mode())?;
    read_at_most(file, MAX_BYTES).map(Some).map_err(failed)
}

/// Makes a folder and the ones above it that are missing, for the user alone. One that is there keeps its mode.
pub(crate) fn make_folder(path: &Path) -> Result<(), CliError> {
    let failed = |source| CliError::Io { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)
}

/// Makes sure that no other user can put files into a folder, or replace them there.
pub(crate) fn own_folder(path: &Path) -> Result<(), CliError> {
    let metadata =
        std::fs::symlink_metadata(path).map_err(|source| CliError::Io { path: path.to_owned(), source })?;
    if !metadata.is_dir() {
        return Err(not_trusted(path, "is a symbolic link"));
    }
    own(path, &metadata, metadata.mode())
}

/// Makes sure that a file can be written later. Its folder is made if it is missing.
pub(crate) fn prepare(path: &Path) -> Result<(), CliError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder)?;
    }
    let failed = |source| CliError::Io { path: path.to_owned(), source };
    let (fresh, _) = create_beside(path, PRIVATE).map_err(failed)?;
    std::fs::remove_file(fresh).map_err(failed)
}

fn own(path: &Path, metadata: &Metadata, mode: u32) -> Result<(), CliError> {
    match distrust(metadata.uid(), mode, geteuid().as_raw()) {
        None => Ok(()),
        Some(reason) => Err(not_trusted(path, reason)),
    }
}

/// Why a user does not go by something that has this owner and mode.
fn distrust(owner: u32, mode: u32, user: u32) -> Option<&'static str> {
    if owner != user {
        Some("belongs to another user")
    } else if mode & WRITABLE_BY_OTHERS != 0 {
        Some("can be written by other users (chmod go-w)")
    } else {
        None
    }
}

fn not_trusted(path: &Path, reason: &str) -> CliError {
    CliError::Usage(format!("{} is not trusted: it {reason}", path.display()))
}

fn is_symlink(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

fn read_at_most(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode_of(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn only_what_the_user_alone_can_write_is_trusted() {
        for (owner, mode, trusted) in [
            (7, 0o600, true),
            (7, 0o644, true),
            (7, 0o755, true),
            (7, 0o664, false),
            (7, 0o602, false),
            (7, 0o777, false),
            (8, 0o600, false),
            (0, 0o600, false),
        ] {
            assert_eq!(distrust(owner, mode, 7).is_none(), trusted, "{owner} {mode:o}");
        }
    }

    #[test]
    fn a_file_is_written_whole_for_its_owner_and_leaves_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for contents in [b"one".as_slice(), b"two"] {
            write(&path, contents, PRIVATE).unwrap();
            assert_eq!(read_own(&path).unwrap().as_deref(), Some(contents));
            assert_eq!(mode_of(&path), 0o600);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        // What cannot take its place leaves nothing behind.
        let taken = folder.path().join("taken");
        std::fs::create_dir(&taken).unwrap();
        write(&taken, b"x", PRIVATE).unwrap_err();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_link_in_the_file_s_place_is_neither_read_nor_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link.json"));
        std::fs::write(&target, "kept").unwrap();
        symlink(&target, &link).unwrap();
        assert!(read_own(&link).unwrap_err().to_string().contains("symbolic link"));
        write(&link, b"new", PRIVATE).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"kept");
        assert_eq!(read_own(&link).unwrap().as_deref(), Some(b"new".as_slice()));
    }

    #[test]
    fn what_is_no_file_of_the_user_s_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_own(&folder.path().join("none")).unwrap(), None);
        assert!(read_own(folder.path()).unwrap_err().to_string().contains("no regular file"));
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read_own(&fifo).unwrap_err().to_string().contains("no regular file"));
        let open = folder.path().join("open");
        std::fs::write(&open, "x").unwrap();
        std::fs::set_permissions(&open, Permissions::from_mode(0o666)).unwrap();
        assert!(read_own(&open).unwrap_err().to_string().contains("chmod go-w"));
        let large = folder.path().join("large");
        File::create(&large).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert!(matches!(read_own(&large), Err(CliError::Io { .. })));
    }

    #[test]
    fn a_new_folder_is_private_and_one_that_was_there_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        make_folder(&path).unwrap();
        assert_eq!((mode_of(&path), mode_of(path.parent().unwrap())), (0o700, 0o700));
        for (mode, own) in [(0o755, true), (0o775, false), (0o777, false)] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            make_folder(&path).unwrap();
            assert_eq!((mode_of(&path), own_folder(&path).is_ok()), (mode, own), "{mode:o}");
        }
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(own_folder(&link).unwrap_err().to_string().contains("symbolic link"));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_known_before() {
        let folder = tempfile::tempdir().unwrap();
        prepare(&folder.path().join("a/b.json")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path().join("a")).unwrap().count(), 0);
        prepare(&folder.path().join("x".repeat(240))).unwrap_err();
        prepare(Path::new("..")).unwrap_err();
    }
}

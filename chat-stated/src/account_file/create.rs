//! Makes a new account file where there is none.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why no file was made.
#[derive(Debug, Error)]
pub enum CreateError {
    /// Somebody else made one first; it is untouched.
    #[error("cannot make the account file {}: there is one already", .0.display())]
    AlreadyThere(PathBuf),
    /// The system refused.
    #[error("cannot make the account file {}: {action}: {error}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What went wrong.
        error: io::Error,
    },
}

/// Makes a file with these lines, readable by its owner only. It appears whole and on disk, or not at all,
/// and never in the place of another.
pub fn create_with(path: &Path, lines: &[u8]) -> Result<(), CreateError> {
    let system = |action| {
        move |error| CreateError::System {
            path: path.to_owned(),
            action,
            error,
        }
    };
    let new_path = new_path(path).map_err(system("name a new file"))?;
    // One that a death left behind; the lock on the state lets no other daemon be at it.
    match fs::remove_file(&new_path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(system("remove an old new file")(error));
        }
        _ => {}
    }
    let result = write_new(&new_path, lines)
        .map_err(system("write a new file"))
        // A link, unlike a rename, never replaces.
        .and_then(|()| match fs::hard_link(&new_path, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(CreateError::AlreadyThere(path.to_owned()))
            }
            linked => linked.map_err(system("put the new file in its place")),
        });
    if let Err(error) = fs::remove_file(&new_path) {
        log::warn!("cannot remove {}: {error}", new_path.display());
    }
    result?;
    sync_directory(path).map_err(system("sync its directory"))
}

/// Under which name a new file is written before it gets its own.
pub fn new_path(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut new_name = std::ffi::OsString::from(".");
    new_name.push(name);
    new_name.push(".new");
    Ok(path.with_file_name(new_name))
}

fn write_new(new_path: &Path, lines: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(new_path)?;
    file.write_all(lines)?;
    file.sync_all()
}

/// Makes the name of a file durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn makes_private_file_and_leaves_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("user_pass.txt");
        fs::write(
            directory.path().join(".user_pass.txt.new"),
            "left by a death",
        )
        .unwrap();
        create_with(&path, b"a,b\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"a,b\n");
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn never_replaces_another() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("user_pass.txt");
        fs::write(&path, "theirs").unwrap();
        let error = create_with(&path, b"ours\n").unwrap_err();
        assert!(matches!(error, CreateError::AlreadyThere(_)), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn says_where_it_could_not() {
        let path = Path::new("/nowhere/at/all/user_pass.txt");
        let error = create_with(path, b"").unwrap_err().to_string();
        assert!(error.contains("/nowhere/at/all/user_pass.txt"), "{error}");
    }
}

//! Files that hold secrets are for their owner alone. What others can get at is taken away from them, or refused.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chat_node::files::run_dir::is_operators;
use nix::libc::O_NONBLOCK;
use nix::unistd::geteuid;
use thiserror::Error;

const OTHERS: u32 = 0o077;

/// What becomes of a file that others can get at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnInsecurePermissions {
    /// It is taken away from them, with a warning.
    Close,
    /// It is not used.
    Refuse,
}

/// Why a file is not used.
#[derive(Debug, Error)]
pub enum PermissionsError {
    /// Others can get at it.
    #[error("others can get at {} (mode {mode:04o}): chmod go= it, or leave --strict-permissions \
        (CHAT_STRICT_PERMISSIONS) out", path.display())]
    Exposed {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Somebody else has put it there.
    #[error(
        "{} belongs to user {owner}, so it is not believed: chown it to the owner of its directory", path.display()
    )]
    Foreign {
        /// The file or directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// It cannot be looked at.
    #[error("cannot look at {}: {error}", path.display())]
    System {
        /// The file or directory.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
}

/// Sees to it that nobody but its owner can get at a file or directory, if it is there; one that belongs to somebody
/// who has no business there is refused. Anything else is left as it is: it keeps no secret, and whoever reads what
/// should be a file refuses it.
pub fn close_to_others(
    path: &Path,
    on_insecure_permissions: OnInsecurePermissions,
) -> Result<(), PermissionsError> {
    let shown = path.display();
    let system = |error| PermissionsError::System {
        path: path.to_owned(),
        error,
    };
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(system)?,
    };
    // Root's children have users of their own, or had others before: the owner says nothing about who put it there.
    if !geteuid().is_root() && !is_operators(&found, path).map_err(system)? {
        let (path, owner) = (path.to_owned(), found.uid());
        return Err(PermissionsError::Foreign { path, owner });
    }
    let mode = found.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 || !(found.is_file() || found.is_dir()) {
        return Ok(());
    }
    if on_insecure_permissions == OnInsecurePermissions::Refuse {
        let path = path.to_owned();
        return Err(PermissionsError::Exposed { path, mode });
    }
    // What only others could write, as a copy of a file that is shown around, its owner has to write now.
    let owner = if found.is_dir() { 0o700 } else { 0o600 };
    let closed = mode & !OTHERS | owner;
    match set_mode(path, closed) {
        Ok(()) => log::warn!("others could get at {shown}; its mode is {closed:04o} now"),
        Err(error) => {
            log::warn!(
                "others can get at {shown} (mode {mode:04o}), and that cannot be changed: {error}"
            );
        }
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    // A pipe that was put there meanwhile must not hold us up until somebody writes to it.
    let options = &mut OpenOptions::new();
    let opened = options.read(true).custom_flags(O_NONBLOCK).open(path)?;
    opened.set_permissions(Permissions::from_mode(mode))
}

/// The same for a directory and all that is in it.
pub fn close_directory_to_others(
    directory: &Path,
    on_insecure_permissions: OnInsecurePermissions,
) -> Result<(), PermissionsError> {
    close_to_others(directory, on_insecure_permissions)?;
    let system = |error| PermissionsError::System {
        path: directory.to_owned(),
        error,
    };
    for entry in fs::read_dir(directory).map_err(system)? {
        close_to_others(&entry.map_err(system)?.path(), on_insecure_permissions)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn insecure_files_are_closed_or_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("user_pass.txt");
        close_to_others(&path, OnInsecurePermissions::Refuse).unwrap();
        fs::write(&path, "").unwrap();
        for (mode, closed) in [
            (0o600, 0o600),
            (0o644, 0o600),
            (0o640, 0o600),
            (0o402, 0o600),
            (0o444, 0o600),
        ] {
            set_mode(&path, mode).unwrap();
            let refused = close_to_others(&path, OnInsecurePermissions::Refuse).is_err();
            assert_eq!(refused, mode != closed, "{mode:o}");
            assert_eq!(mode_of(&path), mode);
            close_to_others(&path, OnInsecurePermissions::Close).unwrap();
            assert_eq!(mode_of(&path), closed);
        }
    }

    #[test]
    fn directory_is_closed_with_its_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.db");
        fs::write(&path, "").unwrap();
        set_mode(&path, 0o644).unwrap();
        set_mode(directory.path(), 0o700).unwrap();
        let refused = close_directory_to_others(directory.path(), OnInsecurePermissions::Refuse);
        assert!(refused.unwrap_err().to_string().contains("journal.db"));
        set_mode(directory.path(), 0o755).unwrap();
        close_directory_to_others(directory.path(), OnInsecurePermissions::Close).unwrap();
        assert_eq!((mode_of(directory.path()), mode_of(&path)), (0o700, 0o600));
    }
}

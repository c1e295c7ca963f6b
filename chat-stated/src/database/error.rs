//! What can go wrong with stored state, in words for the operator.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// Why stored state cannot be used. Nothing of a damaged file is ever served. Each text is whole: no error has another
/// as its source, which would be told twice.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The content is not what was written.
    #[error("{} is damaged: {place}: {what}. {advice}", file.display())]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// Where in it.
        place: String,
        /// What is wrong there.
        what: String,
        /// What the operator can do.
        advice: &'static str,
    },
    /// Written by another version of this program.
    #[error(
        "{} has format {found}, this program knows formats up to {known}: use the version of chatserv that wrote it",
        file.display()
    )]
    Version {
        /// Which file.
        file: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format this program reads, which it writes.
        known: i64,
    },
    /// The system lets nothing more be stored; what is stored is as it was.
    #[error("cannot {action} {}: {cause}", file.display())]
    NoRoom {
        /// What was tried, as in "cannot write".
        action: &'static str,
        /// Which file.
        file: PathBuf,
        /// Why.
        cause: NoRoom,
    },
    /// A file that is in use does not stand under its name any more: the next process would not find what is written to
    /// it.
    #[error(
        "{} {what} while the server was using it: what is stored there would be lost, so the server has stopped. Put \
         it back as it was; or stop the server (scripts/stop) and restore a backup",
        file.display()
    )]
    NameLost {
        /// The name.
        file: PathBuf,
        /// What became of it.
        what: &'static str,
    },
    /// The system refused.
    #[error("cannot {action} {}: {error}", file.display())]
    Io {
        /// What was tried, as in "cannot open".
        action: &'static str,
        /// Which file.
        file: PathBuf,
        /// Its answer.
        error: io::Error,
    },
    /// SQLite refused.
    #[error("cannot {action} {}: {error}", file.display())]
    Sqlite {
        /// What was tried, as in "cannot read".
        action: &'static str,
        /// Which file.
        file: PathBuf,
        /// Its answer.
        error: rusqlite::Error,
    },
}

/// Why the system lets nothing more be stored. It may do so again later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// The file system is full.
    #[default]
    #[error("no room on its file system: free some space")]
    Full,
    /// The user has used up what he may store there.
    #[error(
        "no room in the disk quota of the user it belongs to: free some space, or raise the quota"
    )]
    Quota,
    /// A file may not grow any more.
    #[error("the system allows no larger file: raise the limit (ulimit -f, LimitFSIZE=)")]
    FileSize,
    /// The file system takes no writes.
    #[error("its file system is read-only: the kernel's log may tell why; make it writable again")]
    ReadOnly,
}

impl NoRoom {
    /// Whether this error of the system is one of them.
    pub fn of(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::StorageFull => Some(Self::Full),
            io::ErrorKind::QuotaExceeded => Some(Self::Quota),
            io::ErrorKind::FileTooLarge => Some(Self::FileSize),
            io::ErrorKind::ReadOnlyFilesystem => Some(Self::ReadOnly),
            _ => None,
        }
    }

    /// SQLite says so by itself of a full file system only. What it says of the rest is what it says of a disk that
    /// fails; which of the two it is, the system's own error number tells.
    fn of_sqlite(error: &rusqlite::ffi::Error, last_os_error: &io::Error) -> Option<Self> {
        use rusqlite::ffi;
        if error.code == rusqlite::ErrorCode::DiskFull {
            return Some(Self::Full);
        }
        // None of these is a sync: after one that failed, what is on the disk is not known, whatever the reason.
        let may_lack_room = matches!(
            error.extended_code,
            ffi::SQLITE_IOERR_WRITE
                | ffi::SQLITE_IOERR_TRUNCATE
                | ffi::SQLITE_IOERR_SHMOPEN
                | ffi::SQLITE_IOERR_SHMSIZE
                | ffi::SQLITE_IOERR_DELETE
        ) || matches!(
            error.code,
            rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::ReadOnly
        );
        may_lack_room.then(|| Self::of(last_os_error)).flatten()
    }
}

/// What to do about a damaged file.
pub(crate) const RESTORE: &str = "Stop the server, keep a copy of the state directory, check the disk, and restore \
     the state directory from a backup";

/// What to do about a damaged backup.
const OTHER_BACKUP: &str = "Use another backup, or another copy of this one";

impl StorageError {
    pub(crate) fn damaged_backup(
        file: &Path,
        place: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            place: place.into(),
            what: what.into(),
            advice: OTHER_BACKUP,
        }
    }

    pub(crate) fn damaged(file: &Path, place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            place: place.into(),
            what: what.into(),
            advice: RESTORE,
        }
    }

    pub(crate) fn io(action: &'static str, file: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| match NoRoom::of(&source) {
            Some(cause) => Self::NoRoom {
                action,
                file: file.to_owned(),
                cause,
            },
            None => Self::Io {
                action,
                file: file.to_owned(),
                error: source,
            },
        }
    }

    /// Sorts what SQLite says: damage and a full disk are told apart from all else. To be called at once, while the
    /// system's own error number is still that of the failure.
    pub(crate) fn sqlite(
        action: &'static str,
        file: &Path,
    ) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::sort_sqlite(action, file, source, &io::Error::last_os_error())
    }

    fn sort_sqlite(
        action: &'static str,
        file: &Path,
        source: rusqlite::Error,
        last_os_error: &io::Error,
    ) -> Self {
        let Some(error) = source.sqlite_error() else {
            return Self::damaged(file, "a row", source.to_string());
        };
        if is_damage(error) {
            return Self::damaged(file, "its pages", source.to_string());
        }
        match NoRoom::of_sqlite(error, last_os_error) {
            Some(cause) => Self::NoRoom {
                action,
                file: file.to_owned(),
                cause,
            },
            None => Self::Sqlite {
                action,
                file: file.to_owned(),
                error: source,
            },
        }
    }

    /// Whether the system refused in a way that leaves open what is on the disk.
    pub fn is_disk_failure(&self) -> bool {
        match self {
            Self::Io { error, .. } => !is_refusal(error),
            Self::Sqlite { error, .. } => {
                error.sqlite_error_code() != Some(rusqlite::ErrorCode::OutOfMemory)
            }
            _ => false,
        }
    }

    /// Whether more free space would have helped.
    pub fn is_no_room(&self) -> bool {
        self.no_room().is_some()
    }

    /// Why the system let nothing more be stored, if that is what it is.
    pub fn no_room(&self) -> Option<NoRoom> {
        match self {
            Self::NoRoom { cause, .. } => Some(*cause),
            _ => None,
        }
    }
}

/// Whether the system did not even begin, for a reason that has nothing to do with the disk.
fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{NotFound, OutOfMemory, PermissionDenied};
    let is_out_of_descriptors = [Errno::EMFILE, Errno::ENFILE]
        .iter()
        .any(|errno| error.raw_os_error() == Some(*errno as i32));
    is_out_of_descriptors || matches!(error.kind(), NotFound | OutOfMemory | PermissionDenied)
}

fn is_damage(error: &rusqlite::ffi::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, TooBig};
    matches!(error.code, DatabaseCorrupt | NotADatabase | TooBig)
        || matches!(
            error.extended_code,
            rusqlite::ffi::SQLITE_IOERR_SHORT_READ | rusqlite::ffi::SQLITE_IOERR_CORRUPTFS
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "state/journal.db";

    fn system(errno: Errno) -> StorageError {
        StorageError::io("write to", Path::new(FILE))(errno.into())
    }

    fn sqlite(extended_code: i32, errno: Errno) -> StorageError {
        let error = rusqlite::ffi::Error::new(extended_code);
        let source = rusqlite::Error::SqliteFailure(error, None);
        StorageError::sort_sqlite("write to", Path::new(FILE), source, &errno.into())
    }

    #[test]
    fn limits_of_system_are_no_room() {
        use rusqlite::ffi;
        let limits = [
            (Errno::ENOSPC, NoRoom::Full),
            (Errno::EDQUOT, NoRoom::Quota),
            (Errno::EFBIG, NoRoom::FileSize),
            (Errno::EROFS, NoRoom::ReadOnly),
        ];
        for (errno, cause) in limits {
            let errors = [
                system(errno),
                sqlite(ffi::SQLITE_IOERR_WRITE, errno),
                sqlite(ffi::SQLITE_IOERR_SHMSIZE, errno),
                sqlite(ffi::SQLITE_CANTOPEN, errno),
            ];
            for error in errors {
                assert_eq!(error.no_room(), Some(cause), "{error}");
                assert!(!error.is_disk_failure(), "{error}");
                assert!(error.to_string().contains(FILE), "{error}");
            }
        }
    }

    #[test]
    fn failed_disk_is_not_full_one() {
        use rusqlite::ffi;
        let errors = [
            system(Errno::EIO),
            sqlite(ffi::SQLITE_IOERR_WRITE, Errno::EIO),
            // What was to be synced may be gone, whatever the reason.
            sqlite(ffi::SQLITE_IOERR_FSYNC, Errno::ENOSPC),
            sqlite(ffi::SQLITE_IOERR_READ, Errno::ENOSPC),
        ];
        for error in errors {
            assert!(error.is_disk_failure() && !error.is_no_room(), "{error}");
        }
    }

    #[test]
    fn refusal_is_no_failure_of_disk() {
        for errno in [Errno::EACCES, Errno::EMFILE, Errno::ENOMEM, Errno::ENOENT] {
            let error = system(errno);
            assert!(!error.is_disk_failure() && !error.is_no_room(), "{error}");
        }
    }
}

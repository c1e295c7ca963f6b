//! What can go wrong with stored state, in words for the operator.

use std::io;
use std::path::{Path, PathBuf};

/// Why stored state cannot be used. Nothing of a damaged file is ever served. Each text is whole: no error has another as its
/// source, which would be told twice.
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
    /// The file system has no room.
    #[error("cannot {action} {}: no room on its file system: free some space", file.display())]
    NoRoom {
        /// What was tried, as in "cannot write".
        action: &'static str,
        /// Which file.
        file: PathBuf,
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
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoRoom {
                action,
                file: file.to_owned(),
            },
            _ => Self::Io {
                action,
                file: file.to_owned(),
                error: source,
            },
        }
    }

    /// Sorts what SQLite says: damage and a full disk are told apart from all else.
    pub(crate) fn sqlite(
        action: &'static str,
        file: &Path,
    ) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| match source.sqlite_error() {
            Some(error) if is_damage(error) => Self::damaged(file, "its pages", source.to_string()),
            Some(error) if error.code == rusqlite::ErrorCode::DiskFull => Self::NoRoom {
                action,
                file: file.to_owned(),
            },
            None => Self::damaged(file, "a row", source.to_string()),
            Some(_) => Self::Sqlite {
                action,
                file: file.to_owned(),
                error: source,
            },
        }
    }

    /// Whether the system refused for another reason than a full disk, so that what is on the disk is not known.
    pub fn is_disk_failure(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Sqlite { .. })
    }

    /// Whether more room on the disk would have helped.
    pub fn is_no_room(&self) -> bool {
        matches!(self, Self::NoRoom { .. })
    }
}

fn is_damage(error: &rusqlite::ffi::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, TooBig};
    matches!(error.code, DatabaseCorrupt | NotADatabase | TooBig)
        || matches!(
            error.extended_code,
            rusqlite::ffi::SQLITE_IOERR_SHORT_READ | rusqlite::ffi::SQLITE_IOERR_CORRUPTFS
        )
}

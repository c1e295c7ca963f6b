//! Making a file that is full of rows from the start.

use std::path::Path;

use rusqlite::Connection;

use super::{Database, DatabaseKind, StorageError};

impl Database {
    /// Makes a file, whole and durable and in place of any other, from a source that may fail in its own way: then no
    /// file is made.
    pub(crate) fn create_from<E: From<StorageError>>(
        dir: &Path,
        kind: &DatabaseKind,
        fill: impl FnOnce(&Connection) -> rusqlite::Result<Result<(), E>>,
    ) -> Result<(), E> {
        let mut failure = None;
        let made = Self::create(dir, kind, |rows| {
            fill(rows)?.map_err(|error| {
                failure = Some(error);
                // Any error has what was begun undone; this one is not told to anybody.
                rusqlite::Error::InvalidQuery
            })
        });
        match failure {
            Some(error) => Err(error),
            None => made.map(|_| ()).map_err(E::from),
        }
    }
}

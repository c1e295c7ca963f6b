//! A note in the state directory: the disk failed, and what the system's memory shows of the files may not be on it.
//!
//! After a failed sync the kernel marks the pages as clean: they can be read, a later sync says nothing, and a
//! power cut loses them. So the process ends, and the next one writes everything to fresh files. What tells
//! it so is this file, which need not be durable: it is there as long as the pages it warns of. A power cut
//! that takes it away takes them, too, and what is read then is on the disk.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{StorageError, is_there, sync_directory};

const FILE_NAME: &str = "disk-failed";

/// Leaves the note.
pub(crate) fn note(dir: &Path) {
    let path = dir.join(FILE_NAME);
    let result = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    if let Err(error) = result {
        log::error!(
            "cannot note in {} that the disk failed: {error}. Before the next start, copy the state directory to \
             a disk that is whole",
            path.display()
        );
    }
}

/// Whether the note is there.
pub(crate) fn is_noted(dir: &Path) -> Result<bool, StorageError> {
    is_there(&dir.join(FILE_NAME))
}

/// Removes the note, once everything is in fresh files.
pub(crate) fn clear(dir: &Path) -> Result<(), StorageError> {
    let path = dir.join(FILE_NAME);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(StorageError::io("remove", &path)(error))
        }
        _ => sync_directory(dir),
    }
}

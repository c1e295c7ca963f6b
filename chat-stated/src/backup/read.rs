//! Reading a backup file, with every check that needs no state.

use std::io::BufReader;
use std::path::Path;

use chat_node::files::regular_file;

use super::format::{BackupReader, Counts, FormatError, Head, Item};
use crate::checkpoint::{FIRST_RECORD_FORMAT, RECORD_FORMAT};
use crate::database::StorageError;
use crate::journal::format::{Digest, LogBase};

const BUFFER_BYTES: usize = 1024 * 1024;

/// Reads a backup to its end and hands over what is in it, frame by frame. An error can come after things were handed
/// over: they must not be used then.
pub fn read_backup<E: From<StorageError>>(
    file: &Path,
    mut take: impl FnMut(Item<'_>) -> Result<(), E>,
) -> Result<(Head, Counts), E> {
    let error = |error| format_error("read", file)(error);
    let input = regular_file::open(file).map_err(StorageError::io("open", file))?;
    let input = BufReader::with_capacity(BUFFER_BYTES, input);
    let (mut reader, head) = BackupReader::new(input).map_err(error)?;
    check_head(file, &head)?;
    let mut last = head.log_base;
    while let Some(item) = reader.next_item().map_err(error)? {
        if let Item::Batch {
            position,
            digest,
            body,
        } = item
        {
            let found = Digest::of(position, last.digest, body);
            if position.0 != last.position.0 + 1 || found != digest {
                let place = format!("batch {}", last.position.0 + 1);
                let what = "it is missing, or its digest does not match its content";
                return Err(StorageError::damaged_backup(file, place, what).into());
            }
            last = LogBase { position, digest };
        }
        take(item)?;
    }
    if last.position == head.last {
        return Ok((head, reader.counts()));
    }
    let what = format!(
        "they end with {}, and should with {}",
        last.position.0, head.last.0
    );
    Err(StorageError::damaged_backup(file, "its batches", what).into())
}

fn check_head(file: &Path, head: &Head) -> Result<(), StorageError> {
    if !(FIRST_RECORD_FORMAT..=RECORD_FORMAT).contains(&head.record_format) {
        return Err(StorageError::Version {
            file: file.to_owned(),
            found: head.record_format.into(),
            known: RECORD_FORMAT.into(),
        });
    }
    if head.checkpoint == head.log_base.position {
        return Ok(());
    }
    let what = "its batches do not follow its records";
    Err(StorageError::damaged_backup(file, "the head", what))
}

/// What is wrong with a backup, with the name of its file.
pub(super) fn format_error(
    action: &'static str,
    file: &Path,
) -> impl FnOnce(FormatError) -> StorageError {
    move |error| match error {
        FormatError::Io(error) => StorageError::io(action, file)(error),
        FormatError::Version(found) => StorageError::Version {
            file: file.to_owned(),
            found: found.into(),
            known: super::format::FORMAT.into(),
        },
        FormatError::Damaged { place, what } => StorageError::damaged_backup(file, place, what),
        error @ FormatError::TooLarge(_) => {
            StorageError::io(action, file)(std::io::Error::other(error.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn pipe_is_no_backup() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("restore.backup");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let error = read_backup(&path, |_| Ok::<(), StorageError>(())).unwrap_err();
        let error = error.to_string();
        assert!(error.ends_with("it is not a regular file"), "{error}");
    }
}

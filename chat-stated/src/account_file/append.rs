//! Appends lines to the account file, beside editors and operators who also write to it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use chat_node::files::text_file::{TextFileError, without_byte_order_mark};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use thiserror::Error;

use super::names_in_file::FileVersion;
use crate::database::NoRoom;

/// How long another process may hold the lock before an append fails.
pub const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How often the lock is tried while another process holds it.
const LOCK_RETRY: Duration = Duration::from_millis(5);
/// An editor that saves puts a new file in the place of the old one. Nobody does it so often in a row.
pub(super) const MAX_REPLACEMENTS: usize = 100;

/// Why nothing was appended.
#[derive(Debug, Error)]
pub enum AppendError {
    /// There is no file: a new one with all accounts is to be made.
    #[error("cannot change the account file {}: it is missing", .0.display())]
    Missing(PathBuf),
    /// Another process does not give it free.
    #[error("cannot change the account file {}: another process has held its lock for {waited_ms} ms (see \
        lslocks)", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// How long we waited.
        waited_ms: u128,
    },
    /// It is replaced faster than it can be written.
    #[error("cannot change the account file {}: it was replaced {MAX_REPLACEMENTS} times meanwhile", .0.display())]
    Unsteady(PathBuf),
    /// Text of another encoding, behind which our lines could not be read.
    #[error("cannot change the account file {}: {error}", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        error: TextFileError,
    },
    /// A directory, device or pipe.
    #[error("cannot change the account file {}: it is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// The system refused. The file is as it was, or has at its end a part of a line, which the next append ends.
    #[error("cannot change the account file {}: {action}: {error}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What went wrong.
        error: io::Error,
    },
}

impl AppendError {
    /// Whether more room on the disk would have helped.
    pub fn is_no_room(&self) -> bool {
        self.no_room().is_some()
    }

    /// Why the system let nothing more be stored, if that is what it is.
    pub fn no_room(&self) -> Option<NoRoom> {
        match self {
            Self::System { error, .. } => NoRoom::of(error),
            _ => None,
        }
    }

    /// Whether what is on the disk is not known.
    pub fn is_disk_failure(&self) -> bool {
        matches!(self, Self::System { action: "write", error, .. } if NoRoom::of(error).is_none())
    }
}

/// The file before and after lines were added to it, by nobody else meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Without them.
    pub(super) before: FileVersion,
    /// With them.
    pub(super) after: FileVersion,
}

/// Appends whole lines, all or none, and returns when they are on disk. A file that was replaced
/// meanwhile gets them too.
pub fn append(path: &Path, lines: &[u8]) -> Result<Appended, AppendError> {
    append_with(path, lines, LOCK_WAIT, |_| ())
}

/// `written` is called between writing and the last look at the path.
fn append_with(
    path: &Path,
    lines: &[u8],
    lock_wait: Duration,
    mut written: impl FnMut(usize),
) -> Result<Appended, AppendError> {
    for attempt in 0..MAX_REPLACEMENTS {
        let mut file = lock(open(path)?, path, lock_wait)?;
        // Who held the lock may have put another file in this one's place.
        if !is_at(&file, path)? {
            continue;
        }
        refuse_other_text(&file, path)?;
        let before = version(&file, path)?;
        let bytes =
            append_whole(&mut *file, lines).map_err(|error| system(path, "write", error))?;
        let mut after = version(&file, path)?;
        written(attempt);
        if !is_at(&file, path)? {
            continue;
        }
        // Somebody who takes no lock has written too: what the file holds is not known.
        if after.len != before.len + bytes as u64 {
            after = before;
        }
        return Ok(Appended { before, after });
    }
    Err(AppendError::Unsteady(path.to_owned()))
}

pub(super) fn open(path: &Path) -> Result<File, AppendError> {
    let file = match OpenOptions::new().read(true).append(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(AppendError::Missing(path.to_owned()));
        }
        Err(error) => return Err(system(path, "open", error)),
    };
    let metadata = file
        .metadata()
        .map_err(|error| system(path, "look at", error))?;
    if !metadata.is_file() {
        return Err(AppendError::NotAFile(path.to_owned()));
    }
    Ok(file)
}

pub(super) fn refuse_other_text(file: &File, path: &Path) -> Result<(), AppendError> {
    let mut beginning = [0; 4];
    let len = file
        .read_at(&mut beginning, 0)
        .map_err(|error| system(path, "read", error))?;
    match without_byte_order_mark(&beginning[..len]) {
        Err(error @ TextFileError::Utf16) => Err(AppendError::NotUtf8 {
            path: path.to_owned(),
            error,
        }),
        Err(TextFileError::Nul) | Ok(_) => Ok(()),
    }
}

pub(super) fn lock(
    mut file: File,
    path: &Path,
    wait: Duration,
) -> Result<Flock<File>, AppendError> {
    let deadline = Instant::now() + wait;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => return Ok(locked),
            Err((unlocked, Errno::EAGAIN | Errno::EINTR)) => file = unlocked,
            Err((_, errno)) => return Err(system(path, "lock", errno.into())),
        }
        if Instant::now() >= deadline {
            return Err(AppendError::Locked {
                path: path.to_owned(),
                waited_ms: wait.as_millis(),
            });
        }
        thread::sleep(LOCK_RETRY);
    }
}

pub(super) fn version(file: &File, path: &Path) -> Result<FileVersion, AppendError> {
    let metadata = file.metadata();
    let metadata = metadata.map_err(|error| system(path, "look at", error))?;
    Ok(FileVersion::from(&metadata))
}

/// Whether the path still names the open file.
pub(super) fn is_at(file: &File, path: &Path) -> Result<bool, AppendError> {
    let open = file
        .metadata()
        .map_err(|error| system(path, "look at", error))?;
    match path.metadata() {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(system(path, "look at", error)),
    }
}

pub(super) fn system(path: &Path, action: &'static str, error: io::Error) -> AppendError {
    AppendError::System {
        path: path.to_owned(),
        action,
        error,
    }
}

/// What appending needs of a file.
trait AppendTarget {
    fn len(&self) -> io::Result<u64>;
    fn byte_at(&self, offset: u64) -> io::Result<u8>;
    fn append_some(&mut self, bytes: &[u8]) -> io::Result<usize>;
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
}

impl AppendTarget for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn byte_at(&self, offset: u64) -> io::Result<u8> {
        let mut byte = [0];
        self.read_exact_at(&mut byte, offset)?;
        Ok(byte[0])
    }

    fn append_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Appends all lines or, where the system lets us, none. Gives the bytes that were added.
fn append_whole(file: &mut impl AppendTarget, lines: &[u8]) -> io::Result<usize> {
    let len_before = file.len()?;
    let unfinished = match len_before.checked_sub(1) {
        Some(last) => file.byte_at(last)? != b'\n',
        None => false,
    };
    let mut bytes = Vec::with_capacity(lines.len() + 1);
    if unfinished {
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(lines);
    let mut written = 0;
    let result = write_all(file, &bytes, &mut written).and_then(|()| file.sync());
    if result.is_err()
        && let Err(error) = take_back(file, len_before, written)
    {
        log::warn!(
            "the account file may end in a part of a line, which the next append ends: {error}"
        );
    }
    result.map(|()| written)
}

fn write_all(file: &mut impl AppendTarget, bytes: &[u8], written: &mut usize) -> io::Result<()> {
    while *written < bytes.len() {
        match file.append_some(&bytes[*written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => *written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn take_back(file: &mut impl AppendTarget, len_before: u64, written: usize) -> io::Result<()> {
    // Somebody who takes no lock may have written behind us: that is not ours to cut.
    if file.len()? != len_before + written as u64 {
        return Err(io::Error::other("somebody else writes to it"));
    }
    file.truncate(len_before)?;
    file.sync()
}

#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(test)]
mod tests;

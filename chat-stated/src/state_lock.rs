//! The lock on the state directory: one process holds the state at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::database::{StorageError, make_directory};

/// The file in the state directory that is locked.
pub const LOCK_FILE: &str = "lock";
const RETRY_MS: u64 = 5;

/// Held as long as it lives; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct StateLock {
    _file: Flock<File>,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum StateLockError {
    /// Another process has it.
    #[error("{} is held by {holder} (another chat-stated with the same state directory?)", file.display())]
    Held {
        /// The lock's file.
        file: PathBuf,
        /// The process that wrote itself down as the holder.
        holder: String,
    },
    /// It belongs to somebody else.
    #[error(
        "cannot open {}: it belongs to another user. Start chatserv as that user (was it root before?), or chown -R \
         the run directory to yourself", file.display()
    )]
    Denied {
        /// The lock's file.
        file: PathBuf,
    },
    /// The directory or the file cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl StateLock {
    /// Locks a state directory, which is made if need be. Tries for `wait`, because a predecessor may just be ending.
    pub fn acquire(dir: &Path, wait: Duration) -> Result<Self, StateLockError> {
        make_directory(dir)?;
        let path = dir.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| match error.kind() {
                io::ErrorKind::PermissionDenied => StateLockError::Denied { file: path.clone() },
                _ => StorageError::io("open", &path)(error).into(),
            })?;
        let deadline = Instant::now() + wait;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(mut held) => {
                    // Only for people; a full disk must not stop a start that would help itself.
                    if let Err(error) = name_holder(&mut held) {
                        log::warn!("cannot write {}: {error}", path.display());
                    }
                    return Ok(Self { _file: held });
                }
                Err((refused, Errno::EWOULDBLOCK)) if Instant::now() < deadline => file = refused,
                Err((mut refused, Errno::EWOULDBLOCK)) => {
                    let holder = read_holder(&mut refused);
                    return Err(StateLockError::Held { file: path, holder });
                }
                Err((_, error)) => return Err(StorageError::io("lock", &path)(error.into()).into()),
            }
            std::thread::sleep(Duration::from_millis(RETRY_MS));
        }
    }
}

fn name_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
}

fn read_holder(file: &mut File) -> String {
    let mut process = String::new();
    match file.take(32).read_to_string(&mut process) {
        Ok(bytes) if bytes > 0 => format!("process {}", process.trim_end()),
        _ => "another process".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_time_and_holder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let held = StateLock::acquire(&state, Duration::ZERO).unwrap();
        let error = StateLock::acquire(&state, Duration::from_millis(20)).unwrap_err();
        let process = format!("process {}", std::process::id());
        assert!(error.to_string().contains(&process), "{error}");
        drop(held);
        StateLock::acquire(&state, Duration::ZERO).unwrap();
    }

    #[test]
    fn waits_for_predecessor_that_is_ending() {
        let dir = tempfile::tempdir().unwrap();
        let held = StateLock::acquire(dir.path(), Duration::ZERO).unwrap();
        let ending = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            drop(held);
        });
        StateLock::acquire(dir.path(), Duration::from_secs(60)).unwrap();
        ending.join().unwrap();
    }

    #[test]
    fn directory_that_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = StateLock::acquire(&file, Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}

//! The pid file, which names the running process. Its lock ends with the process, however that ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::files::regular_file;
use crate::files::run_dir::is_operators;
use crate::process::lock_holder::{self, Holder};

/// A process that tests a lock holds it for a moment, so acquiring it is retried for this time.
const READER_WAIT: Duration = Duration::from_millis(100);
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// Why a lock cannot be acquired.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("held by another process")]
    Held,
    /// The file cannot be opened, written or locked.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The pid file of this process, locked until it is dropped, and then removed.
#[derive(Debug)]
pub struct PidFile {
    file: File,
    path: PathBuf,
    after_crash: bool,
}

impl PidFile {
    /// Locks the file at `path` and empties it. [`Self::name_holder`] writes the number of the process into it.
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        let file = lock_file(path, READER_WAIT)?;
        let after_crash = file.metadata()?.len() > 0;
        file.set_len(0)?;
        lock_holder::mark(&file)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            after_crash,
        })
    }

    /// Writes the number of this process. The status of an earlier process must be removed before: it may have had the
    /// same number, above all in a container.
    pub fn name_holder(&mut self) -> io::Result<()> {
        self.file.rewind()?;
        writeln!(self.file, "{}", std::process::id())
    }

    /// Whether the previous process ended without removing the file.
    pub fn is_after_crash(&self) -> bool {
        self.after_crash
    }

    /// Whether this file still has its name. If the directory was cleared meanwhile, the file there may belong to
    /// another process.
    pub fn is_in_place(&self) -> bool {
        is_still_at(&self.file, &self.path).unwrap_or(false)
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if !self.is_in_place() {
            return;
        }
        // Removed while it is still locked; closing it unlocks it.
        if let Err(error) = fs::remove_file(&self.path) {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Locks the file at `path`, which is created if it is missing. Fails after `timeout`.
pub fn lock_file(path: &Path, timeout: Duration) -> Result<File, LockError> {
    let deadline = Instant::now() + timeout;
    loop {
        let options = &mut OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        let file = regular_file::open_own(path, options.truncate(false))?;
        match file.try_lock() {
            // The previous holder may have removed the file before it was locked here. Such a lock would exclude
            // nobody.
            Ok(()) if is_still_at(&file, path)? => return Ok(file),
            Ok(()) => continue,
            Err(TryLockError::Error(error)) => return Err(error.into()),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(LockError::Held);
            }
            Err(TryLockError::WouldBlock) => thread::sleep(RETRY_AFTER),
        }
    }
}

fn is_still_at(file: &File, path: &Path) -> io::Result<bool> {
    let opened = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a process locks the file at `path`. The file may be missing.
pub fn is_locked(path: &Path) -> io::Result<bool> {
    match regular_file::open_unlinked(path, OpenOptions::new().read(true)) {
        Ok(file) => is_file_locked(&file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_file_locked(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The process that holds the pid file at `path`, if there is one.
pub fn holder(path: &Path) -> io::Result<Option<Holder>> {
    let mut file = match regular_file::open_unlinked(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    if !is_operators(&found, path)? {
        let owner = found.uid();
        return Err(io::Error::other(format!(
            "it belongs to user {owner}, so it is ignored: remove it"
        )));
    }
    let deadline = Instant::now() + READER_WAIT;
    while is_file_locked(&file)? {
        let mut text = String::new();
        file.rewind()?;
        file.read_to_string(&mut text)?;
        if let Ok(number) = text.trim().parse()
            && let Some(holder) = lock_holder::identify(&file, number)?
        {
            return Ok(Some(holder));
        }
        if Instant::now() >= deadline {
            return Ok(Some(Holder::Unknown));
        }
        thread::sleep(RETRY_AFTER);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_holder_learns_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pid");
        assert!(holder(&path).unwrap().is_none());
        let mut first = PidFile::acquire(&path).unwrap();
        assert!(!first.is_after_crash());
        assert!(matches!(PidFile::acquire(&path), Err(LockError::Held)));
        assert!(matches!(holder(&path).unwrap(), Some(Holder::Unknown)));
        first.name_holder().unwrap();
        // A process does not see its own mark, so this takes the path for older versions, which set no mark.
        match holder(&path).unwrap() {
            Some(Holder::Here(process)) => assert_eq!(process.pid() as u32, std::process::id()),
            other => panic!("{other:?}"),
        }
        drop(first);
        assert!(!path.exists());
        assert!(holder(&path).unwrap().is_none());
    }

    #[test]
    fn stale_file_delays_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pid");
        // A live process that has nothing to do with the file.
        fs::write(&path, "1\n   and more than a number\n").unwrap();
        assert!(holder(&path).unwrap().is_none());
        let mut file = PidFile::acquire(&path).unwrap();
        assert!(file.is_after_crash());
        file.name_holder().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }

    #[test]
    fn looking_does_not_make_acquirer_fail() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pid");
        fs::write(&path, "1\n").unwrap();
        let looker = File::open(&path).unwrap();
        looker.try_lock_shared().unwrap();
        let waiting = thread::spawn(move || PidFile::acquire(&path).map(drop));
        thread::sleep(Duration::from_millis(20));
        drop(looker);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn number_of_another_process_names_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pid");
        let file = PidFile::acquire(&path).unwrap();
        // Like a container, whose process 1 is another one here.
        fs::write(&path, "1\n").unwrap();
        assert!(matches!(holder(&path).unwrap(), Some(Holder::Unknown)));
        drop(file);
    }

    #[test]
    fn link_is_neither_followed_nor_locked() {
        let dir = tempfile::tempdir().unwrap();
        let (path, precious) = (dir.path().join("x.pid"), dir.path().join("precious"));
        fs::write(&precious, "precious").unwrap();
        std::os::unix::fs::symlink(&precious, &path).unwrap();
        let error = PidFile::acquire(&path).unwrap_err().to_string();
        assert!(error.contains("symbolic link"), "{error}");
        fs::remove_file(&path).unwrap();
        fs::hard_link(&precious, &path).unwrap();
        let error = PidFile::acquire(&path).unwrap_err().to_string();
        assert!(error.contains("hard link"), "{error}");
        assert_eq!(fs::read(&precious).unwrap(), b"precious");
    }

    #[test]
    fn replaced_file_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pid");
        let file = PidFile::acquire(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "2\n").unwrap();
        assert!(!file.is_in_place());
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"2\n");
    }

    #[test]
    fn removed_file_is_not_locked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pid");
        let file = lock_file(&path, Duration::ZERO).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!is_still_at(&file, &path).unwrap());
        let other = lock_file(&path, Duration::ZERO).unwrap();
        assert!(is_still_at(&other, &path).unwrap());
        assert!(is_locked(&path).unwrap());
    }
}

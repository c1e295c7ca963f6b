//! Space on the disk that is held back: given up when the disk is full, so that what is small goes on, and taken
//! again when there is room.
//!
//! How much is held back by default, 32 MiB, follows from what has to go on: one checkpoint of all that may have come
//! into the journal since the last (16 MiB), the logs of both databases (1 MiB each before they are written back, a few
//! at most), and the rest for some hundred thousand logins, logouts and cursors, for which the checkpoint makes room in
//! the journal again.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::posix_fallocate;

use crate::database::StorageError;
use crate::io_thread::{CompletionSink, IoThread};

const FILE_NAME: &str = "reserve";

/// A file of the state directory that takes space and holds nothing.
#[derive(Clone, Debug)]
pub struct DiskReserve {
    path: PathBuf,
    bytes: u64,
}

/// What came of a request.
#[derive(Debug)]
pub enum ReserveOutcome {
    /// Its space is free for others.
    GivenUp,
    /// It holds its space, or why not.
    Taken(Result<(), StorageError>),
}

/// What is to be done with the reserve.
#[derive(Clone, Copy, Debug)]
pub enum ReserveRequest {
    /// Free its space for others.
    GiveUp,
    /// Hold back its space.
    Take,
}

impl DiskReserve {
    /// A reserve of so many bytes in a state directory, taken or not.
    pub fn new(dir: &Path, bytes: u64) -> Self {
        Self {
            path: dir.join(FILE_NAME),
            bytes,
        }
    }

    /// Takes the space. Needs a quarter more for a moment, so that a disk that has just become full again is not
    /// taken for one with room.
    pub fn take(&self) -> Result<(), StorageError> {
        if fs::metadata(&self.path).is_ok_and(|found| found.len() == self.bytes) {
            // On a file system that has become read-only it could not be given up, and is of no use.
            let writable = OpenOptions::new().write(true).open(&self.path);
            return writable
                .map(drop)
                .map_err(StorageError::io("write to", &self.path));
        }
        let result = self.allocate();
        if result.is_err() {
            self.give_up()?;
        }
        result.map_err(StorageError::io("hold back space in", &self.path))
    }

    fn allocate(&self) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&self.path)?;
        let bytes = self.bytes + self.bytes / 4;
        let length = bytes.try_into().map_err(io::Error::other)?;
        posix_fallocate(&file, 0, length)?;
        file.set_len(self.bytes)
    }

    /// Gives the space back to the file system.
    pub fn give_up(&self) -> Result<(), StorageError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(StorageError::io("remove", &self.path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Starts the I/O thread of the reserve. What comes of requests goes to `sink`.
    pub fn start_thread(
        self,
        mut sink: CompletionSink<ReserveOutcome>,
    ) -> io::Result<IoThread<ReserveRequest>> {
        IoThread::start("disk-reserve", move |requests| {
            for request in requests {
                sink(self.serve(request));
            }
        })
    }

    fn serve(&self, request: ReserveRequest) -> ReserveOutcome {
        match request {
            ReserveRequest::Take => ReserveOutcome::Taken(self.take()),
            ReserveRequest::GiveUp => {
                if let Err(error) = self.give_up() {
                    log::error!("{error}");
                }
                ReserveOutcome::GivenUp
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_its_space_and_gives_it_back() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let reserve = DiskReserve::new(dir.path(), 1024 * 1024);
        for _ in 0..2 {
            reserve.take().unwrap();
            reserve.take().unwrap();
            let found = fs::metadata(dir.path().join("reserve")).unwrap();
            assert_eq!(found.len(), 1024 * 1024);
            assert!(found.blocks() * 512 >= 1024 * 1024, "{}", found.blocks());
            reserve.give_up().unwrap();
            reserve.give_up().unwrap();
            assert_eq!(dir.path().read_dir().unwrap().count(), 0);
        }
    }

    #[test]
    fn more_than_there_is_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let error = DiskReserve::new(dir.path(), 1 << 55).take().unwrap_err();
        assert!(error.to_string().contains("hold back space in"), "{error}");
        assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    }
}

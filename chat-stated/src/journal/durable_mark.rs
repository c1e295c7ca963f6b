//! A small file beside the journal that says how far the journal is known to be durable.
//!
//! What is torn off the end of a log by a power cut and what is cut off by damage look the same. So after
//! every commit its position is written here, without a sync: it is never ahead of the journal, survives
//! the death of the process, and most often a power cut. A journal that ends before its mark has lost
//! batches that were acknowledged.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::Position;
use crate::database::{StorageError, sync_directory};

const FILE_NAME: &str = "journal.mark";

/// Two slots in sectors of their own, written in turn, so that one of them is always whole.
const SLOT_OFFSETS: [u64; 2] = [0, 512];
const SLOT_BYTES: usize = 24;
const CHECKSUM_SEED: u64 = u64::from_le_bytes(*b"chatmark");

#[derive(Debug)]
pub(super) struct DurableMark {
    file: File,
    path: PathBuf,
    next_slot: usize,
}

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MarkContent {
    /// There is no file.
    Missing,
    /// Neither slot can be read.
    Unreadable,
    /// Durable up to here at least.
    Through(Position),
}

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

pub(super) fn read(dir: &Path) -> Result<MarkContent, StorageError> {
    let path = path(dir);
    let mut content = Vec::new();
    let result = File::open(&path).and_then(|file| {
        let limit = SLOT_OFFSETS[1] + SLOT_BYTES as u64;
        file.take(limit).read_to_end(&mut content)
    });
    match result {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(MarkContent::Missing),
        Err(error) => return Err(StorageError::io("read", &path)(error)),
    }
    let slot = |offset: u64| decode(content.get(offset as usize..)?.get(..SLOT_BYTES)?);
    let highest = SLOT_OFFSETS.into_iter().filter_map(slot).max();
    Ok(highest.map_or(MarkContent::Unreadable, MarkContent::Through))
}

impl DurableMark {
    /// Opens the file for writing and makes it say `position`, durably.
    pub(super) fn begin(dir: &Path, position: Position) -> Result<Self, StorageError> {
        let path = path(dir);
        let write = || -> io::Result<File> {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)?;
            for offset in SLOT_OFFSETS {
                file.write_all_at(&encode(position), offset)?;
            }
            file.sync_all()?;
            Ok(file)
        };
        let file = write().map_err(StorageError::io("write", &path))?;
        sync_directory(dir)?;
        Ok(Self {
            file,
            path,
            next_slot: 0,
        })
    }

    /// Says that all up to `position` is durable. A full disk (there are some on which writing over what is there
    /// takes room) leaves an older position, which is true as well.
    pub(super) fn advance(&mut self, position: Position) -> Result<(), StorageError> {
        let result = self
            .file
            .write_all_at(&encode(position), SLOT_OFFSETS[self.next_slot])
            .map_err(StorageError::io("write", &self.path));
        match result {
            Err(error) if error.is_no_room() => log::debug!("{error}"),
            result => result?,
        }
        self.next_slot = (self.next_slot + 1) % SLOT_OFFSETS.len();
        Ok(())
    }
}

fn encode(position: Position) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    let number = position.0.to_le_bytes();
    bytes[..8].copy_from_slice(&number);
    bytes[8..].copy_from_slice(&xxh3_128_with_seed(&number, CHECKSUM_SEED).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Position> {
    let number = u64::from_le_bytes(*bytes.first_chunk()?);
    (encode(Position(number)) == bytes).then_some(Position(number))
}

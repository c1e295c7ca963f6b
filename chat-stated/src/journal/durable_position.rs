//! Two small files beside the journal that say how far the journal is known to be durable.
//!
//! What is torn off the end of a log by a power cut and what is cut off by damage look the same. So after
//! every commit its position is written here, without a sync: it is never ahead of the journal, survives
//! the death of the process, and most often a power cut. A journal that ends before this position has lost
//! batches that were acknowledged.
//!
//! The position stands in two files, so that one that is deleted, emptied or put back from an older copy hides
//! nothing. A journal beside which neither can be read is not believed.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::LogIndex;
use crate::database::{StorageError, sync_directory};

/// The files. Versions before this one know the first only.
pub(crate) const FILE_NAMES: [&str; 2] = ["journal.mark", "journal.mark2"];

/// Two slots in sectors of their own, written in turn, so that one of them is always whole.
const SLOT_OFFSETS: [u64; 2] = [0, 512];
const SLOT_BYTES: usize = 24;
const CHECKSUM_SEED: u64 = u64::from_le_bytes(*b"chatmark");

/// Stands in the files until there is a journal that they can speak of.
const BEFORE_JOURNAL: LogIndex = LogIndex(u64::MAX);

#[derive(Debug)]
pub(super) struct DurablePosition {
    files: [(File, PathBuf); 2],
    next_slot: usize,
}

/// What the files say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DurablePositionContent {
    /// There is no file.
    Missing,
    /// There is a file, and nothing in it can be read.
    Unreadable,
    /// A journal was about to be made.
    BeforeJournal,
    /// Durable up to here at least.
    Through(LogIndex),
}

/// Where the files are.
pub(crate) fn paths(dir: &Path) -> [PathBuf; 2] {
    FILE_NAMES.map(|name| dir.join(name))
}

pub(super) fn read(dir: &Path) -> Result<DurablePositionContent, StorageError> {
    let mut is_there = false;
    let mut slots = Vec::new();
    for path in paths(dir) {
        if let Some(content) = read_file(&path)? {
            is_there = true;
            let slot = |offset: u64| decode(content.get(offset as usize..)?.get(..SLOT_BYTES)?);
            slots.extend(SLOT_OFFSETS.into_iter().filter_map(slot));
        }
    }
    let positions = slots.iter().filter(|slot| **slot != BEFORE_JOURNAL);
    Ok(match (positions.max(), slots.is_empty(), is_there) {
        (Some(highest), ..) => DurablePositionContent::Through(*highest),
        (None, false, _) => DurablePositionContent::BeforeJournal,
        (None, true, true) => DurablePositionContent::Unreadable,
        (None, true, false) => DurablePositionContent::Missing,
    })
}

fn read_file(path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
    let mut content = Vec::new();
    let result = File::open(path).and_then(|file| {
        let limit = SLOT_OFFSETS[1] + SLOT_BYTES as u64;
        file.take(limit).read_to_end(&mut content)
    });
    match result {
        Ok(_) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::io("read", path)(error)),
    }
}

/// Says, durably, that a journal is about to be made: from then on one without a position is one that lost it.
pub(super) fn announce_journal(dir: &Path) -> Result<(), StorageError> {
    DurablePosition::begin(dir, BEFORE_JOURNAL).map(drop)
}

impl DurablePosition {
    /// Opens the files for writing and makes them say `position`, durably.
    pub(super) fn begin(dir: &Path, position: LogIndex) -> Result<Self, StorageError> {
        let [first, second] = paths(dir);
        let files = [begin_file(first, position)?, begin_file(second, position)?];
        sync_directory(dir)?;
        Ok(Self {
            files,
            next_slot: 0,
        })
    }

    /// Says that all up to `position` is durable. A full disk (there are some on which writing over what is there
    /// takes room) leaves an older position, which is true as well.
    pub(super) fn advance(&mut self, position: LogIndex) -> Result<(), StorageError> {
        let slot = encode(position);
        for (file, path) in &self.files {
            let result = file
                .write_all_at(&slot, SLOT_OFFSETS[self.next_slot])
                .map_err(StorageError::io("write", path));
            match result {
                Err(error) if error.is_no_room() => log::debug!("{error}"),
                result => result?,
            }
        }
        self.next_slot = (self.next_slot + 1) % SLOT_OFFSETS.len();
        Ok(())
    }
}

fn begin_file(path: PathBuf, position: LogIndex) -> Result<(File, PathBuf), StorageError> {
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
    match write() {
        Ok(file) => Ok((file, path)),
        Err(error) => Err(StorageError::io("write", &path)(error)),
    }
}

fn encode(position: LogIndex) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    let number = position.0.to_le_bytes();
    bytes[..8].copy_from_slice(&number);
    bytes[8..].copy_from_slice(&xxh3_128_with_seed(&number, CHECKSUM_SEED).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<LogIndex> {
    let number = u64::from_le_bytes(*bytes.first_chunk()?);
    (encode(LogIndex(number)) == bytes).then_some(LogIndex(number))
}

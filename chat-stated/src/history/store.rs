//! The history's file, open for writing.

use std::path::Path;

use chat_model::MessageNumber;
use chat_node::crash_point;
use rusqlite::{Connection, OptionalExtension};

use super::format::{self, Gap, HISTORY, Header, row_checksum};
use super::{HistoryReader, KeptMessage};
use crate::database::rewrite::rewrite;
use crate::database::{Database, NamedFiles, StorageError};

/// What to do about a damaged history. Nobody's messages wait for it.
const ADVICE: &str = "The chat goes on without it. Stop the server, move the file away, and restore a backup that has \
     the history, or start without: a new one begins";

/// The history's file, open for writing.
#[derive(Debug)]
pub struct HistoryStore {
    database: Database,
    header: Header,
}

/// Says of damage what can be done about it.
pub(super) fn with_advice(error: StorageError) -> StorageError {
    match error {
        StorageError::Damaged {
            file, place, what, ..
        } => StorageError::Damaged {
            file,
            place,
            what,
            advice: ADVICE,
        },
        error => error,
    }
}

impl HistoryStore {
    /// Name of the file in the state directory.
    pub const FILE_NAME: &'static str = HISTORY.file_name;

    /// Writes the history in a state directory, if there is one, to a fresh file.
    pub fn rewrite(dir: &Path) -> Result<(), StorageError> {
        rewrite(dir, &HISTORY).map_err(with_advice)
    }

    /// Opens the history in a state directory. Nothing if there is none. Rows are checked when they are read.
    pub fn open(dir: &Path) -> Result<Option<Self>, StorageError> {
        let open = || {
            let Some(database) = Database::open_unread(dir, &HISTORY)? else {
                return Ok(None);
            };
            let header = read_header(&database)?;
            Ok(Some(Self { database, header }))
        };
        open().map_err(with_advice)
    }

    /// Makes a history that begins behind this message.
    pub fn create(dir: &Path, through: MessageNumber) -> Result<Self, StorageError> {
        let header = Header {
            through,
            ..Header::default()
        };
        let database = Database::create(dir, &HISTORY, |rows| {
            rows.execute(
                "INSERT INTO header (id, content) VALUES (0, ?1)",
                [header.encode()],
            )
            .map(|_| ())
        })?;
        Ok(Self { database, header })
    }

    /// What was to be kept up to here is here, but for the gaps.
    pub fn through(&self) -> MessageNumber {
        self.header.through
    }

    /// How many messages there are.
    pub fn rows(&self) -> u64 {
        self.header.rows
    }

    /// Bytes of the file that hold something.
    pub fn used_bytes(&self) -> Result<u64, StorageError> {
        self.database.used_bytes()
    }

    /// What was to be kept and is not here.
    pub fn gaps(&self) -> &[Gap] {
        &self.header.gaps
    }

    /// The files that have to keep their names while messages are written.
    pub(super) fn named_files(&self) -> Result<NamedFiles, StorageError> {
        let dir = self.database.file().parent().unwrap_or(Path::new(""));
        let names = ["", "-wal", "-shm"].map(|suffix| format!("{}{suffix}", Self::FILE_NAME));
        NamedFiles::of(dir, names)
    }

    /// Leaves word for the next process if the disk failed.
    pub(super) fn note_failure(&self, error: &StorageError) {
        self.database.note_failure(error);
    }

    /// Another connection, for reading while this one writes.
    pub fn reader(&self) -> Result<HistoryReader, StorageError> {
        HistoryReader::new(self.database.reopen()?)
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// Adds messages, behind a gap or not, and makes them durable. Those that are here already are passed over. If it
    /// fails, nothing of it is done.
    pub fn append(
        &mut self,
        gap: Option<Gap>,
        messages: &[KeptMessage],
    ) -> Result<(), StorageError> {
        let mut header = self.header.clone();
        if let Some(gap) = gap.filter(|gap| gap.last > header.through) {
            header.leave_out(gap);
        }
        self.change(header, |rows, header| {
            for message in messages {
                if message.number > header.through {
                    add(rows, message, header)?;
                    header.through = message.number;
                }
            }
            crash_point::reach("state:in-history");
            Ok(())
        })?;
        self.database.empty_long_wal()
    }

    /// Changes rows together with the header.
    pub(super) fn change<T>(
        &mut self,
        mut header: Header,
        change: impl FnOnce(&Connection, &mut Header) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        let result = self.database.in_transaction("write to", |rows| {
            let result = change(rows, &mut header)?;
            rows.prepare_cached("UPDATE header SET content = ?1 WHERE id = 0")?
                .execute([header.encode()])?;
            Ok(result)
        });
        if result.is_ok() {
            self.header = header;
        }
        result.map_err(with_advice)
    }
}

pub(super) fn read_header(database: &Database) -> Result<Header, StorageError> {
    let content: Option<Vec<u8>> = database
        .connection
        .query_row("SELECT content FROM header WHERE id = 0", (), |row| {
            row.get(0)
        })
        .optional()
        .map_err(StorageError::sqlite("read", database.file()))?;
    content
        .and_then(|content| Header::decode(&content))
        .ok_or_else(|| {
            let what = "it is missing, or its checksum does not match its content";
            StorageError::damaged(database.file(), "the header's row", what)
        })
}

fn add(rows: &Connection, message: &KeptMessage, header: &mut Header) -> rusqlite::Result<()> {
    let number = message.number.0 as i64;
    let audience = format::audience(message);
    let checksum = row_checksum(message.number, message.time_ms, &audience, &message.text);
    rows.prepare_cached(
        "INSERT INTO message (number, checksum, time_ms, audience, text) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((
        number,
        checksum as i64,
        message.time_ms,
        &audience,
        &message.text,
    ))?;
    rows.prepare_cached("INSERT INTO word (rowid, audience, text) VALUES (?1, ?2, ?3)")?
        .execute((number, &audience, &message.text))?;
    let mut place =
        rows.prepare_cached("INSERT INTO place (conversation, number) VALUES (?1, ?2)")?;
    for reader in &message.readers {
        place.execute((format::conversation(message.sender, *reader), number))?;
    }
    let mut room_place = rows.prepare_cached("INSERT INTO room (room, number) VALUES (?1, ?2)")?;
    for room in &message.rooms {
        room_place.execute((room.0, number))?;
    }
    header.add(checksum);
    Ok(())
}

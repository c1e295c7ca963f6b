//! Copies of the history in backups: taken beside the daemon that writes it, and made a file again.

use std::path::Path;

use chat_model::MessageNumber;

use super::format::{HISTORY, Header, read_audience, row_checksum};
use super::reader::signed;
use super::store::{read_header, with_advice};
use super::{HistoryStore, KeptMessage};
use crate::database::{Database, StorageError};

/// Rows that are read in one piece, so that the daemon's log can be written back in between.
const ROWS_AT_ONCE: usize = 512;
/// Messages of so much text are written at once.
const WRITTEN_AT_ONCE_BYTES: usize = 1024 * 1024;
/// Damaged messages that are named.
const MAX_NAMED: usize = 100;

/// A row as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRow<'a> {
    /// Its message's number.
    pub number: MessageNumber,
    /// When the server took it, in milliseconds since 1970-01-01T00:00:00Z.
    pub time_ms: i64,
    /// Over all the rest.
    pub checksum: u64,
    /// From whom, and who got it.
    pub audience: &'a str,
    /// The text.
    pub text: &'a str,
}

impl HistoryRow<'_> {
    /// The message; nothing if the row is damaged.
    fn message(&self) -> Option<KeptMessage> {
        let checksum = row_checksum(self.number, self.time_ms, self.audience, self.text);
        let parties = read_audience(self.audience).filter(|_| checksum == self.checksum)?;
        Some(KeptMessage {
            number: self.number,
            time_ms: self.time_ms,
            sender: parties.sender,
            is_notice: parties.is_notice,
            rooms: parties.rooms,
            readers: parties.readers,
            text: self.text.into(),
        })
    }
}

/// What the rows of a copy come to.
#[derive(Debug, Default)]
pub struct CopiedRows(Header);

impl CopiedRows {
    /// Counts a row. Says whether it is whole, and behind those before.
    pub fn add(&mut self, row: &HistoryRow<'_>) -> bool {
        let is_right = row.number > self.0.through && row.message().is_some();
        if is_right {
            self.0.add(row.checksum);
            self.0.through = row.number;
        }
        is_right
    }

    /// Takes what stands behind the rows. Says whether it fits them.
    pub fn end(&mut self, header: &[u8]) -> bool {
        let found = Header::decode(header).filter(|header| {
            let known = &self.0;
            (header.rows, header.sum) == (known.rows, known.sum) && header.through >= known.through
        });
        found.map(|header| self.0 = header).is_some()
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.rows
    }
}

/// A history beside the daemon that writes it.
#[derive(Debug)]
pub struct HistorySource {
    database: Database,
    header: Header,
}

impl HistorySource {
    /// Looks at the history in a state directory; nothing if there is none. What comes later is not read.
    pub fn of_running(dir: &Path) -> Result<Option<Self>, StorageError> {
        if !HISTORY.path(dir).exists() {
            return Ok(None);
        }
        let open = || {
            let database = Database::open_beside(dir, &HISTORY)?;
            let header = read_header(&database)?;
            // From here on each piece is read for itself.
            database
                .connection
                .execute_batch("COMMIT")
                .map_err(StorageError::sqlite("read", database.file()))?;
            Ok(Some(Self { database, header }))
        };
        open().map_err(with_advice)
    }

    /// Hands over the rows that are whole, by number. Gives what stands behind them, and what of the history is lacking
    /// because it is damaged, for people.
    pub fn read(
        &self,
        mut take: impl FnMut(&HistoryRow<'_>) -> Result<(), StorageError>,
    ) -> Result<(Vec<u8>, Option<String>), StorageError> {
        let (mut copied, mut damaged) = (CopiedRows::default(), Vec::new());
        let (mut after, mut is_taken, mut failure) = (MessageNumber(0), true, None);
        loop {
            let mut take = |row: &HistoryRow<'_>| take(row).inspect_err(|_| is_taken = false);
            match self.read_piece(after, &mut copied, &mut damaged, &mut take) {
                Ok(Some(last)) => after = last,
                Ok(None) => break,
                Err(error) if !is_taken => return Err(error),
                Err(error) => {
                    failure = Some(format!(
                        "of the history, what is behind message {}: {error}",
                        after.0
                    ));
                    break;
                }
            }
        }
        let numbers: Vec<String> = damaged.iter().map(|number| number.0.to_string()).collect();
        let damaged = format!("damaged messages of the history: {}", numbers.join(", "));
        let lacks = failure.or((!numbers.is_empty()).then_some(damaged));
        let header = Header {
            through: self.header.through,
            gaps: self.header.gaps.clone(),
            ..copied.0
        };
        Ok((header.encode(), lacks))
    }

    /// Reads some rows. Gives the number of the last one.
    fn read_piece(
        &self,
        after: MessageNumber,
        copied: &mut CopiedRows,
        damaged: &mut Vec<MessageNumber>,
        take: &mut impl FnMut(&HistoryRow<'_>) -> Result<(), StorageError>,
    ) -> Result<Option<MessageNumber>, StorageError> {
        let error = |error| with_advice(StorageError::sqlite("read", self.database.file())(error));
        let mut select = self
            .database
            .connection
            .prepare_cached(
                "SELECT number, time_ms, checksum, audience, text FROM message \
                 WHERE number > ?1 AND number <= ?2 ORDER BY number LIMIT ?3",
            )
            .map_err(error)?;
        let range = (
            signed(after),
            signed(self.header.through),
            ROWS_AT_ONCE as i64,
        );
        let mut rows = select.query(range).map_err(error)?;
        let mut last = None;
        while let Some(row) = rows.next().map_err(error)? {
            let number = MessageNumber(row.get::<_, i64>(0).map_err(error)? as u64);
            last = Some(number);
            match stored_row(number, row) {
                Some(row) if copied.add(&row) => take(&row)?,
                _ if damaged.len() < MAX_NAMED => damaged.push(number),
                _ => {}
            }
        }
        Ok(last)
    }
}

/// Nothing if it is damaged so that its columns cannot be read.
fn stored_row<'a>(number: MessageNumber, row: &'a rusqlite::Row<'_>) -> Option<HistoryRow<'a>> {
    Some(HistoryRow {
        number,
        time_ms: row.get(1).ok()?,
        checksum: row.get::<_, i64>(2).ok()? as u64,
        audience: row.get_ref(3).ok()?.as_str().ok()?,
        text: row.get_ref(4).ok()?.as_str().ok()?,
    })
}

/// A history that is made of a copy.
#[derive(Debug)]
pub struct RestoredHistory {
    store: HistoryStore,
    waiting: Vec<KeptMessage>,
    waiting_bytes: usize,
}

impl RestoredHistory {
    /// Makes an empty file in a state directory.
    pub fn create(dir: &Path) -> Result<Self, StorageError> {
        Ok(Self {
            store: HistoryStore::create(dir, MessageNumber(0))?,
            waiting: Vec::new(),
            waiting_bytes: 0,
        })
    }

    /// Adds a row that was checked.
    pub fn add(&mut self, row: &HistoryRow<'_>) -> Result<(), StorageError> {
        self.waiting.extend(row.message());
        self.waiting_bytes += row.text.len();
        if self.waiting_bytes < WRITTEN_AT_ONCE_BYTES {
            return Ok(());
        }
        self.write()
    }

    fn write(&mut self) -> Result<(), StorageError> {
        self.waiting_bytes = 0;
        let messages = std::mem::take(&mut self.waiting);
        self.store.append(None, &messages)
    }

    /// Writes the rest, and that the file has what the copy has, but for the same gaps.
    pub fn finish(mut self, copied: &CopiedRows) -> Result<(), StorageError> {
        self.write()?;
        self.store.change(copied.0.clone(), |_, _| Ok(()))
    }
}

//! Reading the history beside the thread that writes it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chat_model::{HistorySpan, MessageNumber};
use rusqlite::{CachedStatement, ErrorCode, OptionalExtension, params};

use super::format::{conversation, read_audience, row_checksum};
use super::query::{Scope, Words};
use super::store::with_advice;
use super::{KeptMessage, MAX_LINES};
use crate::database::{Database, StorageError};

/// A search is cut after this.
const SEARCH_TIME: Duration = Duration::from_millis(200);
/// How many steps of its virtual machine SQLite does before it looks at the time again. A page of the index that is
/// read takes a few.
const STEPS_BETWEEN_LOOKS: i32 = 100;
/// An answer has at most so much text: one message, however long, and what fits beside it.
const MAX_TEXT_BYTES: usize = 256 * 1024;

/// Messages that were asked for, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Those that are whole.
    pub messages: Vec<KeptMessage>,
    /// There may be more: what was found did not fit, or the time was over.
    pub has_more: bool,
    /// Rows that are damaged, and were left out.
    pub damaged: Vec<MessageNumber>,
}

/// The history's file, open for reading.
#[derive(Debug)]
pub struct HistoryReader {
    database: Database,
    deadline: Arc<Deadline>,
}

/// When SQLite is to give up what it does, wherever it is: a single step of a search may read all of the index.
#[derive(Debug, Default)]
struct Deadline(Mutex<Option<Instant>>);

impl Deadline {
    fn set(&self, until: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    fn is_over(&self) -> bool {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() >= until)
    }
}

/// What was found of a row.
pub(super) enum Row {
    Whole(KeptMessage),
    Damaged,
    Missing,
}

impl HistoryReader {
    pub(super) fn new(mut database: Database) -> Result<Self, StorageError> {
        let deadline = Arc::new(Deadline::default());
        let watched = deadline.clone();
        database
            .connection
            .progress_handler(STEPS_BETWEEN_LOOKS, Some(move || watched.is_over()))
            .map_err(StorageError::sqlite("read", database.file()))?;
        Ok(Self { database, deadline })
    }

    /// At most so many messages of a conversation or of a room.
    pub fn page(
        &self,
        scope: &Scope,
        span: HistorySpan,
        count: usize,
    ) -> Result<Found, StorageError> {
        let read = || {
            let (of, key, first) = match scope {
                Scope::Conversation { own, other, after } => {
                    let conversation = conversation(*own, *other);
                    ("place WHERE conversation", conversation, signed(*after))
                }
                Scope::Room(view) => ("room WHERE room", view.room.0.into(), signed(view.after)),
                Scope::Own { .. } => return Ok(Found::default()),
            };
            let (order, after, before) = match span {
                HistorySpan::Newest => ("DESC", first, i64::MAX),
                HistorySpan::Before(number) => ("DESC", first, signed(number)),
                HistorySpan::After(number) => ("ASC", first.max(signed(number)), i64::MAX),
            };
            let sql = format!(
                "SELECT number FROM {of} = ?1 AND number > ?2 AND number < ?3 ORDER BY number {order}"
            );
            let mut select = self.database.connection.prepare_cached(&sql)?;
            let mut numbers = select.query((key, after, before))?;
            let mut gathering = Gathering::new(count.min(MAX_LINES));
            let mut rows = self.rows()?;
            while let Some(number) = numbers.next()? {
                let number = MessageNumber(number.get::<_, i64>(0)? as u64);
                if !gathering.take(number, read_row(&mut rows, number)?, scope) {
                    break;
                }
            }
            Ok(gathering.finish(!matches!(span, HistorySpan::After(_))))
        };
        read().map_err(|error| self.error(error))
    }

    /// The newest messages that have all these words, at most so many; as far as the time allows.
    pub fn search(
        &self,
        scope: &Scope,
        words: &Words,
        count: usize,
    ) -> Result<Found, StorageError> {
        self.search_within(scope, words, count, SEARCH_TIME)
    }

    /// The same, as far as another time allows.
    pub(super) fn search_within(
        &self,
        scope: &Scope,
        words: &Words,
        count: usize,
        time: Duration,
    ) -> Result<Found, StorageError> {
        let mut gathering = Gathering::new(count.min(MAX_LINES));
        let result = self.interrupted_after(time, || match words.need_scan() {
            true => self.scan(scope, words, &mut gathering),
            false => self.search_index(scope, words, &mut gathering),
        });
        match result {
            Ok(()) => {}
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                gathering.found.has_more = true;
            }
            Err(error) => return Err(self.error(error)),
        }
        Ok(gathering.finish(true))
    }

    fn interrupted_after<T>(&self, time: Duration, search: impl FnOnce() -> T) -> T {
        self.deadline.set(Some(Instant::now() + time));
        let result = search();
        self.deadline.set(None);
        result
    }

    fn search_index(
        &self,
        scope: &Scope,
        words: &Words,
        gathering: &mut Gathering,
    ) -> rusqlite::Result<()> {
        let mut select = self
            .database
            .connection
            .prepare_cached("SELECT rowid FROM word WHERE word MATCH ?1 ORDER BY rowid DESC")?;
        let mut numbers = select.query([words.expression(scope)])?;
        let mut rows = self.rows()?;
        while let Some(number) = numbers.next()? {
            let number = MessageNumber(number.get::<_, i64>(0)? as u64);
            if !gathering.take(number, read_row(&mut rows, number)?, scope) {
                break;
            }
        }
        Ok(())
    }

    /// Looks through the newest messages themselves.
    fn scan(
        &self,
        scope: &Scope,
        words: &Words,
        gathering: &mut Gathering,
    ) -> rusqlite::Result<()> {
        let words = words.in_lower_case();
        let mut select = self.database.connection.prepare_cached(
            "SELECT number, checksum, time_ms, audience, text FROM message ORDER BY number DESC",
        )?;
        let mut rows = select.query(())?;
        while let Some(row) = rows.next()? {
            let number = MessageNumber(row.get::<_, i64>(0)? as u64);
            let row = take_row(number, row)?;
            let is_wanted = match &row {
                Row::Whole(message) if scope.contains(message) => {
                    let text = message.text.to_lowercase();
                    words.iter().all(|word| text.contains(word.as_str()))
                }
                Row::Whole(_) | Row::Missing => false,
                Row::Damaged => true,
            };
            if is_wanted && !gathering.take(number, row, scope) {
                break;
            }
        }
        Ok(())
    }

    fn rows(&self) -> rusqlite::Result<CachedStatement<'_>> {
        self.database.connection.prepare_cached(ROW)
    }

    fn error(&self, error: rusqlite::Error) -> StorageError {
        with_advice(StorageError::sqlite("read", self.database.file())(error))
    }
}

pub(super) const ROW: &str =
    "SELECT number, checksum, time_ms, audience, text FROM message WHERE number = ?1";

/// SQLite's integers have a sign; no message has such a number.
pub(super) fn signed(number: MessageNumber) -> i64 {
    i64::try_from(number.0).unwrap_or(i64::MAX)
}

fn read_row(rows: &mut CachedStatement<'_>, number: MessageNumber) -> rusqlite::Result<Row> {
    let row = rows.query_row(params![signed(number)], |row| take_row(number, row));
    Ok(row.optional()?.unwrap_or(Row::Missing))
}

/// Takes a row with all its columns.
pub(super) fn take_row(number: MessageNumber, row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let read = || -> rusqlite::Result<Option<KeptMessage>> {
        let (checksum, time_ms): (i64, i64) = (row.get(1)?, row.get(2)?);
        let (audience, text) = (row.get_ref(3)?.as_str()?, row.get_ref(4)?.as_str()?);
        let is_whole = row_checksum(number, time_ms, audience, text) == checksum as u64;
        let parties = read_audience(audience).filter(|_| is_whole);
        Ok(parties.map(|parties| KeptMessage {
            number,
            time_ms,
            sender: parties.sender,
            is_notice: parties.is_notice,
            rooms: parties.rooms,
            readers: parties.readers,
            text: text.into(),
        }))
    };
    match read() {
        Ok(Some(message)) => Ok(Row::Whole(message)),
        Err(error) if error.sqlite_error_code().is_some_and(is_of_file) => Err(error),
        _ => Ok(Row::Damaged),
    }
}

/// Whether it is more than this row.
fn is_of_file(code: ErrorCode) -> bool {
    code != ErrorCode::TypeMismatch
}

/// What was found so far.
struct Gathering {
    found: Found,
    count: usize,
    text_bytes: usize,
}

impl Gathering {
    fn new(count: usize) -> Self {
        Self {
            found: Found::default(),
            count,
            text_bytes: 0,
        }
    }

    /// Takes what was found under a number. Returns false if nothing more is wanted.
    fn take(&mut self, number: MessageNumber, row: Row, scope: &Scope) -> bool {
        let message = match row {
            Row::Whole(message) => message,
            Row::Damaged => {
                self.found.damaged.push(number);
                return self.found.damaged.len() < MAX_LINES;
            }
            // Deleted meanwhile, or the index is damaged.
            Row::Missing => return true,
        };
        if !scope.contains(&message) {
            return true;
        }
        let bytes = self.text_bytes + message.text.len();
        let is_full = self.found.messages.len() >= self.count
            || self.text_bytes > 0 && bytes > MAX_TEXT_BYTES;
        if is_full {
            self.found.has_more = true;
            return false;
        }
        self.text_bytes = bytes;
        self.found.messages.push(message);
        true
    }

    fn finish(mut self, is_newest_first: bool) -> Found {
        if is_newest_first {
            self.found.messages.reverse();
        }
        self.found
    }
}

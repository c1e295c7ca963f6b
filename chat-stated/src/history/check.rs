//! Every check there is of a history.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use chat_model::MessageNumber;
use rusqlite::Connection;
use rusqlite::backup::Backup;
use xxhash_rust::xxh3::xxh3_64;

use super::HistoryStore;
use super::format::{HISTORY, Header, conversation};
use super::reader::{Row, take_row};
use super::store::with_advice;
use crate::database::{Database, StorageError};

/// Pages that are copied at a time.
const PAGES_AT_ONCE: i32 = 4_096;

impl HistoryStore {
    /// Checks everything about the history in a state directory, beside a daemon that writes it or not. Returns how
    /// many messages it has; nothing if there is none. Takes as much memory as the file has bytes.
    pub fn check(dir: &Path) -> Result<Option<u64>, StorageError> {
        if !HISTORY.path(dir).exists() {
            return Ok(None);
        }
        let check = || {
            let database = Database::open_beside(dir, &HISTORY)?;
            let copy = copy(&database.connection)
                .map_err(StorageError::sqlite("read", database.file()))?;
            let database = database.with_connection(copy);
            database.check_pages()?;
            let header = super::store::read_header(&database)?;
            check_rows(&database, &header)?;
            check_index(&database)?;
            Ok(Some(header.rows))
        };
        check().map_err(with_advice)
    }
}

/// The check of the index has to write, though it changes nothing.
fn copy(original: &Connection) -> rusqlite::Result<Connection> {
    let mut copy = Connection::open_in_memory()?;
    Backup::new(original, &mut copy)?.run_to_completion(PAGES_AT_ONCE, Duration::ZERO, None)?;
    Ok(copy)
}

/// Each row by its checksum, all of them by their number and sum, and that each is in its conversations and rooms.
fn check_rows(database: &Database, header: &Header) -> Result<(), StorageError> {
    let error = |error| StorageError::sqlite("read", database.file())(error);
    let mut found = Header {
        rows: 0,
        sum: 0,
        ..header.clone()
    };
    let (mut places, mut rooms_places) = (Sum::default(), Sum::default());
    let mut select = database
        .connection
        .prepare("SELECT number, checksum, time_ms, audience, text FROM message")
        .map_err(error)?;
    let mut rows = select.query(()).map_err(error)?;
    while let Some(row) = rows.next().map_err(error)? {
        let number = MessageNumber(row.get::<_, i64>(0).map_err(error)? as u64);
        let Row::Whole(message) = take_row(number, row).map_err(error)? else {
            let place = format!("message {}", number.0);
            let what = "its checksum does not match its content";
            return Err(StorageError::damaged(database.file(), place, what));
        };
        found.add(row.get::<_, i64>(1).map_err(error)? as u64);
        for reader in &message.readers {
            places.add(conversation(message.sender, *reader), number);
        }
        for room in &message.rooms {
            rooms_places.add(room.0.into(), number);
        }
    }
    if found != *header {
        let what = format!(
            "there are {} that add up to {:016x}, there should be {} that add up to {:016x}",
            found.rows, found.sum, header.rows, header.sum
        );
        return Err(StorageError::damaged(database.file(), "its messages", what));
    }
    for (place, places, sql) in [
        (
            "its conversations",
            places,
            "SELECT conversation, number FROM place",
        ),
        ("its rooms", rooms_places, "SELECT room, number FROM room"),
    ] {
        if places != stored_places(database, sql).map_err(error)? {
            let what = "they are not those of its messages";
            return Err(StorageError::damaged(database.file(), place, what));
        }
    }
    Ok(())
}

/// Says whether two sets of places are the same, in whatever order they come.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    places: u64,
    sum: u64,
}

impl Sum {
    fn add(&mut self, key: i64, number: MessageNumber) {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&key.to_le_bytes());
        bytes[8..].copy_from_slice(&number.0.to_le_bytes());
        self.places += 1;
        self.sum = self.sum.wrapping_add(xxh3_64(&bytes));
    }
}

fn stored_places(database: &Database, sql: &str) -> rusqlite::Result<Sum> {
    let mut sum = Sum::default();
    let mut select = database.connection.prepare(sql)?;
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        sum.add(row.get(0)?, MessageNumber(row.get::<_, i64>(1)? as u64));
    }
    Ok(sum)
}

/// Whether the index says of each word and each first letter what an index says that is made anew. SQLite's own check
/// finds most damage; its checksums add up to the same if many entries are wrong in the same way.
fn check_index(database: &Database) -> Result<(), StorageError> {
    let error = |error| StorageError::sqlite("read", database.file())(error);
    let rows = &database.connection;
    rows.execute(
        "INSERT INTO word (word, rank) VALUES ('integrity-check', 1)",
        (),
    )
    .map_err(error)?;
    make_index_anew(rows).map_err(error)?;
    if is_same_index(rows).map_err(error)? {
        return Ok(());
    }
    let what = "it is not that of its messages";
    Err(StorageError::damaged(
        database.file(),
        "its index of words",
        what,
    ))
}

fn make_index_anew(rows: &Connection) -> rusqlite::Result<()> {
    let definition = HISTORY.tables.iter().find(|(name, _)| *name == "word");
    let (_, definition) = definition.unwrap_or(&("", ""));
    rows.execute_batch(&definition.replacen("TABLE word", "TABLE anew", 1))?;
    rows.execute_batch(
        "INSERT INTO anew (anew) VALUES ('rebuild'); \
         CREATE VIRTUAL TABLE temp.words_stored USING fts5vocab('main', 'word', 'instance'); \
         CREATE VIRTUAL TABLE temp.words_anew USING fts5vocab('main', 'anew', 'instance')",
    )
}

fn is_same_index(rows: &Connection) -> rusqlite::Result<bool> {
    let mut stored = rows.prepare("SELECT term, doc, col, offset FROM words_stored")?;
    let mut anew = rows.prepare("SELECT term, doc, col, offset FROM words_anew")?;
    let (mut stored, mut anew) = (stored.query(())?, anew.query(())?);
    let mut letters = BTreeSet::new();
    loop {
        let (one, other) = (read_word(&mut stored)?, read_word(&mut anew)?);
        if one != other {
            return Ok(false);
        }
        let Some((term, ..)) = one else {
            break;
        };
        letters.extend(term.chars().next());
    }
    for letter in letters {
        if found_by(rows, "word", letter)? != found_by(rows, "anew", letter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

type Word = (String, i64, String, i64);

fn read_word(words: &mut rusqlite::Rows<'_>) -> rusqlite::Result<Option<Word>> {
    let Some(row) = words.next()? else {
        return Ok(None);
    };
    Ok(Some((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
}

/// The messages with a word that begins with this letter.
fn found_by(rows: &Connection, index: &str, letter: char) -> rusqlite::Result<Vec<i64>> {
    rows.prepare(&format!("SELECT rowid FROM {index} WHERE {index} MATCH ?1"))?
        .query_map([format!("\"{letter}\" *")], |row| row.get(0))?
        .collect()
}

//! Deleting what is too old, in pieces.

use chat_model::MessageNumber;
use rusqlite::OptionalExtension;

use super::HistoryStore;
use super::format::{conversation, read_audience};
use super::reader::{Row, take_row};
use crate::database::StorageError;

/// Rows that are deleted in one transaction.
const ROWS_AT_ONCE: usize = 512;

struct Old {
    number: i64,
    checksum: i64,
    audience: String,
    text: String,
    is_whole: bool,
}

impl HistoryStore {
    /// Deletes some of the messages that the server took before this time. Says whether there may be more.
    pub fn delete_before(&mut self, time_ms: i64) -> Result<bool, StorageError> {
        if self
            .oldest_ms()?
            .is_none_or(|oldest_ms| oldest_ms >= time_ms)
        {
            return Ok(false);
        }
        let header = self.header().clone();
        let deleted = self.change(header, |rows, header| {
            let old: Vec<Old> = rows
                .prepare_cached(
                    "SELECT number, checksum, time_ms, audience, text FROM message ORDER BY number LIMIT ?1",
                )?
                .query_map([ROWS_AT_ONCE as i64], |row| {
                    let number: i64 = row.get(0)?;
                    let is_whole =
                        matches!(take_row(MessageNumber(number as u64), row)?, Row::Whole(_));
                    let is_old = row.get::<_, i64>(2)? < time_ms;
                    Ok(is_old.then_some(Old {
                        number,
                        checksum: row.get(1)?,
                        audience: row.get(3)?,
                        text: row.get(4)?,
                        is_whole,
                    }))
                })?
                .map_while(Result::transpose)
                .collect::<rusqlite::Result<_>>()?;
            for row in &old {
                delete(rows, row)?;
                header.remove(row.checksum as u64);
            }
            Ok(old.len())
        })?;
        if deleted > 0 {
            self.database().write_back_long_wal()?;
        }
        Ok(deleted == ROWS_AT_ONCE)
    }

    /// The time of the first message. Nothing is written to find out that nothing is old.
    fn oldest_ms(&self) -> Result<Option<i64>, StorageError> {
        let database = self.database();
        database
            .connection
            .query_row(
                "SELECT time_ms FROM message ORDER BY number LIMIT 1",
                (),
                |row| row.get(0),
            )
            .optional()
            .map_err(StorageError::sqlite("read", database.file()))
    }
}

fn delete(rows: &rusqlite::Connection, row: &Old) -> rusqlite::Result<()> {
    // The index cannot be told what a damaged row was added with. What stays of it there leads to no row.
    if row.is_whole {
        rows.prepare_cached(
            "INSERT INTO word (word, rowid, audience, text) VALUES ('delete', ?1, ?2, ?3)",
        )?
        .execute((row.number, &row.audience, &row.text))?;
    }
    if let Some((sender, readers)) = read_audience(&row.audience) {
        let mut delete =
            rows.prepare_cached("DELETE FROM place WHERE conversation = ?1 AND number = ?2")?;
        for reader in readers {
            delete.execute((conversation(sender, reader), row.number))?;
        }
    }
    rows.prepare_cached("DELETE FROM message WHERE number = ?1")?
        .execute([row.number])
        .map(|_| ())
}

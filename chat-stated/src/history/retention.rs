//! Deleting what is too old, and what was of rooms that are gone, in pieces.

use std::collections::BTreeMap;

use chat_model::{MessageNumber, RoomId};
use rusqlite::{Connection, OptionalExtension};

use super::format::{conversation, read_audience};
use super::query::RoomView;
use super::reader::{ROW, Row, signed, take_row};
use super::store::with_advice;
use super::{HistoryStore, KeptMessage};
use crate::database::StorageError;

/// Rows and rooms that are looked at in one piece.
const ROWS_AT_ONCE: usize = 512;

/// What is to stay. The rest may be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Messages to accounts that the server took at this time or later, in milliseconds since 1970-01-01T00:00:00Z.
    pub direct_since_ms: i64,
    /// What stays of each room.
    pub rooms: BTreeMap<RoomId, RoomView>,
    /// Rooms up to this one that are not among these are gone. All of later ones stays.
    pub last_room: RoomId,
}

impl Retention {
    /// What stays of messages to accounts alone, while there are no rooms.
    #[cfg(test)]
    pub(super) fn of_direct(direct_since_ms: i64) -> Self {
        Self {
            direct_since_ms,
            rooms: BTreeMap::new(),
            last_room: RoomId(0),
        }
    }

    fn keeps(&self, message: &KeptMessage) -> bool {
        let keeps_direct = !message.readers.is_empty() && message.time_ms >= self.direct_since_ms;
        let mut rooms = message.rooms.iter();
        keeps_direct || rooms.any(|room| self.keeps_in(*room, message))
    }

    fn keeps_in(&self, room: RoomId, message: &KeptMessage) -> bool {
        let view = self.rooms.get(&room);
        room > self.last_room || view.is_some_and(|view| view.contains(message))
    }
}

/// One pass over the history: first over all rows that are old enough, then over each room's.
#[derive(Debug)]
pub struct Sweep {
    retention: Retention,
    place: Place,
}

/// Behind what was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Row(MessageNumber),
    Room(RoomId, MessageNumber),
    End,
}

impl Sweep {
    /// A pass that begins behind a row: what comes before has been looked at, and is kept for rooms if at all.
    pub fn behind(number: MessageNumber, retention: Retention) -> Self {
        Self {
            retention,
            place: Place::Row(number),
        }
    }

    /// Where the next pass may begin, once this one has looked at all rows.
    pub fn looked_at(&self) -> Option<MessageNumber> {
        match self.place {
            Place::Row(number) => Some(number),
            Place::Room(..) | Place::End => None,
        }
    }

    /// Looks a little further. Gives what is to be deleted, and where that ends.
    fn look(&self, rows: &Connection) -> rusqlite::Result<(Vec<Old>, Place)> {
        match self.place {
            Place::Row(number) => self.look_at_rows(rows, number),
            Place::Room(room, number) => self.look_at_room(rows, room, number),
            Place::End => Ok((Vec::new(), Place::End)),
        }
    }

    fn look_at_rows(
        &self,
        rows: &Connection,
        after: MessageNumber,
    ) -> rusqlite::Result<(Vec<Old>, Place)> {
        let mut select = rows.prepare_cached(
            "SELECT number, checksum, time_ms, audience, text FROM message WHERE number > ?1 ORDER BY number",
        )?;
        let mut found = select.query([signed(after)])?;
        let (mut old, mut last) = (Vec::new(), after);
        for _ in 0..ROWS_AT_ONCE {
            let Some(row) = found.next()? else {
                return Ok((old, Place::Room(RoomId(0), MessageNumber(u64::MAX))));
            };
            if row.get::<_, i64>(2)? >= self.retention.direct_since_ms {
                return Ok((old, Place::Room(RoomId(0), MessageNumber(u64::MAX))));
            }
            last = MessageNumber(row.get::<_, i64>(0)? as u64);
            let message = match take_row(last, row)? {
                Row::Whole(message) => Some(message),
                Row::Damaged | Row::Missing => None,
            };
            if message.as_ref().is_none_or(|it| !self.retention.keeps(it)) {
                old.push(Old::of(row, message.is_some())?);
            }
        }
        Ok((old, Place::Row(last)))
    }

    fn look_at_room(
        &self,
        rows: &Connection,
        room: RoomId,
        after: MessageNumber,
    ) -> rusqlite::Result<(Vec<Old>, Place)> {
        let mut select = rows.prepare_cached(
            "SELECT number FROM room WHERE room = ?1 AND number > ?2 ORDER BY number",
        )?;
        let mut numbers = select.query((room.0, signed(after)))?;
        let (mut old, mut last) = (Vec::new(), after);
        for _ in 0..ROWS_AT_ONCE {
            let Some(number) = numbers.next()? else {
                return Ok((old, next_room(rows, room)?));
            };
            last = MessageNumber(number.get::<_, i64>(0)? as u64);
            let found = rows
                .prepare_cached(ROW)?
                .query_row([signed(last)], |row| match take_row(last, row)? {
                    Row::Whole(message) => Ok(Some((Old::of(row, true)?, message))),
                    Row::Damaged | Row::Missing => Ok(None),
                })
                .optional()?;
            // What is damaged goes once it is old by its time.
            let Some((row, message)) = found.flatten() else {
                continue;
            };
            if self.retention.keeps_in(room, &message) {
                return Ok((old, next_room(rows, room)?));
            }
            if !self.retention.keeps(&message) {
                old.push(row);
            }
        }
        Ok((old, Place::Room(room, last)))
    }
}

fn next_room(rows: &Connection, room: RoomId) -> rusqlite::Result<Place> {
    let next = rows
        .prepare_cached("SELECT room FROM room WHERE room > ?1 ORDER BY room LIMIT 1")?
        .query_row([room.0], |row| row.get::<_, u32>(0))
        .optional()?;
    Ok(next.map_or(Place::End, |room| {
        Place::Room(RoomId(room), MessageNumber(0))
    }))
}

struct Old {
    number: i64,
    checksum: i64,
    audience: String,
    text: String,
    is_whole: bool,
}

impl Old {
    fn of(row: &rusqlite::Row<'_>, is_whole: bool) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            checksum: row.get(1)?,
            audience: row.get(3)?,
            text: row.get(4)?,
            is_whole,
        })
    }
}

impl HistoryStore {
    /// Deletes some of what is not to stay. Says whether there may be more.
    pub fn delete_old(&mut self, sweep: &mut Sweep) -> Result<bool, StorageError> {
        let database = self.database();
        let (old, next) = sweep
            .look(&database.connection)
            .map_err(StorageError::sqlite("read", database.file()))
            .map_err(with_advice)?;
        // Nothing is written to find out that nothing is old.
        if !old.is_empty() {
            let header = self.header().clone();
            self.change(header, |rows, header| {
                for row in &old {
                    delete(rows, row)?;
                    header.remove(row.checksum as u64);
                }
                Ok(())
            })?;
            self.database().write_back_long_wal()?;
        }
        sweep.place = next;
        Ok(next != Place::End)
    }
}

fn delete(rows: &Connection, row: &Old) -> rusqlite::Result<()> {
    // The index cannot be told what a damaged row was added with. What stays of it there leads to no row.
    if row.is_whole {
        rows.prepare_cached(
            "INSERT INTO word (word, rowid, audience, text) VALUES ('delete', ?1, ?2, ?3)",
        )?
        .execute((row.number, &row.audience, &row.text))?;
    }
    if let Some(parties) = read_audience(&row.audience) {
        let mut delete =
            rows.prepare_cached("DELETE FROM place WHERE conversation = ?1 AND number = ?2")?;
        for reader in parties.readers {
            delete.execute((conversation(parties.sender, reader), row.number))?;
        }
        let mut delete = rows.prepare_cached("DELETE FROM room WHERE room = ?1 AND number = ?2")?;
        for room in parties.rooms {
            delete.execute((room.0, row.number))?;
        }
    }
    rows.prepare_cached("DELETE FROM message WHERE number = ?1")?
        .execute([row.number])
        .map(|_| ())
}

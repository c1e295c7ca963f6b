//! Deleting what has not to stay, in pieces. The state decides what that is.

use std::collections::BTreeMap;

use chat_model::{MessageNumber, RoomId};
use chat_node::crash_point;
use rusqlite::{Connection, OptionalExtension};

use super::format::{conversation, read_audience};
use super::reader::{ROW, Row, signed, take_row};
use super::store::with_advice;
use super::{Forgotten, HistoryStore, KeptMessage};
use crate::database::StorageError;

/// Rows that are looked at in one piece.
const ROWS_AT_ONCE: usize = 512;

/// What has to stay. The rest may be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Messages to people, behind this one.
    pub direct_after: MessageNumber,
    /// Messages to rooms, behind these.
    pub rooms_after: BTreeMap<RoomId, MessageNumber>,
    /// Rooms up to this one that are not among these are gone. All of later ones stays.
    pub last_room: RoomId,
}

/// All has.
impl Default for Retention {
    fn default() -> Self {
        Self {
            direct_after: MessageNumber(0),
            rooms_after: BTreeMap::new(),
            last_room: RoomId(0),
        }
    }
}

impl Retention {
    /// Less has to stay.
    pub fn forget(&mut self, forgotten: &Forgotten) {
        let after = match forgotten.room {
            Some(room) => self.rooms_after.entry(room).or_default(),
            None => &mut self.direct_after,
        };
        *after = forgotten.through.max(*after);
    }

    fn room_after(&self, room: RoomId) -> MessageNumber {
        let is_gone = room <= self.last_room;
        let after = self.rooms_after.get(&room).copied();
        after.unwrap_or(MessageNumber(if is_gone { u64::MAX } else { 0 }))
    }

    /// Whether a message has to stay.
    pub fn keeps(&self, message: &KeptMessage) -> bool {
        let keeps_direct = !message.readers.is_empty() && message.number > self.direct_after;
        let mut rooms = message.rooms.iter();
        keeps_direct || rooms.any(|room| message.number > self.room_after(*room))
    }
}

/// One pass over messages that may have to stay no longer, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// What is left of them.
    left: Forgotten,
}

impl Sweep {
    /// Looks a little further. Gives what is to be deleted, and what is left then.
    fn look(
        &self,
        rows: &Connection,
        retention: &Retention,
    ) -> rusqlite::Result<(Vec<Old>, Option<Self>)> {
        let (after, through) = (signed(self.left.after), signed(self.left.through));
        let mut select = rows.prepare_cached(match self.left.room {
            Some(_) => {
                "SELECT number FROM room WHERE number > ?1 AND number <= ?2 AND room = ?3 ORDER BY number LIMIT ?4"
            }
            None => {
                "SELECT number FROM message WHERE number > ?1 AND number <= ?2 AND ?3 = 0 ORDER BY number LIMIT ?4"
            }
        })?;
        let room = self.left.room.map_or(0, |room| room.0);
        let mut numbers = select.query((after, through, room, ROWS_AT_ONCE as i64))?;
        let (mut old, mut looked_at, mut last) = (Vec::new(), 0, self.left.after);
        while let Some(number) = numbers.next()? {
            last = MessageNumber(number.get::<_, i64>(0)? as u64);
            looked_at += 1;
            let found = rows
                .prepare_cached(ROW)?
                .query_row([signed(last)], |row| self.old(last, row, retention))
                .optional()?;
            old.extend(found.flatten());
        }
        let mut left = *self;
        left.left.after = last;
        Ok((old, (looked_at == ROWS_AT_ONCE).then_some(left)))
    }

    fn old(
        &self,
        number: MessageNumber,
        row: &rusqlite::Row<'_>,
        retention: &Retention,
    ) -> rusqlite::Result<Option<Old>> {
        match take_row(number, row)? {
            Row::Whole(message) if retention.keeps(&message) => Ok(None),
            Row::Whole(_) => Old::of(row, true).map(Some),
            Row::Damaged => {
                // Nobody gets it. If it says that rooms have it, it goes with one of them.
                let old = Old::of(row, false)?;
                let parties = read_audience(&old.audience);
                let has_rooms = parties.is_some_and(|parties| !parties.rooms.is_empty());
                Ok((self.left.room.is_some() || !has_rooms).then_some(old))
            }
            Row::Missing => Ok(None),
        }
    }
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
        let text = |column| match row.get::<_, String>(column) {
            Err(_) if !is_whole => Ok(String::new()),
            text => text,
        };
        Ok(Self {
            number: row.get(0)?,
            checksum: row.get(1)?,
            audience: text(3)?,
            text: text(4)?,
            is_whole,
        })
    }
}

impl HistoryStore {
    /// The passes that delete all that has not to stay.
    pub fn sweeps(&self, retention: &Retention) -> Result<Vec<Sweep>, StorageError> {
        let database = self.database();
        let rooms = rooms(&database.connection)
            .map_err(StorageError::sqlite("read", database.file()))
            .map_err(with_advice)?;
        let rooms = rooms
            .into_iter()
            .map(|room| (Some(room), retention.room_after(room)));
        let all = [(None, retention.direct_after)].into_iter().chain(rooms);
        let old = all.filter(|(_, through)| *through > MessageNumber(0));
        let after = MessageNumber(0);
        let sweeps = old.map(|(room, through)| {
            Sweep::from(Forgotten {
                room,
                after,
                through,
            })
        });
        Ok(sweeps.collect())
    }

    /// Deletes some of what has not to stay. Gives the pass that is left.
    pub fn delete_old(
        &mut self,
        sweep: Sweep,
        retention: &Retention,
    ) -> Result<Option<Sweep>, StorageError> {
        let database = self.database();
        let (old, left) = sweep
            .look(&database.connection, retention)
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
                crash_point::reach("state:in-sweep");
                Ok(())
            })?;
            self.database().empty_long_wal()?;
        }
        Ok(left)
    }
}

impl From<Forgotten> for Sweep {
    fn from(left: Forgotten) -> Self {
        Self { left }
    }
}

/// The rooms of which there are messages.
fn rooms(rows: &Connection) -> rusqlite::Result<Vec<RoomId>> {
    let mut rooms: Vec<RoomId> = Vec::new();
    let mut next = rows.prepare("SELECT room FROM room WHERE room > ?1 ORDER BY room LIMIT 1")?;
    loop {
        let after = rooms.last().map_or(0, |room| room.0);
        let found = next.query_row([after], |row| row.get(0)).optional()?;
        match found {
            Some(room) => rooms.push(RoomId(room)),
            None => return Ok(rooms),
        }
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

//! How the file's rows, its header and the tokens of its index are written down. Pure.

use std::fmt::{self, Display, Formatter};

use chat_model::{AccountId, MessageNumber, RoomId};
use smallvec::SmallVec;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::KeptMessage;
use crate::database::DatabaseKind;

/// Gaps that the header names; more of them become one.
const MAX_GAPS: usize = 16;

/// The history's file.
pub(super) const HISTORY: DatabaseKind = DatabaseKind {
    file_name: "history.db",
    application_id: i32::from_be_bytes(*b"chtH"),
    first_version: 1,
    version: 1,
    tables: &[
        (
            "header",
            "CREATE TABLE header (id INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT",
        ),
        (
            "message",
            "CREATE TABLE message (number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, time_ms INTEGER NOT NULL, \
             audience TEXT NOT NULL, text TEXT NOT NULL) STRICT",
        ),
        (
            "place",
            "CREATE TABLE place (conversation INTEGER NOT NULL, number INTEGER NOT NULL, \
             PRIMARY KEY (conversation, number)) STRICT, WITHOUT ROWID",
        ),
        (
            "room",
            "CREATE TABLE room (room INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (room, number)) STRICT, \
             WITHOUT ROWID",
        ),
        (
            "word",
            "CREATE VIRTUAL TABLE word USING fts5(audience, text, content='message', content_rowid='number', \
             columnsize=0, prefix='1', tokenize='unicode61 remove_diacritics 2')",
        ),
    ],
    shadow_tables: &[
        (
            "word_config",
            "CREATE TABLE 'word_config'(k PRIMARY KEY, v) WITHOUT ROWID",
        ),
        (
            "word_data",
            "CREATE TABLE 'word_data'(id INTEGER PRIMARY KEY, block BLOB)",
        ),
        (
            "word_idx",
            "CREATE TABLE 'word_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID",
        ),
    ],
};

/// Messages that were to be kept and are not here: all from the first number to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first.
    pub first: MessageNumber,
    /// The last.
    pub last: MessageNumber,
}

/// As people are told of it.
impl Display for Gap {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        write!(out, "the history lacks messages {} to {}", first.0, last.0)
    }
}

/// What the file holds, and what it lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// What was to be kept up to here is here, but for the gaps.
    pub(super) through: MessageNumber,
    /// How many rows there are.
    pub(super) rows: u64,
    /// Their checksums, added up modulo 2^64.
    pub(super) sum: u64,
    /// In their order.
    pub(super) gaps: Vec<Gap>,
}

impl Header {
    /// As it is stored: the fields, then a checksum over them.
    pub(super) fn encode(&self) -> Vec<u8> {
        let fields = [self.through.0, self.rows, self.sum];
        let gaps = self.gaps.iter().flat_map(|gap| [gap.first.0, gap.last.0]);
        let mut bytes: Vec<u8> = fields
            .into_iter()
            .chain(gaps)
            .flat_map(u64::to_le_bytes)
            .collect();
        bytes.extend(xxh3_128(&bytes).to_le_bytes());
        bytes
    }

    /// As it was stored, or nothing if its checksum is wrong.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (content, checksum) = bytes.split_last_chunk::<16>()?;
        if xxh3_128(content).to_le_bytes() != *checksum {
            return None;
        }
        let (fields, _) = content.as_chunks::<8>();
        let mut fields = fields.iter().map(|field| u64::from_le_bytes(*field));
        let mut header = Self {
            through: MessageNumber(fields.next()?),
            rows: fields.next()?,
            sum: fields.next()?,
            gaps: Vec::new(),
        };
        while let (Some(first), Some(last)) = (fields.next(), fields.next()) {
            header.gaps.push(Gap {
                first: MessageNumber(first),
                last: MessageNumber(last),
            });
        }
        Some(header)
    }

    pub(super) fn add(&mut self, checksum: u64) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(checksum);
    }

    pub(super) fn remove(&mut self, checksum: u64) {
        self.rows = self.rows.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(checksum);
    }

    /// What comes next is behind a gap.
    pub(super) fn leave_out(&mut self, gap: Gap) {
        self.gaps.push(gap);
        if self.gaps.len() > MAX_GAPS {
            let second = self.gaps.remove(1);
            self.gaps[0].last = second.last;
        }
        self.through = self.through.max(gap.last);
    }
}

/// A row's checksum: over all that it holds.
pub(super) fn row_checksum(number: MessageNumber, time_ms: i64, audience: &str, text: &str) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&number.0.to_le_bytes());
    hasher.update(&time_ms.to_le_bytes());
    hasher.update(&(audience.len() as u64).to_le_bytes());
    hasher.update(audience.as_bytes());
    hasher.update(text.as_bytes());
    hasher.digest()
}

/// The token of a message's sender in the index.
pub(super) fn sender_token(sender: AccountId) -> String {
    format!("s{:x}", sender.0)
}

/// The token of one of its readers.
pub(super) fn reader_token(reader: AccountId) -> String {
    format!("p{:x}", reader.0)
}

/// The token of one of its rooms.
pub(super) fn room_token(room: RoomId) -> String {
    format!("r{:x}", room.0)
}

/// Who got a message, and from whom.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parties {
    pub(super) sender: AccountId,
    pub(super) is_notice: bool,
    pub(super) rooms: SmallVec<[RoomId; 1]>,
    pub(super) readers: SmallVec<[AccountId; 2]>,
}

/// Sender, rooms and readers as a row has them: their tokens, the sender's first, the others' in their order. The
/// sender's begins with `n` if a room tells it.
pub(super) fn audience(message: &KeptMessage) -> String {
    let mut audience = match message.is_notice {
        true => format!("n{:x}", message.sender.0),
        false => sender_token(message.sender),
    };
    for room in &message.rooms {
        audience.push(' ');
        audience.push_str(&room_token(*room));
    }
    for reader in &message.readers {
        audience.push(' ');
        audience.push_str(&reader_token(*reader));
    }
    audience
}

/// What such tokens say; nothing if these are none.
pub(super) fn read_audience(audience: &str) -> Option<Parties> {
    let number = |token: &str, kind: char| {
        let digits = token.strip_prefix(kind)?;
        u32::from_str_radix(digits, 16).ok()
    };
    let mut tokens = audience.split(' ').peekable();
    let first = tokens.next()?;
    let mut parties = Parties {
        sender: AccountId(number(first, 's').or_else(|| number(first, 'n'))?),
        is_notice: first.starts_with('n'),
        rooms: SmallVec::new(),
        readers: SmallVec::new(),
    };
    while let Some(room) = tokens.peek().and_then(|token| number(token, 'r')) {
        parties.rooms.push(RoomId(room));
        tokens.next();
    }
    for token in tokens {
        parties.readers.push(AccountId(number(token, 'p')?));
    }
    Some(parties)
}

/// The conversation of two accounts, or of one with itself.
pub(super) fn conversation(one: AccountId, other: AccountId) -> i64 {
    let (low, high) = (one.0.min(other.0), one.0.max(other.0));
    (u64::from(low) << 32 | u64::from(high)) as i64
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;

    fn gap(first: u64, last: u64) -> Gap {
        Gap {
            first: MessageNumber(first),
            last: MessageNumber(last),
        }
    }

    #[test]
    fn header_is_read_as_written() {
        let mut header = Header {
            through: MessageNumber(7),
            rows: 3,
            sum: u64::MAX,
            gaps: vec![gap(1, 2)],
        };
        header.leave_out(gap(8, 9));
        assert_eq!(header.through, MessageNumber(9));
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes).as_ref(), Some(&header));
        for offset in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[offset] ^= 1;
            assert_eq!(Header::decode(&flipped), None, "byte {offset}");
        }
    }

    #[test]
    fn many_gaps_become_fewer() {
        let mut header = Header::default();
        for number in 0..100 {
            header.leave_out(gap(2 * number, 2 * number));
        }
        assert_eq!(header.gaps.len(), MAX_GAPS);
        assert_eq!(header.gaps[0], gap(0, 168));
    }

    #[test]
    fn audience_is_read_as_written() {
        let message = KeptMessage {
            number: MessageNumber(1),
            time_ms: 0,
            sender: AccountId(u32::MAX),
            is_notice: false,
            rooms: smallvec![RoomId(12), RoomId(1)],
            readers: smallvec![AccountId(0), AccountId(17)],
            text: "x".into(),
        };
        let written = audience(&message);
        assert_eq!(written, "sffffffff rc r1 p0 p11");
        let read = read_audience(&written).unwrap();
        assert_eq!((read.sender, read.is_notice), (message.sender, false));
        assert_eq!((read.rooms, read.readers), (message.rooms, message.readers));
        let notice = read_audience("n1 r2").unwrap();
        assert_eq!((notice.sender, notice.is_notice), (AccountId(1), true));
        for wrong in ["", "p1", "s1 s2", "s1 ", "sx p1", "s1 p1 r1"] {
            assert_eq!(read_audience(wrong), None, "{wrong:?}");
        }
    }
}

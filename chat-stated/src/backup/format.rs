//! How a backup is written down, and read again. Pure: bytes in and out, no disk.
//!
//! A backup begins with sixteen bytes of magic and a format number. Frames follow: a kind (one byte), the length of the
//! content (`u32`, little endian), the content, and a checksum over all that and the frame's number. So damage is found
//! where it is. The last frame counts the others and bears a digest over every byte before it.

use std::io::{self, ErrorKind, Read, Write};

use chat_model::MessageNumber;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use crate::history::HistoryRow;
use crate::journal::LogIndex;
use crate::journal::format::{DIGEST_BYTES, Digest, LogBase, MAX_BODY_BYTES};

/// Number of the newest format that is written and read: that of a backup with the history. Raised whenever a golden
/// byte in the tests would change.
pub const FORMAT: u32 = 2;
/// The format of a backup without the history, which older programs read, too.
const FORMAT_WITHOUT_HISTORY: u32 = 1;

/// Largest content of a frame, in bytes: the largest batch with its place.
pub const MAX_CONTENT_BYTES: usize = MAX_BODY_BYTES + 64;

const MAGIC: &[u8; 16] = b"chatserv backup\n";
const FRAME_HEAD_BYTES: usize = 5;
const CHECKSUM_BYTES: usize = 8;

/// What a backup says of itself, in its first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// When it was taken, in milliseconds since 1970-01-01T00:00:00Z.
    pub taken_wall_ms: i64,
    /// Number of the format of the records.
    pub record_format: i32,
    /// The last batch whose effects are in the records.
    pub checkpoint: LogIndex,
    /// What the first batch follows.
    pub log_base: LogBase,
    /// The last batch in it, or in its records.
    pub last: LogIndex,
    /// It has the history. Told by the number of the format.
    pub has_history: bool,
}

impl Head {
    fn format(&self) -> u32 {
        match self.has_history {
            true => FORMAT,
            false => FORMAT_WITHOUT_HISTORY,
        }
    }
}

/// How much of each there is, in the last frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records of the checkpoint.
    pub records: u64,
    /// Batches after it.
    pub batches: u64,
    /// Bytes of the account file.
    pub account_file_bytes: u64,
}

/// The content of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// The first.
    Head(Head),
    /// A batch of the journal.
    Batch {
        /// Its place.
        position: LogIndex,
        /// Over place, predecessor and body.
        digest: Digest,
        /// As in the journal.
        body: &'a [u8],
    },
    /// A record of the checkpoint.
    Record {
        /// Which kind of record.
        table: u8,
        /// Which of its kind.
        key: u64,
        /// Its content.
        value: &'a [u8],
    },
    /// The next bytes of the account file.
    AccountFile(&'a [u8]),
    /// A message of the history.
    History(HistoryRow<'a>),
    /// What stands behind the last of them.
    HistoryEnd(&'a [u8]),
    /// The last.
    End(Counts),
}

/// What can be wrong with a backup.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Written by another version of this program.
    #[error("it has format {0}, this program knows formats up to {FORMAT}")]
    Version(u32),
    /// Not what was written.
    #[error("{place}: {what}")]
    Damaged {
        /// Where.
        place: String,
        /// What is wrong there.
        what: &'static str,
    },
    /// More in one piece than a frame may hold.
    #[error("an item of {0} bytes is too large for a backup")]
    TooLarge(usize),
}

/// Writes frames to where a backup goes.
pub struct BackupWriter<W> {
    out: W,
    digest: Xxh3,
    frames: u64,
    counts: Counts,
}

impl<W: Write> BackupWriter<W> {
    /// Begins a backup.
    pub fn new(out: W, head: &Head) -> Result<Self, FormatError> {
        let mut writer = Self {
            out,
            digest: Xxh3::new(),
            frames: 0,
            counts: Counts::default(),
        };
        writer.write(MAGIC)?;
        writer.write(&head.format().to_le_bytes())?;
        writer.add(&Item::Head(*head))?;
        Ok(writer)
    }

    /// Adds a frame.
    pub fn add(&mut self, item: &Item<'_>) -> Result<(), FormatError> {
        self.counts.count(item);
        let (kind, fields, rest) = encode(item);
        let length = fields.len() + rest.len();
        if length > MAX_CONTENT_BYTES {
            return Err(FormatError::TooLarge(length));
        }
        let mut start = vec![kind];
        start.extend_from_slice(&(length as u32).to_le_bytes());
        start.extend(fields);
        let mut checksum = Xxh3::with_seed(self.frames);
        checksum.update(&start);
        checksum.update(rest);
        self.frames += 1;
        self.write(&start)?;
        self.write(rest)?;
        self.write(&checksum.digest().to_le_bytes())?;
        Ok(())
    }

    /// Adds the last frame; gives back what was written to, and what is in it.
    pub fn finish(mut self) -> Result<(W, Counts), FormatError> {
        let counts = self.counts;
        self.add(&Item::End(counts))?;
        // The digest stands behind the last frame, as the only thing it does not cover.
        let digest = self.digest.digest128().to_le_bytes();
        self.out.write_all(&digest)?;
        self.out.flush()?;
        Ok((self.out, counts))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.out.write_all(bytes)
    }
}

impl Counts {
    fn count(&mut self, item: &Item<'_>) {
        match item {
            Item::Head(_) | Item::End(_) | Item::History(_) | Item::HistoryEnd(_) => {}
            Item::Batch { .. } => self.batches += 1,
            Item::Record { .. } => self.records += 1,
            Item::AccountFile(bytes) => self.account_file_bytes += bytes.len() as u64,
        }
    }
}

/// Reads a backup frame by frame, and checks each before it is given out.
pub struct BackupReader<R> {
    input: R,
    digest: Xxh3,
    frames: u64,
    offset: u64,
    counts: Counts,
    has_history: bool,
    frame: Vec<u8>,
}

impl<R: Read> BackupReader<R> {
    /// Reads the beginning of a backup.
    pub fn new(input: R) -> Result<(Self, Head), FormatError> {
        let mut reader = Self {
            input,
            digest: Xxh3::new(),
            frames: 0,
            offset: 0,
            counts: Counts::default(),
            has_history: false,
            frame: Vec::new(),
        };
        let mut start = [0; MAGIC.len() + 4];
        let damaged = |what| FormatError::Damaged {
            place: "the beginning".into(),
            what,
        };
        if !reader.fill(&mut start)? {
            return Err(damaged("it is cut off"));
        }
        let (magic, version) = start.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(damaged("it is not that of a backup of chatserv"));
        }
        let has_history = match u32_of(version) {
            Some(FORMAT) => true,
            Some(FORMAT_WITHOUT_HISTORY) => false,
            other => return Err(FormatError::Version(other.unwrap_or_default())),
        };
        let Some(Item::Head(head)) = reader.next_item()? else {
            return Err(damaged("the first frame is another one"));
        };
        reader.has_history = has_history;
        Ok((
            reader,
            Head {
                has_history,
                ..head
            },
        ))
    }

    /// The next frame but the first and the last; nothing at the end of a backup that is whole.
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, FormatError> {
        let place = format!("frame {} (from byte {})", self.frames, self.offset);
        let damaged = |what| FormatError::Damaged { place, what };
        if !self.read_frame()? {
            return Err(damaged("it is cut off"));
        }
        let (content, checksum) = self.frame.split_at(self.frame.len() - CHECKSUM_BYTES);
        if xxh3_64_with_seed(content, self.frames).to_le_bytes() != checksum {
            return Err(damaged("its checksum does not match its content"));
        }
        let is_first = self.frames == 0;
        self.frames += 1;
        if content[0] == kind::END {
            return match decode(content) {
                Some(Item::End(counts)) if counts == self.counts => self.read_end().map(|()| None),
                _ => Err(damaged("it counts other frames than there are")),
            };
        }
        let (content, _) = self.frame.split_at(self.frame.len() - CHECKSUM_BYTES);
        let item = decode(content).ok_or_else(|| damaged("its content cannot be read"))?;
        let is_of_history = matches!(item, Item::History(_) | Item::HistoryEnd(_));
        if is_first != matches!(item, Item::Head(_)) || is_of_history && !self.has_history {
            return Err(FormatError::Damaged {
                place: format!("frame {}", self.frames - 1),
                what: "it is of a kind that cannot stand there",
            });
        }
        self.counts.count(&item);
        Ok(Some(item))
    }

    /// How much was read so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Reads head, content and checksum of a frame; says whether it was all there. A length that cannot be is read as
    /// far as the checksum needs to find it wrong.
    fn read_frame(&mut self) -> Result<bool, FormatError> {
        let mut head = [0; FRAME_HEAD_BYTES];
        if !self.fill(&mut head)? {
            return Ok(false);
        }
        let length = u32_of(&head[1..]).unwrap_or_default() as usize;
        let length = length.min(MAX_CONTENT_BYTES) + CHECKSUM_BYTES;
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        frame.extend_from_slice(&head);
        // By and by, so that a length that is wrong allocates no more than there is.
        let read = (&mut self.input)
            .take(length as u64)
            .read_to_end(&mut frame)?;
        self.digest.update(&frame[FRAME_HEAD_BYTES..]);
        self.offset += read as u64;
        self.frame = frame;
        Ok(read == length)
    }

    fn read_end(&mut self) -> Result<(), FormatError> {
        let wanted = self.digest.digest128().to_le_bytes();
        let mut found = [0; 16];
        let is_whole = self.fill(&mut found)? && found == wanted;
        let is_end = !self.fill(&mut [0])?;
        let what = match (is_whole, is_end) {
            (true, true) => return Ok(()),
            (true, false) => "something follows it",
            (false, _) => "the digest over everything is not right",
        };
        Err(FormatError::Damaged {
            place: "the end".into(),
            what,
        })
    }

    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<bool> {
        match self.input.read_exact(bytes) {
            Ok(()) => {
                self.digest.update(bytes);
                self.offset += bytes.len() as u64;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

mod kind {
    pub(super) const HEAD: u8 = b'h';
    pub(super) const BATCH: u8 = b'b';
    pub(super) const RECORD: u8 = b'r';
    pub(super) const ACCOUNT_FILE: u8 = b'a';
    pub(super) const HISTORY: u8 = b'm';
    pub(super) const HISTORY_END: u8 = b'n';
    pub(super) const END: u8 = b'e';
}

/// Kind, fields, and the bytes that follow the fields.
fn encode<'a>(item: &Item<'a>) -> (u8, Vec<u8>, &'a [u8]) {
    let numbers = |numbers: &[u64]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    match item {
        Item::Head(head) => {
            let mut fields = head.taken_wall_ms.to_le_bytes().to_vec();
            fields.extend(head.record_format.to_le_bytes());
            fields.extend(head.checkpoint.0.to_le_bytes());
            fields.extend(head.log_base.position.0.to_le_bytes());
            fields.extend(head.log_base.digest.as_bytes());
            fields.extend(head.last.0.to_le_bytes());
            (kind::HEAD, fields, &[])
        }
        Item::Batch {
            position,
            digest,
            body,
        } => {
            let mut fields = position.0.to_le_bytes().to_vec();
            fields.extend(digest.as_bytes());
            (kind::BATCH, fields, body)
        }
        Item::Record { table, key, value } => {
            let mut fields = vec![*table];
            fields.extend(key.to_le_bytes());
            (kind::RECORD, fields, value)
        }
        Item::AccountFile(bytes) => (kind::ACCOUNT_FILE, Vec::new(), bytes),
        Item::History(row) => {
            let mut fields: Vec<u8> = numbers(&[row.number.0, row.time_ms as u64, row.checksum]);
            fields.extend((row.audience.len() as u32).to_le_bytes());
            fields.extend(row.audience.as_bytes());
            (kind::HISTORY, fields, row.text.as_bytes())
        }
        Item::HistoryEnd(header) => (kind::HISTORY_END, Vec::new(), header),
        Item::End(counts) => {
            let counts = [counts.records, counts.batches, counts.account_file_bytes];
            (kind::END, numbers(&counts), &[])
        }
    }
}

/// Head and content of a frame whose checksum is right.
fn decode(frame: &[u8]) -> Option<Item<'_>> {
    let (head, content) = frame.split_at_checked(FRAME_HEAD_BYTES)?;
    let mut fields = Fields(content);
    let item = match head[0] {
        kind::HEAD => Item::Head(Head {
            taken_wall_ms: i64::from_le_bytes(fields.take()?),
            record_format: i32::from_le_bytes(fields.take()?),
            checkpoint: fields.position()?,
            log_base: LogBase {
                position: fields.position()?,
                digest: fields.digest()?,
            },
            last: fields.position()?,
            has_history: false,
        }),
        kind::BATCH => Item::Batch {
            position: fields.position()?,
            digest: fields.digest()?,
            body: std::mem::take(&mut fields.0),
        },
        kind::RECORD => Item::Record {
            table: u8::from_le_bytes(fields.take()?),
            key: u64::from_le_bytes(fields.take()?),
            value: std::mem::take(&mut fields.0),
        },
        kind::ACCOUNT_FILE => Item::AccountFile(std::mem::take(&mut fields.0)),
        kind::HISTORY => Item::History(HistoryRow {
            number: MessageNumber(u64::from_le_bytes(fields.take()?)),
            time_ms: i64::from_le_bytes(fields.take()?),
            checksum: u64::from_le_bytes(fields.take()?),
            audience: fields.text()?,
            text: str::from_utf8(std::mem::take(&mut fields.0)).ok()?,
        }),
        kind::HISTORY_END => Item::HistoryEnd(std::mem::take(&mut fields.0)),
        kind::END => Item::End(Counts {
            records: u64::from_le_bytes(fields.take()?),
            batches: u64::from_le_bytes(fields.take()?),
            account_file_bytes: u64::from_le_bytes(fields.take()?),
        }),
        _ => return None,
    };
    fields.0.is_empty().then_some(item)
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// A text behind its length.
    fn text(&mut self) -> Option<&'a str> {
        let length = u32::from_le_bytes(self.take()?) as usize;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        str::from_utf8(text).ok()
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn position(&mut self) -> Option<LogIndex> {
        Some(LogIndex(u64::from_le_bytes(self.take()?)))
    }

    fn digest(&mut self) -> Option<Digest> {
        Digest::from_bytes(&self.take::<DIGEST_BYTES>()?)
    }
}

fn u32_of(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;

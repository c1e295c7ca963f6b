//! Batches of entries: a batch carries the lowest format that expresses all its entries.

use crate::entry::{Entry, Origin, Timestamp};

use super::encoding::{decode_first, encode_behind};
use super::{v3, v4, v5, v6, v7};

/// Entries that memory is taken for at once when a batch is read.
const ENTRIES_AT_ONCE: usize = 1_024;

/// The formats that a program knows, for entries as it has them in memory.
pub(crate) trait EntryFormats {
    type Entry;

    /// The lowest format that is written and loses nothing of an entry.
    fn lowest(entry: &Self::Entry) -> u8;

    /// Writes an entry behind what is in `bytes`, in a format that loses nothing of it.
    fn encode_behind(bytes: &mut Vec<u8>, format: u8, entry: &Self::Entry);

    /// Reads the entry at the beginning of `rest`; nothing if there is none.
    fn decode_first(rest: &mut &[u8], format: u8) -> Option<Self::Entry>;
}

/// The formats of this program.
pub(crate) struct KnownFormats;

impl EntryFormats for KnownFormats {
    type Entry = Entry;

    fn lowest(entry: &Entry) -> u8 {
        match entry {
            entry if v7::is_new(entry) => WITH_ORIGIN,
            Entry::LimitSessions(_)
            | Entry::LimitRooms(_)
            | Entry::KeepHistory(_)
            | Entry::LimitHistory(_) => 6,
            Entry::Request { action, .. } if v6::is_new(action) => 6,
            Entry::Operate { act, .. } if v6::is_new_act(act) => 6,
            Entry::Operate { .. } => 5,
            _ => 4,
        }
    }

    fn encode_behind(bytes: &mut Vec<u8>, format: u8, entry: &Entry) {
        match format {
            7 => encode_behind(bytes, &v7::Entry::from(entry)),
            6 => encode_behind(bytes, &v6::Entry::from(entry)),
            5 => encode_behind(bytes, &v5::Entry::from(entry)),
            _ => encode_behind(bytes, &v4::entry::Entry::from(entry)),
        }
    }

    fn decode_first(rest: &mut &[u8], format: u8) -> Option<Entry> {
        match format {
            ..=3 => decode_first::<v3::entry::Entry<'_>>(rest)?.read(),
            4 => decode_first::<v4::entry::Entry<'_>>(rest)?.read(),
            5 => decode_first::<v5::Entry<'_>>(rest)?.read(),
            6 => decode_first::<v6::Entry<'_>>(rest)?.read(),
            _ => decode_first::<v7::Entry<'_>>(rest)?.read(),
        }
    }
}

/// When a batch was put together, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHead {
    pub(crate) timestamp: Timestamp,
    pub(crate) origin: Option<Origin>,
}

/// Writes format and content of a batch behind what is in `body`, and nothing where that would take more than so many
/// bytes. Says whether it was written.
pub(crate) fn encode_batch<F: EntryFormats>(
    body: &mut Vec<u8>,
    head: BatchHead,
    entries: &[F::Entry],
    max_bytes: usize,
) -> bool {
    let start = body.len();
    let of_head = match head.origin {
        Some(_) => WITH_ORIGIN,
        None => LOWEST_WRITTEN,
    };
    let format = entries.iter().map(F::lowest).fold(of_head, u8::max);
    body.push(format);
    encode_behind(body, &v4::Timestamp::from(head.timestamp));
    if format >= WITH_ORIGIN {
        encode_behind(body, &head.origin.map(v7::Origin::from));
    }
    encode_behind(body, &(entries.len() as u64));
    for entry in entries {
        F::encode_behind(body, format, entry);
        if body.len() - start > max_bytes {
            body.truncate(start);
            return false;
        }
    }
    true
}

/// A format before [`LOWEST_WRITTEN`] is only read.
const LOWEST_WRITTEN: u8 = 4;
/// From this format on, a batch may say where it comes from.
const WITH_ORIGIN: u8 = 7;

/// Head and entries of a batch from its content, which a format's number stood before.
pub(crate) fn decode_batch<F: EntryFormats>(
    format: u8,
    mut content: &[u8],
) -> Option<(BatchHead, Vec<F::Entry>)> {
    let timestamp = match format {
        ..=3 => decode_first::<v3::Timestamp>(&mut content)?.into(),
        _ => decode_first::<v4::Timestamp>(&mut content)?.into(),
    };
    let origin = match format {
        WITH_ORIGIN.. => decode_first::<Option<v7::Origin>>(&mut content)?.map(Into::into),
        _ => None,
    };
    let head = BatchHead { timestamp, origin };
    let count: u64 = decode_first(&mut content)?;
    let count = usize::try_from(count).ok()?;
    let mut entries = Vec::with_capacity(count.min(ENTRIES_AT_ONCE));
    for _ in 0..count {
        entries.push(F::decode_first(&mut content, format)?);
    }
    content.is_empty().then_some((head, entries))
}

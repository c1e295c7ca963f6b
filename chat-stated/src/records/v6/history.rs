//! What of the history stays.

use chat_model::MessageNumber;
use serde::{Deserialize, Serialize};

use crate::entry as memory;
use crate::records::encoding::{decode_first, encode_behind};
use crate::state::parts::{self, StateMs};

/// Which messages are kept in the history.
#[derive(Serialize, Deserialize)]
pub(crate) struct HistoryRules {
    keeps_direct: bool,
}

/// How much of them stays.
#[derive(Serialize, Deserialize)]
pub(crate) struct HistoryLimits {
    kept_ms: u64,
    most_kept_ms: u64,
    room_bytes: u64,
    direct_bytes: u64,
}

/// What of the messages is kept in the history.
#[derive(Serialize, Deserialize)]
struct Keeping {
    rules: HistoryRules,
    last: u64,
}

/// What the history has of a room, or of messages to people.
#[derive(Serialize, Deserialize)]
pub(super) struct Retained {
    gone: u64,
    look_at: u64,
    segments: Vec<Segment>,
}

#[derive(Serialize, Deserialize)]
struct Segment {
    last: u64,
    last_at: u64,
    first_at: u64,
    bytes: u64,
}

/// Writes down what of the messages is kept in the history. How much stays stands there only if it is not as it was at
/// first.
pub(crate) fn encode_keeping(bytes: &mut Vec<u8>, keeping: &parts::Keeping) {
    let record = Keeping {
        rules: keeping.rules.into(),
        last: keeping.last.0,
    };
    encode_behind(bytes, &record);
    let initial = parts::Keeping::default();
    if (&keeping.limits, &keeping.direct) != (&initial.limits, &initial.direct) {
        encode_behind(bytes, &HistoryLimits::from(keeping.limits));
        encode_behind(bytes, &Retained::from(&keeping.direct));
    }
}

/// The same as it was; nothing if it cannot be read.
pub(crate) fn decode_keeping(bytes: &[u8]) -> Option<parts::Keeping> {
    let mut rest = bytes;
    let record: Keeping = decode_first(&mut rest)?;
    let mut keeping = parts::Keeping {
        rules: record.rules.into(),
        last: MessageNumber(record.last),
        ..parts::Keeping::default()
    };
    if !rest.is_empty() {
        keeping.limits = decode_first::<HistoryLimits>(&mut rest)?.into();
        keeping.direct = decode_first::<Retained>(&mut rest)?.into();
    }
    rest.is_empty().then_some(keeping)
}

impl From<memory::HistoryRules> for HistoryRules {
    fn from(rules: memory::HistoryRules) -> Self {
        Self {
            keeps_direct: rules.keeps_direct,
        }
    }
}

impl From<HistoryRules> for memory::HistoryRules {
    fn from(rules: HistoryRules) -> Self {
        Self {
            keeps_direct: rules.keeps_direct,
        }
    }
}

impl From<memory::HistoryLimits> for HistoryLimits {
    fn from(limits: memory::HistoryLimits) -> Self {
        Self {
            kept_ms: limits.kept_ms,
            most_kept_ms: limits.most_kept_ms,
            room_bytes: limits.room_bytes,
            direct_bytes: limits.direct_bytes,
        }
    }
}

impl From<HistoryLimits> for memory::HistoryLimits {
    fn from(limits: HistoryLimits) -> Self {
        Self {
            kept_ms: limits.kept_ms,
            most_kept_ms: limits.most_kept_ms,
            room_bytes: limits.room_bytes,
            direct_bytes: limits.direct_bytes,
        }
    }
}

impl From<&parts::Retained> for Retained {
    fn from(retained: &parts::Retained) -> Self {
        let segments = retained.segments.iter().map(|segment| Segment {
            last: segment.last.0,
            last_at: segment.last_at.0,
            first_at: segment.first_at.0,
            bytes: segment.bytes,
        });
        Self {
            gone: retained.gone.0,
            look_at: retained.look_at.0,
            segments: segments.collect(),
        }
    }
}

impl From<Retained> for parts::Retained {
    fn from(retained: Retained) -> Self {
        let segments = retained.segments.into_iter().map(|segment| parts::Segment {
            last: MessageNumber(segment.last),
            last_at: StateMs(segment.last_at),
            first_at: StateMs(segment.first_at),
            bytes: segment.bytes,
        });
        let (gone, look_at) = (MessageNumber(retained.gone), StateMs(retained.look_at));
        Self::of(gone, look_at, segments.collect())
    }
}

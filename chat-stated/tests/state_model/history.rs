//! What states give to the history, and what has to stay there no longer, against a plain list: all of them say the
//! same, and nothing goes before its time or before it was read.

use std::collections::BTreeMap;

use chat_model::RoomId;
use chat_stated::entry::{Entry, HistoryLimits};
use chat_stated::state::{Effects, Forgotten, KeptMessage};

use super::model::Model;

/// A message in it.
struct Kept {
    number: u64,
    at_ms: u64,
    bytes: u64,
}

/// What the history has, of each room and of messages to people.
#[derive(Default)]
pub(super) struct History {
    limits: HistoryLimits,
    kept: BTreeMap<Option<RoomId>, Vec<Kept>>,
    gone: BTreeMap<Option<RoomId>, u64>,
}

impl History {
    pub(super) fn limit(&mut self, entry: &Entry) {
        if let Entry::LimitHistory(limits) = entry {
            self.limits = *limits;
        }
    }

    /// Takes what all states told at once.
    pub(super) fn take(&mut self, told: &[Effects], model: &Model) {
        let Some((first, others)) = told.split_first() else {
            return;
        };
        for other in others {
            assert_eq!(other.kept, first.kept);
            assert_eq!(other.forgotten, first.forgotten);
        }
        for message in &first.kept {
            self.keep(message, model.now_ms);
        }
        for forgotten in &first.forgotten {
            self.forget(forgotten, model);
        }
    }

    fn keep(&mut self, message: &KeptMessage, at_ms: u64) {
        let rooms = message
            .rooms
            .iter()
            .map(|room| (Some(*room), message.rooms.len()));
        let people = (!message.readers.is_empty()).then_some((None, message.readers.len()));
        for (place, places) in rooms.chain(people) {
            self.kept.entry(place).or_default().push(Kept {
                number: message.number.0,
                at_ms,
                bytes: (100 + 16 * places + 2 * message.text.len()) as u64,
            });
        }
    }

    fn forget(&mut self, forgotten: &Forgotten, model: &Model) {
        let kept = self.kept.entry(forgotten.room).or_default();
        if forgotten.through.0 == u64::MAX {
            return kept.clear();
        }
        let gone = self.gone.entry(forgotten.room).or_default();
        assert_eq!(forgotten.after.0, *gone);
        assert!(forgotten.through.0 > *gone);
        *gone = forgotten.through.0;
        let limit_bytes = match forgotten.room {
            Some(_) => self.limits.room_bytes,
            None => self.limits.direct_bytes,
        };
        let are_too_many = kept.iter().map(|it| it.bytes).sum::<u64>() > limit_bytes;
        kept.retain(|message| {
            let goes = message.number <= *gone;
            if goes {
                let age_ms = model.now_ms - message.at_ms;
                assert!(are_too_many || age_ms >= self.limits.kept_ms);
                let room = forgotten.room.map(|room| room.0 as usize - 1);
                assert!(room.is_none_or(|room| !model.is_unread_in(room, message.number)));
            }
            !goes
        });
    }
}

//! What states give to the history, and what has to stay there no longer, against a plain list: all of them say the
//! same, and nothing goes before its time or before it was read.

use std::collections::BTreeMap;

use chat_model::{AccountId, RoomId};
use chat_stated::entry::{Entry, HistoryLimits};
use chat_stated::state::{Effects, Forgotten, KeptMessage, State};

use super::model::Model;
use super::steps::ROOMS;

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

    /// Everybody may read what the model lets them read, and nothing else.
    pub(super) fn compare_readers(&self, state: &State, model: &Model) {
        for account in 0..model.accounts.len() {
            let id = AccountId(account as u32);
            for room in ROOMS {
                let view = state.kept_room(id, room);
                let after = model.reads_room_after(account, room);
                assert_eq!(view.is_some(), after.is_some(), "{account} in {room}");
                if let (Some(view), Some(after)) = (view, after) {
                    let read = self.read_after(view.room, view.after.0);
                    assert_eq!(read, self.read_after(view.room, after));
                }
            }
            let of_member: Vec<_> = model.rooms_of(account);
            let mut views: Vec<_> = state.kept_rooms_of(id).collect();
            views.sort_unstable_by_key(|view| state.room_name(view.room));
            let expected = of_member.iter().map(|room| state.kept_room(id, room));
            assert!(views.into_iter().map(Some).eq(expected));
        }
    }

    /// What the history has of a room behind a message.
    fn read_after(&self, room: RoomId, after: u64) -> Vec<u64> {
        let kept = self.kept.get(&Some(room)).into_iter().flatten();
        let numbers = kept.map(|message| message.number);
        numbers.filter(|number| *number > after).collect()
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

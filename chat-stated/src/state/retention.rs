//! What of the history stays: the state decides by its own time and by bytes what has to stay no longer.

use chat_model::{MessageNumber, RoomId};

use super::State;
use super::clock::StateMs;
use super::effects::{Effects, Forgotten};
use super::retained::{Kept, NEVER};
use super::room::Room;
use super::rooms::Rooms;
use crate::entry::HistoryLimits;

/// Rooms that are looked at in one batch.
const LOOKS_AT_ONCE: usize = 64;

impl Rooms {
    /// Counts a message that comes into a room. Gives how many the room had before.
    pub(super) fn count_message(
        &mut self,
        id: RoomId,
        kept: Kept,
        limits: &HistoryLimits,
    ) -> Option<u64> {
        let record = &mut self.change(id)?.record;
        let sequence = record.messages;
        record.messages += 1;
        let look_at = record.retained.look_at;
        let bounds = limits.of_room(record.retention_days);
        record.retained.add(kept, bounds);
        let new = record.retained.look_at;
        if new != look_at {
            self.to_look_at.remove(&(look_at, id));
            self.to_look_at.insert((new, id));
        }
        Some(sequence)
    }

    /// The limits of a room have changed.
    pub(super) fn look_soon(&mut self, id: RoomId, now: StateMs) {
        if let Some(room) = self.change(id) {
            let retained = &mut room.record.retained;
            let look_at = retained.look_at;
            retained.look_soon(now);
            let new = retained.look_at;
            self.to_look_at.remove(&(look_at, id));
            self.plan_look(id, new);
        }
    }

    pub(super) fn plan_look(&mut self, id: RoomId, look_at: StateMs) {
        if look_at != NEVER {
            self.to_look_at.insert((look_at, id));
        }
    }

    /// Looks at a room, if one is due.
    fn forget_old(&mut self, now: StateMs, limits: &HistoryLimits) -> Option<Option<Forgotten>> {
        let (look_at, id) = self.to_look_at.first().copied()?;
        if look_at > now {
            return None;
        }
        self.to_look_at.pop_first();
        let room = self.change(id)?;
        let unread_from = room.unread_from();
        let record = &mut room.record;
        let bounds = limits.of_room(record.retention_days);
        let gone = record.retained.forget_old(now, bounds, unread_from);
        let look_at = record.retained.look_at;
        self.plan_look(id, look_at);
        Some(gone.map(|(after, through)| Forgotten {
            room: Some(id),
            after,
            through,
        }))
    }
}

impl Room {
    /// The oldest message that a member has not confirmed, if there is one.
    fn unread_from(&self) -> Option<MessageNumber> {
        self.feed.first().map(|(number, _)| number)
    }
}

impl State {
    /// Gives up what is too old or too much of the history, of some rooms, and of messages to people.
    pub(super) fn forget_old_history(&mut self, effects: &mut Effects) {
        let (now, limits) = (self.clock.now(), self.keeping.limits);
        for _ in 0..LOOKS_AT_ONCE {
            let Some(forgotten) = self.rooms.forget_old(now, &limits) else {
                break;
            };
            effects.forgotten.extend(forgotten);
        }
        if self.keeping.direct.look_at <= now {
            let bounds = limits.of_direct();
            let gone = self.keeping.direct.forget_old(now, bounds, None);
            effects
                .forgotten
                .extend(gone.map(|(after, through)| Forgotten {
                    room: None,
                    after,
                    through,
                }));
        }
    }

    /// How much of the history stays from here on.
    pub(super) fn limit_history(&mut self, limits: HistoryLimits) {
        self.keeping.limits = limits;
        let now = self.clock.now();
        self.keeping.direct.look_soon(now);
        let rooms: Vec<RoomId> = self.rooms.to_look_at.iter().map(|(_, id)| *id).collect();
        for id in rooms {
            self.rooms.look_soon(id, now);
        }
    }
}

//! The queues of a state, compared with what they must hold.

use std::collections::{BTreeMap, BTreeSet};

use chat_model::{MessageNumber, UserSession};
use chat_stated::state::{Place, Reader, SliceLimits, State};

use super::seats::SeatState;
use super::{Fate, MessageId, Oracle, Seat, id_of};
use crate::disk::Disk;

impl Oracle {
    /// Compares the queues with what they must hold.
    pub(crate) fn check(&mut self, state: &State, disk: &Disk, now_ms: u64) -> Result<(), String> {
        const ALL: SliceLimits = SliceLimits {
            messages: usize::MAX,
            text_bytes: usize::MAX,
            names_groups: false,
        };
        self.note_kept(state);
        for seat in 0..self.seats.len() {
            let SeatState { user, session, .. } = self.seats[seat];
            let Some((account, record)) = state.account(&self.names[user]) else {
                continue;
            };
            let is_of_seat = |place: &&Place| match place.user_session() {
                Some(taken) => taken == session,
                None => session == UserSession::Plain,
            };
            let Some(place) = record.places.iter().find(is_of_seat) else {
                self.place_is_gone(seat, now_ms)?;
                continue;
            };
            let place = place.id();
            let reader = Reader { account, place };
            let (after, through) = (MessageNumber(0), MessageNumber(u64::MAX));
            let places = state.missing_texts(reader, after, through, ALL, usize::MAX);
            let texts = disk.read_texts(&places)?;
            let slice = state.read_queue_with(reader, after, through, ALL, &texts);
            if slice.more {
                return Err("a text is neither in memory nor in the checkpoint".into());
            }
            let mut waiting = BTreeSet::new();
            let mut last_of: BTreeMap<u64, MessageId> = BTreeMap::new();
            let mut last_number = MessageNumber(0);
            for message in &slice.messages {
                let id = id_of(message.text).ok_or("a text that nobody sent")?;
                self.check_waiting(seat, id, &mut last_of)?;
                if message.number <= last_number {
                    return Err(format!(
                        "m{id} waits behind a later one for {}",
                        self.name_of(seat)
                    ));
                }
                last_number = message.number;
                if *self.numbers.entry(id).or_insert(message.number) != message.number {
                    return Err(format!("m{id} has two places in the order of all messages"));
                }
                if !waiting.insert(id) {
                    return Err(format!("m{id} waits twice for {}", self.name_of(seat)));
                }
            }
            self.check_missing(seat, &waiting, now_ms)?;
        }
        Ok(())
    }

    fn check_waiting(
        &self,
        seat: Seat,
        id: MessageId,
        last_of: &mut BTreeMap<u64, MessageId>,
    ) -> Result<(), String> {
        let name = self.name_of(seat);
        let message = self
            .messages
            .get(id)
            .ok_or_else(|| format!("m{id} waits for {name}, and was never sent"))?;
        if message.fate == Fate::Refused {
            return Err(format!("m{id} was refused, and waits for {name}"));
        }
        if !self.may_reach(message, self.seats[seat].user) {
            return Err(format!("m{id} waits for {name}, and is not for him"));
        }
        if self.left.contains(&(seat, id)) {
            return Err(format!("m{id} came back into the queue of {name}"));
        }
        if last_of
            .insert(message.sequence, id)
            .is_some_and(|last| last >= id)
        {
            return Err(format!("m{id} waits for {name} before an earlier one"));
        }
        Ok(())
    }

    fn check_missing(
        &mut self,
        seat: Seat,
        waiting: &BTreeSet<MessageId>,
        now_ms: u64,
    ) -> Result<(), String> {
        let missing: Vec<MessageId> = match self.must_wait.get(&seat) {
            Some(must_wait) => must_wait.difference(waiting).copied().collect(),
            None => return Ok(()),
        };
        for id in missing {
            let is_right = self.may_have_left.contains(&(seat, id))
                || self.seats[seat].may_lose_place(now_ms)
                || self
                    .connections
                    .values()
                    .filter(|connection| connection.seat == seat)
                    .any(|connection| connection.may_have_left(now_ms).any(|gone| gone == id));
            if !is_right {
                return Err(format!(
                    "m{id} was acknowledged and left the queue of {}, which does not surely have it",
                    self.name_of(seat)
                ));
            }
            self.left.insert((seat, id));
            if let Some(must_wait) = self.must_wait.get_mut(&seat) {
                must_wait.remove(&id);
            }
        }
        Ok(())
    }

    /// Sessions that have not read all that was acknowledged and that their queue still held.
    pub(crate) fn unread_by(&self) -> BTreeSet<Seat> {
        let unread = self.must_wait.iter().filter(|(seat, must_wait)| {
            let mut waiting = must_wait.iter();
            waiting.any(|id| !self.read.contains(&(**seat, *id)))
        });
        unread.map(|(seat, _)| *seat).collect()
    }
}

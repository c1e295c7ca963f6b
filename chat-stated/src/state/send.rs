//! Messages: one, or many of one client at once.

use std::borrow::Cow;
use std::sync::Arc;

use chat_model::{AccountId, Audience, Names, Outcome, RequestName, RoomId};

use super::State;
use super::accounts::Accounts;
use super::audience::{Addressed, AddressedRooms, Recipients};
use super::clock::StateMs;
use super::effects::Effects;
use super::kept::{Keeping, KeptMessage};
use super::last_message::LastMessage;
use super::message::{MessageKey, Readers, RoomReaders, StoredMessage, Text};
use super::messages::Messages;
use super::quota::{ExceededQuota, QuotaLimit, Refusal};
use super::retained::{Kept, stored_bytes};
use super::rooms::Rooms;
use super::waiting::message_bytes;
use super::worker_sessions::WorkerSessions;
use crate::entry::{Limits, SendBatch, WaitingLimits};
use smallvec::SmallVec;

/// A message to be stored.
pub(super) struct Draft<'a> {
    pub(super) sender: AccountId,
    pub(super) text: Cow<'a, str>,
    /// The wall time of its batch.
    pub(super) wall_ms: i64,
}

/// What came of a message.
struct Sent {
    outcome: Outcome<'static>,
    /// Somebody has it now.
    has_readers: bool,
    exceeded: Option<ExceededQuota>,
}

/// Where messages go.
struct Post<'a> {
    accounts: &'a mut Accounts,
    messages: &'a mut Messages,
    rooms: &'a mut Rooms,
    limits: &'a Limits,
    waiting_limits: &'a WaitingLimits,
    last_message: &'a mut LastMessage,
    keeping: &'a mut Keeping,
    now: StateMs,
}

impl Post<'_> {
    /// Stores a message, unless a limit forbids it.
    fn send(
        &mut self,
        recipients: &Recipients,
        draft: Draft<'_>,
        kept: &mut Vec<KeptMessage>,
    ) -> Sent {
        let stored = match &recipients.addressed {
            nobody if nobody.is_nobody() => Ok(false),
            Addressed::Accounts(readers) => self.send_to_accounts(readers, draft, kept),
            Addressed::Everyone => self.send_to_everyone(draft),
            Addressed::Rooms(to) => self.send_to_rooms(to, draft, kept),
        };
        match stored {
            Ok(has_readers) => Sent {
                outcome: recipients.stored(),
                has_readers,
                exceeded: None,
            },
            Err(refusal) => Sent {
                outcome: refusal.outcome(),
                has_readers: false,
                exceeded: refusal.exceeded(),
            },
        }
    }

    fn send_to_everyone(&mut self, draft: Draft<'_>) -> Result<bool, Refusal> {
        let text_bytes = draft.text.len();
        let broadcasts = &self.messages.broadcasts;
        if broadcasts.waiting() >= self.limits.broadcast_messages {
            return Err(QuotaLimit::BroadcastMessages.into());
        }
        if broadcasts.bytes() + text_bytes as u64 > self.limits.broadcast_bytes {
            return Err(QuotaLimit::BroadcastBytes.into());
        }
        let bytes = message_bytes(text_bytes, 0);
        let waiting_bytes = &self.messages.waiting_bytes;
        if let Some(refusal) = waiting_bytes.refusal(draft.sender, bytes, 0, self.waiting_limits) {
            return Err(refusal);
        }
        let per_minute = self.limits.broadcasts_per_minute;
        let sender = &mut self.accounts.change(draft.sender).record;
        if !sender.broadcasts.take(self.now, per_minute) {
            return Err(QuotaLimit::BroadcastsPerMinute.into());
        }
        let is_own = usize::from(sender.broadcasts_after.get().is_some());
        let readers = (self.accounts.with_broadcasts() - is_own) as u32;
        let message = self.message(draft, Readers::AllButSender);
        if readers > 0 {
            self.messages.store(message, readers);
        }
        Ok(readers > 0)
    }

    fn send_to_accounts(
        &mut self,
        readers: &[AccountId],
        draft: Draft<'_>,
        kept: &mut Vec<KeptMessage>,
    ) -> Result<bool, Refusal> {
        let (sender, text_bytes) = (draft.sender, draft.text.len());
        if let Some(refusal) = self.refusal(readers, 0, sender, text_bytes) {
            return Err(refusal);
        }
        let stored_readers = match readers {
            [reader] => Readers::One(*reader),
            several => Readers::Some(self.messages.group(several)),
        };
        let message = self.message(draft, stored_readers);
        kept.extend(self.keeping.keep(&message, &[], readers, self.now));
        let key = self.messages.store(message, readers.len() as u32);
        self.push_to_queues(readers, key, (sender, text_bytes));
        Ok(true)
    }

    fn push_to_queues(
        &mut self,
        readers: &[AccountId],
        key: MessageKey,
        (sender, text_bytes): (AccountId, usize),
    ) {
        let (mut shares_before, mut shares) = (0, 0);
        for reader in readers {
            let queue = self.accounts.queue_mut(*reader);
            shares_before += queue.shares();
            queue.push(key, sender, text_bytes);
            shares += queue.shares();
        }
        self.messages
            .waiting_bytes
            .shares_changed(shares_before, shares);
    }

    /// Stores a message to rooms, unless a limit forbids it. No work grows with their members.
    fn send_to_rooms(
        &mut self,
        to: &AddressedRooms,
        draft: Draft<'_>,
        kept: &mut Vec<KeptMessage>,
    ) -> Result<bool, Refusal> {
        let per_minute = self.rooms.limits.sends_per_minute;
        for room in &to.rooms {
            let sends = self.rooms.get(*room).map(|room| room.record.sends);
            if sends.is_some_and(|sends| !sends.is_left(self.now, per_minute)) {
                return Err(QuotaLimit::RoomSendsPerMinute.into());
            }
        }
        let text_bytes = draft.text.len();
        if let Some(refusal) = self.refusal(&to.accounts, to.rooms.len(), draft.sender, text_bytes)
        {
            return Err(refusal);
        }
        for room in &to.rooms {
            if let Some(room) = self.rooms.change(*room) {
                room.record.sends.take(self.now, per_minute);
            }
        }
        Ok(self.store_in_rooms(to, None, draft, kept))
    }

    /// Stores a message, or what a room tells. Says whether it has readers.
    fn store_in_rooms(
        &mut self,
        to: &AddressedRooms,
        notice_of: Option<Arc<str>>,
        draft: Draft<'_>,
        kept: &mut Vec<KeptMessage>,
    ) -> bool {
        let (sender, text_bytes) = (draft.sender, draft.text.len());
        let with_readers = to.rooms.iter().filter_map(|room| {
            let readers = self.rooms.readers(*room, sender, self.accounts);
            (readers > 0).then_some((*room, readers))
        });
        let with_readers: SmallVec<[_; 1]> = with_readers.collect();
        let in_history = Kept {
            number: self.last_message.next_number(),
            at: self.now,
            bytes: stored_bytes(text_bytes, to.rooms.len()),
        };
        let sequences = to.rooms.iter().filter_map(|id| {
            let limits = &self.keeping.limits;
            let sequence = self.rooms.count_message(*id, in_history, limits)?;
            Some((*id, sequence))
        });
        let sequences: SmallVec<[(RoomId, u64); 1]> = sequences.collect();
        for (room, sequence) in &sequences {
            self.accounts.count_own(sender, *room, *sequence);
        }
        let readers = Readers::Rooms(Arc::new(RoomReaders {
            rooms: sequences,
            accounts: to.accounts.as_slice().into(),
            accounts_before: to.accounts_before.as_slice().into(),
            notice_of,
        }));
        let message = self.message(draft, readers);
        kept.extend(
            self.keeping
                .keep(&message, &to.rooms, &to.accounts, self.now),
        );
        let holders = with_readers.len() + to.accounts.len();
        if holders == 0 {
            return false;
        }
        let number = message.number;
        let key = self.messages.store(message, holders as u32);
        self.push_to_queues(&to.accounts, key, (sender, text_bytes));
        for (room, readers) in with_readers {
            self.rooms.push(room, (number, key), readers, text_bytes);
            self.rooms.drop_old(room, self.messages);
        }
        true
    }

    /// The next message.
    fn message(&mut self, draft: Draft<'_>, readers: Readers) -> StoredMessage {
        let LastMessage { number, time_ms } = self.last_message.advance(draft.wall_ms);
        StoredMessage {
            number,
            sender: draft.sender,
            time_ms,
            text: Text::Resident(draft.text.into_owned().into_boxed_str()),
            readers,
        }
    }

    /// Why a message cannot be stored: what all messages may take, the sender's share of it, a queue, or the sender's
    /// share of that. What is cheap to find out comes first: a flood of refusals must not hold others up.
    fn refusal(
        &self,
        readers: &[AccountId],
        rooms: usize,
        sender: AccountId,
        text_bytes: usize,
    ) -> Option<Refusal> {
        let bytes = message_bytes(text_bytes, readers.len() + rooms);
        let waiting_bytes = &self.messages.waiting_bytes;
        let refusal = waiting_bytes.refusal(sender, bytes, 0, self.waiting_limits);
        if refusal.is_some() {
            return refusal;
        }
        let mut new_shares = 0;
        for reader in readers {
            let account = self.accounts.get(*reader)?;
            match account.queue.room_for(sender, text_bytes, self.limits) {
                Ok(shares) => new_shares += shares,
                Err(limit) => return Some(limit.of_queue(*reader)),
            }
        }
        waiting_bytes.refusal(sender, bytes, new_shares, self.waiting_limits)
    }
}

impl State {
    fn post(&mut self) -> (Post<'_>, &mut WorkerSessions) {
        let post = Post {
            accounts: &mut self.accounts,
            messages: &mut self.messages,
            rooms: &mut self.rooms,
            limits: &self.limits,
            waiting_limits: &self.waiting_limits,
            last_message: &mut self.last_message,
            keeping: &mut self.keeping,
            now: self.clock.now(),
        };
        (post, &mut self.worker_sessions)
    }

    pub(super) fn send(
        &mut self,
        audience: &Audience<'_>,
        draft: Draft<'_>,
        effects: &mut Effects,
    ) -> Outcome<'static> {
        let recipients = Recipients::of(audience, draft.sender, &self.accounts, &self.rooms);
        let sent = self.post().0.send(&recipients, draft, &mut effects.kept);
        if sent.has_readers {
            effects.reach(&recipients.addressed);
        }
        effects.exceeded = sent.exceeded;
        sent.outcome
    }

    /// Stores what a room tells, unless a limit forbids it.
    pub(super) fn notify(
        &mut self,
        to: AddressedRooms,
        room: Option<Arc<str>>,
        draft: Draft<'_>,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let (mut post, _) = self.post();
        let text_bytes = draft.text.len();
        let refusal = post.refusal(&to.accounts, to.rooms.len(), draft.sender, text_bytes);
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        if post.store_in_rooms(&to, room, draft, &mut effects.kept) {
            effects.reach(&Addressed::Rooms(to));
        }
        Ok(())
    }

    /// The same as to apply the lines one by one as requests, at less cost for each.
    pub(super) fn apply_send_batch(
        &mut self,
        sends: &SendBatch,
        wall_ms: i64,
        effects: &mut Effects,
    ) {
        let Some(connection) = self.worker_sessions.connection_or_new(sends.connection) else {
            return;
        };
        connection.forget_through(sends.answered);
        let session = connection.session();
        let are_new = connection.are_new(sends.lines.first(), sends.lines.len());
        let (Some(session), true) = (session, are_new) else {
            for request in sends.requests() {
                self.apply(request, wall_ms, effects);
            }
            return;
        };
        if let Some(reader) = session.reader() {
            self.progress(reader, sends.progress);
        }
        let (mut post, worker_sessions) = self.post();
        let connection = worker_sessions.connection_mut(sends.connection);
        let connection = connection.expect("it was there, and nothing closed it");
        connection.make_room(sends.lines.len());
        let mut recipients = Recipients::of_names(Names::default(), post.accounts);
        let mut is_reached = false;
        for line in sends.lines.iter() {
            if !line.has_same_recipients {
                recipients = Recipients::of_names(line.recipients, post.accounts);
                is_reached = false;
            }
            let draft = Draft {
                sender: session.account,
                text: line.text.into(),
                wall_ms,
            };
            let sent = post.send(&recipients, draft, &mut effects.kept);
            if sent.has_readers && !std::mem::replace(&mut is_reached, true) {
                effects.reach(&recipients.addressed);
            }
            connection.keep(line.offset, &sent.outcome);
            let name = RequestName {
                connection: sends.connection,
                offset: line.offset,
            };
            effects.exceeded = sent.exceeded;
            effects.decide_of_several(name, sent.outcome);
        }
    }
}

//! Accounts, by number and by name; who is online, and who was.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use chat_model::{ConnectionSerial, MessageNumber, UserSession, WorkerSessionId};
use foldhash::quality::RandomState;

use super::account_record::{AccountRecord, BroadcastsAfter};
use super::budget::Budget;
use super::clock::StateMs;
use super::messages::Messages;
use super::places::{PlaceId, Reader, Session};
use super::queue::Queue;
use super::snapshot_sink::SnapshotSink;
use chat_model::{AccountId, ConnectionId, RoomId};

/// An account.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) record: AccountRecord,
    pub(super) queue: Queue,
    /// The number of the snapshot that is to have its changes; 0 if there are none, or it has them.
    changed_for: u32,
    /// It is among those whose queue may hold messages on no page.
    has_unpaged: bool,
}

/// All accounts.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    accounts: Vec<Account>,
    by_name: HashMap<Arc<str>, AccountId, RandomState>,
    online: BTreeSet<Arc<str>>,
    /// Those not online who once were, by the time their last session ended.
    seen: BTreeSet<(StateMs, AccountId)>,
    /// Places without a session, for which there is a younger one, by the time they were used last.
    superseded: BTreeSet<(StateMs, AccountId, PlaceId)>,
    /// Sessions that only send.
    senders: BTreeSet<(AccountId, ConnectionId)>,
    /// How many snapshots began.
    snapshots: u32,
    /// Changed since the last snapshot began.
    changed: Vec<AccountId>,
    /// Changed before the snapshot under way began, and not looked at yet.
    awaited: Vec<AccountId>,
    /// Such accounts, as they were when it began, because they were changed again since.
    written_early: Vec<(AccountId, AccountRecord)>,
    /// Queues that messages came into since the last snapshot began.
    unpaged: Vec<AccountId>,
    /// How many get no broadcasts.
    without_broadcasts: usize,
}

impl Accounts {
    pub(super) fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Adds an account as a restore or a registration made it. The name is not taken.
    pub(super) fn add(&mut self, record: AccountRecord) -> AccountId {
        let id =
            AccountId(u32::try_from(self.accounts.len()).expect("accounts are limited below 2^32"));
        self.by_name.insert(record.name.clone(), id);
        self.without_broadcasts += usize::from(record.broadcasts_after.get().is_none());
        self.accounts.push(Account {
            record,
            queue: Queue::default(),
            changed_for: 0,
            has_unpaged: false,
        });
        self.note_presence(id, true);
        id
    }

    pub(super) fn id_of(&self, name: &str) -> Option<AccountId> {
        self.by_name.get(name).copied()
    }

    pub(super) fn get(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(id.0 as usize)
    }

    /// The account, to be changed; `id` came from here.
    pub(super) fn change(&mut self, id: AccountId) -> &mut Account {
        let next_snapshot = self.snapshots + 1;
        let account = &mut self.accounts[id.0 as usize];
        if account.changed_for != next_snapshot {
            // Then the one under way still waits for it.
            if account.changed_for > 0 {
                self.written_early.push((id, account.record.clone()));
            }
            account.changed_for = next_snapshot;
            self.changed.push(id);
        }
        account
    }

    /// How many get broadcasts.
    pub(super) fn with_broadcasts(&self) -> usize {
        self.accounts.len() - self.without_broadcasts
    }

    /// The account gets broadcasts after this one from now on, or none.
    pub(super) fn set_broadcasts_after(&mut self, id: AccountId, after: Option<MessageNumber>) {
        let record = &mut self.change(id).record;
        let after_and_on = BroadcastsAfter::of(after);
        let before = std::mem::replace(&mut record.broadcasts_after, after_and_on).get();
        self.without_broadcasts += usize::from(after.is_none());
        self.without_broadcasts -= usize::from(before.is_none());
    }

    /// The account's queue, for a new message; `id` came from here. A checkpoint finds it through the messages.
    pub(super) fn queue_mut(&mut self, id: AccountId) -> &mut Queue {
        let account = &mut self.accounts[id.0 as usize];
        if !account.has_unpaged {
            account.has_unpaged = true;
            self.unpaged.push(id);
        }
        &mut account.queue
    }

    /// An account has sent a message into a room that had so many before. One that lacks none of those does not lack
    /// its own.
    pub(super) fn count_own(&mut self, id: AccountId, room: RoomId, sequence: u64) {
        let memberships = self.get(id).map(|account| &account.record.memberships);
        let counted = memberships.and_then(|it| it.get(room)).map(|it| it.counted);
        if counted == Some(sequence)
            && let Some(membership) = self.change(id).record.memberships.get_mut(room)
        {
            membership.counted += 1;
        }
    }

    /// In a restore: the account, to be completed; `id` came from here.
    pub(super) fn restore(&mut self, id: AccountId) -> &mut AccountRecord {
        &mut self.accounts[id.0 as usize].record
    }

    /// In a restore: the account's queue, for a message that stands on a page.
    pub(super) fn queue_on_pages_mut(&mut self, id: AccountId) -> &mut Queue {
        &mut self.accounts[id.0 as usize].queue
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (AccountId, &Account)> {
        (0..).map(AccountId).zip(&self.accounts)
    }

    /// A session begins at a place that has none.
    pub(super) fn log_in(
        &mut self,
        reader: Reader,
        session: &UserSession,
        connection: ConnectionId,
        asked_at: StateMs,
    ) {
        self.change_presence(reader.account, |account| {
            account
                .record
                .places
                .log_in(reader.place, session, connection, asked_at);
        });
    }

    /// A session that only sends begins.
    pub(super) fn begin_sending(&mut self, account: AccountId, connection: ConnectionId) {
        self.senders.insert((account, connection));
    }

    /// The session of a connection has ended.
    pub(super) fn end_session(
        &mut self,
        session: Session,
        connection: ConnectionId,
        now: StateMs,
        messages: &mut Messages,
    ) {
        match session.reader() {
            Some(reader) => self.log_out(reader, now, messages),
            None => {
                self.senders.remove(&(session.account, connection));
            }
        }
    }

    fn log_out(&mut self, reader: Reader, now: StateMs, messages: &mut Messages) {
        self.change_presence(reader.account, |Account { record, queue, .. }| {
            let before = record.places.received();
            if let Some(place) = record.places.get_mut(reader.place) {
                place.log_out(now);
            }
            let received = record.places.received();
            if received < before {
                let shares_before = queue.shares();
                queue.receive_nothing(messages);
                queue.receive_through(received, messages);
                messages
                    .waiting_bytes
                    .shares_changed(shares_before, queue.shares());
            }
        });
    }

    /// Connections on which sessions of an account are that only send.
    pub(super) fn senders_of(&self, account: AccountId) -> impl Iterator<Item = ConnectionId> {
        let first = ConnectionId {
            worker_session: WorkerSessionId(0),
            serial: ConnectionSerial(0),
        };
        let senders = self.senders.range((account, first)..);
        let senders = senders.take_while(move |(of, _)| *of == account);
        senders.map(|(_, connection)| *connection)
    }

    /// Changes an account so that it may come, go, or have been there at another time.
    pub(super) fn change_presence<T>(
        &mut self,
        id: AccountId,
        change: impl FnOnce(&mut Account) -> T,
    ) -> T {
        self.note_presence(id, false);
        let result = change(self.change(id));
        self.note_presence(id, true);
        result
    }

    /// Puts an account into the lists that go by its sessions, or takes it out of them.
    pub(super) fn note_presence(&mut self, id: AccountId, is_noted: bool) {
        fn note<T: Ord>(list: &mut BTreeSet<T>, element: T, is_noted: bool) {
            match is_noted {
                true => list.insert(element),
                false => list.remove(&element),
            };
        }
        let record = &self.accounts[id.0 as usize].record;
        for (last_used, place) in record.places.superseded() {
            note(&mut self.superseded, (last_used, id, place), is_noted);
        }
        if record.places.is_online() {
            note(&mut self.online, record.name.clone(), is_noted);
        } else if let Some(last_used) = record.places.last_used() {
            note(&mut self.seen, (last_used, id), is_noted);
        }
    }

    /// The place that was not used for the longest time among those for which there is a younger one, if that was not
    /// after this time.
    pub(super) fn superseded_until(&self, time: StateMs) -> Option<Reader> {
        let (last_used, account, place) = *self.superseded.first()?;
        (last_used <= time).then_some(Reader { account, place })
    }

    pub(super) fn online_count(&self) -> usize {
        self.online.len()
    }

    /// Names of those who are online, sorted, that come after this one.
    pub(super) fn online_after(&self, after: Option<&Arc<str>>) -> impl Iterator<Item = &Arc<str>> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.online.range::<Arc<str>, _>((after, Bound::Unbounded))
    }

    /// Those who are not online and once were, by the time their last session ended, from this one on.
    pub(super) fn seen_from(
        &self,
        from: (StateMs, AccountId),
    ) -> impl Iterator<Item = (StateMs, AccountId)> {
        self.seen.range(from..).copied()
    }

    /// After the queues were filled again: what was received does not count.
    pub(super) fn restore_received(&mut self, messages: &mut Messages) {
        let mut shares = 0;
        for account in &mut self.accounts {
            let received = account.record.places.received();
            account.queue.receive_through(received, messages);
            shares += account.queue.shares();
        }
        messages.waiting_bytes.shares_changed(0, shares);
    }

    /// A snapshot begins: it has all accounts as they are now. The one before has come to its end. Gives those whose
    /// queues may hold messages on no page.
    pub(super) fn begin_snapshot(&mut self) -> Vec<AccountId> {
        self.snapshots += 1;
        self.awaited = std::mem::take(&mut self.changed);
        std::mem::take(&mut self.unpaged)
    }

    /// Writes down accounts as they were when the snapshot began. Says whether that is done.
    pub(super) fn put_awaited(
        &mut self,
        sink: &mut impl SnapshotSink,
        budget: &mut Budget,
    ) -> bool {
        for (id, account) in self.written_early.drain(..) {
            sink.put_account(id, &account);
        }
        while !budget.is_spent() {
            let Some(id) = self.awaited.pop() else {
                return true;
            };
            budget.spend(1);
            let account = &mut self.accounts[id.0 as usize];
            if account.changed_for == self.snapshots {
                account.changed_for = 0;
                sink.put_account(id, &account.record);
            }
        }
        false
    }

    /// A queue's messages up to this one are on pages now.
    pub(super) fn queue_was_paged(
        &mut self,
        id: AccountId,
        through: MessageNumber,
        messages: &Messages,
    ) {
        let account = &mut self.accounts[id.0 as usize];
        let last = account.queue.last();
        account.has_unpaged = last.is_some_and(|key| messages.get(key).number > through);
        if account.has_unpaged {
            self.unpaged.push(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_is_small() {
        assert_eq!(size_of::<Account>(), 264);
    }
}

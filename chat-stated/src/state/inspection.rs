//! What operators look at: sessions, queues, accounts and blocks, in pages. Each page costs a bounded amount of work,
//! whatever there is; what changes between two pages may be seen before or after the change.

use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use chat_model::{AccountId, ConnectionId, MessageNumber};

use super::State;
use super::account_record::FileStatus;
use super::accounts::Account;
use super::clock::StateMs;
use super::failures::Source;
use super::places::Place;
use crate::entry::Timestamp;

/// Most rows of a page. In JSON a page takes less than half of what a parent reads of a child.
const MAX_ROWS: usize = 200;
/// Most accounts that are looked at for a page.
const MAX_LOOKED_AT: usize = 4_096;

/// What it costs to look at the queue of an account, as so many accounts without rooms.
fn cost_of(account: &Account) -> usize {
    1 + account.record.memberships.as_slice().len()
}

/// From here on a queue is nearly full.
const NEARLY_FULL_PERCENT: u64 = 90;

/// A part of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Page<Row, Place> {
    /// In the order of the list.
    pub rows: Vec<Row>,
    /// Where the next page begins; none if this is the last one.
    pub next: Option<Place>,
}

/// A session.
#[derive(Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// The full name of the session.
    pub name: String,
    /// On which connection.
    pub connection: ConnectionId,
    /// The process of the worker; none if its worker session has ended.
    pub worker_pid: Option<u32>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Its name.
    pub name: Arc<str>,
    /// The account file has its newest secret.
    pub is_in_file: bool,
    /// Nobody can log in.
    pub is_disabled: bool,
    /// Somebody is logged in.
    pub is_online: bool,
    /// Its queue.
    pub queue: QueueState,
}

/// What waits for an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Direct messages and messages to groups.
    pub messages: u64,
    /// Bytes of their texts that count against the limit.
    pub bytes: u64,
    /// Whether a limit of the queue is reached.
    pub is_full: bool,
    /// Broadcasts that its reader has not confirmed; its own count, too.
    pub broadcasts: u64,
    /// Messages of its rooms that its reader has not confirmed.
    pub room_messages: u64,
    /// When the oldest of all these was sent, in milliseconds since 1970.
    pub oldest_ms: Option<i64>,
}

impl QueueState {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.messages == 0 && self.broadcasts == 0 && self.room_messages == 0
    }
}

/// What is in the queues of some accounts, and what these have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueTotals {
    /// Queues in which something waits.
    pub waiting: u64,
    /// Those among them that are at 90 % of a limit of theirs or more.
    pub nearly_full: u64,
    /// Those among the nearly full ones of which a limit is reached.
    pub full: u64,
    /// When the oldest message in them was sent, in milliseconds since 1970.
    pub oldest_ms: Option<i64>,
    /// Sessions that have a place in them.
    pub places: u64,
    /// Tokens of these accounts.
    pub tokens: u64,
    /// Memberships of these accounts in rooms.
    pub memberships: u64,
    /// Where the next accounts begin; none if these were the last.
    pub next: Option<u32>,
}

/// A block of an account from an address.
#[derive(Debug, PartialEq, Eq)]
pub struct BlockRow {
    /// The name of the account.
    pub name: Arc<str>,
    /// Where the wrong passwords came from.
    pub address: IpAddr,
    /// Rounded up.
    pub seconds_left: u64,
}

/// A place in the list of blocks: when one ends, and whose it is.
pub type BlockPlace = (u64, u32, IpAddr);

impl State {
    /// Sessions by the name of their account, after this name. Those of an account stand on one page.
    pub fn sessions_page(&self, after: Option<&str>) -> Page<SessionRow, String> {
        let after = after.map(Arc::from);
        let mut rows = Vec::new();
        for name in self.accounts.online_after(after.as_ref()) {
            let record = self.account(name).map(|(_, record)| record);
            let places = record.into_iter().flat_map(|record| record.places.iter());
            rows.extend(places.filter_map(|place| self.session_row(name, place)));
            if rows.len() >= MAX_ROWS {
                let next = Some(name.to_string());
                return Page { rows, next };
            }
        }
        Page { rows, next: None }
    }

    fn session_row(&self, name: &str, place: &Place) -> Option<SessionRow> {
        let (session, connection) = (place.user_session()?, place.session()?);
        let worker_session = self.worker_sessions.get(connection.worker_session);
        Some(SessionRow {
            name: session.full_name(name),
            connection,
            worker_pid: worker_session.map(|found| found.pid),
        })
    }

    /// Accounts by number, from this one on.
    pub fn accounts_page(&self, from: u32) -> Page<AccountRow, u32> {
        self.page_of_accounts(from, |_| true)
    }

    /// The same of accounts for which something waits.
    pub fn queues_page(&self, from: u32) -> Page<AccountRow, u32> {
        self.page_of_accounts(from, |row| !row.queue.is_empty())
    }

    fn page_of_accounts(
        &self,
        from: u32,
        is_wanted: impl Fn(&AccountRow) -> bool,
    ) -> Page<AccountRow, u32> {
        let (mut rows, mut looked_at) = (Vec::new(), 0);
        for number in from..=u32::MAX {
            let Some(account) = self.accounts.get(AccountId(number)) else {
                return Page { rows, next: None };
            };
            if rows.len() == MAX_ROWS || looked_at >= MAX_LOOKED_AT {
                let next = Some(number);
                return Page { rows, next };
            }
            looked_at += cost_of(account);
            let row = self.account_row(account);
            if is_wanted(&row) {
                rows.push(row);
            }
        }
        Page { rows, next: None }
    }

    /// What is in the queues of some accounts, by number, from this one on.
    pub fn queue_totals(&self, from: u32) -> QueueTotals {
        let (mut totals, mut looked_at) = (QueueTotals::default(), 0);
        for number in from..=u32::MAX {
            let Some(account) = self.accounts.get(AccountId(number)) else {
                return totals;
            };
            if looked_at >= MAX_LOOKED_AT {
                totals.next = Some(number);
                return totals;
            }
            looked_at += cost_of(account);
            let places = account.record.places.iter();
            totals.places += places.filter_map(Place::user_session).count() as u64;
            totals.tokens += self.token_count(AccountId(number)) as u64;
            totals.memberships += account.record.memberships.as_slice().len() as u64;
            let queue = self.queue_state(account);
            totals.waiting += u64::from(!queue.is_empty());
            let fill_percent = account.queue.fill_percent(&self.limits);
            totals.nearly_full += u64::from(fill_percent >= NEARLY_FULL_PERCENT || queue.is_full);
            totals.full += u64::from(queue.is_full);
            totals.oldest_ms = totals.oldest_ms.into_iter().chain(queue.oldest_ms).min();
        }
        totals
    }

    pub(super) fn account_row(&self, account: &Account) -> AccountRow {
        let record = &account.record;
        AccountRow {
            name: record.name.clone(),
            is_in_file: record.filed == FileStatus::Yes && !record.disabled,
            is_disabled: record.disabled,
            is_online: record.places.is_online(),
            queue: self.queue_state(account),
        }
    }

    pub(super) fn queue_state(&self, account: &Account) -> QueueState {
        let queue = &account.queue;
        let cursor = account.record.broadcast_cursor();
        let cursor = cursor.unwrap_or(MessageNumber(u64::MAX));
        let oldest = queue.messages_from(0).next();
        let oldest = oldest.map(|key| self.messages.get(key).time_ms);
        let all_broadcasts = &self.messages.broadcasts;
        let oldest_broadcast = self.messages.of_feed_after(all_broadcasts, cursor).next();
        let oldest_broadcast = oldest_broadcast.map(|message| message.time_ms);
        let (room_messages, oldest_in_rooms) = self.unread_in_rooms(&account.record);
        let oldest = oldest.into_iter().chain(oldest_broadcast);
        QueueState {
            messages: queue.len() as u64,
            bytes: queue.counted_bytes(),
            is_full: queue.is_full(&self.limits),
            broadcasts: all_broadcasts.count_after(cursor) as u64,
            room_messages,
            oldest_ms: oldest.chain(oldest_in_rooms).min(),
        }
    }

    /// Blocks that hold, by their ends, after this one.
    pub fn blocks_page(
        &self,
        after: Option<BlockPlace>,
        timestamp: &Timestamp,
    ) -> Page<BlockRow, BlockPlace> {
        let after = after.map_or(Bound::Unbounded, |(end_ms, account, address)| {
            let account = AccountId(account);
            Bound::Excluded((StateMs(end_ms), Source { account, address }))
        });
        let now = self.clock.time_at(timestamp);
        let (mut rows, mut last) = (Vec::new(), None);
        for (looked_at, (end, source)) in self.failures.expiries_after(after).enumerate() {
            if looked_at == MAX_LOOKED_AT || rows.len() == MAX_ROWS {
                return Page { rows, next: last };
            }
            last = Some((end.0, source.account.0, source.address));
            if let Some(seconds_left) = self.failures.block_seconds_left(source, now)
                && let Some(record) = self.record(source.account)
            {
                rows.push(BlockRow {
                    name: record.name.clone(),
                    address: source.address,
                    seconds_left,
                });
            }
        }
        Page { rows, next: None }
    }
}

#[cfg(test)]
mod tests {
    use chat_model::MessageNumber;

    use super::*;
    use crate::entry::{AccountChange, Entry};
    use crate::state::Effects;
    use crate::state::message::{Readers, StoredMessage, Text};

    fn state_of(names: impl Iterator<Item = String>) -> State {
        let set = |name| AccountChange::Set {
            name,
            secret: "s".to_owned(),
        };
        let mut state = State::default();
        let entry = Entry::ChangeAccounts(names.map(set).collect());
        state.apply(entry, 0, &mut Effects::default());
        state
    }

    #[test]
    fn pages_join_to_whole_list() {
        let count = 2 * MAX_LOOKED_AT + 7;
        let state = state_of((0..count).map(|number| format!("u{number}")));
        let (mut names, mut from, mut pages) = (Vec::new(), Some(0), 0);
        while let Some(number) = from {
            let page = state.accounts_page(number);
            assert!(page.rows.len() <= MAX_ROWS);
            names.extend(page.rows.into_iter().map(|row| row.name));
            from = page.next;
            pages += 1;
        }
        let expected: Vec<Arc<str>> = (0..count)
            .map(|number| format!("u{number}").into())
            .collect();
        assert_eq!(names, expected);
        assert_eq!(pages, count.div_ceil(MAX_ROWS));
    }

    #[test]
    fn queue_near_its_limit_is_counted() {
        let mut state = state_of(["ann", "bob", "carol"].map(str::to_owned).into_iter());
        state.limits.queue_messages = 10;
        state.limits.sender_share_percent = 100;
        for (reader, messages) in [("ann", 8), ("bob", 9), ("carol", 10)] {
            let (reader, _) = state.account(reader).unwrap();
            for number in 0..messages {
                let message = StoredMessage {
                    number: MessageNumber(number + 1),
                    sender: AccountId(0),
                    time_ms: 1_000 + i64::from(reader.0),
                    text: Text::Resident("x".into()),
                    readers: Readers::One(reader),
                };
                let key = state.messages.store(message, 1);
                state.accounts.queue_mut(reader).push(key, AccountId(0), 1);
            }
        }
        let totals = QueueTotals {
            waiting: 3,
            nearly_full: 2,
            full: 1,
            oldest_ms: Some(1_000),
            next: None,
            ..QueueTotals::default()
        };
        assert_eq!(state.queue_totals(0), totals);
        assert_eq!(state.queue_totals(u32::MAX), QueueTotals::default());
    }

    #[test]
    fn page_without_rows_is_bounded() {
        let state = state_of((0..2 * MAX_LOOKED_AT).map(|number| format!("u{number}")));
        let page = state.queues_page(0);
        assert_eq!(
            (page.rows.len(), page.next),
            (0, Some(MAX_LOOKED_AT as u32))
        );
        let page = state.queues_page(2 * MAX_LOOKED_AT as u32);
        assert_eq!((page.rows.len(), page.next), (0, None));
        assert_eq!(state.queues_page(u32::MAX).next, None);
        assert_eq!(state.sessions_page(None).next, None);
    }
}

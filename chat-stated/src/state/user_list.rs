//! Names of users, gathered in pieces: a list of a million must not hold up everybody else.
//!
//! Each name is looked at once, as it is then. A list that fits into one piece shows one moment; in a longer one, users
//! who came or went meanwhile are shown as they were before or after.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::State;
use super::accounts::Accounts;
use super::clock::StateMs;
use crate::entry::Timestamp;
use chat_model::{AccountId, NameList};

/// Of who is online: later than all times.
const ONLINE: StateMs = StateMs(u64::MAX);

/// What looking a name up and putting it in its place costs, in work.
const GATHER_COST: usize = 4;

/// The names of those who are online, or were since some time.
#[derive(Debug)]
pub struct UserList {
    /// When the gathering began, in the state's time.
    began: StateMs,
    since: StateMs,
    next: Next,
    names: BTreeMap<Arc<str>, StateMs>,
}

/// What is to be gathered next.
#[derive(Debug)]
enum Next {
    /// Those who were online, from this one on.
    Seen(StateMs, AccountId),
    /// Those who are online, after this one.
    Online(Option<Arc<str>>),
    Nothing,
}

/// The part of a list that was written down.
#[derive(Debug, Default)]
pub struct WrittenNames {
    /// Sorted.
    pub names: NameList<'static>,
    last: Option<Arc<str>>,
}

impl UserList {
    /// Goes on with gathering for so much work; whether it is done.
    pub fn gather(&mut self, state: &State, work: &mut usize) -> bool {
        let accounts = &state.accounts;
        while *work > 0 {
            match &self.next {
                Next::Seen(time, id) => self.next = self.gather_seen(accounts, (*time, *id), work),
                Next::Online(last) => {
                    self.next = match self.gather_online(accounts, last.clone(), work) {
                        Some(last) => Next::Online(Some(last)),
                        None => {
                            self.gather_departed(accounts);
                            Next::Nothing
                        }
                    };
                }
                Next::Nothing => return true,
            }
        }
        matches!(self.next, Next::Nothing)
    }

    fn gather_seen(
        &mut self,
        accounts: &Accounts,
        from: (StateMs, AccountId),
        work: &mut usize,
    ) -> Next {
        for (time, id) in accounts.seen_from(from) {
            if !spend(work, GATHER_COST) {
                return Next::Seen(time, id);
            }
            self.add(accounts, time, id);
        }
        Next::Online(None)
    }

    /// The last one, if there may be more.
    fn gather_online(
        &mut self,
        accounts: &Accounts,
        mut last: Option<Arc<str>>,
        work: &mut usize,
    ) -> Option<Arc<str>> {
        let after = last.clone();
        for name in accounts.online_after(after.as_ref()) {
            if !spend(work, GATHER_COST) {
                return last;
            }
            self.names.insert(name.clone(), ONLINE);
            last = Some(name.clone());
        }
        None
    }

    /// Those who went before their turn among those who are online came.
    fn gather_departed(&mut self, accounts: &Accounts) {
        let from = (self.began.max(self.since), AccountId(0));
        for (time, id) in accounts.seen_from(from) {
            self.add(accounts, time, id);
        }
    }

    fn add(&mut self, accounts: &Accounts, time: StateMs, id: AccountId) {
        if let Some(account) = accounts.get(id) {
            let known = self.names.entry(account.record.name.clone());
            let known = known.or_insert(time);
            *known = time.max(*known);
        }
    }

    /// Goes on with writing the names of those who are online or were since then; whether it is done.
    pub fn write(&self, since: StateMs, written: &mut WrittenNames, work: &mut usize) -> bool {
        let after = match &written.last {
            Some(last) => Bound::Excluded(last.clone()),
            None => Bound::Unbounded,
        };
        for (name, time) in self.names.range((after, Bound::Unbounded)) {
            if !spend(work, 1) {
                return false;
            }
            if *time >= since {
                written.names.push(name);
            }
            written.last = Some(name.clone());
        }
        true
    }

    /// Goes on with giving back its memory; whether it is done.
    pub fn clear(&mut self, work: &mut usize) -> bool {
        while spend(work, 1) {
            if self.names.pop_first().is_none() {
                return true;
            }
        }
        self.names.is_empty()
    }
}

/// Takes so much from the work that may be done; false if there is none left.
fn spend(work: &mut usize, cost: usize) -> bool {
    let is_left = *work > 0;
    *work = work.saturating_sub(cost);
    is_left
}

impl State {
    /// Begins a list of those who are online, or were since the earliest time that is written of it.
    pub fn begin_user_list(&self, since: StateMs) -> UserList {
        UserList {
            began: self.clock.now(),
            since,
            next: Next::Seen(since, AccountId(0)),
            names: BTreeMap::new(),
        }
    }

    /// The time since which users are listed, so many minutes ago, or `None` for those who are online only. Times with
    /// the same answer now are the same.
    pub fn listed_since(&self, minutes: Option<u64>, timestamp: &Timestamp) -> StateMs {
        let Some(minutes) = minutes else {
            return ONLINE;
        };
        let now = self.clock.time_at(timestamp);
        let since = StateMs(now.0.saturating_sub(minutes.saturating_mul(60_000)));
        let first = self.accounts.seen_from((since, AccountId(0))).next();
        // Who goes later counts.
        let nobody = since.max(self.clock.now());
        first.map_or(nobody, |(time, _)| time)
    }

    /// Names of the users online, sorted.
    pub fn online(&self) -> NameList<'static> {
        self.user_list(ONLINE)
    }

    /// The same for those online now or within so many minutes.
    pub fn online_within(&self, minutes: u64, timestamp: &Timestamp) -> NameList<'static> {
        self.user_list(self.listed_since(Some(minutes), timestamp))
    }

    /// A list in one piece.
    fn user_list(&self, since: StateMs) -> NameList<'static> {
        let mut list = self.begin_user_list(since);
        list.gather(self, &mut usize::MAX.clone());
        let mut written = WrittenNames::default();
        list.write(since, &mut written, &mut usize::MAX.clone());
        written.names
    }
}

//! Messages that their senders send once: what came of each is remembered, so that a repeat gets the first answer.
//!
//! What is remembered of an account stands on pages of [`PAGE_SENDS`] messages. A checkpoint writes only pages that
//! changed, so it does not write a thousand messages for each one that is new.

use std::collections::{BTreeMap, BTreeSet};

use chat_model::{AccountId, Outcome};

use super::budget::Budget;
use super::clock::StateMs;
use super::once_page::{OncePage, OncePageKey, PAGE_SENDS, REMEMBERED_MS, RememberedSend};
use super::snapshot_sink::SnapshotSink;
use crate::entry::OnceId;

/// Full pages of an account: the last 1,024 messages are remembered, and those that share a page with them.
const FULL_PAGES: usize = 1_024 / PAGE_SENDS;

/// What is remembered of all accounts.
#[derive(Debug, Default)]
pub(super) struct RememberedSends {
    pages: BTreeMap<OncePageKey, OncePage>,
    /// Pages by their newest message.
    by_age: BTreeSet<(StateMs, OncePageKey)>,
    /// Changed, or gone, since the last snapshot began.
    changed: BTreeSet<OncePageKey>,
    /// The same of the snapshot under way, and not put yet.
    awaited: BTreeSet<OncePageKey>,
    /// Such pages, as they were when it began, because they were changed again since.
    written_early: Vec<(OncePageKey, Option<OncePage>)>,
}

impl RememberedSends {
    /// What came of a message, if it is remembered.
    pub(super) fn outcome(
        &self,
        sender: AccountId,
        id: OnceId,
        now: StateMs,
    ) -> Option<Outcome<'static>> {
        let of_sender = OncePageKey::first_of(sender)..=OncePageKey::last_of(sender);
        // A repeat follows its message soon.
        let sends = self.pages.range(of_sender).rev();
        let mut sends = sends.flat_map(|(_, page)| page.iter().rev());
        let found = sends.find(|send| send.id == id && send.is_of_late(now))?;
        Some(found.outcome())
    }

    /// Remembers a message. Gives the page that this makes superfluous.
    pub(super) fn remember(&mut self, sender: AccountId, send: RememberedSend) -> Option<OncePage> {
        let of_sender = OncePageKey::first_of(sender)..=OncePageKey::last_of(sender);
        let last = self.pages.range(of_sender.clone()).next_back();
        let key = match last {
            Some((key, page)) if page.len() < PAGE_SENDS => *key,
            Some((key, _)) => OncePageKey(key.0 + 1),
            None => *of_sender.start(),
        };
        self.will_change(key);
        let page = self.pages.entry(key).or_default();
        if let Some(newest) = page.last() {
            self.by_age.remove(&(newest.at, key));
        }
        self.by_age.insert((send.at, key));
        page.push(send);
        if page.len() > 1 {
            return None;
        }
        let oldest = *self.pages.range(of_sender).next()?.0;
        let pages = key.0 - oldest.0 + 1;
        if pages > FULL_PAGES as u64 + 1 {
            return self.forget_page(oldest);
        }
        None
    }

    fn forget_page(&mut self, key: OncePageKey) -> Option<OncePage> {
        self.will_change(key);
        let page = self.pages.remove(&key)?;
        if let Some(newest) = page.last() {
            self.by_age.remove(&(newest.at, key));
        }
        Some(page)
    }

    /// Takes a page out of which nothing is remembered any more, if there is one.
    pub(super) fn pop_old(&mut self, now: StateMs) -> Option<(AccountId, OncePage)> {
        let (newest, key) = *self.by_age.first()?;
        if now.since(newest) < REMEMBERED_MS {
            return None;
        }
        Some((key.account(), self.forget_page(key)?))
    }

    /// Forgets all pages of an account, and gives them.
    pub(super) fn forget_account(&mut self, account: AccountId) -> Vec<OncePage> {
        let of_account = OncePageKey::first_of(account)..=OncePageKey::last_of(account);
        let keys: Vec<OncePageKey> = self.pages.range(of_account).map(|(key, _)| *key).collect();
        keys.into_iter()
            .filter_map(|key| self.forget_page(key))
            .collect()
    }

    /// A page is about to change: the snapshot under way gets it as it was.
    fn will_change(&mut self, key: OncePageKey) {
        if self.awaited.remove(&key) {
            self.written_early
                .push((key, self.pages.get(&key).cloned()));
        }
        self.changed.insert(key);
    }

    /// A snapshot begins: it has all pages as they are now. The one before has come to its end.
    pub(super) fn begin_snapshot(&mut self) {
        self.awaited = std::mem::take(&mut self.changed);
    }

    /// Puts pages as they were when the snapshot began. Says whether that is done.
    pub(super) fn put_awaited(
        &mut self,
        sink: &mut impl SnapshotSink,
        budget: &mut Budget,
    ) -> bool {
        for (key, page) in self.written_early.drain(..) {
            put(sink, key, page.as_ref());
        }
        while !budget.is_spent() {
            let Some(key) = self.awaited.pop_first() else {
                return true;
            };
            // About as much as so many accounts.
            budget.spend(PAGE_SENDS / 4);
            put(sink, key, self.pages.get(&key));
        }
        false
    }

    /// Pages by account and number.
    pub(super) fn pages(&self) -> impl Iterator<Item = (OncePageKey, &OncePage)> {
        self.pages.iter().map(|(key, page)| (*key, page))
    }

    /// In a restore: takes a page. Says whether it may have so many messages.
    pub(super) fn restore(&mut self, key: OncePageKey, page: OncePage) -> bool {
        let Some(newest) = page.last().filter(|_| page.len() <= PAGE_SENDS) else {
            return false;
        };
        self.by_age.insert((newest.at, key));
        self.pages.insert(key, page);
        true
    }
}

fn put(sink: &mut impl SnapshotSink, key: OncePageKey, page: Option<&OncePage>) {
    match page {
        Some(page) => sink.put_once_page(key, page),
        None => sink.remove_once_page(key),
    }
}

//! Messages that their senders send once: what came of each is remembered, so that a repeat gets the first answer.
//!
//! What is remembered of an account stands on pages of [`PAGE_SENDS`] messages. A checkpoint writes only pages that
//! changed, so it does not write a thousand messages for each one that is new.

use std::collections::BTreeSet;

use chat_model::{AccountId, Outcome};

use super::budget::Budget;
use super::clock::StateMs;
use super::once_page::{OncePage, OncePageKey, PAGE_SENDS, REMEMBERED_MS, RememberedSend};
use super::snapshot_sink::SnapshotSink;
use super::tracked_map::TrackedMap;
use crate::entry::OnceId;

/// Full pages of an account: the last 1,024 messages are remembered, and those that share a page with them.
const FULL_PAGES: usize = 1_024 / PAGE_SENDS;

/// What is remembered of all accounts.
#[derive(Debug, Default)]
pub(super) struct RememberedSends {
    pages: TrackedMap<OncePageKey, OncePage>,
    /// Pages by their newest message.
    by_age: BTreeSet<(StateMs, OncePageKey)>,
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
            Some((key, page)) if page.len() < PAGE_SENDS => key,
            Some((key, _)) => OncePageKey(key.0 + 1),
            None => *of_sender.start(),
        };
        let page = self.pages.change(key);
        if let Some(newest) = page.last() {
            self.by_age.remove(&(newest.at, key));
        }
        self.by_age.insert((send.at, key));
        page.push(send);
        if page.len() > 1 {
            return None;
        }
        let oldest = self.pages.range(of_sender).next()?.0;
        let pages = key.0 - oldest.0 + 1;
        if pages > FULL_PAGES as u64 + 1 {
            return self.forget_page(oldest);
        }
        None
    }

    fn forget_page(&mut self, key: OncePageKey) -> Option<OncePage> {
        let page = self.pages.remove(key)?;
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
        let keys: Vec<OncePageKey> = self.pages.range(of_account).map(|(key, _)| key).collect();
        keys.into_iter()
            .filter_map(|key| self.forget_page(key))
            .collect()
    }

    /// A snapshot begins: it has all pages as they are now. The one before has come to its end.
    pub(super) fn begin_snapshot(&mut self) {
        self.pages.begin_snapshot();
    }

    /// Puts pages as they were when the snapshot began. Says whether that is done.
    pub(super) fn put_awaited(
        &mut self,
        sink: &mut impl SnapshotSink,
        budget: &mut Budget,
    ) -> bool {
        // A page is about as much as so many accounts.
        let steps = PAGE_SENDS / 4;
        self.pages
            .put_awaited(budget, steps, |key, page| match page {
                Some(page) => sink.put_once_page(key, page),
                None => sink.remove_once_page(key),
            })
    }

    /// Pages by account and number.
    pub(super) fn pages(&self) -> impl Iterator<Item = (OncePageKey, &OncePage)> {
        self.pages.iter()
    }

    /// In a restore: takes a page. Says whether it may have so many messages.
    pub(super) fn restore(&mut self, key: OncePageKey, page: OncePage) -> bool {
        let Some(newest) = page.last().filter(|_| page.len() <= PAGE_SENDS) else {
            return false;
        };
        self.by_age.insert((newest.at, key));
        self.pages.restore(key, page);
        true
    }
}

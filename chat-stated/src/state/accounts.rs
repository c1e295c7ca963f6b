//! Accounts, by number and by name; who is online, and who was.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chat_shared::rpc::MessageNumber;
use foldhash::quality::RandomState;
use serde::{Deserialize, Serialize};

use super::clock::StateMs;
use super::queue::Queue;
use super::rate::Allowance;
use crate::entry::{AccountId, ConnectionId};

/// Whether the account file has an account's newest secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Filed {
    /// It has.
    Yes,
    /// Not as far as is known.
    No {
        /// The secret it had before; `None` if it had no line for the account.
        previous: Option<Arc<str>>,
    },
}

/// What of an account goes into a checkpoint as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// Unique.
    pub name: Arc<str>,
    /// A PHC string or 40 hex digits of SHA-1.
    pub secret: Arc<str>,
    /// Counts the changes of the secret.
    pub secret_version: u32,
    /// Counts the changes of the password; a stronger secret for the same one is none.
    pub password_version: u32,
    /// Whether the account file has the secret.
    pub filed: Filed,
    /// The account file lost its lines: nobody can log in.
    pub disabled: bool,
    /// When its last session ended.
    pub(super) last_seen: Option<StateMs>,
    /// The last message its reader surely has, or that was there before the account.
    pub(super) cursor: MessageNumber,
    /// The last message its reader's TCP has acknowledged, while it is logged in.
    pub(super) received: MessageNumber,
    /// How many broadcasts it may make at once.
    pub(super) broadcasts: Allowance,
    /// The connection it is logged in on.
    pub session: Option<ConnectionId>,
}

/// An account.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) record: AccountRecord,
    pub(super) queue: Queue,
    /// Differs from what the last checkpoint has.
    changed: bool,
}

/// All accounts.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    accounts: Vec<Account>,
    by_name: HashMap<Arc<str>, AccountId, RandomState>,
    online: BTreeSet<Arc<str>>,
    /// Those not online who once were, by the time their last session ended.
    seen: BTreeSet<(StateMs, AccountId)>,
    changed: Vec<AccountId>,
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
        match (record.session, record.last_seen) {
            (Some(_), _) => {
                self.online.insert(record.name.clone());
            }
            (None, Some(last_seen)) => {
                self.seen.insert((last_seen, id));
            }
            (None, None) => {}
        }
        self.accounts.push(Account {
            record,
            queue: Queue::default(),
            changed: false,
        });
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
        let account = &mut self.accounts[id.0 as usize];
        if !account.changed {
            account.changed = true;
            self.changed.push(id);
        }
        account
    }

    /// The account's queue, which a checkpoint finds through the messages; `id` came from here.
    pub(super) fn queue_mut(&mut self, id: AccountId) -> &mut Queue {
        &mut self.accounts[id.0 as usize].queue
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (AccountId, &Account)> {
        (0..).map(AccountId).zip(&self.accounts)
    }

    pub(super) fn log_in(&mut self, id: AccountId, session: ConnectionId) {
        let account = self.change(id);
        account.record.session = Some(session);
        let name = account.record.name.clone();
        if let Some(last_seen) = account.record.last_seen {
            self.seen.remove(&(last_seen, id));
        }
        self.online.insert(name);
    }

    pub(super) fn log_out(&mut self, id: AccountId, now: StateMs) {
        let account = self.change(id);
        account.record.session = None;
        account.record.last_seen = Some(now);
        account.record.received = account.record.cursor;
        account.queue.receive_nothing();
        let name = account.record.name.clone();
        self.online.remove(&name);
        self.seen.insert((now, id));
    }

    pub(super) fn online_names(&self) -> impl Iterator<Item = &str> {
        self.online.iter().map(AsRef::as_ref)
    }

    /// Names of those online, and of those whose last session ended at `since` or later; sorted.
    pub(super) fn names_seen_since(&self, since: StateMs) -> Vec<&str> {
        let mut names: Vec<&str> = self.online_names().collect();
        names.extend(
            self.seen
                .range((since, AccountId(0))..)
                .map(|(_, id)| self.accounts[id.0 as usize].record.name.as_ref()),
        );
        names.sort_unstable();
        names
    }

    /// After the queues were filled again: what was received does not count.
    pub(super) fn restore_received(&mut self) {
        for account in &mut self.accounts {
            account.queue.receive_through(account.record.received);
        }
    }

    /// The accounts that were changed since this was last called.
    pub(super) fn take_changed(&mut self) -> Vec<AccountId> {
        let changed = std::mem::take(&mut self.changed);
        for id in &changed {
            self.accounts[id.0 as usize].changed = false;
        }
        changed
    }
}

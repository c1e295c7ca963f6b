//! The state from its parts, as a checkpoint has them.

mod messages;
mod pages;

use std::collections::{BTreeMap, HashMap};

use chat_model::{AccountId, MessageNumber, RoomId};

use self::pages::{RestoredPage, RestoredTexts};
use super::State;
use super::account_record::AccountRecord;
use super::failures::Failures;
use super::header::Header;
use super::kept::Keeping;
use super::membership::{Membership, Memberships};
use super::message::PageNumber;
use super::once_page::{OncePage, OncePageKey};
use super::room::RoomRecord;
use super::rooms::RoomsHeader;
use super::token::Token;
use super::worker_sessions::WorkerSessions;
use crate::entry::{SessionLimits, WaitingLimits};

/// Why parts do not make a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The records contradict each other.
    #[error("the records contradict each other: {0}")]
    Contradiction(&'static str),
    /// The checkpoint has messages without their texts, because they were read by the time it was written, and the
    /// journal behind it ends before that.
    #[error(
        "it ends before messages were read that the checkpoint takes for read: its end is missing"
    )]
    ReadingMissing,
}

/// A state in the making, from its parts in any order.
///
/// Accounts and messages are put where they are to stay as they come: a start needs no more memory than what ran.
#[derive(Debug)]
pub(crate) struct StateBuilder {
    state: State,
    has_header: bool,
    /// Accounts that came before one with a lower number.
    early_accounts: BTreeMap<u64, AccountRecord>,
    memberships: Vec<(u64, Vec<Membership>)>,
    pages: Vec<RestoredPage>,
    page_indexes: HashMap<PageNumber, PageIndex>,
    /// Texts whose page has not come yet.
    early_texts: BTreeMap<PageNumber, Vec<(MessageNumber, Box<str>)>>,
    /// How many bytes of text may be in memory.
    resident_text_bytes: u64,
    /// How many are.
    taken_text_bytes: u64,
    /// Of the texts that have not come, how many bytes are not wanted; set once the first is asked for.
    unwanted_text_bytes: Option<u64>,
}

/// Where a page stands among those of a [`StateBuilder`].
type PageIndex = usize;

impl Default for StateBuilder {
    fn default() -> Self {
        Self::within(u64::MAX)
    }
}

impl StateBuilder {
    /// One that keeps no more than so many bytes of text in memory.
    pub(crate) fn within(resident_text_bytes: u64) -> Self {
        Self {
            state: State::default(),
            has_header: false,
            early_accounts: BTreeMap::new(),
            memberships: Vec::new(),
            pages: Vec::new(),
            page_indexes: HashMap::new(),
            early_texts: BTreeMap::new(),
            resident_text_bytes,
            taken_text_bytes: 0,
            unwanted_text_bytes: None,
        }
    }

    /// Takes what is small.
    pub(crate) fn take_header(&mut self, header: Header) {
        self.state.limits = header.limits;
        self.state.clock = header.clock;
        self.state.failures = Failures::restore(header.failures);
        self.state.worker_sessions =
            WorkerSessions::of_parts(header.last_worker_session, header.worker_sessions);
        self.state.last_message.number = header.last_message.number;
        let last_ms = &mut self.state.last_message.time_ms;
        *last_ms = header.last_message.time_ms.max(*last_ms);
        self.has_header = true;
    }

    /// Takes how much may wait; there are no limits where it is not taken.
    pub(crate) fn take_waiting_limits(&mut self, limits: WaitingLimits) {
        self.state.waiting_limits = limits;
    }

    /// Takes when places are given up; as it was at first where it is not taken.
    pub(crate) fn take_session_limits(&mut self, limits: SessionLimits) {
        self.state.session_limits = limits;
    }

    /// Takes what of the messages is kept in the history.
    pub(crate) fn take_keeping(&mut self, keeping: Keeping) {
        self.state.keeping = keeping;
    }

    /// Takes an account.
    pub(crate) fn add_account(&mut self, key: u64, record: AccountRecord) {
        let next = |state: &State| state.accounts.len() as u64;
        if key != next(&self.state) {
            self.early_accounts.insert(key, record);
            return;
        }
        self.state.accounts.add(record);
        while let Some(entry) = self.early_accounts.first_entry()
            && *entry.key() == next(&self.state)
        {
            self.state.accounts.add(entry.remove());
        }
    }

    /// Takes messages that a user sent once.
    pub(crate) fn add_once_page(
        &mut self,
        key: OncePageKey,
        page: OncePage,
    ) -> Result<(), RestoreError> {
        match self.state.remembered.restore(key, page) {
            true => Ok(()),
            false => Err(RestoreError::Contradiction(
                "a page of messages sent once has not as many as it must",
            )),
        }
    }

    /// Takes what is remembered of all rooms.
    pub(crate) fn take_rooms_header(&mut self, header: RoomsHeader) {
        self.state.rooms.restore_header(header);
    }

    /// Takes a room.
    pub(crate) fn add_room(&mut self, id: RoomId, record: RoomRecord) {
        self.state.rooms.restore(id, record);
    }

    /// Takes the memberships of an account.
    pub(crate) fn add_memberships(&mut self, account: u64, memberships: Vec<Membership>) {
        self.memberships.push((account, memberships));
    }

    /// Takes the tokens of an account.
    pub(crate) fn add_tokens(
        &mut self,
        account: u64,
        tokens: Vec<Token>,
    ) -> Result<(), RestoreError> {
        let account = u32::try_from(account).map(AccountId);
        let is_sorted = tokens.is_sorted_by(|first, second| first.name < second.name);
        match account {
            Ok(account) if is_sorted && !tokens.is_empty() => {
                self.state.tokens.restore(account, tokens);
                Ok(())
            }
            _ => Err(RestoreError::Contradiction("tokens are not sorted by name")),
        }
    }

    /// The state, once every part was taken.
    pub(crate) fn finish(mut self) -> Result<State, RestoreError> {
        let has_accounts = self.state.accounts.len() > 0 || !self.early_accounts.is_empty();
        let is_new = !has_accounts && self.pages.is_empty();
        if !self.has_header && !is_new {
            return Err(RestoreError::Contradiction("the header is missing"));
        }
        for (number, texts) in std::mem::take(&mut self.early_texts) {
            let index = self.page_indexes.get(&number).copied();
            let index = index.ok_or(RestoreError::Contradiction("texts of no messages"))?;
            let texts = texts.iter().map(|(number, text)| (*number, &**text));
            self.add_texts_of(index, texts.collect())?;
        }
        let is_missing = |page: &RestoredPage| page.texts == RestoredTexts::Missing;
        if self.pages.iter().any(is_missing) {
            return Err(RestoreError::Contradiction("a page of texts is missing"));
        }
        if self.page_indexes.contains_key(&0) || self.page_indexes.len() < self.pages.len() {
            return Err(RestoreError::Contradiction(
                "a page has no number of its own",
            ));
        }
        if !self.early_accounts.is_empty() {
            return Err(RestoreError::Contradiction("an account is missing"));
        }
        self.state.restore_senders();
        for (account, memberships) in std::mem::take(&mut self.memberships) {
            let account = u32::try_from(account).ok().map(AccountId);
            let known = account.filter(|it| self.state.accounts.get(*it).is_some());
            let account = known.ok_or(RestoreError::Contradiction("memberships of no account"))?;
            let record = self.state.accounts.restore(account);
            record.memberships = Memberships::of(memberships);
        }
        self.state.restore_messages(self.pages)?;
        self.state.restore_remembered()?;
        self.state.restore_tokens()?;
        Ok(self.state)
    }
}

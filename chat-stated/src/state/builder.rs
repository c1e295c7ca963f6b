//! The state from its parts, as a checkpoint has them.

use std::collections::BTreeMap;

use chat_model::{AccountId, MessageNumber, RoomId};

use super::State;
use super::account_record::AccountRecord;
use super::failures::Failures;
use super::header::Header;
use super::hosts::HostsParts;
use super::kept::Keeping;
use super::membership::{Membership, Memberships};
use super::message::{MessageParts, PageNumber};
use super::once_page::{OncePage, OncePageKey};
use super::restore_error::RestoreError;
use super::restored_pages::{RestoredPages, RestoredTexts};
use super::room::RoomRecord;
use super::rooms::RoomsHeader;
use super::token::Token;
use super::worker_sessions::WorkerSessions;
use crate::entry::{SessionLimits, WaitingLimits};

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
    hosts: Option<HostsParts>,
    pages: RestoredPages,
}

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
            hosts: None,
            pages: RestoredPages::within(resident_text_bytes),
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

    /// Takes the hosts that take part.
    pub(crate) fn take_hosts(&mut self, hosts: HostsParts) {
        self.hosts = Some(hosts);
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

    /// Takes the messages of a page whose texts come apart, before or after.
    pub(crate) fn add_page(&mut self, number: PageNumber, messages: Vec<MessageParts>) {
        self.add_messages(number, messages, RestoredTexts::Missing);
    }

    /// Takes the messages of a page that has no texts.
    pub(crate) fn add_page_without_texts(
        &mut self,
        number: PageNumber,
        messages: Vec<MessageParts>,
    ) {
        self.add_messages(number, messages, RestoredTexts::Nowhere);
    }

    fn add_messages(
        &mut self,
        number: PageNumber,
        listed: Vec<MessageParts>,
        texts: RestoredTexts,
    ) {
        let last_ms = &mut self.state.last_message.time_ms;
        let times = listed.iter().map(|parts| parts.time_ms);
        *last_ms = times.fold(*last_ms, i64::max);
        self.pages
            .add(number, listed, texts, &mut self.state.messages);
    }

    /// Takes the texts of a page.
    pub(crate) fn add_texts(
        &mut self,
        page: PageNumber,
        texts: Vec<(MessageNumber, &str)>,
    ) -> Result<(), RestoreError> {
        self.pages.add_texts(page, texts, &mut self.state.messages)
    }

    /// Whether this page of texts is wanted, once all is taken that is no text: of the texts, those of the newest pages
    /// are that fit into memory. To be asked once for each page.
    pub(crate) fn wants_texts(&mut self, page: PageNumber) -> bool {
        self.pages.wants_texts(page)
    }

    /// A page of texts that was wanted is damaged: whether the state is of use without it.
    pub(crate) fn does_without_texts(&mut self, page: PageNumber) -> bool {
        self.pages.does_without_texts(page)
    }

    /// The state, once every part was taken.
    pub(crate) fn finish(mut self) -> Result<State, RestoreError> {
        let has_accounts = self.state.accounts.len() > 0 || !self.early_accounts.is_empty();
        let is_new = !has_accounts && self.pages.is_empty();
        if !self.has_header && !is_new {
            return Err(RestoreError::Contradiction("the header is missing"));
        }
        let pages = self.pages.finish(&mut self.state.messages)?;
        if !self.early_accounts.is_empty() {
            return Err(RestoreError::Contradiction("an account is missing"));
        }
        if let Some(hosts) = self.hosts.take() {
            self.state.restore_hosts(hosts);
        }
        self.state.restore_senders();
        for (account, memberships) in std::mem::take(&mut self.memberships) {
            let account = u32::try_from(account).ok().map(AccountId);
            let known = account.filter(|it| self.state.accounts.get(*it).is_some());
            let account = known.ok_or(RestoreError::Contradiction("memberships of no account"))?;
            let record = self.state.accounts.restore(account);
            record.memberships = Memberships::of(memberships);
        }
        self.state.restore_messages(pages)?;
        self.state.restore_remembered()?;
        self.state.restore_tokens()?;
        Ok(self.state)
    }
}

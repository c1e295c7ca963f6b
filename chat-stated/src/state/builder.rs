//! The state from its parts, as a checkpoint has them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chat_model::MessageNumber;

use super::State;
use super::account_record::AccountRecord;
use super::failures::Failures;
use super::groups::Group;
use super::header::Header;
use super::kept::Keeping;
use super::membership::{Membership, Memberships};
use super::message::{MessageKey, MessageParts, PageNumber, Readers, RoomReaders, StoredMessage};
use super::messages::Messages;
use super::once_page::{OncePage, OncePageKey, waiting_bytes};
use super::room::RoomRecord;
use super::rooms::{MemberCursors, RoomsHeader};
use super::token::{TOKEN_BYTES, Token};
use super::worker_sessions::WorkerSessions;
use crate::entry::{SessionLimits, WaitingLimits};
use chat_model::{AccountId, RoomId};

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

impl State {
    /// Puts the messages of pages into their readers' queues, oldest first.
    fn restore_messages(&mut self, pages: Vec<RestoredPage>) -> Result<(), RestoreError> {
        let cursors = self.sorted_broadcast_cursors();
        let member_cursors = self.restore_members()?;
        let mut keys: Vec<_> = pages.iter().flat_map(|page| &page.keys).copied().collect();
        keys.sort_unstable_by_key(|(number, _)| *number);
        for (number, key) in keys {
            self.restore_message(number, key, &cursors, &member_cursors)?;
        }
        let resident = pages
            .iter()
            .filter(|page| page.texts == RestoredTexts::Resident);
        let resident_from = resident.map(|page| page.number).min();
        for mut page in pages {
            let written = page.keys.len();
            let messages = &self.messages;
            page.keys
                .retain(|(number, key)| messages.find(*number, *key).is_some());
            self.messages.add_page(page.number, page.keys, written);
            if page.texts == RestoredTexts::Nowhere {
                self.messages.paging.note_read_meanwhile(page.number);
            }
        }
        self.messages
            .paging
            .pages_restored(self.last_message.number, resident_from);
        self.accounts.restore_received(&mut self.messages);
        Ok(())
    }

    /// Puts a message back into the queues of readers who have not confirmed it; removes it if there are none.
    fn restore_message(
        &mut self,
        number: MessageNumber,
        key: MessageKey,
        cursors: &[MessageNumber],
        member_cursors: &MemberCursors,
    ) -> Result<(), RestoreError> {
        if number > self.last_message.number {
            return Err(RestoreError::Contradiction(
                "a message is newer than the newest",
            ));
        }
        let waits_for = |record: Option<&AccountRecord>| {
            record
                .map(|record| record.places.cursor() < number)
                .ok_or(RestoreError::Contradiction("a message for no account"))
        };
        let message = self.messages.get(key);
        let (sender, text_bytes) = (message.sender, message.text.len());
        let Some(sender_record) = self.record(sender) else {
            return Err(RestoreError::Contradiction("a message of no account"));
        };
        let readers = match &message.readers {
            Readers::AllButSender => {
                let behind = cursors.partition_point(|cursor| *cursor < number);
                let is_behind = |cursor: MessageNumber| cursor < number;
                let sender_is = sender_record.broadcast_cursor().is_some_and(is_behind);
                let unread = behind - usize::from(sender_is);
                self.messages.put_in_queues_or_take_out(key, unread as u32);
                return Ok(());
            }
            Readers::One(reader) => GroupOrOne::One([*reader]),
            Readers::Some(group) => GroupOrOne::Group(group.clone()),
            Readers::Rooms(readers) => GroupOrOne::Rooms(readers.clone()),
        };
        let mut holders = 0;
        for room in readers.rooms() {
            holders += u32::from(self.restore_room_message(*room, key, member_cursors));
        }
        for reader in readers.as_slice() {
            if waits_for(self.record(*reader))? {
                holders += 1;
                let queue = self.accounts.queue_on_pages_mut(*reader);
                queue.push(key, sender, text_bytes);
            }
        }
        self.messages.put_in_queues_or_take_out(key, holders);
        Ok(())
    }

    /// In a restore, once all accounts are there: counts what is remembered.
    fn restore_remembered(&mut self) -> Result<(), RestoreError> {
        let (mut account, mut next) = (None, 0);
        for (key, page) in self.remembered.pages() {
            let sender = key.account();
            if self.accounts.get(sender).is_none() {
                return Err(RestoreError::Contradiction(
                    "messages sent once by no account",
                ));
            }
            let follows = account != Some(sender) || next == key.0;
            if !follows || key.0 >= OncePageKey::last_of(sender).0 {
                return Err(RestoreError::Contradiction(
                    "a page of messages sent once is missing",
                ));
            }
            (account, next) = (Some(sender), key.0 + 1);
            self.messages.waiting_bytes.add(sender, waiting_bytes(page));
        }
        Ok(())
    }

    /// Counts tokens, once all accounts are there.
    fn restore_tokens(&mut self) -> Result<(), RestoreError> {
        for (account, tokens) in self.tokens.iter() {
            if self.accounts.get(account).is_none() {
                return Err(RestoreError::Contradiction("tokens of no account"));
            }
            let bytes = tokens.len() as u64 * TOKEN_BYTES;
            self.messages.waiting_bytes.add(account, bytes);
        }
        Ok(())
    }

    fn sorted_broadcast_cursors(&self) -> Vec<MessageNumber> {
        let records = self.records();
        let mut cursors: Vec<MessageNumber> = records
            .filter_map(|(_, record)| record.broadcast_cursor())
            .collect();
        cursors.sort_unstable();
        cursors
    }
}

/// Readers of one message; nothing is allocated for them.
enum GroupOrOne {
    One([AccountId; 1]),
    Group(Group),
    Rooms(Arc<RoomReaders>),
}

impl GroupOrOne {
    fn as_slice(&self) -> &[AccountId] {
        match self {
            Self::One(reader) => reader,
            Self::Group(group) => group,
            Self::Rooms(readers) => &readers.accounts,
        }
    }

    fn rooms(&self) -> &[(RoomId, u64)] {
        match self {
            Self::Rooms(readers) => &readers.rooms,
            _ => &[],
        }
    }
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

#[derive(Debug)]
struct RestoredPage {
    number: PageNumber,
    /// Its messages.
    keys: Vec<(MessageNumber, MessageKey)>,
    text_bytes: u64,
    texts: RestoredTexts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RestoredTexts {
    Missing,
    /// Its messages were read by the time the checkpoint was written.
    Nowhere,
    OnPage,
    Resident,
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
        let mut text_bytes = 0;
        let messages = &mut self.state.messages;
        let last_ms = &mut self.state.last_message.time_ms;
        let keys = listed.into_iter().map(|mut parts| {
            text_bytes += u64::from(parts.text_bytes);
            *last_ms = parts.time_ms.max(*last_ms);
            if let Readers::Some(group) = &parts.readers {
                parts.readers = Readers::Some(messages.group(group));
            }
            let number_of_message = parts.number;
            let key = messages.insert(StoredMessage::of_parts(parts, number));
            (number_of_message, key)
        });
        let keys = keys.collect();
        self.page_indexes.insert(number, self.pages.len());
        self.pages.push(RestoredPage {
            number,
            keys,
            text_bytes,
            texts,
        });
    }

    /// Takes the texts of a page.
    pub(crate) fn add_texts(
        &mut self,
        page: PageNumber,
        texts: Vec<(MessageNumber, &str)>,
    ) -> Result<(), RestoreError> {
        if let Some(index) = self.page_indexes.get(&page) {
            return self.add_texts_of(*index, texts);
        }
        let texts = texts
            .into_iter()
            .map(|(number, text)| (number, text.into()));
        self.early_texts.insert(page, texts.collect());
        Ok(())
    }

    /// Takes the texts of a page that is there; they are kept within the budget.
    fn add_texts_of(
        &mut self,
        index: PageIndex,
        texts: Vec<(MessageNumber, &str)>,
    ) -> Result<(), RestoreError> {
        let page = &mut self.pages[index];
        if page.texts == RestoredTexts::Nowhere {
            return Err(RestoreError::Contradiction(
                "texts of messages that have none",
            ));
        }
        let messages = &mut self.state.messages;
        let texts = texts_of_messages(texts, &page.keys, messages).ok_or(
            RestoreError::Contradiction("a page of texts is not that of its messages"),
        )?;
        page.texts = RestoredTexts::OnPage;
        if self.taken_text_bytes + page.text_bytes <= self.resident_text_bytes {
            self.taken_text_bytes += page.text_bytes;
            page.texts = RestoredTexts::Resident;
            for (text, (_, key)) in texts.into_iter().zip(&page.keys) {
                messages.put_text(*key, text);
            }
        }
        Ok(())
    }

    /// Whether this page of texts is wanted, once all is taken that is no text: of the texts, those of the newest pages
    /// are that fit into memory. To be asked once for each page.
    pub(crate) fn wants_texts(&mut self, page: PageNumber) -> bool {
        let Some(index) = self.page_indexes.get(&page) else {
            // Taken, and found to be texts of nothing.
            return true;
        };
        let with_texts = |page: &&RestoredPage| page.texts != RestoredTexts::Nowhere;
        let all_bytes = self.pages.iter().filter(with_texts);
        let all_bytes = all_bytes.map(|page| page.text_bytes);
        let unwanted = self.unwanted_text_bytes.get_or_insert_with(|| {
            all_bytes
                .sum::<u64>()
                .saturating_sub(self.resident_text_bytes)
        });
        if *unwanted == 0 {
            return true;
        }
        let page = &mut self.pages[*index];
        if page.texts == RestoredTexts::Nowhere {
            // Taken, and found to contradict.
            return true;
        }
        *unwanted = unwanted.saturating_sub(page.text_bytes);
        page.texts = RestoredTexts::OnPage;
        false
    }

    /// A page of texts that was wanted is damaged: whether the state is of use without it.
    pub(crate) fn does_without_texts(&mut self, page: PageNumber) -> bool {
        let Some(index) = self.page_indexes.get(&page) else {
            return false;
        };
        self.pages[*index].texts = RestoredTexts::OnPage;
        true
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

/// The texts of a page's messages, one for each; nothing if they are not those. A page that was found damaged once has
/// texts of messages, too, that have left it.
fn texts_of_messages<'a>(
    texts: Vec<(MessageNumber, &'a str)>,
    keys: &[(MessageNumber, MessageKey)],
    messages: &Messages,
) -> Option<Vec<&'a str>> {
    let is_of = |(number, text): &(MessageNumber, &str), key: MessageKey| {
        let message = messages.get(key);
        *number == message.number && text.len() == message.text.len()
    };
    if texts.len() == keys.len() {
        let pairs = texts.into_iter().zip(keys);
        return pairs
            .map(|(text, (_, key))| is_of(&text, *key).then_some(text.1))
            .collect();
    }
    let by_number: HashMap<_, _> = texts.into_iter().collect();
    keys.iter()
        .map(|(number, key)| {
            let text = by_number.get(number).copied()?;
            is_of(&(*number, text), *key).then_some(text)
        })
        .collect()
}

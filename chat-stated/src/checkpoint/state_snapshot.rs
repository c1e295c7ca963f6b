//! What a checkpoint is to hold, taken from the state bit by bit and written down as records.

#[cfg(test)]
mod tests;

use chat_model::{AccountId, RoomId};

use super::Change;
use super::tables::{
    ACCOUNT_TABLE, HEADER_KEY, HEADER_TABLE, HOSTS_KEY, KEEPING_KEY, MEMBERSHIP_TABLE, ONCE_TABLE,
    PAGE_TABLE, READ_MEANWHILE_TABLE, ROOM_TABLE, ROOMS_KEY, SESSION_LIMITS_KEY, TOKEN_TABLE,
    WAITING_LIMITS_KEY,
};
use crate::entry::SessionLimits;
use crate::records;
use crate::state::parts::{
    AccountRecord, MessageParts, OncePage, OncePageKey, PageNumber, RoomRecord, SnapshotSink,
    StoredMessage, Text, Token,
};
use crate::state::{Hosts, Keeping, State};
use crate::text_page::{self, Content, GatheredText, Gathering, TEXT_TABLE, TextPlace};

/// Changes that a state, as it was when the snapshot began, makes of the checkpoint before.
///
/// Whatever is applied while the snapshot is taken is for the next one. The caller must see to it that the changes get
/// into the next checkpoint, even if the first try fails.
#[derive(Debug)]
pub struct StateSnapshot {
    changes: Changes,
}

impl StateSnapshot {
    /// Begins to take what differs from the checkpoint that was taken before. None may be under way.
    pub fn begin(state: &mut State) -> Self {
        let mut changes = Changes::default();
        changes.put(HEADER_TABLE, HEADER_KEY, records::encode_header(state));
        let limits = records::encode_waiting_limits(state.waiting_limits());
        changes.put(HEADER_TABLE, WAITING_LIMITS_KEY, limits);
        match *state.session_limits() {
            SessionLimits::INITIAL => changes.remove(HEADER_TABLE, SESSION_LIMITS_KEY),
            limits => {
                let limits = records::encode_session_limits(&limits);
                changes.put(HEADER_TABLE, SESSION_LIMITS_KEY, limits);
            }
        }
        if let Some(rooms) = state.rooms_header() {
            let record = records::encode_rooms_header(rooms);
            changes.put(HEADER_TABLE, ROOMS_KEY, record);
        }
        // It may have been otherwise before the first message was kept.
        match *state.keeping() == Keeping::default() {
            true => changes.remove(HEADER_TABLE, KEEPING_KEY),
            false => {
                let keeping = records::encode_keeping(state.keeping());
                changes.put(HEADER_TABLE, KEEPING_KEY, keeping);
            }
        }
        if *state.hosts() != Hosts::default() {
            changes.put(HEADER_TABLE, HOSTS_KEY, records::encode_hosts(state));
        }
        state.begin_snapshot();
        Self { changes }
    }

    /// Goes on for about so many steps, but leaves the messages that came since the snapshot before. Says whether the
    /// rest is done. A step is a message, an account, or a kibibyte of text.
    pub fn take_without_messages(&mut self, state: &mut State, steps: usize) -> bool {
        state.take_snapshot_without_messages(steps, &mut self.changes)
    }

    /// Goes on for about so many steps. Says whether all is there: what the state was when the snapshot began, but for
    /// the texts of messages that were read since. Whoever restores from it has to replay what was applied since, and
    /// then to ask [`State::check_replayed`].
    pub fn take_piece(&mut self, state: &mut State, steps: usize) -> bool {
        state.take_snapshot_piece(steps, &mut self.changes)
    }

    /// All that was taken.
    pub fn into_changes(self) -> Vec<Change> {
        self.changes.0
    }

    /// Takes a whole snapshot at once.
    pub fn take_whole(state: &mut State) -> Vec<Change> {
        let mut snapshot = Self::begin(state);
        while !snapshot.take_piece(state, usize::MAX) {}
        snapshot.into_changes()
    }
}

#[derive(Debug, Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn put(&mut self, table: u8, key: u64, value: impl Into<Content>) {
        let value = Some(value.into());
        self.0.push(Change { table, key, value });
    }

    fn remove(&mut self, table: u8, key: u64) {
        let value = None;
        self.0.push(Change { table, key, value });
    }
}

impl SnapshotSink for Changes {
    fn put_account(&mut self, id: AccountId, account: &AccountRecord) {
        let record = records::encode_account(account);
        self.put(ACCOUNT_TABLE, u64::from(id.0), record);
        if account.memberships.were_any() {
            let (key, memberships) = (u64::from(id.0), account.memberships.as_slice());
            match memberships.is_empty() {
                true => self.remove(MEMBERSHIP_TABLE, key),
                false => {
                    let record = records::encode_memberships(memberships);
                    self.put(MEMBERSHIP_TABLE, key, record);
                }
            }
        }
    }

    fn put_room(&mut self, id: RoomId, room: &RoomRecord) {
        self.put(ROOM_TABLE, u64::from(id.0), records::encode_room(room));
    }

    fn remove_room(&mut self, id: RoomId) {
        self.remove(ROOM_TABLE, u64::from(id.0));
    }

    fn put_once_page(&mut self, key: OncePageKey, page: &OncePage) {
        self.put(ONCE_TABLE, key.0, records::encode_once_page(page));
    }

    fn remove_once_page(&mut self, key: OncePageKey) {
        self.remove(ONCE_TABLE, key.0);
    }

    fn put_tokens(&mut self, account: AccountId, tokens: &[Token]) {
        let key = u64::from(account.0);
        self.put(TOKEN_TABLE, key, records::encode_tokens(tokens));
    }

    fn remove_tokens(&mut self, account: AccountId) {
        self.remove(TOKEN_TABLE, u64::from(account.0));
    }

    fn put_page<'a>(
        &mut self,
        page: PageNumber,
        messages: impl ExactSizeIterator<Item = &'a StoredMessage> + Clone,
    ) {
        let listed = messages.clone().map(StoredMessage::parts);
        self.put(PAGE_TABLE, page, records::encode_page(listed));
        self.put(TEXT_TABLE, page, texts_of(messages));
    }

    fn remove_page(&mut self, page: PageNumber) {
        self.remove(PAGE_TABLE, page);
        self.remove(TEXT_TABLE, page);
    }

    fn put_page_without_texts(&mut self, page: PageNumber, messages: &[MessageParts]) {
        let listed = messages.iter().map(MessageParts::as_ref);
        self.put(READ_MEANWHILE_TABLE, page, records::encode_page(listed));
    }

    fn remove_page_without_texts(&mut self, page: PageNumber) {
        self.remove(READ_MEANWHILE_TABLE, page);
    }
}

/// Those that are not in memory are for the writer to fetch.
fn texts_of<'a>(messages: impl ExactSizeIterator<Item = &'a StoredMessage> + Clone) -> Content {
    let is_resident = |message: &StoredMessage| matches!(message.text, Text::Resident(_));
    if messages.clone().all(is_resident) {
        let texts = messages.map(|message| match &message.text {
            Text::Resident(text) => (message.number, text.as_ref()),
            Text::OnPage { .. } => (message.number, ""),
        });
        return Content::Bytes(text_page::encode(texts));
    }
    let texts = messages.map(|message| match message.text {
        Text::Resident(ref text) => GatheredText::Given(message.number, text.clone()),
        Text::OnPage { page, bytes } => GatheredText::Placed(TextPlace {
            number: message.number,
            text_bytes: bytes,
            page,
            moved_to: None,
        }),
    });
    Content::Texts(Gathering {
        texts: texts.collect(),
    })
}

//! Messages, tokens and memories of a restored state, once all accounts are there.

use std::sync::Arc;

use chat_model::{AccountId, MessageNumber, RoomId};

use super::State;
use super::account_record::AccountRecord;
use super::groups::Group;
use super::message::{MessageKey, Readers, RoomReaders};
use super::once_page::{OncePageKey, waiting_bytes};
use super::restore_error::RestoreError;
use super::restored_pages::{RestoredPage, RestoredTexts};
use super::rooms::MemberCursors;
use super::token::TOKEN_BYTES;

impl State {
    /// Puts the messages of pages into their readers' queues, oldest first.
    pub(super) fn restore_messages(
        &mut self,
        pages: Vec<RestoredPage>,
    ) -> Result<(), RestoreError> {
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
    pub(super) fn restore_remembered(&mut self) -> Result<(), RestoreError> {
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
    pub(super) fn restore_tokens(&mut self) -> Result<(), RestoreError> {
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

//! Messages that a restored checkpoint has without their texts: they must have been read since.

use std::collections::BTreeMap;

use chat_model::MessageNumber;

use super::State;
use super::message::Readers;
use super::restore_error::RestoreError;
use chat_model::AccountId;

impl State {
    /// Takes all messages that a restored checkpoint has without a text for read by all their readers, as the journal
    /// behind it would say, which is gone. Gives their number.
    pub fn take_missing_as_read(&mut self) -> usize {
        let mut read: BTreeMap<AccountId, MessageNumber> = BTreeMap::new();
        let mut note = |reader: AccountId, number: MessageNumber| {
            let through = read.entry(reader).or_default();
            *through = number.max(*through);
        };
        let pages = self.messages.paging.pages.values();
        let missing = pages.filter(|page| page.is_read_meanwhile);
        let missing = missing.flat_map(|page| &page.keys);
        for (number, key) in missing {
            let Some(message) = self.messages.find(*number, *key) else {
                continue;
            };
            match &message.readers {
                Readers::One(reader) => note(*reader, *number),
                Readers::Some(readers) => readers.iter().for_each(|reader| note(*reader, *number)),
                Readers::Rooms(readers) => {
                    readers
                        .accounts
                        .iter()
                        .for_each(|reader| note(*reader, *number));
                    let members = self.accounts.iter().filter(|(id, account)| {
                        let memberships = &account.record.memberships;
                        let is_for = |room| {
                            let membership = memberships.get(room);
                            membership.is_some_and(|it| it.joined_after < *number)
                        };
                        *id != message.sender && readers.rooms.iter().any(|(room, _)| is_for(*room))
                    });
                    members.for_each(|(reader, _)| note(reader, *number));
                }
                Readers::AllButSender => {
                    // Whoever missed it has direct messages before it that nobody has read.
                    let waits_for = |cursor: MessageNumber| cursor < *number;
                    let readers = self.accounts.iter().filter(|(id, account)| {
                        let cursor = account.record.broadcast_cursor();
                        *id != message.sender && cursor.is_some_and(waits_for)
                    });
                    readers.for_each(|(reader, _)| note(reader, *number));
                }
            }
        }
        let before = self.messages.waiting();
        for (reader, through) in read {
            self.progress_of_all(reader, through);
        }
        before - self.messages.waiting()
    }

    /// Whether all that a restored checkpoint has without a text was read since, as the journal behind it must say. To
    /// be asked once that was replayed: until then the state is not to be served from.
    pub fn check_replayed(&self) -> Result<(), RestoreError> {
        let mut pages = self.messages.paging.pages.values();
        if pages.any(|page| page.is_read_meanwhile && page.waiting > 0) {
            return Err(RestoreError::ReadingMissing);
        }
        Ok(())
    }
}

//! Where a snapshot of the state goes. The state does not know how it is written down.

use chat_model::{AccountId, RoomId};

use super::account_record::AccountRecord;
use super::message::{MessageParts, PageNumber, StoredMessage};
use super::once_page::{OncePage, OncePageKey};
use super::room::RoomRecord;
use super::token::Token;

/// Takes what differs from the snapshot before. Of two calls for the same account or page the later holds.
pub(crate) trait SnapshotSink {
    /// An account is new or has changed.
    fn put_account(&mut self, id: AccountId, account: &AccountRecord);

    /// Messages that a user sent once: the page is new or has changed.
    fn put_once_page(&mut self, key: OncePageKey, page: &OncePage);

    /// Nothing on this page, of messages sent once, is needed any more. It may never have been put.
    fn remove_once_page(&mut self, key: OncePageKey);

    /// A room is new or has changed.
    fn put_room(&mut self, id: RoomId, room: &RoomRecord);

    /// A room is there no more. It may never have been put.
    fn remove_room(&mut self, id: RoomId);

    /// An account has these tokens, sorted by name, at least one; that is new or has changed.
    fn put_tokens(&mut self, account: AccountId, tokens: &[Token]);

    /// An account has no tokens any more. It may never have had any.
    fn remove_tokens(&mut self, account: AccountId);

    /// A new page of messages, with their texts. A text that is not in memory is on a page of the checkpoint before.
    fn put_page<'a>(
        &mut self,
        page: PageNumber,
        messages: impl ExactSizeIterator<Item = &'a StoredMessage> + Clone,
    );

    /// Nothing on this page is needed any more.
    fn remove_page(&mut self, page: PageNumber);

    /// A new page of messages that were delivered while the snapshot was taken. They have no texts.
    fn put_page_without_texts(&mut self, page: PageNumber, messages: &[MessageParts]);

    /// Nothing on this page, of messages without texts, is needed any more.
    fn remove_page_without_texts(&mut self, page: PageNumber);
}

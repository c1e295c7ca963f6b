//! What journal and checkpoint write down: record types of each format, in a module of its own, and how they become
//! what is in memory.
//!
//! A module of a format that was released is frozen, types, order of fields and all. So what is in memory can change as
//! it likes, and what is on the disk stays readable.

pub(crate) mod batch;
pub(crate) mod encoding;
#[cfg(test)]
mod next_format;
pub(crate) mod v3;
mod v4;
mod v5;
mod v6;
mod v7;

use chat_model::MessageNumber;

use crate::entry::{SessionLimits, WaitingLimits};
use crate::state::State;
use crate::state::parts::{
    AccountRecord, Header, HostsParts, Keeping, Membership, MessageParts, OncePage, Readers,
    RoomRecord, RoomsHeader, Token,
};
use encoding::decode;

/// Number of the newest format. Batches and records are written in the lowest, from 4 on, that expresses them.
pub(crate) const FORMAT: u8 = 7;

/// The oldest that is read.
pub(crate) const OLDEST: u8 = 1;

/// A record of a checkpoint begins with this byte and the number of its format. One of formats 1 to 3 has neither: it
/// begins with a number, in an encoding that never begins with this byte.
const MARK: u8 = 0xff;

/// A record of a format, whose content of so many bytes is to follow.
fn begin_record(format: u8, bytes: usize) -> Vec<u8> {
    let mut record = Vec::with_capacity(2 + bytes);
    record.extend_from_slice(&[MARK, format]);
    record
}

/// Format and content of a record. Whoever does not know the format cannot read it.
fn split_record(record: &[u8]) -> (u8, &[u8]) {
    match record {
        [MARK, format, content @ ..] => (*format, content),
        content => (3, content),
    }
}

/// Everything that is small and changes all the time.
pub(crate) fn encode_header(state: &State) -> Vec<u8> {
    if v6::sessions::is_needed_for(state) {
        let mut record = begin_record(6, 0);
        v6::sessions::encode_header(&mut record, state);
        return record;
    }
    let mut record = begin_record(4, 0);
    v4::state::encode_header(&mut record, state);
    record
}

pub(crate) fn decode_header(record: &[u8]) -> Option<Header> {
    match split_record(record) {
        (6, content) => v6::sessions::decode_header(content),
        (4, content) => v4::state::decode_header(content),
        (3, content) => decode::<v3::state::Header>(content).map(Header::from),
        _ => None,
    }
}

pub(crate) fn encode_waiting_limits(limits: &WaitingLimits) -> Vec<u8> {
    let mut record = begin_record(4, 0);
    encoding::encode_behind(&mut record, &v4::WaitingLimits::from(*limits));
    record
}

pub(crate) fn decode_waiting_limits(record: &[u8]) -> Option<WaitingLimits> {
    match split_record(record) {
        (4, content) => decode::<v4::WaitingLimits>(content).map(Into::into),
        (3, content) => decode::<v3::WaitingLimits>(content).map(Into::into),
        _ => None,
    }
}

pub(crate) fn encode_session_limits(limits: &SessionLimits) -> Vec<u8> {
    let mut record = begin_record(6, 0);
    encoding::encode_behind(&mut record, &v6::sessions::SessionLimits::from(*limits));
    record
}

pub(crate) fn decode_session_limits(record: &[u8]) -> Option<SessionLimits> {
    match split_record(record) {
        (6, content) => decode::<v6::sessions::SessionLimits>(content).map(Into::into),
        _ => None,
    }
}

pub(crate) fn encode_account(account: &AccountRecord) -> Vec<u8> {
    /// Bytes that an account takes beside name and secret, in most cases.
    const ACCOUNT_BYTES: usize = 48;
    let bytes = ACCOUNT_BYTES + account.name.len() + account.secret.len();
    if !account.places.are_as_before_sessions() {
        let mut record = begin_record(6, bytes);
        v6::sessions::encode_account(&mut record, account);
        return record;
    }
    if account.broadcasts_after.get() == Some(MessageNumber(0)) {
        let mut record = begin_record(4, bytes);
        encoding::encode_behind(&mut record, &v4::state::Account::from(account));
        return record;
    }
    let mut record = begin_record(5, bytes);
    encoding::encode_behind(&mut record, &v5::Account::from(account));
    record
}

pub(crate) fn decode_account(record: &[u8]) -> Option<AccountRecord> {
    match split_record(record) {
        (6, content) => decode::<v6::sessions::Account<'_>>(content)?.read(),
        (5, content) => decode::<v5::Account<'_>>(content).map(Into::into),
        (4, content) => decode::<v4::state::Account<'_>>(content).map(Into::into),
        (3, content) => decode::<v3::state::Account<'_>>(content).map(Into::into),
        _ => None,
    }
}

/// A page of messages without their texts.
pub(crate) fn encode_page<'a>(
    messages: impl ExactSizeIterator<Item = MessageParts<&'a Readers>> + Clone,
) -> Vec<u8> {
    /// Bytes that a message takes, but for many readers.
    const MESSAGE_BYTES: usize = 32;
    if v6::rooms::has_rooms(messages.clone()) {
        let mut record = begin_record(6, messages.len() * MESSAGE_BYTES);
        v6::rooms::encode_page(&mut record, messages);
        return record;
    }
    let mut record = begin_record(4, messages.len() * MESSAGE_BYTES);
    v4::state::encode_page(&mut record, messages);
    record
}

pub(crate) fn decode_page(record: &[u8]) -> Option<Vec<MessageParts>> {
    match split_record(record) {
        (6, content) => v6::rooms::decode_page(content),
        (4, content) => v4::state::decode_page(content),
        (3, content) => v3::state::decode_page(content),
        _ => None,
    }
}

/// What is remembered of all rooms.
pub(crate) fn encode_rooms_header(header: RoomsHeader) -> Vec<u8> {
    let mut record = begin_record(6, 0);
    encoding::encode_behind(&mut record, &v6::rooms::RoomsHeader::from(header));
    record
}

pub(crate) fn decode_rooms_header(record: &[u8]) -> Option<RoomsHeader> {
    match split_record(record) {
        (6, content) => decode::<v6::rooms::RoomsHeader>(content).map(Into::into),
        _ => None,
    }
}

pub(crate) fn encode_room(room: &RoomRecord) -> Vec<u8> {
    let mut record = begin_record(6, 0);
    v6::rooms::encode_room(&mut record, room);
    record
}

pub(crate) fn decode_room(record: &[u8]) -> Option<RoomRecord> {
    match split_record(record) {
        (6, content) => v6::rooms::decode_room(content),
        _ => None,
    }
}

/// What an account has in rooms.
pub(crate) fn encode_memberships(memberships: &[Membership]) -> Vec<u8> {
    /// Bytes that a membership takes, in most cases.
    const MEMBERSHIP_BYTES: usize = 12;
    let mut record = begin_record(6, memberships.len() * MEMBERSHIP_BYTES);
    v6::rooms::encode_memberships(&mut record, memberships);
    record
}

pub(crate) fn decode_memberships(record: &[u8]) -> Option<Vec<Membership>> {
    match split_record(record) {
        (6, content) => v6::rooms::decode_memberships(content),
        _ => None,
    }
}

/// Messages that a user sent once, and what came of them.
pub(crate) fn encode_once_page(page: &OncePage) -> Vec<u8> {
    /// Bytes that a message takes, if all whom it names were known.
    const MESSAGE_BYTES: usize = 24;
    let mut record = begin_record(6, page.len() * MESSAGE_BYTES);
    v6::state::encode_once_page(&mut record, page);
    record
}

pub(crate) fn decode_once_page(record: &[u8]) -> Option<OncePage> {
    match split_record(record) {
        (6, content) => v6::state::decode_once_page(content),
        _ => None,
    }
}

/// Tokens of an account.
pub(crate) fn encode_tokens(tokens: &[Token]) -> Vec<u8> {
    let mut record = begin_record(6, 0);
    v6::state::encode_tokens(&mut record, tokens);
    record
}

pub(crate) fn decode_tokens(record: &[u8]) -> Option<Vec<Token>> {
    match split_record(record) {
        (6, content) => v6::state::decode_tokens(content),
        _ => None,
    }
}

/// What of the messages is kept in the history. Where it is missing, nothing is, and nothing was.
pub(crate) fn encode_keeping(keeping: &Keeping) -> Vec<u8> {
    let mut record = begin_record(6, 0);
    v6::history::encode_keeping(&mut record, keeping);
    record
}

pub(crate) fn decode_keeping(record: &[u8]) -> Option<Keeping> {
    match split_record(record) {
        (6, content) => v6::history::decode_keeping(content),
        _ => None,
    }
}

/// The hosts that take part. Where they are missing, there is but one.
pub(crate) fn encode_hosts(state: &State) -> Vec<u8> {
    let mut record = begin_record(7, 0);
    v7::state::encode_hosts(&mut record, state);
    record
}

pub(crate) fn decode_hosts(record: &[u8]) -> Option<HostsParts> {
    match split_record(record) {
        (7, content) => v7::state::decode_hosts(content),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use chat_model::AccountId;

    use super::*;
    use crate::state::parts::Group;

    #[test]
    fn equal_lists_of_readers_are_written_once() {
        let readers: Group = (0..1_000).map(AccountId).collect();
        let message = |number| MessageParts {
            number: MessageNumber(number),
            sender: AccountId(7),
            time_ms: 1,
            text_bytes: 2,
            readers: match number % 4 {
                0 => Readers::AllButSender,
                1 => Readers::One(AccountId(3)),
                _ => Readers::Some(readers.clone()),
            },
        };
        let page: Vec<_> = (0..100).map(message).collect();
        let bytes = encode_page(page.iter().map(MessageParts::as_ref));
        assert!(bytes.len() < 4_000, "{} bytes", bytes.len());
        assert_eq!(decode_page(&bytes), Some(page));
        for start in [&[MARK, 4][..], &[]] {
            let as_before_nothing = [start, &[1, 1, 7, 1, 2, 3]].concat();
            assert_eq!(decode_page(&as_before_nothing), None);
        }
        assert_eq!(decode_page(&[MARK, FORMAT + 1, 0]), None);
    }
}

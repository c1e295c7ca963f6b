//! Rooms: what is done to them, messages for them, and what a checkpoint has of them.

use std::borrow::Cow;

use chat_model::{AccountId, MessageNumber, NameList, Names, RoomId};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::history::Retained;
use crate::entry as memory;
use crate::records::encoding::{decode_first, encode_behind};
use crate::records::v4;
use crate::records::v4::state::{GroupRef, UsedAllowance};
use crate::state::parts::{self, Allowance, MessageParts};

#[derive(Serialize, Deserialize)]
pub(crate) enum Audience<'a> {
    OfFormat4(#[serde(borrow)] v4::entry::Audience<'a>),
    /// Names of rooms and accounts, as typed, nothing between.
    Mixed {
        #[serde(borrow)]
        names: Cow<'a, str>,
        lengths: Cow<'a, [u32]>,
    },
}

#[derive(Serialize, Deserialize)]
pub(crate) enum RoomAct<'a> {
    Join,
    Leave,
    SetTopic(&'a str),
    SetPrivate(bool),
    SetRetention { days: u32 },
    Drop,
    Treat { treatment: Treatment, user: &'a str },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Treatment {
    Invite,
    Kick,
    Ban,
    Unban,
    Op,
    Deop,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct RoomLimits {
    rooms: u32,
    rooms_of_user: u32,
    members: u32,
    listed: u32,
    sends_per_minute: u32,
    queue_messages: u32,
}

/// What is remembered of all rooms.
#[derive(Serialize, Deserialize)]
pub(crate) struct RoomsHeader {
    last: u32,
    limits: RoomLimits,
}

#[derive(Serialize, Deserialize)]
struct Room<'a> {
    name: &'a str,
    owner: u32,
    operators: Vec<u32>,
    is_private: bool,
    invited: Vec<u32>,
    banned: Vec<u32>,
    topic: &'a str,
    retention_days: Option<u32>,
    messages: u64,
    members: u32,
    dropped: Option<Dropped>,
    sends: Option<UsedAllowance>,
}

#[derive(Serialize, Deserialize)]
struct Dropped {
    number: u64,
    time_ms: i64,
    sequence: u64,
}

#[derive(Serialize, Deserialize)]
struct Membership {
    room: u32,
    order: u32,
    joined_after: u64,
    counted: u64,
}

/// What of a message is loaded at the start in any case.
#[derive(Serialize, Deserialize)]
enum Message<'a, G> {
    OfFormat4(v4::state::Message<G>),
    /// With the account numbers and the sequence numbers of the rooms that it is for.
    OfRooms {
        number: u64,
        sender: u32,
        time_ms: i64,
        text_bytes: u32,
        rooms: Vec<(u32, u64)>,
        accounts: Vec<u32>,
        notice_of: Option<&'a str>,
    },
    /// The same, where an account was named before a room: how many before each.
    OfMixed {
        number: u64,
        sender: u32,
        time_ms: i64,
        text_bytes: u32,
        rooms: Vec<(u32, u64)>,
        accounts: Vec<u32>,
        accounts_before: Vec<u32>,
    },
}

impl<'a> From<&'a chat_model::Audience<'_>> for Audience<'a> {
    fn from(audience: &'a chat_model::Audience<'_>) -> Self {
        match audience {
            chat_model::Audience::Mixed(names) => Self::Mixed {
                names: names.names().packed().into(),
                lengths: names.names().lengths().into(),
            },
            audience => Self::OfFormat4(audience.into()),
        }
    }
}

impl Audience<'_> {
    /// The audience it stands for; nothing if it stands for none.
    pub(crate) fn read(self) -> Option<chat_model::Audience<'static>> {
        match self {
            Self::OfFormat4(audience) => audience.read(),
            Self::Mixed { names, lengths } => {
                let names = Names::of(&names, &lengths);
                let is_list = !names.is_empty() && names.is_well_formed();
                let names = is_list.then(|| NameList::from(names).into_owned());
                names.map(chat_model::Audience::Mixed)
            }
        }
    }
}

impl<'a> From<&'a chat_model::RoomAct<'_>> for RoomAct<'a> {
    fn from(act: &'a chat_model::RoomAct<'_>) -> Self {
        match act {
            chat_model::RoomAct::Join => Self::Join,
            chat_model::RoomAct::Leave => Self::Leave,
            chat_model::RoomAct::SetTopic(topic) => Self::SetTopic(topic),
            chat_model::RoomAct::SetPrivate(is_private) => Self::SetPrivate(*is_private),
            chat_model::RoomAct::SetRetention { days } => Self::SetRetention { days: *days },
            chat_model::RoomAct::Drop => Self::Drop,
            chat_model::RoomAct::Treat { treatment, user } => Self::Treat {
                treatment: (*treatment).into(),
                user,
            },
        }
    }
}

impl RoomAct<'_> {
    /// The act it stands for.
    pub(crate) fn read(self) -> chat_model::RoomAct<'static> {
        match self {
            Self::Join => chat_model::RoomAct::Join,
            Self::Leave => chat_model::RoomAct::Leave,
            Self::SetTopic(topic) => chat_model::RoomAct::SetTopic(topic.to_owned().into()),
            Self::SetPrivate(is_private) => chat_model::RoomAct::SetPrivate(is_private),
            Self::SetRetention { days } => chat_model::RoomAct::SetRetention { days },
            Self::Drop => chat_model::RoomAct::Drop,
            Self::Treat { treatment, user } => chat_model::RoomAct::Treat {
                treatment: treatment.into(),
                user: user.to_owned().into(),
            },
        }
    }
}

impl From<chat_model::Treatment> for Treatment {
    fn from(treatment: chat_model::Treatment) -> Self {
        match treatment {
            chat_model::Treatment::Invite => Self::Invite,
            chat_model::Treatment::Kick => Self::Kick,
            chat_model::Treatment::Ban => Self::Ban,
            chat_model::Treatment::Unban => Self::Unban,
            chat_model::Treatment::Op => Self::Op,
            chat_model::Treatment::Deop => Self::Deop,
        }
    }
}

impl From<Treatment> for chat_model::Treatment {
    fn from(treatment: Treatment) -> Self {
        match treatment {
            Treatment::Invite => Self::Invite,
            Treatment::Kick => Self::Kick,
            Treatment::Ban => Self::Ban,
            Treatment::Unban => Self::Unban,
            Treatment::Op => Self::Op,
            Treatment::Deop => Self::Deop,
        }
    }
}

impl From<memory::RoomLimits> for RoomLimits {
    fn from(limits: memory::RoomLimits) -> Self {
        Self {
            rooms: limits.rooms,
            rooms_of_user: limits.rooms_of_user,
            members: limits.members,
            listed: limits.listed,
            sends_per_minute: limits.sends_per_minute,
            queue_messages: limits.queue_messages,
        }
    }
}

impl From<RoomLimits> for memory::RoomLimits {
    fn from(limits: RoomLimits) -> Self {
        Self {
            rooms: limits.rooms,
            rooms_of_user: limits.rooms_of_user,
            members: limits.members,
            listed: limits.listed,
            sends_per_minute: limits.sends_per_minute,
            queue_messages: limits.queue_messages,
        }
    }
}

impl From<parts::RoomsHeader> for RoomsHeader {
    fn from(header: parts::RoomsHeader) -> Self {
        Self {
            last: header.last,
            limits: header.limits.into(),
        }
    }
}

impl From<RoomsHeader> for parts::RoomsHeader {
    fn from(header: RoomsHeader) -> Self {
        Self {
            last: header.last,
            limits: header.limits.into(),
        }
    }
}

fn numbers(accounts: &[AccountId]) -> Vec<u32> {
    accounts.iter().map(|account| account.0).collect()
}

fn accounts<T: FromIterator<AccountId>>(numbers: Vec<u32>) -> T {
    numbers.into_iter().map(AccountId).collect()
}

/// Writes a room down. What the history has of it stands there only if there is, or was, any.
pub(crate) fn encode_room(bytes: &mut Vec<u8>, room: &parts::RoomRecord) {
    encode_behind(bytes, &Room::from(room));
    if room.retained != parts::Retained::default() {
        encode_behind(bytes, &Retained::from(&room.retained));
    }
}

/// A room; nothing if it cannot be read.
pub(crate) fn decode_room(bytes: &[u8]) -> Option<parts::RoomRecord> {
    let mut rest = bytes;
    let mut room: parts::RoomRecord = decode_first::<Room<'_>>(&mut rest)?.into();
    if !rest.is_empty() {
        room.retained = decode_first::<Retained>(&mut rest)?.into();
    }
    rest.is_empty().then_some(room)
}

impl<'a> From<&'a parts::RoomRecord> for Room<'a> {
    fn from(room: &'a parts::RoomRecord) -> Self {
        Self {
            name: &room.name,
            owner: room.owner.0,
            operators: numbers(&room.operators),
            is_private: room.is_private,
            invited: numbers(&room.invited),
            banned: numbers(&room.banned),
            topic: &room.topic,
            retention_days: room.retention_days,
            messages: room.messages,
            members: room.members,
            dropped: room.dropped.map(|dropped| Dropped {
                number: dropped.number.0,
                time_ms: dropped.time_ms,
                sequence: dropped.sequence,
            }),
            sends: room.sends.0.map(Into::into),
        }
    }
}

impl From<Room<'_>> for parts::RoomRecord {
    fn from(room: Room<'_>) -> Self {
        Self {
            name: room.name.into(),
            owner: AccountId(room.owner),
            operators: accounts(room.operators),
            is_private: room.is_private,
            invited: accounts(room.invited),
            banned: accounts(room.banned),
            topic: room.topic.into(),
            retention_days: room.retention_days,
            retained: parts::Retained::default(),
            messages: room.messages,
            members: room.members,
            dropped: room.dropped.map(|dropped| parts::LastDropped {
                number: MessageNumber(dropped.number),
                time_ms: dropped.time_ms,
                sequence: dropped.sequence,
            }),
            sends: Allowance(room.sends.map(Into::into)),
        }
    }
}

/// Writes down what an account has in rooms.
pub(crate) fn encode_memberships(bytes: &mut Vec<u8>, memberships: &[parts::Membership]) {
    encode_behind(bytes, &(memberships.len() as u64));
    for membership in memberships {
        let record = Membership {
            room: membership.room.0,
            order: membership.order,
            joined_after: membership.joined_after.0,
            counted: membership.counted,
        };
        encode_behind(bytes, &record);
    }
}

/// What an account has in rooms, by rising number of the room; nothing if it cannot be read.
pub(crate) fn decode_memberships(bytes: &[u8]) -> Option<Vec<parts::Membership>> {
    let mut rest = bytes;
    let count: u64 = decode_first(&mut rest)?;
    // A vector that grows leaves holes in the memory. No record takes less than four bytes.
    let most = usize::try_from(count).ok()?.min(rest.len() / 4);
    let mut memberships = Vec::with_capacity(most);
    for _ in 0..count {
        let record: Membership = decode_first(&mut rest)?;
        memberships.push(parts::Membership {
            room: RoomId(record.room),
            order: record.order,
            joined_after: MessageNumber(record.joined_after),
            counted: record.counted,
        });
    }
    let is_sorted = memberships.is_sorted_by(|one, next| one.room < next.room);
    (rest.is_empty() && is_sorted).then_some(memberships)
}

/// Whether format 4 has not all of a page's messages.
pub(crate) fn has_rooms<'a>(
    mut messages: impl Iterator<Item = MessageParts<&'a parts::Readers>>,
) -> bool {
    messages.any(|message| matches!(message.readers, parts::Readers::Rooms(_)))
}

/// Writes a page of messages down.
pub(crate) fn encode_page<'a>(
    bytes: &mut Vec<u8>,
    messages: impl ExactSizeIterator<Item = MessageParts<&'a parts::Readers>>,
) {
    encode_behind(bytes, &(messages.len() as u64));
    let mut page = v4::state::PageWriter::default();
    for message in messages {
        let parts::Readers::Rooms(readers) = message.readers else {
            let record = page.record(message);
            let record: Message<'_, GroupRef<'a>> = Message::OfFormat4(record);
            encode_behind(bytes, &record);
            continue;
        };
        encode_behind(bytes, &record_of_rooms(message, readers));
    }
}

fn record_of_rooms<'a>(
    message: MessageParts<&'a parts::Readers>,
    readers: &'a parts::RoomReaders,
) -> Message<'a, GroupRef<'a>> {
    let rooms = readers.rooms.iter();
    let rooms = rooms.map(|(room, sequence)| (room.0, *sequence)).collect();
    let (number, sender) = (message.number.0, message.sender.0);
    let (time_ms, text_bytes) = (message.time_ms, message.text_bytes);
    let accounts = numbers(&readers.accounts);
    match readers.accounts_before.is_empty() {
        true => Message::OfRooms {
            number,
            sender,
            time_ms,
            text_bytes,
            rooms,
            accounts,
            notice_of: readers.notice_of.as_deref(),
        },
        false => Message::OfMixed {
            number,
            sender,
            time_ms,
            text_bytes,
            rooms,
            accounts,
            accounts_before: readers.accounts_before.to_vec(),
        },
    }
}

/// The messages of a page; nothing if it cannot be read.
pub(crate) fn decode_page(bytes: &[u8]) -> Option<Vec<MessageParts>> {
    let mut rest = bytes;
    let count: u64 = decode_first(&mut rest)?;
    let (mut page, mut messages) = (v4::state::PageReader::default(), Vec::new());
    for _ in 0..count {
        let message = decode_first::<Message<'_, Vec<u32>>>(&mut rest)?;
        messages.push(message.read(&mut page)?);
    }
    rest.is_empty().then_some(messages)
}

impl Message<'_, Vec<u32>> {
    fn read(self, page: &mut v4::state::PageReader) -> Option<MessageParts> {
        let (number, sender, time_ms, text_bytes, readers) = match self {
            Self::OfFormat4(message) => return page.read(message),
            Self::OfRooms {
                number,
                sender,
                time_ms,
                text_bytes,
                rooms,
                accounts: named,
                notice_of,
            } => {
                let readers = parts::RoomReaders {
                    rooms: numbered(rooms),
                    accounts: accounts(named),
                    accounts_before: Box::default(),
                    notice_of: notice_of.map(Into::into),
                };
                (number, sender, time_ms, text_bytes, readers)
            }
            Self::OfMixed {
                number,
                sender,
                time_ms,
                text_bytes,
                rooms,
                accounts: named,
                accounts_before,
            } => {
                if accounts_before.len() != rooms.len() {
                    return None;
                }
                let readers = parts::RoomReaders {
                    rooms: numbered(rooms),
                    accounts: accounts(named),
                    accounts_before: accounts_before.into(),
                    notice_of: None,
                };
                (number, sender, time_ms, text_bytes, readers)
            }
        };
        Some(MessageParts::of_any_format(
            MessageNumber(number),
            AccountId(sender),
            time_ms,
            text_bytes,
            parts::Readers::Rooms(readers.into()),
        ))
    }
}

fn numbered(rooms: Vec<(u32, u64)>) -> SmallVec<[(RoomId, u64); 1]> {
    let rooms = rooms.into_iter();
    rooms
        .map(|(room, sequence)| (RoomId(room), sequence))
        .collect()
}

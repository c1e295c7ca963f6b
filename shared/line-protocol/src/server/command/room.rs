//! Commands of rooms.

use chat_model::message::may_be_recipient;
use chat_model::room::{MAX_TOPIC_BYTES, may_be_room};
use chat_model::{Request, RoomAct, Treatment, text};

use super::word::{split_word, trim};
use super::{CommandError, Intent, arguments};

/// What follows `rooms`: nothing, or `all`.
pub(super) fn parse_rooms(rest: &[u8]) -> Option<Intent<'static>> {
    let all = match trim(rest) {
        b"" => false,
        b"all" => true,
        _ => return None,
    };
    Some(Intent::Request(Request::ListRooms { all }))
}

pub(super) fn parse_members(rest: &[u8]) -> Option<Intent<'_>> {
    let (room, rest) = room_of(rest)?;
    let room = room.into();
    let is_all = trim(rest).is_empty();
    is_all.then_some(Intent::Request(Request::ListMembers { room }))
}

/// A room's name, and what comes after the one space or tab behind it.
fn room_of(rest: &[u8]) -> Option<(&str, &[u8])> {
    let (name, rest) = split_word(rest);
    let name = std::str::from_utf8(name).ok()?;
    may_be_room(name).then_some((name, rest))
}

pub(super) fn change_room<'a>(
    word: &'static str,
    rest: &'a [u8],
    act: impl FnOnce(&'a [u8]) -> Option<RoomAct<'a>>,
) -> Result<Intent<'a>, CommandError> {
    let request = room_of(rest).and_then(|(room, rest)| {
        Some(Intent::Request(Request::ChangeRoom {
            room: room.into(),
            act: act(rest)?,
        }))
    });
    request.ok_or(arguments(word))
}

pub(super) fn no_more<'a>(rest: &[u8], act: RoomAct<'a>) -> Option<RoomAct<'a>> {
    trim(rest).is_empty().then_some(act)
}

pub(super) fn treat<'a>(
    word: &'static str,
    rest: &'a [u8],
    treatment: Treatment,
) -> Result<Intent<'a>, CommandError> {
    change_room(word, rest, |rest| {
        let user = text::clean(trim(rest));
        may_be_recipient(&user).then_some(RoomAct::Treat { treatment, user })
    })
}

pub(super) fn room_act(rest: &[u8]) -> Option<RoomAct<'_>> {
    let (word, rest) = split_word(rest);
    match (word, trim(rest)) {
        (b"private", b"") => Some(RoomAct::SetPrivate(true)),
        (b"public", b"") => Some(RoomAct::SetPrivate(false)),
        (b"drop", b"") => Some(RoomAct::Drop),
        (b"retention", days) if days.iter().all(u8::is_ascii_digit) => {
            let days = std::str::from_utf8(days).ok()?.parse().ok()?;
            (days > 0).then_some(RoomAct::SetRetention { days })
        }
        _ => None,
    }
}

pub(super) fn parse_topic(rest: &[u8]) -> Option<Intent<'_>> {
    let (room, topic) = room_of(rest)?;
    let room = room.into();
    if trim(topic).is_empty() {
        return Some(Intent::Request(Request::ShowTopic { room }));
    }
    let topic = text::clean(topic);
    (topic.len() <= MAX_TOPIC_BYTES).then_some(Intent::Request(Request::ChangeRoom {
        room,
        act: RoomAct::SetTopic(topic),
    }))
}

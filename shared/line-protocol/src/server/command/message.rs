//! Messages, and who is to have them.

use std::borrow::Cow;

use chat_model::message::may_be_once_id;
use chat_model::room::is_of_room;
use chat_model::{Audience, NameList, Request, text};

use super::word::{is_white, skip_white, split_word};
use super::{CommandError, arguments};
use crate::words;

/// A message, and who is to have it.
pub(super) struct Addressed<'a> {
    audience: Audience<'a>,
    text: Cow<'a, str>,
}

impl<'a> From<Addressed<'a>> for Request<'a> {
    fn from(Addressed { audience, text }: Addressed<'a>) -> Self {
        Self::Send { audience, text }
    }
}

pub(super) fn parse_broadcast(rest: &[u8]) -> Result<Addressed<'_>, CommandError> {
    match rest {
        b"" => Err(arguments(words::BROADCAST)),
        rest => Ok(Addressed {
            audience: Audience::Everyone,
            text: text::clean(rest),
        }),
    }
}

/// An identifier and a message. A message that is refused is refused as if it stood alone.
pub(super) fn parse_once(rest: &[u8]) -> Result<Request<'_>, CommandError> {
    let (id, command) = split_word(rest);
    let id = str::from_utf8(id).ok().filter(|id| may_be_once_id(id));
    let id = id.ok_or(arguments(words::ONCE))?;
    let (word, rest) = split_word(command);
    let Addressed { audience, text } = match word {
        b"send" => parse_send(rest)?,
        b"broadcast" => parse_broadcast(rest)?,
        _ => return Err(arguments(words::ONCE)),
    };
    Ok(Request::SendOnce {
        id: id.into(),
        audience,
        text,
    })
}

pub(super) fn parse_send(rest: &[u8]) -> Result<Addressed<'_>, CommandError> {
    let rest = skip_white(rest);
    let (names, text) = match rest.strip_prefix(b"(") {
        Some(group) => parse_group(group).ok_or(arguments(words::SEND))?,
        None => {
            let (name, text) = split_word(rest);
            (NameList::one(text::clean(name)), text)
        }
    };
    if text.is_empty() || !names.may_be_recipients() {
        return Err(arguments(words::SEND));
    }
    let has_room = names.iter().any(is_of_room);
    Ok(Addressed {
        audience: match has_room {
            true => Audience::Mixed(names),
            false => Audience::Accounts(names),
        },
        text: text::clean(text),
    })
}

/// The names of a group up to its end, and the text behind that.
fn parse_group(group: &[u8]) -> Option<(NameList<'static>, &[u8])> {
    let end = group.iter().position(|byte| *byte == b')')?;
    let (space, text) = group[end + 1..].split_first()?;
    if !is_white(*space) {
        return None;
    }
    let mut names = NameList::with_capacity(end);
    for name in group[..end].split(|byte| is_white(*byte)) {
        if !name.is_empty() {
            names.push(&text::clean(name));
        }
    }
    Some((names, text))
}

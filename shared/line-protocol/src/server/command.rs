//! What a line in the chat means.

mod account;
mod kept;
mod message;
mod room;
#[cfg(test)]
mod tests;
mod word;

use chat_model::{PushMode, Request, RoomAct, Treatment, text};

use self::account::{parse_sessions, parse_token};
use self::kept::{parse_history, parse_search};
use self::message::{parse_broadcast, parse_once, parse_send};
use self::room::{change_room, no_more, parse_members, parse_rooms, parse_topic, room_act, treat};
use self::word::{number, skip_white, split_word, trim};
use crate::words;

/// What a client wants by a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent<'a> {
    /// Something that the state daemon does.
    Request(Request<'a>),
    /// When messages come.
    Push(PushMode),
    /// Whether message lines have numbers.
    Ids(bool),
    /// Whether message lines say whom a message went to.
    To(bool),
    /// A token of this name.
    NewToken(&'a str),
    /// Another password: its three lines follow.
    Passwd,
    /// What the server can do.
    Features,
    /// The end of the session, once all before it is answered.
    LogOut,
}

/// A line in the chat that cannot be carried out. The word is fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// There is no such command.
    Unknown {
        /// The line's first word.
        word: String,
    },
    /// The command exists, but not with these arguments.
    Arguments {
        /// The command's word.
        word: &'static str,
    },
}

/// The first word of a line, fit to be shown.
pub fn command_word(line: &[u8]) -> String {
    text::clean(split_word(line).0).into_owned()
}

/// Understands a line without its end. White space is spaces and tabs: before a command and behind it, it means
/// nothing; a text is kept with all of it.
pub fn parse(line: &[u8]) -> Result<Intent<'_>, CommandError> {
    let (word, rest) = split_word(line);
    match word {
        b"who" => without_arguments(words::WHO, rest, list_users(None)),
        b"last" => parse_last(rest),
        b"send" => Ok(Intent::Request(parse_send(rest)?.into())),
        b"broadcast" => Ok(Intent::Request(parse_broadcast(rest)?.into())),
        b"once" => Ok(Intent::Request(parse_once(rest)?)),
        b"fetch" => without_arguments(words::FETCH, rest, Intent::Request(Request::Fetch)),
        b"token" => parse_token(rest).ok_or(arguments(words::TOKEN)),
        b"tokens" => {
            let list = Intent::Request(Request::ListTokens);
            without_arguments(words::TOKENS, rest, list)
        }
        b"passwd" => without_arguments(words::PASSWD, rest, Intent::Passwd),
        b"features" => without_arguments(words::FEATURES, rest, Intent::Features),
        b"logout" => without_arguments(words::LOGOUT, rest, Intent::LogOut),
        b"push" => match trim(rest) {
            b"on" => Ok(Intent::Push(PushMode::On)),
            b"ack" => Ok(Intent::Push(PushMode::Ack)),
            b"off" => Ok(Intent::Push(PushMode::Off)),
            _ => Err(arguments(words::PUSH)),
        },
        b"ids" => match trim(rest) {
            b"on" => Ok(Intent::Ids(true)),
            b"off" => Ok(Intent::Ids(false)),
            _ => Err(arguments(words::IDS)),
        },
        b"to" => match trim(rest) {
            b"on" => Ok(Intent::To(true)),
            b"off" => Ok(Intent::To(false)),
            _ => Err(arguments(words::TO)),
        },
        b"sessions" => parse_sessions(trim(rest)).ok_or(arguments(words::SESSIONS)),
        b"join" => change_room(words::JOIN, rest, |rest| no_more(rest, RoomAct::Join)),
        b"leave" => change_room(words::LEAVE, rest, |rest| no_more(rest, RoomAct::Leave)),
        b"rooms" => parse_rooms(rest).ok_or(arguments(words::ROOMS)),
        b"members" => parse_members(rest).ok_or(arguments(words::MEMBERS)),
        b"topic" => parse_topic(rest).ok_or(arguments(words::TOPIC)),
        b"room" => change_room(words::ROOM, rest, room_act),
        b"invite" => treat(words::INVITE, rest, Treatment::Invite),
        b"kick" => treat(words::KICK, rest, Treatment::Kick),
        b"ban" => treat(words::BAN, rest, Treatment::Ban),
        b"unban" => treat(words::UNBAN, rest, Treatment::Unban),
        b"op" => treat(words::OP, rest, Treatment::Op),
        b"deop" => treat(words::DEOP, rest, Treatment::Deop),
        b"history" => parse_history(rest).ok_or(arguments(words::HISTORY)),
        b"search" => parse_search(rest).ok_or(arguments(words::SEARCH)),
        word => Err(CommandError::Unknown {
            word: text::clean(word).into_owned(),
        }),
    }
}

fn arguments(word: &'static str) -> CommandError {
    CommandError::Arguments { word }
}

fn list_users(seen_within_minutes: Option<u64>) -> Intent<'static> {
    Intent::Request(Request::ListUsers {
        seen_within_minutes,
    })
}

fn without_arguments(
    word: &'static str,
    rest: &[u8],
    intent: Intent<'static>,
) -> Result<Intent<'static>, CommandError> {
    if skip_white(rest).is_empty() {
        Ok(intent)
    } else {
        Err(arguments(word))
    }
}

fn parse_last(rest: &[u8]) -> Result<Intent<'static>, CommandError> {
    let minutes = number(trim(rest)).ok_or(arguments(words::LAST))?;
    Ok(list_users(Some(minutes)))
}

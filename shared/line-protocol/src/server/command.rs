//! What a line in the chat means.

use std::borrow::Cow;

use chat_model::message::{may_be_once_id, may_be_recipient};
use chat_model::name::may_be_token_name;
use chat_model::room::{MAX_TOPIC_BYTES, is_of_room, may_be_room};
use chat_model::{
    Audience, HistorySpan, MessageNumber, NameList, PushMode, Request, RoomAct, SessionName,
    Treatment, text,
};
use memchr::memchr2;

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
        b"sessions" => parse_sessions(trim(rest)).ok_or(arguments(words::SESSIONS)),
        b"join" => change_room(words::JOIN, rest, |rest| no_more(rest, RoomAct::Join)),
        b"leave" => change_room(words::LEAVE, rest, |rest| no_more(rest, RoomAct::Leave)),
        b"rooms" => match trim(rest) {
            b"" => Ok(Intent::Request(Request::ListRooms { all: false })),
            b"all" => Ok(Intent::Request(Request::ListRooms { all: true })),
            _ => Err(arguments(words::ROOMS)),
        },
        b"members" => {
            let room = room_of(rest).filter(|(_, rest)| trim(rest).is_empty());
            let room = room.map(|(room, _)| room.into());
            let request = room.map(|room| Intent::Request(Request::ListMembers { room }));
            request.ok_or(arguments(words::MEMBERS))
        }
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

fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The first word, and what comes after the one space or tab behind it.
fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = skip_white(line);
    match memchr2(b' ', b'\t', line) {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, b""),
    }
}

fn skip_white(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !is_white(*byte));
    &bytes[start.unwrap_or(bytes.len())..]
}

/// Without white space at both ends.
fn trim(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !is_white(*byte));
    skip_white(&bytes[..end.map_or(0, |last| last + 1)])
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

fn parse_token(rest: &[u8]) -> Option<Intent<'_>> {
    let (word, name) = split_word(rest);
    let name = str::from_utf8(trim(name)).ok();
    let name = name.filter(|name| may_be_token_name(name))?;
    match word {
        b"new" => Some(Intent::NewToken(name)),
        b"drop" => Some(Intent::Request(Request::DropToken { name: name.into() })),
        _ => None,
    }
}

fn parse_last(rest: &[u8]) -> Result<Intent<'static>, CommandError> {
    let minutes = number(trim(rest)).ok_or(arguments(words::LAST))?;
    Ok(list_users(Some(minutes)))
}

/// Messages that `history` gives if no number is named, and at most.
const USUAL_COUNT: u16 = 50;
const MAX_COUNT: u16 = 1_000;

/// A user, or a room of a name that a room may have.
fn kept_of(word: &[u8]) -> Option<Cow<'_, str>> {
    let of = text::clean(word);
    (!is_of_room(&of) || may_be_room(&of)).then_some(of)
}

/// `#ROOM|USER [N] [before NUMBER|after NUMBER]`.
fn parse_history(rest: &[u8]) -> Option<Intent<'_>> {
    let mut words = rest
        .split(|byte| is_white(*byte))
        .filter(|word| !word.is_empty());
    let of = kept_of(words.next()?)?;
    let mut next = words.next();
    let mut count = USUAL_COUNT;
    if let Some(asked) = next.and_then(number) {
        count = u16::try_from(asked).unwrap_or(MAX_COUNT).min(MAX_COUNT);
        next = words.next();
    }
    let span = match next {
        None => HistorySpan::Newest,
        Some(b"before") => HistorySpan::Before(MessageNumber(number(words.next()?)?)),
        Some(b"after") => HistorySpan::After(MessageNumber(number(words.next()?)?)),
        Some(_) => return None,
    };
    let is_right = count > 0 && words.next().is_none();
    is_right.then_some(Intent::Request(Request::History { of, span, count }))
}

/// `#ROOM|USER|* WORDS`.
fn parse_search(rest: &[u8]) -> Option<Intent<'_>> {
    let (of, words) = split_word(rest);
    let words = trim(words);
    if words.is_empty() {
        return None;
    }
    let of = match of {
        b"*" => None,
        of => Some(kept_of(of)?),
    };
    let words = text::clean(words);
    Some(Intent::Request(Request::Search { of, words }))
}

/// A whole number; one that is too large is the largest.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0_u64, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    }))
}

/// What follows `sessions`: nothing, `drop`, or `drop NAME`.
fn parse_sessions(rest: &[u8]) -> Option<Intent<'_>> {
    let (word, name) = split_word(rest);
    let request = match (word, trim(name)) {
        (b"", _) => Request::ListSessions,
        (b"drop", b"") => Request::DropSession { name: None },
        (b"drop", name) => {
            let name = std::str::from_utf8(name).ok()?;
            SessionName::parse(name)?;
            let name = Some(name.into());
            Request::DropSession { name }
        }
        _ => return None,
    };
    Some(Intent::Request(request))
}

/// A message, and who is to have it.
struct Addressed<'a> {
    audience: Audience<'a>,
    text: Cow<'a, str>,
}

impl<'a> From<Addressed<'a>> for Request<'a> {
    fn from(Addressed { audience, text }: Addressed<'a>) -> Self {
        Self::Send { audience, text }
    }
}

fn parse_broadcast(rest: &[u8]) -> Result<Addressed<'_>, CommandError> {
    match rest {
        b"" => Err(arguments(words::BROADCAST)),
        rest => Ok(Addressed {
            audience: Audience::Everyone,
            text: text::clean(rest),
        }),
    }
}

/// An identifier and a message. A message that is refused is refused as if it stood alone.
fn parse_once(rest: &[u8]) -> Result<Request<'_>, CommandError> {
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

fn parse_send(rest: &[u8]) -> Result<Addressed<'_>, CommandError> {
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

/// A room's name, and what comes after the one space or tab behind it.
fn room_of(rest: &[u8]) -> Option<(&str, &[u8])> {
    let (name, rest) = split_word(rest);
    let name = std::str::from_utf8(name).ok()?;
    may_be_room(name).then_some((name, rest))
}

fn change_room<'a>(
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

fn no_more<'a>(rest: &[u8], act: RoomAct<'a>) -> Option<RoomAct<'a>> {
    trim(rest).is_empty().then_some(act)
}

fn treat<'a>(
    word: &'static str,
    rest: &'a [u8],
    treatment: Treatment,
) -> Result<Intent<'a>, CommandError> {
    change_room(word, rest, |rest| {
        let user = text::clean(trim(rest));
        may_be_recipient(&user).then_some(RoomAct::Treat { treatment, user })
    })
}

fn room_act(rest: &[u8]) -> Option<RoomAct<'_>> {
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

fn parse_topic(rest: &[u8]) -> Option<Intent<'_>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn send<'a>(recipients: &[&str], text: &'a str) -> Result<Intent<'a>, CommandError> {
        Ok(Intent::Request(Request::Send {
            audience: Audience::Accounts(recipients.iter().copied().collect()),
            text: text.into(),
        }))
    }

    #[test]
    fn commands_of_rooms() {
        let change = |act| {
            let room = "#a".into();
            Ok(Intent::Request(Request::ChangeRoom { room, act }))
        };
        let treat = |treatment| {
            let user = "bob".into();
            change(RoomAct::Treat { treatment, user })
        };
        assert_eq!(parse(b"join #a"), change(RoomAct::Join));
        assert_eq!(parse(b" leave\t#a "), change(RoomAct::Leave));
        let topic = parse(b"topic #a  x y ");
        assert_eq!(topic, change(RoomAct::SetTopic(" x y ".into())));
        let room = "#a".into();
        let shown = Ok(Intent::Request(Request::ShowTopic { room }));
        assert_eq!(parse(b"topic #a"), shown);
        assert_eq!(parse(b"topic #a  "), shown);
        assert_eq!(parse(b"room #a private"), change(RoomAct::SetPrivate(true)));
        assert_eq!(
            parse(b"room #a public "),
            change(RoomAct::SetPrivate(false))
        );
        let retention = change(RoomAct::SetRetention { days: 90 });
        assert_eq!(parse(b"room #a retention 90"), retention);
        assert_eq!(parse(b"room #a drop"), change(RoomAct::Drop));
        assert_eq!(parse(b"invite #a bob"), treat(Treatment::Invite));
        assert_eq!(parse(b"deop #a  bob "), treat(Treatment::Deop));
        let rooms = |all| Ok(Intent::Request(Request::ListRooms { all }));
        assert_eq!(parse(b"rooms"), rooms(false));
        assert_eq!(parse(b"rooms all"), rooms(true));
        let Ok(Intent::Request(Request::Send { audience, .. })) = parse(b"send (#a bob) x") else {
            panic!("a message");
        };
        assert_eq!(
            audience,
            Audience::Mixed(["#a", "bob"].into_iter().collect())
        );
    }

    #[test]
    fn wrong_arguments_of_commands_of_rooms() {
        let long = format!("topic #a {}", "x".repeat(MAX_TOPIC_BYTES + 1));
        for line in [
            "join",
            "join a",
            "join #",
            "join #A",
            "join #a b",
            "leave",
            "members",
            "members a",
            "members #a b",
            "rooms none",
            "topic",
            "topic a",
            "room #a",
            "room #a secret",
            "room #a retention",
            "room #a retention 0",
            "room #a retention -1",
            "room #a drop it",
            "invite #a",
            "invite #a bob eve",
            "kick bob",
            "ban #a a,b",
            "unban",
            "op",
            "deop",
            &long,
        ] {
            let word = line.split(' ').next().unwrap_or_default();
            let found = parse(line.as_bytes());
            let expected = matches!(found, Err(CommandError::Arguments { word: at }) if at == word);
            assert!(expected, "{line}");
        }
    }

    fn broadcast(text: &str) -> Result<Intent<'_>, CommandError> {
        Ok(Intent::Request(Request::Send {
            audience: Audience::Everyone,
            text: text.into(),
        }))
    }

    fn last(minutes: u64) -> Result<Intent<'static>, CommandError> {
        Ok(list_users(Some(minutes)))
    }

    const FETCH: Intent<'_> = Intent::Request(Request::Fetch);
    const WHO: Intent<'_> = Intent::Request(Request::ListUsers {
        seen_within_minutes: None,
    });

    #[test]
    fn every_command_as_it_is_meant() {
        assert_eq!(parse(b"who"), Ok(WHO));
        assert_eq!(parse(b"  who  "), Ok(WHO));
        assert_eq!(parse(b"last 0"), last(0));
        assert_eq!(parse(b"last 090 "), last(90));
        let endless = parse(b"last 99999999999999999999999");
        assert_eq!(endless, last(u64::MAX));
        assert_eq!(parse(b"send bob hi there"), send(&["bob"], "hi there"));
        assert_eq!(parse(b"send  bob  hi  "), send(&["bob"], " hi  "));
        let group = send(&["a", "b", "a"], "hi  all");
        assert_eq!(parse(b"send ( a  b a) hi  all"), group);
        assert_eq!(parse(b"send bob ) x"), send(&["bob"], ") x"));
        assert_eq!(parse(b"broadcast hey  you"), broadcast("hey  you"));
        assert_eq!(parse(b"fetch"), Ok(FETCH));
        assert_eq!(parse(b"logout"), Ok(Intent::LogOut));
        assert_eq!(parse(b"push on"), Ok(Intent::Push(PushMode::On)));
        assert_eq!(parse(b"push ack"), Ok(Intent::Push(PushMode::Ack)));
        assert_eq!(parse(b"push off"), Ok(Intent::Push(PushMode::Off)));
        assert_eq!(parse(b"ids on"), Ok(Intent::Ids(true)));
        assert_eq!(parse(b"ids off"), Ok(Intent::Ids(false)));
        assert_eq!(parse(b"features"), Ok(Intent::Features));
        assert_eq!(parse(b" passwd "), Ok(Intent::Passwd));
        let request = |request| Ok(Intent::Request(request));
        assert_eq!(parse(b"sessions "), request(Request::ListSessions));
        for (line, name) in [
            (&b"sessions drop"[..], None),
            (b"sessions  drop  phone ", Some("phone".into())),
        ] {
            assert_eq!(parse(line), request(Request::DropSession { name }));
        }
        assert_eq!(parse(b"token  new  a-1 "), Ok(Intent::NewToken("a-1")));
        let drop = Request::DropToken { name: "a".into() };
        assert_eq!(parse(b"token drop a"), Ok(Intent::Request(drop)));
        let tokens = Intent::Request(Request::ListTokens);
        assert_eq!(parse(b"tokens"), Ok(tokens));
    }

    #[test]
    fn message_sent_once_is_message_with_identifier() {
        let once = |id: &'static str, audience, text: &'static str| {
            Ok(Intent::Request(Request::SendOnce {
                id: id.into(),
                audience,
                text: text.into(),
            }))
        };
        let group = Audience::Accounts(["a", "b"].into_iter().collect());
        let line = parse(b" once\t a:1  send (a b)  hi ");
        assert_eq!(line, once("a:1", group, " hi "));
        let line = parse(b"once ~ broadcast hi");
        assert_eq!(line, once("~", Audience::Everyone, "hi"));
        let long = "x".repeat(64);
        assert!(parse(format!("once {long} send a b").as_bytes()).is_ok());
        for (line, word) in [
            ("once".to_owned(), "once"),
            ("once 1".to_owned(), "once"),
            ("once 1 who".to_owned(), "once"),
            ("once 1 once 1 send a b".to_owned(), "once"),
            ("once \u{e9} send a b".to_owned(), "once"),
            (format!("once {long}x send a b"), "once"),
            ("once 1 send a".to_owned(), "send"),
            ("once 1 broadcast".to_owned(), "broadcast"),
        ] {
            let error = Err(CommandError::Arguments { word });
            assert_eq!(parse(line.as_bytes()), error, "{line}");
        }
    }

    #[test]
    fn history_is_asked_for_in_many_ways() {
        let history = |span, count| {
            Ok(Intent::Request(Request::History {
                of: "bob".into(),
                span,
                count,
            }))
        };
        let (before, after) = (HistorySpan::Before, HistorySpan::After);
        for (line, expected) in [
            ("history bob", history(HistorySpan::Newest, 50)),
            (" history\tbob  7 ", history(HistorySpan::Newest, 7)),
            ("history bob 99999", history(HistorySpan::Newest, 1_000)),
            (
                "history bob before 12",
                history(before(MessageNumber(12)), 50),
            ),
            ("history bob 7 after 0", history(after(MessageNumber(0)), 7)),
        ] {
            assert_eq!(parse(line.as_bytes()), expected, "{line}");
        }
        let search = |of: Option<&'static str>, words: &'static str| {
            Ok(Intent::Request(Request::Search {
                of: of.map(Into::into),
                words: words.into(),
            }))
        };
        assert_eq!(
            parse(b"search bob  tea  at "),
            search(Some("bob"), "tea  at")
        );
        assert_eq!(parse(b"search * tea"), search(None, "tea"));
    }

    #[test]
    fn white_space_round_a_command_means_nothing() {
        for line in ["who", " who", "who ", "\twho\t", " \t who \t "] {
            assert_eq!(parse(line.as_bytes()), Ok(WHO), "{line:?}");
        }
        assert_eq!(parse(b"\tlast\t 5\t"), last(5));
        assert_eq!(parse(b" push\t ack\t"), Ok(Intent::Push(PushMode::Ack)));
        assert_eq!(parse(b"ids\ton "), Ok(Intent::Ids(true)));
        assert_eq!(parse(b"\tlogout\t"), Ok(Intent::LogOut));
        for line in [
            "send bob hi",
            "\tsend bob hi",
            " send\tbob\thi",
            "send \tbob hi",
        ] {
            assert_eq!(parse(line.as_bytes()), send(&["bob"], "hi"), "{line:?}");
        }
        let group = parse(b"send\t(\ta \tb\t)\thi");
        assert_eq!(group, send(&["a", "b"], "hi"));
    }

    #[test]
    fn a_text_keeps_all_its_white_space() {
        assert_eq!(parse(b"send bob \ta\tb  \t"), send(&["bob"], "\ta\tb  \t"));
        assert_eq!(parse(b"send (a b)\t\t"), send(&["a", "b"], "\t"));
        assert_eq!(parse(b"send bob  "), send(&["bob"], " "));
        assert_eq!(parse(b"broadcast\t a\t "), broadcast(" a\t "));
    }

    #[test]
    fn wrong_arguments_are_named_by_their_command() {
        for (line, word) in [
            ("who is there", "who"),
            ("last", "last"),
            ("last x", "last"),
            ("last -1", "last"),
            ("last +1", "last"),
            ("last 1.5", "last"),
            ("last 5 6", "last"),
            ("send", "send"),
            ("send ", "send"),
            ("send windows", "send"),
            ("send windows ", "send"),
            ("send () hi", "send"),
            ("send (  ) hi", "send"),
            ("send (windows", "send"),
            ("send (windows hi", "send"),
            ("send (windows)", "send"),
            ("send (windows) ", "send"),
            ("send (windows)hi", "send"),
            ("send\twindows", "send"),
            ("send windows\t", "send"),
            ("send (windows)\t", "send"),
            ("broadcast\t", "broadcast"),
            ("push on\r", "push"),
            ("send a,b hi", "send"),
            ("send (windows a,) hi", "send"),
            ("broadcast", "broadcast"),
            ("broadcast ", "broadcast"),
            ("fetch it", "fetch"),
            ("logout now", "logout"),
            ("push", "push"),
            ("push maybe", "push"),
            ("push on off", "push"),
            ("ids", "ids"),
            ("ids yes", "ids"),
            ("features all", "features"),
            ("passwd secret", "passwd"),
            ("sessions phone", "sessions"),
            ("sessions drop Phone", "sessions"),
            ("sessions drop a b", "sessions"),
            ("sessions drop -", "sessions"),
            ("token", "token"),
            ("token new", "token"),
            ("token new -", "token"),
            ("token new A", "token"),
            ("token new a b", "token"),
            ("token new 12345678901234567", "token"),
            ("token show a", "token"),
            ("tokens a", "tokens"),
            ("history", "history"),
            ("history #A", "history"),
            ("search # tea", "search"),
            ("history bob 0", "history"),
            ("history bob x", "history"),
            ("history bob 7 7", "history"),
            ("history bob before", "history"),
            ("history bob before x", "history"),
            ("history bob after 1 2", "history"),
            ("search", "search"),
            ("search bob", "search"),
            ("search * ", "search"),
        ] {
            let error = Err(CommandError::Arguments { word });
            assert_eq!(parse(line.as_bytes()), error, "{line}");
        }
    }

    #[test]
    fn unknown_commands_are_repeated_clean() {
        for (line, word) in [
            (&b"dance"[..], "dance"),
            (b"dance with me", "dance"),
            (b"", ""),
            (b"   ", ""),
            (b"WHO", "WHO"),
            (b"\x1b[2J", "\u{fffd}[2J"),
            (b"\xffx", "\u{fffd}x"),
            (b" \t ", ""),
            (b"who\r", "who\u{fffd}"),
            (b"who\x0b", "who\u{fffd}"),
            ("who\u{a0}".as_bytes(), "who\u{a0}"),
        ] {
            let word = word.to_owned();
            assert_eq!(parse(line), Err(CommandError::Unknown { word }));
        }
    }

    #[test]
    fn control_characters_are_replaced() {
        let clean = send(&["b\u{fffd}b"], "\u{fffd}[0m\t\u{fffd}");
        assert_eq!(parse(b"send b\x07b \x1b[0m\t\x0b"), clean);
    }
}

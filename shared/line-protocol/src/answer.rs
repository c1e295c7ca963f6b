//! What is answered to a command: how the server writes it, and how a client understands it.

use std::borrow::Cow;

use chat_model::{
    Audience, Message, NameList, Outcome, Password, PushMode, Request, RoomAct, Treatment,
};

use crate::command::Command;
use crate::server::{CommandError, Intent, MessageLines, append_line, command_word};
use crate::words;

/// What `features` says beside the words for what works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// How long a client may be silent.
    pub time_out_s: u64,
    /// A line from a client, its end included.
    pub max_line_bytes: usize,
}

/// What works, in the words of `features`.
const FEATURES: &str = "push ids sessions tokens rooms history search once passwd";

/// What has to be remembered of a line in the chat until its answer is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A command whose answer follows from its outcome.
    Command(Command),
    /// When messages come.
    Push(PushMode),
    /// Whether message lines have numbers.
    Ids(bool),
    /// A token with this secret.
    NewToken(Password<'static>),
    /// Another password: its lines are wanted.
    Passwd,
    /// The last line of `passwd`: the new passwords differ.
    PasswordsDiffer,
    /// What the server can do.
    Features(ServerLimits),
    /// A command whose answer repeats a room's name or its topic.
    Room {
        /// Which.
        command: Command,
        /// What is repeated, fit to be shown.
        repeated: String,
    },
    /// A line that is refused. What waits for its client comes with the refusal.
    Refused {
        /// The word for the reason.
        kind: &'static str,
        /// The line's first word, fit to be shown.
        word: Cow<'static, str>,
    },
}

impl Asked {
    /// What is remembered of a line. `limits` is asked for where the answer names them.
    pub fn of(
        parsed: &Result<Intent<'_>, CommandError>,
        limits: impl FnOnce() -> ServerLimits,
    ) -> Self {
        match parsed {
            Ok(Intent::Passwd) => Self::Passwd,
            Ok(Intent::Features) => Self::Features(limits()),
            // Who gives it its secret remembers that.
            Ok(Intent::NewToken(_)) => Self::Command(Command::Token),
            Ok(Intent::Push(mode)) => Self::Push(*mode),
            Ok(Intent::Ids(is_on)) => Self::Ids(*is_on),
            Ok(Intent::Request(Request::ChangeRoom { room, act })) => Self::of_room(room, act),
            Ok(Intent::Request(request)) => Self::Command(command_of(request)),
            // It is not answered as a line is.
            Ok(Intent::LogOut) => Self::Command(Command::LogOut),
            Err(CommandError::Unknown { word }) => Self::Refused {
                kind: words::COMMAND,
                word: word.clone().into(),
            },
            Err(CommandError::Arguments { word }) => Self::Refused {
                kind: words::ARGS,
                word: Cow::Borrowed(word),
            },
        }
    }

    fn of_room(room: &str, act: &RoomAct<'_>) -> Self {
        let command = match act {
            RoomAct::Join => Command::Join,
            RoomAct::Leave => Command::Leave,
            RoomAct::SetTopic(_) => Command::Topic,
            RoomAct::SetPrivate(_) | RoomAct::SetRetention { .. } | RoomAct::Drop => Command::Room,
            RoomAct::Treat { treatment, .. } => {
                return Self::Command(match treatment {
                    Treatment::Invite => Command::Invite,
                    Treatment::Kick => Command::Kick,
                    Treatment::Ban => Command::Ban,
                    Treatment::Unban => Command::Unban,
                    Treatment::Op => Command::Op,
                    Treatment::Deop => Command::Deop,
                });
            }
        };
        let repeated = match act {
            RoomAct::SetTopic(topic) => topic.clone().into_owned(),
            _ => room.to_owned(),
        };
        Self::Room { command, repeated }
    }

    /// What is remembered of a line over the limit, of which this came before the limit.
    pub fn too_long(line: &[u8]) -> Self {
        Self::Refused {
            kind: words::LENGTH,
            word: command_word(line).into(),
        }
    }

    /// The same command, refused because of its arguments.
    pub fn with_wrong_arguments(self) -> Self {
        let word = match self {
            Self::Refused { word, .. } => word,
            other => other.word().to_owned().into(),
        };
        let kind = words::ARGS;
        Self::Refused { kind, word }
    }

    /// For how many bytes it counts towards what may be held of a client's lines.
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::NewToken(secret) => secret.len(),
            other => other.word().len(),
        }
    }

    /// The command's word.
    pub fn word(&self) -> &str {
        match self {
            Self::Command(command) => command.word(),
            Self::Push(_) => words::PUSH,
            Self::Ids(_) => words::IDS,
            Self::NewToken(_) => words::TOKEN,
            Self::Passwd | Self::PasswordsDiffer => words::PASSWD,
            Self::Features(_) => words::FEATURES,
            Self::Room { command, .. } => command.word(),
            Self::Refused { word, .. } => word,
        }
    }

    /// Writes what came of it. Returns false if no such line can have this outcome.
    pub fn answer(&self, outcome: &Outcome<'_>, output: &mut Vec<u8>) -> bool {
        match outcome {
            outcome if *self == Self::Command(Command::Passwd) => {
                return answer_password_change(outcome, output);
            }
            Outcome::Stored { .. } if self.word() == words::TOKEN => self.answer_token(output),
            Outcome::NameUnavailable if self.word() == words::TOKEN => {
                append_refusal(words::ARGS, words::TOKEN, output);
            }
            Outcome::Users(names) if *self == Self::Command(Command::Tokens) => {
                output.extend_from_slice(words::TOKENS.as_bytes());
                output.push(b':');
                output.extend_from_slice(&users_line(names));
            }
            Outcome::Stored { unknown } if unknown.is_empty() => {
                append_line(words::SENT_TO_ALL, output);
            }
            Outcome::Stored { unknown } => append_unknown(unknown, output),
            Outcome::Done => self.answer_done(output),
            Outcome::Sessions { online, offline } => append_sessions(online, offline, output),
            Outcome::NotFound => append_refusal(words::ARGS, self.word(), output),
            Outcome::Denied => append_refusal(words::DENIED, self.word(), output),
            Outcome::QueueFull => append_refusal(words::QUOTA, self.word(), output),
            Outcome::DiskFull => append_refusal(words::FULL, self.word(), output),
            Outcome::Busy => append_refusal(words::BUSY, self.word(), output),
            Outcome::Topic(topic) => append_named(words::TOPIC, topic.as_bytes(), output),
            Outcome::Users(names) => append_named(self.word(), &users_line(names), output),
            _ => {
                append_refusal(words::ARGS, self.word(), output);
                return false;
            }
        }
        true
    }

    fn answer_token(&self, output: &mut Vec<u8>) {
        output.extend_from_slice(words::TOKEN.as_bytes());
        output.push(b':');
        if let Self::NewToken(secret) = self {
            output.extend_from_slice(secret);
        }
        output.push(b'\n');
    }

    fn answer_done(&self, output: &mut Vec<u8>) {
        let answer = match self {
            Self::Refused { kind, word } => return append_refusal(kind, word, output),
            Self::Features(limits) => return append_features(*limits, output),
            Self::Passwd => words::PASSWORD,
            Self::PasswordsDiffer => words::PASSWD_DIFFER,
            Self::Push(PushMode::On) => "push:on",
            Self::Push(PushMode::Ack) => "push:ack",
            Self::Push(PushMode::Off) => "push:off",
            Self::Ids(true) => "ids:on",
            Self::Ids(false) => "ids:off",
            Self::Room { command, repeated } => {
                return append_named(command.word(), repeated.as_bytes(), output);
            }
            Self::Command(command) if command.treats_user() => {
                return append_named(command.word(), b"", output);
            }
            _ => words::FETCHING,
        };
        append_line(answer, output);
    }
}

/// The command that makes this request.
fn command_of(request: &Request<'_>) -> Command {
    match request {
        Request::Send { audience, .. } | Request::SendOnce { audience, .. } => match audience {
            Audience::Accounts(_) | Audience::Mixed(_) => Command::Send,
            Audience::Everyone => Command::Broadcast,
        },
        Request::ListUsers {
            seen_within_minutes: None,
        } => Command::Who,
        Request::ListUsers { .. } => Command::Last,
        Request::ListSessions | Request::DropSession { .. } => Command::Sessions,
        Request::ListRooms { .. } => Command::Rooms,
        Request::ListMembers { .. } => Command::Members,
        Request::ShowTopic { .. } => Command::Topic,
        Request::NewToken { .. } | Request::DropToken { .. } => Command::Token,
        Request::ListTokens => Command::Tokens,
        Request::History { .. } => Command::History,
        Request::Search { .. } => Command::Search,
        Request::ChangePassword { .. } => Command::Passwd,
        // No line in the chat is another request.
        _ => Command::Fetch,
    }
}

/// Writes what came of a changed password. Returns false if it cannot have this outcome.
fn answer_password_change(outcome: &Outcome<'_>, output: &mut Vec<u8>) -> bool {
    match outcome {
        Outcome::Stored { .. } => append_named(words::PASSWD, b"", output),
        Outcome::PasswordNeeded => append_line(words::PASSWD_WRONG, output),
        Outcome::Locked { seconds_left } => append_line(&seconds_left.to_string(), output),
        Outcome::DiskFull => append_refusal(words::FULL, words::PASSWD, output),
        other => {
            append_refusal(words::BUSY, words::PASSWD, output);
            return *other == Outcome::Busy;
        }
    }
    true
}

fn append_features(limits: ServerLimits, output: &mut Vec<u8>) {
    let ServerLimits {
        time_out_s,
        max_line_bytes,
    } = limits;
    let word = words::FEATURES;
    let line = format!("{word}:time_out={time_out_s} line={max_line_bytes} {FEATURES}");
    append_line(&line, output);
}

/// Writes `WORD:` and what follows it, with an end if it has none.
fn append_named(word: &str, rest: &[u8], output: &mut Vec<u8>) {
    output.extend_from_slice(word.as_bytes());
    output.push(b':');
    output.extend_from_slice(rest.strip_suffix(b"\n").unwrap_or(rest));
    output.push(b'\n');
}

/// Names with commas between, which no account has.
fn append_unknown(unknown: &NameList<'_>, output: &mut Vec<u8>) {
    output.extend_from_slice(words::SEND.as_bytes());
    for (index, name) in unknown.iter().enumerate() {
        output.push(if index == 0 { b':' } else { b',' });
        output.extend_from_slice(name.as_bytes());
    }
    output.push(b'\n');
}

/// Writes the sessions of a user: a star stands before those that are online.
fn append_sessions(online: &NameList<'_>, offline: &NameList<'_>, output: &mut Vec<u8>) {
    output.extend_from_slice(words::SESSIONS.as_bytes());
    output.push(b':');
    let online = online.iter().map(|name| ("*", name));
    let sessions = online.chain(offline.iter().map(|name| ("", name)));
    for (index, (star, name)) in sessions.enumerate() {
        for part in [if index > 0 { " " } else { "" }, star, name] {
            output.extend_from_slice(part.as_bytes());
        }
    }
    output.push(b'\n');
}

/// Writes `error:KIND:WORD`.
pub fn append_refusal(kind: &str, word: &str, output: &mut Vec<u8>) {
    for part in [words::ERROR, ":", kind, ":", word, "\n"] {
        output.extend_from_slice(part.as_bytes());
    }
}

/// The line of names of users that answers `who` and `last`, with its end.
pub fn users_line(names: &NameList<'_>) -> Vec<u8> {
    let mut line = Vec::with_capacity(names.bytes() + names.len().max(1));
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            line.push(b' ');
        }
        line.extend_from_slice(name.as_bytes());
    }
    line.push(b'\n');
    line
}

/// The lines that answer `history` or `search`, with their ends: how many there are, and the messages.
pub fn kept_lines(messages: &[Message<'_>], is_search: bool, has_more: bool) -> Vec<u8> {
    let word = match is_search {
        true => words::SEARCH,
        false => words::HISTORY,
    };
    let more = if is_search && has_more { "+" } else { "" };
    let mut lines = format!("{word}:{}{more}\n", messages.len()).into_bytes();
    let mut writer = MessageLines::default();
    for message in messages {
        writer.append_kept(&mut lines, message);
    }
    lines
}

/// The answer to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The message is stored for everybody it names.
    Sent,
    /// The message is stored for all but these names, with commas between; nobody has them.
    SentExcept(&'a [u8]),
    /// The waiting messages follow.
    Fetching,
    /// Names of users, one space between.
    Users(&'a [u8]),
    /// When messages come from now on.
    Push(PushMode),
    /// Whether message lines have numbers from now on.
    Ids(bool),
    /// The secret of the new token; empty if one was dropped.
    Token(&'a [u8]),
    /// Names of the user's tokens, one space between.
    Tokens(&'a [u8]),
    /// What came of a changed password: nothing if it was done, or the word for why not.
    Passwd(&'a [u8]),
    /// Words for what the server can do, one space between.
    Features(&'a [u8]),
    /// The sessions of the user, one space between; a star stands before those that are online.
    Sessions(&'a [u8]),
    /// What a command of rooms is answered behind its word: names, a topic, a room, or nothing.
    OfRooms(&'a [u8]),
    /// Nothing was done.
    Refused(Refusal<'a>),
    /// Something that this command is not known to be answered.
    Other(&'a [u8]),
}

impl<'a> Answer<'a> {
    /// Understands the line that answers a command.
    pub fn read(command: Command, line: &'a [u8]) -> Self {
        if let Some(refusal) = Refusal::parse(line) {
            return Self::Refused(refusal);
        }
        let known = match command {
            Command::Who | Command::Last => Some(Self::Users(line)),
            Command::Fetch if line == words::FETCHING.as_bytes() => Some(Self::Fetching),
            Command::Send | Command::Broadcast | Command::Once
                if line == words::SENT_TO_ALL.as_bytes() =>
            {
                Some(Self::Sent)
            }
            Command::Send | Command::Once => {
                let unknown = after_word(line, words::SEND).or(after_word(line, words::SENT));
                unknown.map(Self::SentExcept)
            }
            Command::Push => after_word(line, words::PUSH).and_then(push),
            Command::Ids => after_word(line, words::IDS).and_then(ids),
            Command::Token => after_word(line, words::TOKEN).map(Self::Token),
            Command::Tokens => after_word(line, words::TOKENS).map(Self::Tokens),
            Command::Passwd => after_word(line, words::PASSWD).map(Self::Passwd),
            Command::Features => after_word(line, words::FEATURES).map(Self::Features),
            Command::Sessions => after_word(line, words::SESSIONS).map(Self::Sessions),
            command if command.is_of_rooms() => after_word(line, command.word()).map(Self::OfRooms),
            _ => None,
        };
        known.unwrap_or(Self::Other(line))
    }
}

fn push(mode: &[u8]) -> Option<Answer<'_>> {
    let mode = [
        (words::ON, PushMode::On),
        (words::ACK, PushMode::Ack),
        (words::OFF, PushMode::Off),
    ]
    .into_iter()
    .find(|(word, _)| word.as_bytes() == mode)?;
    Some(Answer::Push(mode.1))
}

fn ids(mode: &[u8]) -> Option<Answer<'_>> {
    let is_on = mode == words::ON.as_bytes();
    (is_on || mode == words::OFF.as_bytes()).then_some(Answer::Ids(is_on))
}

/// What stands behind a word and a colon.
pub(crate) fn after_word<'a>(line: &'a [u8], word: &str) -> Option<&'a [u8]> {
    line.strip_prefix(word.as_bytes())?.strip_prefix(b":")
}

/// `error:KIND:COMMAND`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// The word for the reason: `busy`, `quota`, ...
    pub kind: &'a [u8],
    /// Of which command; empty before the login.
    pub command: &'a [u8],
}

impl<'a> Refusal<'a> {
    /// Understands a line, if it is a refusal.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let rest = after_word(line, words::ERROR)?;
        let end = rest.iter().position(|byte| *byte == b':')?;
        Some(Self {
            kind: &rest[..end],
            command: &rest[end + 1..],
        })
    }

    /// Whether the same line may succeed later: the server is busy, or its disk is full.
    pub fn is_temporary(&self) -> bool {
        [words::BUSY, words::FULL]
            .iter()
            .any(|kind| kind.as_bytes() == self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::parse;

    const LIMITS: ServerLimits = ServerLimits {
        time_out_s: 1_800,
        max_line_bytes: 8_192,
    };

    fn answer(line: &str, outcome: &Outcome<'_>) -> (bool, String) {
        let mut output = Vec::new();
        let asked = Asked::of(&parse(line.as_bytes()), || LIMITS);
        let is_possible = asked.answer(outcome, &mut output);
        (is_possible, String::from_utf8(output).unwrap())
    }

    #[test]
    fn outcomes_as_they_are_written() {
        let stored = |unknown: &[&str]| Outcome::Stored {
            unknown: unknown.iter().copied().collect(),
        };
        let sessions_of_nobody = Outcome::Sessions {
            online: NameList::new(),
            offline: NameList::new(),
        };
        for (line, outcome, expected) in [
            ("send bob hi", stored(&[]), "sent:\n"),
            ("send (a b) hi", stored(&["a", "b"]), "send:a,b\n"),
            (
                "broadcast hi",
                Outcome::QueueFull,
                "error:quota:broadcast\n",
            ),
            ("send bob hi", Outcome::DiskFull, "error:full:send\n"),
            ("once 1 send b hi", stored(&["b"]), "send:b\n"),
            ("once 1 broadcast hi", stored(&[]), "sent:\n"),
            ("once 1 send b hi", Outcome::Busy, "error:busy:send\n"),
            ("once 1 who", Outcome::Done, "error:args:once\n"),
            ("who", Outcome::Busy, "error:busy:who\n"),
            ("fetch", Outcome::Done, "fetching\n"),
            ("push ack", Outcome::Done, "push:ack\n"),
            ("push on", Outcome::Busy, "error:busy:push\n"),
            ("ids on", Outcome::Done, "ids:on\n"),
            ("token drop a", stored(&[]), "token:\n"),
            (
                "token drop a",
                Outcome::NameUnavailable,
                "error:args:token\n",
            ),
            ("token drop a", Outcome::DiskFull, "error:full:token\n"),
            (
                "tokens",
                Outcome::Users(["a", "b"].into_iter().collect()),
                "tokens:a b\n",
            ),
            (
                "features",
                Outcome::Done,
                "features:time_out=1800 line=8192 push ids sessions tokens rooms history search once passwd\n",
            ),
            ("passwd", Outcome::Done, "password\n"),
            ("passwd x", Outcome::Done, "error:args:passwd\n"),
            ("dance", Outcome::Done, "error:command:dance\n"),
            (
                "sessions drop old",
                Outcome::Sessions {
                    online: ["ann", "ann/phone"].into_iter().collect(),
                    offline: NameList::one("ann/desk"),
                },
                "sessions:*ann *ann/phone ann/desk\n",
            ),
            ("sessions", sessions_of_nobody, "sessions:\n"),
            ("sessions drop", Outcome::Denied, "error:denied:sessions\n"),
            (
                "sessions drop x",
                Outcome::NotFound,
                "error:args:sessions\n",
            ),
            ("dance", Outcome::Busy, "error:busy:dance\n"),
            ("last x", Outcome::Done, "error:args:last\n"),
            ("join #a", Outcome::Done, "join:#a\n"),
            ("topic #a x y", Outcome::Done, "topic:x y\n"),
            ("room #a drop", Outcome::Denied, "error:denied:room\n"),
            ("ban #a bob", Outcome::Done, "ban:\n"),
            ("op #a bob", Outcome::NotFound, "error:args:op\n"),
            (
                "rooms all",
                Outcome::Users(["#a", "#b"].into_iter().collect()),
                "rooms:#a #b\n",
            ),
            ("topic #a", Outcome::Topic("t".into()), "topic:t\n"),
        ] {
            assert_eq!(answer(line, &outcome), (true, expected.into()));
        }
        let impossible = (false, "error:args:fetch\n".into());
        assert_eq!(answer("fetch", &Outcome::Registered), impossible);
    }

    #[test]
    fn new_token_is_answered_with_secret() {
        let asked = Asked::NewToken(b"secret"[..].into());
        for (outcome, expected) in [
            (STORED, "token:secret\n"),
            (Outcome::NameUnavailable, "error:args:token\n"),
            (Outcome::QueueFull, "error:quota:token\n"),
        ] {
            let mut output = Vec::new();
            assert!(asked.answer(&outcome, &mut output));
            assert_eq!(String::from_utf8(output).unwrap(), expected);
        }
    }

    #[test]
    fn changed_password_has_answers_of_its_own() {
        let asked = Asked::Command(Command::Passwd);
        let locked = Outcome::Locked { seconds_left: 60 };
        for (asked, outcome, expected) in [
            (&asked, STORED, "passwd:\n"),
            (&asked, Outcome::PasswordNeeded, "passwd:wrong\n"),
            (&asked, locked, "60\n"),
            (&asked, Outcome::DiskFull, "error:full:passwd\n"),
            (&asked, Outcome::Busy, "error:busy:passwd\n"),
            (&Asked::PasswordsDiffer, Outcome::Done, "passwd:differ\n"),
            (
                &Asked::PasswordsDiffer,
                Outcome::Busy,
                "error:busy:passwd\n",
            ),
        ] {
            let mut output = Vec::new();
            assert!(asked.answer(&outcome, &mut output));
            assert_eq!(String::from_utf8(output).unwrap(), expected);
        }
    }

    const STORED: Outcome<'static> = Outcome::Stored {
        unknown: NameList::new(),
    };

    #[test]
    fn refusals_keep_the_word() {
        let mut output = Vec::new();
        Asked::too_long(b"\x1bx y").answer(&Outcome::Done, &mut output);
        let asked = Asked::of(&parse(b"send bob hi"), || LIMITS).with_wrong_arguments();
        asked.answer(&Outcome::Done, &mut output);
        let lines = "error:length:\u{fffd}x\nerror:args:send\n";
        assert_eq!(String::from_utf8(output).unwrap(), lines);
    }

    #[test]
    fn users_stand_on_one_line() {
        assert_eq!(users_line(&["a", "b"].into_iter().collect()), b"a b\n");
        assert_eq!(users_line(&NameList::default()), b"\n");
    }

    fn read(command: Command, line: &str) -> Answer<'_> {
        Answer::read(command, line.as_bytes())
    }

    #[test]
    fn each_command_has_its_answers() {
        assert_eq!(read(Command::Send, "sent:"), Answer::Sent);
        assert_eq!(read(Command::Broadcast, "sent:"), Answer::Sent);
        assert_eq!(read(Command::Send, "send:a,b"), Answer::SentExcept(b"a,b"));
        assert_eq!(read(Command::Once, "send:a"), Answer::SentExcept(b"a"));
        assert_eq!(read(Command::Once, "sent:"), Answer::Sent);
        assert_eq!(read(Command::Fetch, "fetching"), Answer::Fetching);
        assert_eq!(read(Command::Who, "a b"), Answer::Users(b"a b"));
        let mode = PushMode::Ack;
        assert_eq!(read(Command::Push, "push:ack"), Answer::Push(mode));
        assert_eq!(read(Command::Ids, "ids:off"), Answer::Ids(false));
        assert_eq!(read(Command::Join, "join:#a"), Answer::OfRooms(b"#a"));
        assert_eq!(read(Command::Kick, "kick:"), Answer::OfRooms(b""));
        for (command, line) in [
            (Command::Fetch, "sent:"),
            (Command::Broadcast, "send:a"),
            (Command::Push, "push:maybe"),
            (Command::Ids, "ids:"),
            (Command::Other, "fetching"),
        ] {
            assert_eq!(read(command, line), Answer::Other(line.as_bytes()));
        }
    }

    #[test]
    fn refusals_are_taken_apart() {
        let refusal = Refusal {
            kind: b"quota",
            command: b"send",
        };
        assert_eq!(
            read(Command::Send, "error:quota:send"),
            Answer::Refused(refusal)
        );
        assert!(!refusal.is_temporary());
        assert!(Refusal::parse(b"error:busy:").is_some_and(|refusal| refusal.is_temporary()));
        for line in ["error", "error:", "error:busy", "errors:a:b"] {
            assert_eq!(Refusal::parse(line.as_bytes()), None, "{line}");
        }
    }
}

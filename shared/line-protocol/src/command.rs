//! The commands of the chat: the one list of them, for both ends and for people.

use crate::words;

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `who`.
    Who,
    /// `last`.
    Last,
    /// `send`.
    Send,
    /// `broadcast`.
    Broadcast,
    /// `fetch`.
    Fetch,
    /// `push`.
    Push,
    /// `ids`.
    Ids,
    /// `to`.
    To,
    /// `once`.
    Once,
    /// `token`.
    Token,
    /// `tokens`.
    Tokens,
    /// `passwd`.
    Passwd,
    /// `features`.
    Features,
    /// `sessions`.
    Sessions,
    /// `join`.
    Join,
    /// `leave`.
    Leave,
    /// `rooms`.
    Rooms,
    /// `members`.
    Members,
    /// `topic`.
    Topic,
    /// `room`.
    Room,
    /// `invite`.
    Invite,
    /// `kick`.
    Kick,
    /// `ban`.
    Ban,
    /// `unban`.
    Unban,
    /// `op`.
    Op,
    /// `deop`.
    Deop,
    /// `history`.
    History,
    /// `search`.
    Search,
    /// `logout`.
    LogOut,
    /// One that this end does not know; the server may.
    Other,
}

/// How a command is written, and what it is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandUsage {
    /// Which.
    pub command: Command,
    /// Its word with its arguments, for people.
    pub form: &'static str,
    /// What it does, for people.
    pub meaning: &'static str,
}

/// All commands in the order in which people read them. One that can be written in two ways stands here twice.
pub const COMMANDS: &[CommandUsage] = &[
    usage(Command::Who, "who", "who is online"),
    usage(
        Command::Last,
        "last MINUTES",
        "who is online or was within that many minutes",
    ),
    usage(
        Command::Send,
        "send USER TEXT",
        "a message to one user, online or not",
    ),
    usage(
        Command::Send,
        "send (USER USER ...) TEXT",
        "a message to a group",
    ),
    usage(
        Command::Broadcast,
        "broadcast TEXT",
        "a message to everyone",
    ),
    usage(
        Command::Once,
        "once ID COMMAND",
        "a send or broadcast that may be sent again, and is stored once",
    ),
    usage(
        Command::Fetch,
        "fetch",
        "new messages; an empty line does the same",
    ),
    usage(
        Command::Push,
        "push on|ack|off",
        "when new messages are shown",
    ),
    usage(Command::Ids, "ids on|off", "show message numbers"),
    usage(Command::To, "to on|off", "show whom a message went to"),
    usage(
        Command::Token,
        "token new NAME",
        "a secret to log in with, instead of the password",
    ),
    usage(
        Command::Token,
        "token drop NAME",
        "no login with that secret any more",
    ),
    usage(Command::Tokens, "tokens", "names of your tokens"),
    usage(Command::Passwd, "passwd", "change your password"),
    usage(Command::Features, "features", "what the server can do"),
    usage(
        Command::Sessions,
        "sessions",
        "your sessions; * marks those online",
    ),
    usage(
        Command::Sessions,
        "sessions drop [NAME]",
        "give up a session, and what waits for it",
    ),
    usage(Command::Send, "send #ROOM TEXT", "a message to a room"),
    usage(Command::Join, "join #ROOM", "join a room, or make it"),
    usage(Command::Leave, "leave #ROOM", "leave a room"),
    usage(Command::Rooms, "rooms", "the rooms you are in"),
    usage(Command::Rooms, "rooms all", "all public rooms"),
    usage(Command::Members, "members #ROOM", "who is in a room"),
    usage(Command::Topic, "topic #ROOM", "what a room is about"),
    usage(
        Command::Topic,
        "topic #ROOM TEXT",
        "say what a room is about",
    ),
    usage(
        Command::Room,
        "room #ROOM private|public",
        "who may join a room",
    ),
    usage(
        Command::Room,
        "room #ROOM retention DAYS",
        "how long its history is kept",
    ),
    usage(Command::Room, "room #ROOM drop", "end a room"),
    usage(Command::Invite, "invite #ROOM USER", "let a user join"),
    usage(Command::Kick, "kick #ROOM USER", "remove a member"),
    usage(Command::Ban, "ban #ROOM USER", "remove a user for good"),
    usage(Command::Unban, "unban #ROOM USER", "end a ban"),
    usage(Command::Op, "op #ROOM USER", "make a member an operator"),
    usage(Command::Deop, "deop #ROOM USER", "the opposite of op"),
    usage(
        Command::History,
        "history #ROOM|USER [N] [before|after NUMBER]",
        "earlier messages of a room, or with a user if the server keeps them",
    ),
    usage(
        Command::Search,
        "search #ROOM|USER|* WORDS",
        "earlier messages with all these words",
    ),
    usage(Command::LogOut, "logout", "log out"),
];

const fn usage(command: Command, form: &'static str, meaning: &'static str) -> CommandUsage {
    CommandUsage {
        command,
        form,
        meaning,
    }
}

impl Command {
    /// The command of a line, as the server will read it.
    pub fn of(line: &[u8]) -> Self {
        let word = split_word(line).0;
        let mut usages = COMMANDS.iter();
        usages
            .find(|usage| usage.command.word().as_bytes() == word)
            .map_or(Self::Other, |usage| usage.command)
    }

    /// The command's word; empty for one that is not known.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Who => words::WHO,
            Self::Last => words::LAST,
            Self::Send => words::SEND,
            Self::Broadcast => words::BROADCAST,
            Self::Fetch => words::FETCH,
            Self::Push => words::PUSH,
            Self::Ids => words::IDS,
            Self::To => words::TO,
            Self::Once => words::ONCE,
            Self::Token => words::TOKEN,
            Self::Tokens => words::TOKENS,
            Self::Passwd => words::PASSWD,
            Self::Features => words::FEATURES,
            Self::Sessions => words::SESSIONS,
            Self::Join => words::JOIN,
            Self::Leave => words::LEAVE,
            Self::Rooms => words::ROOMS,
            Self::Members => words::MEMBERS,
            Self::Topic => words::TOPIC,
            Self::Room => words::ROOM,
            Self::Invite => words::INVITE,
            Self::Kick => words::KICK,
            Self::Ban => words::BAN,
            Self::Unban => words::UNBAN,
            Self::Op => words::OP,
            Self::Deop => words::DEOP,
            Self::History => words::HISTORY,
            Self::Search => words::SEARCH,
            Self::LogOut => words::LOGOUT,
            Self::Other => "",
        }
    }

    /// Whether it is about rooms.
    pub fn is_of_rooms(self) -> bool {
        matches!(
            self,
            Self::Join | Self::Leave | Self::Rooms | Self::Members | Self::Topic | Self::Room
        ) || self.treats_user()
    }

    /// Whether it does something to a user of a room.
    pub(crate) fn treats_user(self) -> bool {
        matches!(
            self,
            Self::Invite | Self::Kick | Self::Ban | Self::Unban | Self::Op | Self::Deop
        )
    }

    /// Whether its arguments begin with a user's name.
    pub fn takes_user(self) -> bool {
        let mut usages = COMMANDS.iter().filter(|usage| usage.command == self);
        usages.any(|usage| usage.form.contains(" USER") && !usage.form.contains("#ROOM"))
    }

    /// Whether the answer is names of users, which may be any words.
    pub(crate) fn is_for_names(self) -> bool {
        matches!(self, Self::Who | Self::Last)
    }
}

/// The first word of a line, and what follows it. White space around either means nothing.
pub fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = trim(line);
    match line.iter().position(|byte| is_white(*byte)) {
        Some(at) => (&line[..at], trim(&line[at..])),
        None => (line, b""),
    }
}

fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trim(bytes: &[u8]) -> &[u8] {
    let Some(start) = bytes.iter().position(|byte| !is_white(*byte)) else {
        return b"";
    };
    let end = bytes.iter().rposition(|byte| !is_white(*byte));
    &bytes[start..=end.unwrap_or(start)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{CommandError, parse};

    #[test]
    fn commands_are_read_like_the_server() {
        for (line, command) in [
            ("send bob hi", Command::Send),
            ("\tsend\tbob hi", Command::Send),
            (" who ", Command::Who),
            ("last 5", Command::Last),
            ("broadcast x", Command::Broadcast),
            ("push on", Command::Push),
            ("ids off", Command::Ids),
            ("to on", Command::To),
            ("logout", Command::LogOut),
            ("fetch", Command::Fetch),
            ("once 1 send bob hi", Command::Once),
            ("", Command::Other),
            ("WHO", Command::Other),
            ("who\u{a0}", Command::Other),
        ] {
            assert_eq!(Command::of(line.as_bytes()), command, "{line:?}");
        }
        assert_eq!(split_word(b" push \t on "), (&b"push"[..], &b"on"[..]));
        assert_eq!(split_word(b" \t"), (&b""[..], &b""[..]));
    }

    #[test]
    fn both_ends_know_each_command() {
        for usage in COMMANDS {
            let word = usage.command.word();
            assert_eq!(Command::of(usage.form.as_bytes()), usage.command);
            let unknown = CommandError::Unknown { word: word.into() };
            assert_ne!(parse(word.as_bytes()), Err(unknown), "{word}");
        }
        assert!(Command::Send.takes_user() && !Command::Who.takes_user());
    }
}

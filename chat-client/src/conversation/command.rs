//! The commands of a chat as this client knows them.

use chat_line_protocol::words;

/// What a line typed in the chat asks of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Who is online.
    Who,
    /// Who is online or was within these minutes, as typed.
    Last(String),
    /// A message to these users, each named once.
    Send(Vec<String>),
    /// A message to everyone.
    Broadcast,
    /// The waiting messages.
    Fetch,
    /// The end.
    Logout,
    /// Whether messages come by themselves: the mode, as typed.
    Push(String),
    /// Whether messages bear numbers.
    Ids,
    /// Something that this client does not know; the server may.
    Other,
}

impl Command {
    /// Reads a line as the server will.
    pub(crate) fn parse(line: &str) -> Command {
        let (word, rest) = split_word(line);
        match word {
            words::WHO => Command::Who,
            words::LAST => Command::Last(rest.to_owned()),
            words::SEND => Command::Send(recipients(rest)),
            words::BROADCAST => Command::Broadcast,
            words::FETCH => Command::Fetch,
            words::LOGOUT => Command::Logout,
            words::PUSH => Command::Push(rest.to_owned()),
            words::IDS => Command::Ids,
            _ => Command::Other,
        }
    }
}

/// What stands between words.
const WHITE_SPACE: [char; 2] = [' ', '\t'];

/// The first word of a line, and what follows it. White space around either means nothing.
pub(crate) fn split_word(line: &str) -> (&str, &str) {
    let line = line.trim_matches(WHITE_SPACE);
    let (word, rest) = line.split_once(WHITE_SPACE).unwrap_or((line, ""));
    (word, rest.trim_start_matches(WHITE_SPACE))
}

fn recipients(arguments: &str) -> Vec<String> {
    let names = match arguments.strip_prefix('(') {
        Some(group) => group.split_once(')').map_or(group, |(names, _)| names),
        None => arguments.split(WHITE_SPACE).next().unwrap_or(""),
    };
    let mut recipients: Vec<String> = Vec::new();
    for name in names.split(WHITE_SPACE).filter(|name| !name.is_empty()) {
        if !recipients.iter().any(|known| known == name) {
            recipients.push(name.to_owned());
        }
    }
    recipients
}

/// A command as `help` explains it.
pub(crate) struct Usage {
    /// The command word.
    pub(crate) word: &'static str,
    /// The word and its arguments.
    pub(crate) form: &'static str,
    /// What it does.
    pub(crate) meaning: &'static str,
}

/// Every command, those that the client itself understands too.
pub(crate) const USAGES: &[Usage] = &[
    usage(words::WHO, "who", "who is online"),
    usage(
        words::LAST,
        "last MINUTES",
        "who is online or was within that many minutes",
    ),
    usage(
        words::SEND,
        "send USER TEXT",
        "a message to one user, online or not",
    ),
    usage(
        words::SEND,
        "send (USER USER ...) TEXT",
        "a message to a group",
    ),
    usage(words::BROADCAST, "broadcast TEXT", "a message to everyone"),
    usage(
        words::FETCH,
        "fetch",
        "new messages; an empty line does the same",
    ),
    usage(
        words::PUSH,
        "push on|ack|off",
        "whether messages come by themselves",
    ),
    usage(words::IDS, "ids on|off", "whether messages bear numbers"),
    usage(HELP, "help", "this list"),
    usage(QUIT, "quit", "log out; so do `logout` and Ctrl-D"),
];

/// Shows the commands; never sent.
pub(crate) const HELP: &str = "help";
/// Another name of `logout`; never sent.
pub(crate) const QUIT: &str = "quit";

const fn usage(word: &'static str, form: &'static str, meaning: &'static str) -> Usage {
    Usage {
        word,
        form,
        meaning,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_read_as_the_server_reads_them() {
        let send = |line: &str| match Command::parse(line) {
            Command::Send(names) => names.join(" "),
            other => panic!("{other:?}"),
        };
        assert_eq!(send("send a hi b"), "a");
        assert_eq!(send("send (a b a) hi"), "a b");
        assert_eq!(send("send (a b"), "a b");
        assert_eq!(send("send"), "");
        assert_eq!(send("  send   a hi"), "a");
        assert_eq!(send("send (  a  b ) hi"), "a b");
        assert_eq!(send("\tsend\ta\thi b"), "a");
        assert_eq!(send("send\t(\ta\tb )\thi"), "a b");
        assert_eq!(Command::parse("last 5"), Command::Last("5".into()));
        assert_eq!(Command::parse("  last  5 "), Command::Last("5".into()));
        assert_eq!(Command::parse(" who "), Command::Who);
        assert_eq!(Command::parse("\twho\t"), Command::Who);
        assert_eq!(Command::parse("who\u{a0}"), Command::Other);
        assert_eq!(Command::parse("whois bob"), Command::Other);
    }
}

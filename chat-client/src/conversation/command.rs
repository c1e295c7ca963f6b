//! The commands of a chat as this client knows them.

use chat_line_protocol::client::split_word;
use chat_line_protocol::words;

/// The users that a `send` names, each once, read as the server will read it.
pub(crate) fn recipients(line: &str) -> Vec<String> {
    let (_, arguments) = split_word(line.as_bytes());
    let arguments = String::from_utf8_lossy(arguments);
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

/// What stands between words.
const WHITE_SPACE: [char; 2] = [' ', '\t'];

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
        "when new messages are shown",
    ),
    usage(words::IDS, "ids on|off", "show message numbers"),
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
    fn recipients_are_parsed_like_in_the_server() {
        let send = |line: &str| recipients(line).join(" ");
        assert_eq!(send("send a hi b"), "a");
        assert_eq!(send("send (a b a) hi"), "a b");
        assert_eq!(send("send (a b"), "a b");
        assert_eq!(send("send"), "");
        assert_eq!(send("  send   a hi"), "a");
        assert_eq!(send("send (  a  b ) hi"), "a b");
        assert_eq!(send("\tsend\ta\thi b"), "a");
        assert_eq!(send("send\t(\ta\tb )\thi"), "a b");
    }
}

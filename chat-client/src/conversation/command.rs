//! The commands of a chat as this client knows them.

use chat_line_protocol::client::split_word;
use chat_line_protocol::{COMMANDS, Command, words};

/// The users that a `send` names, each once, read as the server will read it.
pub(crate) fn recipients(line: &str) -> Vec<String> {
    let mut line = line.as_bytes();
    if let (word, rest) = split_word(line)
        && word == words::ONCE.as_bytes()
    {
        line = split_word(rest).1;
    }
    let (_, arguments) = split_word(line);
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
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    /// The command word.
    pub(crate) word: &'static str,
    /// The word and its arguments.
    pub(crate) form: &'static str,
    /// What it does.
    pub(crate) meaning: &'static str,
}

/// Shows the commands; never sent.
pub(crate) const HELP: &str = "help";
/// Another name of `logout`; never sent.
pub(crate) const QUIT: &str = "quit";

/// What the client itself understands.
const OWN: [Usage; 2] = [
    Usage {
        word: HELP,
        form: HELP,
        meaning: "this list",
    },
    Usage {
        word: QUIT,
        form: QUIT,
        meaning: "log out; so do `logout` and Ctrl-D",
    },
];

/// Every command: the server's, but for `logout`, which [`QUIT`] explains, and then the client's own.
pub(crate) fn usages() -> impl Iterator<Item = Usage> {
    let of_server = COMMANDS.iter();
    let of_server = of_server.filter(|usage| usage.command != Command::LogOut);
    of_server
        .map(|usage| Usage {
            word: usage.command.word(),
            form: usage.form,
            meaning: usage.meaning,
        })
        .chain(OWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_parsed_like_in_the_server() {
        let send = |line: &str| recipients(line).join(" ");
        assert_eq!(send("send a hi b"), "a");
        assert_eq!(send("send (a b a) hi"), "a b");
        assert_eq!(send("once 1 send (a b) hi"), "a b");
        assert_eq!(send("send (a b"), "a b");
        assert_eq!(send("send"), "");
        assert_eq!(send("  send   a hi"), "a");
        assert_eq!(send("send (  a  b ) hi"), "a b");
        assert_eq!(send("\tsend\ta\thi b"), "a");
        assert_eq!(send("send\t(\ta\tb )\thi"), "a b");
    }
}

//! Commands that begin with a slash, as users of irssi know them.

use chat_line_protocol::client::split_word;
use chat_line_protocol::{Command, words};

use super::target::Target;
use crate::conversation::command::recipients;

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// A text for the current conversation.
    Text(String),
    /// A text for this target.
    TextTo(Target, String),
    /// Show the conversation with this target.
    Open(Target),
    /// Close the conversation that is shown.
    Close,
    /// A line for the server.
    Ask(String),
    /// Search for these words.
    Search(String),
    /// Ask for earlier messages.
    History,
    /// Clear what is shown.
    Clear,
    /// Tell no more of the current conversation, or tell again.
    Mute { may_begin: bool },
    /// Show nothing more of this user, or show it again.
    Ignore { name: String, may_begin: bool },
    /// Say who is ignored.
    Ignored,
    /// Open the conversation with this number.
    Number(usize),
    /// Show all messages that name the user.
    Mentions,
    /// How to tell of new messages.
    Notify(String),
    /// Connect now.
    Reconnect,
    /// Log out.
    Quit,
    /// The list of keys and commands.
    Help,
    /// Not possible, and why.
    Wrong(String),
}

/// A slash command, for help and completion.
pub(crate) struct SlashCommand {
    pub(crate) word: &'static str,
    pub(crate) arguments: &'static str,
    pub(crate) meaning: &'static str,
}

const fn slash(word: &'static str, arguments: &'static str, meaning: &'static str) -> SlashCommand {
    SlashCommand {
        word,
        arguments,
        meaning,
    }
}

/// The commands of the full screen. Those of the server are possible too, with a slash.
pub(crate) const SLASH_COMMANDS: &[SlashCommand] = &[
    slash("join", "#ROOM", "join a room, or make it"),
    slash("part", "[#ROOM]", "leave a room"),
    slash(
        "msg",
        "NAME [TEXT]",
        "a message to a user, a room, or (NAME NAME ...)",
    ),
    slash("query", "NAME", "open the conversation with a user"),
    slash("all", "TEXT", "a message to everyone"),
    slash("names", "[#ROOM]", "who is in the room"),
    slash("topic", "[TEXT]", "what the room is about"),
    slash("invite", "NAME [#ROOM]", "let a user join"),
    slash("kick", "NAME [#ROOM]", "remove a member"),
    slash(
        "ban",
        "NAME [#ROOM]",
        "remove a user for good; unban ends it",
    ),
    slash(
        "op",
        "NAME [#ROOM]",
        "make a member an operator; deop is the opposite",
    ),
    slash(
        "room",
        "#ROOM HOW",
        "private: only who is invited joins; public: everybody; drop: end the room",
    ),
    slash("list", "", "all public rooms"),
    slash("who", "", "who is online"),
    slash("search", "WORDS", "earlier messages with all these words"),
    slash("history", "", "earlier messages; Page Up does the same"),
    slash("mentions", "", "all messages that name you"),
    slash(
        "mute",
        "",
        "tell of nothing new in this conversation, or tell again",
    ),
    slash("ignore", "NAME", "show nothing of a user, or show it again"),
    slash(
        "notify",
        "HOW",
        "how to tell of new messages here: bell, osc9, osc777, command, off",
    ),
    slash("close", "", "close this conversation; a room stays yours"),
    slash("clear", "", "clear what is shown"),
    slash("win", "NUMBER", "go to a conversation"),
    slash("reconnect", "", "connect now"),
    slash("passwd", "", "change your password"),
    slash("help", "", "this list"),
    slash("quit", "", "log out"),
];

/// Understands a line typed in the conversation with this target.
pub(crate) fn understand(line: &str, current: &Target) -> Typed {
    // A text with line breaks was pasted or composed, so it is no command.
    let is_command = line.starts_with('/') && !line.contains(crate::safe_text::LINE_BREAK);
    match line.strip_prefix("//") {
        Some(rest) => Typed::Text(format!("/{rest}")),
        None if is_command => command(&line[1..], current),
        None => Typed::Text(line.to_owned()),
    }
}

fn command(line: &str, current: &Target) -> Typed {
    let (word, rest) = split_word(line.as_bytes());
    let (word, rest) = (String::from_utf8_lossy(word), String::from_utf8_lossy(rest));
    let rest = rest.as_ref();
    match word.to_lowercase().as_str() {
        "join" | "j" => with_argument(rest, "join #ROOM", |room| {
            Typed::Ask(format!("{} {}", words::JOIN, as_room(room)))
        }),
        "part" | "leave" => in_room(rest, current, |room| format!("{} {room}", words::LEAVE)),
        "msg" | "m" | "query" | "q" | "send" => message(line, rest),
        "say" => Typed::Text(after_word(line).to_owned()),
        "all" | "wall" | "broadcast" => with_argument(rest, "all TEXT", |_| {
            Typed::TextTo(Target::Everyone, after_word(line).to_owned())
        }),
        "who" if rest.starts_with('#') => Typed::Ask(format!("{} {rest}", words::MEMBERS)),
        "names" | "members" => in_room(rest, current, |room| format!("{} {room}", words::MEMBERS)),
        "topic" => topic(line, rest, current),
        "invite" | "kick" | "ban" | "unban" | "op" | "deop" => treat(&word, rest, current),
        "list" => Typed::Ask(format!("{} all", words::ROOMS)),
        "search" | "lastlog" => search(rest),
        "history" if rest.is_empty() => Typed::History,
        "mentions" => Typed::Mentions,
        "mute" | "unmute" => Typed::Mute {
            may_begin: word.eq_ignore_ascii_case("mute"),
        },
        "ignore" if rest.is_empty() => Typed::Ignored,
        "ignore" | "unignore" => with_argument(rest, "unignore NAME", |name| Typed::Ignore {
            name: name.to_owned(),
            may_begin: word.eq_ignore_ascii_case("ignore"),
        }),
        "notify" => with_argument(rest, "notify bell|osc9|osc777|command|off", |how| {
            Typed::Notify(how.to_owned())
        }),
        "close" | "wc" | "unquery" => Typed::Close,
        "clear" => Typed::Clear,
        "win" | "window" | "w" | "buffer" => match (rest, rest.trim_start_matches("goto ").parse())
        {
            (_, Ok(number)) => Typed::Number(number),
            ("close", _) => Typed::Close,
            _ => usage("win NUMBER"),
        },
        "reconnect" => Typed::Reconnect,
        "quit" | "exit" | "bye" | "logout" => Typed::Quit,
        "help" | "h" => Typed::Help,
        "push" | "ids" | "once" => Typed::Wrong(format!(
            "The client uses `{word}` itself. Start it with --plain to type it."
        )),
        "" => Typed::Wrong("A command follows the slash; /help lists them.".to_owned()),
        other => match elsewhere(other) {
            Some(words) => Typed::Wrong(words.to_owned()),
            None if Command::of(line.as_bytes()) != Command::Other => Typed::Ask(line.to_owned()),
            None => Typed::Wrong(format!(
                "There is no command /{other}; /help lists them. A text that begins with a slash is typed with two."
            )),
        },
    }
}

/// What there is here instead of a command of other clients.
fn elsewhere(word: &str) -> Option<&'static str> {
    Some(match word {
        "me" | "action" | "describe" => "There are no actions here: write it as a message.",
        "nick" => {
            "A name stays. For another account, log out, and start chat-client with --user NAME."
        }
        "whois" | "whowas" => "/who tells who is online, /last MINUTES who was lately.",
        "away" | "back" => "There is no away state: messages wait until you read them.",
        "mode" | "voice" | "devoice" | "halfop" => {
            "Rooms have no modes. There are /op, /deop, /ban, and /room #ROOM private|public."
        }
        "connect" | "server" | "disconnect" | "network" => {
            "A client has one server. Start another chat-client for another one; /reconnect connects again."
        }
        "set" | "save" | "bind" | "alias" | "script" | "load" => {
            "Settings are in client.toml; /notify, /mute and /ignore are kept by themselves."
        }
        "notice" | "ctcp" | "dcc" | "oper" | "quote" | "raw" => {
            "There is no such thing here; /msg sends messages."
        }
        _ => return None,
    })
}

/// `/msg`, `/query` and `/send`.
fn message(line: &str, rest: &str) -> Typed {
    let named = recipients(&format!("send {rest}"));
    // `/msg ann,bob` as in IRC.
    let named = named.iter().flat_map(|name| name.split(','));
    let named = named.filter(|name| !name.is_empty()).map(str::to_owned);
    let Some(target) = Target::of(&named.collect::<Vec<_>>()) else {
        return usage("msg NAME [TEXT]");
    };
    let rest = after_word(line);
    let text = match rest.trim_start().strip_prefix('(') {
        Some(group) => group
            .split_once(')')
            .map_or("", |(_, text)| text.get(1..).unwrap_or("")),
        None => after_word(rest),
    };
    match text.is_empty() {
        true => Typed::Open(target),
        false => Typed::TextTo(target, text.to_owned()),
    }
}

/// What follows the first word and one blank.
fn after_word(line: &str) -> &str {
    let line = line.trim_start();
    line.split_once([' ', '\t']).map_or("", |(_, rest)| rest)
}

fn topic(line: &str, rest: &str, current: &Target) -> Typed {
    if rest.starts_with('#') {
        return Typed::Ask(line.to_owned());
    }
    let Target::Room(room) = current else {
        return usage("topic #ROOM [TEXT]");
    };
    Typed::Ask(
        format!("{} {room} {rest}", words::TOPIC)
            .trim_end()
            .to_owned(),
    )
}

/// `/kick NAME`, `/kick #ROOM NAME` and `/kick NAME #ROOM`.
fn treat(word: &str, rest: &str, current: &Target) -> Typed {
    let mut arguments: Vec<&str> = rest.split_whitespace().collect();
    arguments.sort_by_key(|argument| !argument.starts_with('#'));
    match (arguments.as_slice(), current) {
        ([room, name], _) if room.starts_with('#') => Typed::Ask(format!("{word} {room} {name}")),
        ([name], Target::Room(room)) if !name.starts_with('#') => {
            Typed::Ask(format!("{word} {room} {name}"))
        }
        _ => usage(&format!("{word} NAME [#ROOM]")),
    }
}

/// In the current conversation; what the server's own command names goes to it.
fn search(rest: &str) -> Typed {
    match rest.is_empty() {
        true => usage("search WORDS"),
        false => Typed::Search(rest.to_owned()),
    }
}

fn in_room(rest: &str, current: &Target, line: impl Fn(&str) -> String) -> Typed {
    match (rest, current) {
        ("", Target::Room(room)) => Typed::Ask(line(room)),
        ("", _) => Typed::Wrong("Name the room: this conversation is not in one.".to_owned()),
        (room, _) => Typed::Ask(line(&as_room(room))),
    }
}

fn with_argument(rest: &str, form: &str, make: impl Fn(&str) -> Typed) -> Typed {
    match rest.is_empty() {
        true => usage(form),
        false => make(rest),
    }
}

fn as_room(name: &str) -> String {
    match name.starts_with('#') {
        true => name.to_owned(),
        false => format!("#{name}"),
    }
}

fn usage(form: &str) -> Typed {
    Typed::Wrong(format!("Usage: /{form}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> Target {
        Target::Room("#tea".to_owned())
    }

    fn ask(line: &str) -> Typed {
        Typed::Ask(line.to_owned())
    }

    #[test]
    fn words_of_irssi_become_lines() {
        for (typed, line) in [
            ("/join ops", "join #ops"),
            ("/j #ops", "join #ops"),
            ("/part", "leave #tea"),
            ("/leave #ops", "leave #ops"),
            ("/names", "members #tea"),
            ("/topic", "topic #tea"),
            ("/topic green  tea", "topic #tea green  tea"),
            ("/topic #ops x", "topic #ops x"),
            ("/kick bob", "kick #tea bob"),
            ("/invite bob #ops", "invite #ops bob"),
            ("/ban #ops bob", "ban #ops bob"),
            ("/list", "rooms all"),
            ("/who", "who"),
            ("/who #ops", "members #ops"),
            ("/last 5", "last 5"),
            ("/sessions drop old", "sessions drop old"),
            ("/history #ops 5", "history #ops 5"),
        ] {
            assert_eq!(understand(typed, &room()), ask(line), "{typed}");
        }
    }

    #[test]
    fn texts_keep_their_blanks() {
        let to = |target, text: &str| Typed::TextTo(target, text.to_owned());
        let bob = || Target::Person("bob".to_owned());
        let group = Target::Group(vec!["#tea".to_owned(), "bob".to_owned()]);
        for (typed, understood) in [
            ("hi  there ", Typed::Text("hi  there ".to_owned())),
            ("//etc is a path", Typed::Text("/etc is a path".to_owned())),
            ("/msg bob  hi  there ", to(bob(), " hi  there ")),
            ("/msg (bob #tea) hi", to(group.clone(), "hi")),
            ("/send bob hi", to(bob(), "hi")),
            ("/msg #tea,bob hi", to(group.clone(), "hi")),
            ("/say /quit", Typed::Text("/quit".to_owned())),
            ("/query bob", Typed::Open(bob())),
            ("/buffer 2", Typed::Number(2)),
            ("/msg (bob #tea)", Typed::Open(group)),
            ("/all hi  all", to(Target::Everyone, "hi  all")),
        ] {
            assert_eq!(understand(typed, &room()), understood, "{typed}");
        }
    }

    #[test]
    fn composed_text_is_no_command() {
        let text = "/etc/passwd\u{2028}quit";
        assert_eq!(understand(text, &room()), Typed::Text(text.to_owned()));
    }

    #[test]
    fn wrong_commands_are_explained() {
        for typed in [
            "/",
            "/dance",
            "/join",
            "/msg",
            "/push on",
            "/win x",
            "/search",
            "/me waves",
            "/nick eve",
            "/whois ann",
            "/mode +o",
            "/connect x",
            "/set x",
        ] {
            let understood = understand(typed, &room());
            assert!(
                matches!(understood, Typed::Wrong(_)),
                "{typed}: {understood:?}"
            );
        }
        assert!(matches!(
            understand("/part", &Target::Server),
            Typed::Wrong(_)
        ));
        assert!(matches!(
            understand("/kick bob", &Target::Server),
            Typed::Wrong(_)
        ));
    }
}

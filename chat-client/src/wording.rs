//! The sentences in which the client tells its user everything.

use chat_line_protocol::client::{Answer, split_word};
use chat_line_protocol::{Command, words};
use chat_model::name::MAX_NEW_NAME_BYTES;
use jiff::{Timestamp, tz::TimeZone};

use crate::conversation::Prompt;
use crate::conversation::command::usages;
use crate::conversation::message::Message;
use crate::report::Report;
use crate::safe_text::{isolated, isolated_if_needed};

/// The text of a prompt.
pub(crate) fn prompt_text(prompt: Prompt) -> &'static str {
    match prompt {
        Prompt::Name => "User name: ",
        Prompt::MakeAccount => "There is no account with this name. Create one? [y/N] ",
        Prompt::Password => "Password: ",
        Prompt::NewPassword => "Password: ",
        Prompt::RepeatPassword => "Repeat the password: ",
        Prompt::CurrentPassword => "Current password: ",
        Prompt::ChangedPassword => "New password: ",
        Prompt::Command => "> ",
    }
}

/// The text of a report, in one or more lines without the last line end.
pub(crate) fn text_of(report: &Report) -> String {
    match report {
        Report::Message(message) => message.line.clone(),
        Report::Answer { requested, line } => answer(requested, line),
        Report::Candidates(words) => words.join("  "),
        Report::Welcome(name) => {
            format!("Welcome, {name}. `help` shows the commands.")
        }
        Report::DroppedText => "The terminal sends characters that are not in UTF-8. They are dropped from your line. \
             Set the terminal to UTF-8."
            .into(),
        Report::EmptyAnswer => "The answer must not be empty.".into(),
        Report::NoSuchAccount(name) => format!(
            "There is no account named {name}, and the next line of the input is not `y`, which would create it. \
             Nothing more was sent."
        ),
        Report::NameNotPossible(name) => format!(
            "No account can be named {name}: a name has 1 to {MAX_NEW_NAME_BYTES} ASCII letters, digits, `_`, `.` or \
             `-`, and must not be a word of the protocol. The name of a session, behind a `/`, has 1 to 16 of `a-z`, \
             `0-9` and `-`. Or the operator has disabled the account, or the server accepts no more accounts, or the \
             account has too many sessions."
        ),
        Report::NameTaken(name) => {
            format!("Somebody else has just registered the name {name}. Choose another name.")
        }
        Report::WrongPassword => "Wrong password.".into(),
        Report::PasswordsDiffer => "The two passwords differ. Try again.".into(),
        Report::Registered(name) => format!("The account {name} has been created."),
        Report::AlreadyConnected(name) => format!(
            "{name} is logged in already, from here or elsewhere. Log out there first, or choose another name. \
             To be logged in twice, name a session: {name}/2, say."
        ),
        Report::Blocked { seconds, now: true } => format!(
            "Too many wrong passwords. You are blocked from this address for {}.",
            counted(*seconds, "second")
        ),
        Report::Blocked { seconds, now: false } => format!(
            "You are blocked from this address for another {} because of wrong passwords.",
            counted(*seconds, "second")
        ),
        Report::Sent { to_everyone: true } => "Sent to everyone.".into(),
        Report::Sent { to_everyone: false } => "Sent.".into(),
        Report::NotDelivered { unknown, others } => not_delivered(unknown, *others),
        Report::NoNewMessages => "No new messages.".into(),
        Report::Switched { word, mode } => switched(word, mode),
        Report::Refused { kind, command } => refused(kind, command),
        Report::NoPush => "This server does not push messages. An empty line fetches them.".into(),
        Report::TooLong { bytes, max_bytes } => format!(
            "This line is too long: it has {bytes} bytes, but {max_bytes} are allowed. Nothing was sent."
        ),
        Report::Unexpected(line) => format!("The server says: {}", isolated(line)),
        Report::Help => help(),
        Report::Goodbye => "Goodbye.".into(),
        Report::TimedOut => {
            "The server closed the connection because nothing was sent for too long. You are offline.".into()
        }
        Report::Replaced => {
            "Another client has logged in to this session. The server closed the connection.".into()
        }
        Report::Lost(None) => {
            "Connection lost. You are offline. Commands without an answer may not have been carried out.".into()
        }
        Report::Lost(Some(reason)) => format!(
            "Connection lost: {reason}. You are offline. Commands without an answer may not have been carried out."
        ),
        Report::LostUnheard(reason) => {
            let reason = reason.as_deref().map(|reason| format!(": {reason}"));
            format!(
                "The server closed the connection without sending anything{} (does the server speak TLS there? try \
                 --tls).",
                reason.unwrap_or_default()
            )
        }
        Report::NoAnswer { seconds } => format!(
            "The server has not answered for {}. Closing the connection. The last command may or may not have been \
             carried out.",
            counted(*seconds, "second")
        ),
        Report::LoginKept => {
            "This login is kept: the next one from here needs no password.".into()
        }
        Report::LoginNotKept(reason) => format!("The login is not kept: {reason}."),
        Report::NoToken { kind } => format!("The login is not kept: {}.", no_token(kind)),
        Report::KeptLoginUnusable(reason) => format!("Nothing was sent: {reason}."),
        Report::TokenRefused(account) => format!(
            "The server does not take the kept login of {account} any more. It ends with a changed password."
        ),
        Report::NoKeptLogin(account) => {
            format!("No login of {account} at this server is kept here.")
        }
        Report::LoginForgotten(account) => format!("The login of {account} is not kept any more."),
        Report::LoginNotForgotten(reason) => format!("The login is kept still: {reason}."),
        Report::NoPassword(account) => format!(
            "No login of {account} is kept here, and there is no password. Give a --password-file, or log in at a \
             terminal with --keep-login."
        ),
        Report::NotSent(line) => format!("Not sent: {}", isolated_if_needed(line)),
        Report::InputEnded => "The input ended before the login.".into(),
    }
}

/// The head of a message at a terminal: local time, with the date unless it is today's, number and sender.
pub(crate) fn message_head(message: &Message, now: Timestamp, zone: &TimeZone) -> String {
    let time = message.time.to_zoned(zone.clone());
    let form = if time.date() == now.to_zoned(zone.clone()).date() {
        "%H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    let number = message
        .number
        .map(|number| format!("#{number} "))
        .unwrap_or_default();
    let room = message.room.as_deref().or(message.went_to.as_deref());
    let room = room.map(|room| format!(" {}", isolated_if_needed(room)));
    let (open, close) = match message.is_kept {
        true => ('<', '>'),
        false => ('[', ']'),
    };
    format!(
        "{open}{}{close} {number}{}{}: ",
        time.strftime(form),
        isolated_if_needed(&message.sender),
        room.unwrap_or_default(),
    )
}

fn counted(number: u64, unit: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

fn listed(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| isolated_if_needed(name)).collect();
    names.join(", ")
}

/// What was answered to this line.
fn answer(requested: &str, line: &str) -> String {
    let (_, arguments) = split_word(requested.as_bytes());
    let command = Command::of(requested.as_bytes());
    match Answer::read(command, line.as_bytes()) {
        Answer::Users(names) => {
            let names = String::from_utf8_lossy(names);
            let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
            let minutes = String::from_utf8_lossy(arguments);
            online(&names, &minutes)
        }
        Answer::Features(words) => {
            let words = String::from_utf8_lossy(words);
            format!("This server can do: {}", isolated_if_needed(&words))
        }
        Answer::Token(b"") => "The token is dropped.".into(),
        Answer::Token(secret) => format!(
            "The token, which is shown only now: {}",
            isolated_if_needed(&String::from_utf8_lossy(secret))
        ),
        Answer::Tokens(names) => match String::from_utf8_lossy(names).trim() {
            "" => "You have no tokens.".into(),
            names => format!(
                "Your tokens: {}",
                isolated_if_needed(&names.replace(' ', ", "))
            ),
        },
        Answer::Sessions(names) => sessions(&String::from_utf8_lossy(names)),
        Answer::Passwd(result) => password_change(result, line),
        Answer::OfRooms(rest) => of_rooms(command, &String::from_utf8_lossy(rest)),
        Answer::Found { count, has_more } => kept_messages(count, has_more),
        _ => isolated_if_needed(line),
    }
}

/// What `passwd` was answered.
fn password_change(result: &[u8], line: &str) -> String {
    match result {
        b"" => "Your password is changed. Your other sessions and your tokens have ended.".into(),
        b"wrong" => "Not changed: the current password is wrong.".into(),
        b"differ" => "Not changed: the new passwords differ, or are empty.".into(),
        _ => isolated_if_needed(line),
    }
}

/// How many messages of the history follow.
fn kept_messages(count: u64, has_more: bool) -> String {
    match (count, has_more) {
        (0, false) => "No messages in the history.".into(),
        (0, true) => "Nothing found so far. There may be more.".into(),
        (count, false) => format!("{} of the history:", counted(count, "message")),
        (count, true) => format!(
            "{} of the history, and there may be more:",
            counted(count, "message")
        ),
    }
}

/// The names that `sessions` was answered; a star stands before those that are online.
fn sessions(names: &str) -> String {
    let sessions = names
        .split_whitespace()
        .map(|name| match name.strip_prefix('*') {
            Some(name) => format!("{} (online)", isolated_if_needed(name)),
            None => isolated_if_needed(name),
        });
    let sessions: Vec<String> = sessions.collect();
    match sessions.is_empty() {
        true => "You have no session that gets messages.".into(),
        false => format!("Your sessions: {}", sessions.join(", ")),
    }
}

/// What a command of rooms was answered.
fn of_rooms(command: Command, rest: &str) -> String {
    let rest = isolated_if_needed(rest);
    match command {
        Command::Join => format!("You are a member of {rest}."),
        Command::Leave => format!("You are not a member of {rest} any more."),
        Command::Rooms if rest.is_empty() => "No rooms.".into(),
        Command::Rooms => format!("Rooms: {rest}"),
        Command::Members => format!("Members: {rest}"),
        Command::Topic if rest.is_empty() => "The room has no topic.".into(),
        Command::Topic => format!("Topic: {rest}"),
        _ => "Done.".into(),
    }
}

/// The names that `who`, or `last` with its minutes, was answered.
fn online(names: &[String], minutes: &str) -> String {
    let names = listed(names);
    match minutes {
        "" => format!("Online: {names}"),
        "0" => format!("Online now: {names}"),
        "1" => format!("Online now or within the last minute: {names}"),
        minutes => format!("Online now or within the last {minutes} minutes: {names}"),
    }
}

fn not_delivered(unknown: &[String], others: usize) -> String {
    let names = listed(unknown);
    let has_room = unknown.iter().any(|name| name.starts_with('#'));
    let users = match (unknown.len(), has_room) {
        (1, false) => "no such user",
        (_, false) => "no such users",
        (1, true) => "no room that you are in",
        (_, true) => "no such users, or no rooms that you are in",
    };
    let rest = match (unknown.len(), others) {
        (1, 0) => "",
        (_, 0) => " Delivered to nobody.",
        (_, 1) => " Delivered to the other recipient.",
        _ => " Delivered to the others.",
    };
    format!("Not delivered to {names}: {users}.{rest}")
}

fn switched(word: &str, mode: &str) -> String {
    match (word, mode) {
        (words::PUSH, words::OFF) => {
            "New messages are shown on request; an empty line fetches them.".into()
        }
        (words::PUSH, words::ON) => "New messages appear on their own.".into(),
        (words::PUSH, words::ACK) => {
            "New messages appear on their own, and stay queued until they are shown.".into()
        }
        (words::IDS, words::ON) => "Message numbers are shown.".into(),
        (words::IDS, words::OFF) => "Message numbers are not shown.".into(),
        (words::TO, words::ON) => "Messages show whom they went to.".into(),
        (words::TO, words::OFF) => "Messages do not show whom they went to.".into(),
        _ => format!("{word} is now: {mode}"),
    }
}

fn refused(kind: &str, command: &str) -> String {
    match kind {
        "command" => format!("Unknown command `{command}`. `help` lists the commands."),
        "args" => usage(command),
        "denied" if command == words::SESSIONS => {
            "Not done: the session is logged in, or the last one.".into()
        }
        "denied" if Command::of(command.as_bytes()).is_of_rooms() => {
            "Not done: you may not do that in this room, or there is no such room.".into()
        }
        "denied" => format!("Not done: you may not do that with `{command}`."),
        "length" => "The line is too long for this server. Nothing was done.".into(),
        "quota" if command == words::BROADCAST => {
            "Not sent: there were too many broadcasts lately. Try again later.".into()
        }
        "quota" if Command::of(command.as_bytes()).is_of_rooms() => {
            "Not done: a limit of rooms is reached. Leave a room, or try again later.".into()
        }
        "quota" if command == words::TOKEN => {
            "Not done: your account has no place for another token. `token drop NAME` drops one."
                .into()
        }
        "quota" => "Not sent: the queue of a recipient is full. Try again later.".into(),
        "full" => "Not done: the server has no free space for it. Try again later.".into(),
        "busy" => "Not done: the server is busy. Try again soon.".into(),
        _ => format!("The server refused `{command}`: {kind}"),
    }
}

/// Why the server made no token.
fn no_token(kind: &str) -> &'static str {
    match kind {
        "command" => "the server has no tokens",
        "quota" => "the account has no place for another token. `token drop NAME` drops one",
        "full" => "the server has no free space for it. Try again later",
        "busy" => "the server is busy. Try again soon",
        _ => "the server refused to make a token",
    }
}

fn usage(command: &str) -> String {
    let forms: Vec<String> = usages()
        .filter(|usage| usage.word == command)
        .map(|usage| format!("`{}`", usage.form))
        .collect();
    if forms.is_empty() {
        return format!("The arguments of `{command}` are wrong.");
    }
    format!("Usage: {}", forms.join(" or "))
}

fn help() -> String {
    let width = usages().map(|usage| usage.form.len()).max().unwrap_or(0);
    let lines: Vec<String> = usages()
        .map(|usage| format!("  {:width$}  {}", usage.form, usage.meaning))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_local_and_dated() {
        let message = Message::parse("[2026-11-22T23:18:31Z] #4 bob: hi").expect("a message");
        let zone = TimeZone::posix("XXX-2").expect("a zone");
        let at = |now: &str| message_head(&message, now.parse().expect("a time"), &zone);
        assert_eq!(at("2026-11-23T05:00:00Z"), "[01:18] #4 bob: ");
        assert!(at("2026-11-22T21:00:00Z").starts_with("[2026-11-23 01:18] "));
        let of_room = Message::parse("[2026-11-22T23:18:31Z] bob #tea: hi").expect("a message");
        let head = message_head(
            &of_room,
            "2026-11-23T05:00:00Z".parse().expect("a time"),
            &zone,
        );
        assert_eq!(head, "[01:18] bob #tea: ");
    }

    #[test]
    fn unknown_recipients_are_named() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            not_delivered(&names(&["a"]), 0),
            "Not delivered to a: no such user."
        );
        assert_eq!(
            not_delivered(&names(&["a", "b"]), 2),
            "Not delivered to a, b: no such users. Delivered to the others."
        );
        assert_eq!(
            not_delivered(&names(&["a", "b"]), 0),
            "Not delivered to a, b: no such users. Delivered to nobody."
        );
        assert_eq!(
            not_delivered(&names(&["a"]), 1),
            "Not delivered to a: no such user. Delivered to the other recipient."
        );
    }

    #[test]
    fn answers_of_rooms_have_words() {
        for (requested, line, words) in [
            ("join #tea", "join:#tea", "You are a member of #tea."),
            ("rooms", "rooms:#a #b", "Rooms: #a #b"),
            ("rooms all", "rooms:", "No rooms."),
            ("topic #tea", "topic:", "The room has no topic."),
            ("topic #tea", "topic:green", "Topic: green"),
            ("invite #tea bob", "invite:", "Done."),
        ] {
            assert_eq!(answer(requested, line), words);
        }
        assert_eq!(
            refused("denied", "join"),
            "Not done: you may not do that in this room, or there is no such room."
        );
    }

    #[test]
    fn rooms_without_membership_are_named() {
        let names = |names: &[&str]| names.iter().map(|name| String::from(*name)).collect();
        let room: Vec<String> = names(&["#tea"]);
        assert_eq!(
            not_delivered(&room, 0),
            "Not delivered to #tea: no room that you are in."
        );
        let both: Vec<String> = names(&["#tea", "eve"]);
        assert_eq!(
            not_delivered(&both, 1),
            "Not delivered to #tea, eve: no such users, or no rooms that you are in. Delivered to the other recipient."
        );
    }

    #[test]
    fn sessions_say_which_are_online() {
        assert_eq!(
            sessions("*ann ann/old"),
            "Your sessions: ann (online), ann/old"
        );
        assert_eq!(sessions(""), "You have no session that gets messages.");
    }

    #[test]
    fn wrong_arguments_show_usage() {
        assert_eq!(
            refused("args", "send"),
            "Usage: `send USER TEXT` or `send (USER USER ...) TEXT` or `send #ROOM TEXT`"
        );
        assert_eq!(refused("args", "new"), "The arguments of `new` are wrong.");
    }
}

//! The plain words of everything that is told.

use chat_line_protocol::words;
use chat_model::name::MAX_NEW_NAME_BYTES;
use jiff::{Timestamp, tz::TimeZone};

use crate::conversation::Question;
use crate::conversation::command::USAGES;
use crate::conversation::message::Message;
use crate::report::Report;
use crate::safe_text::{isolated, isolated_if_needed};

/// What a person sees when asked.
pub(crate) fn prompt(question: Question) -> &'static str {
    match question {
        Question::Name => "User name: ",
        Question::MakeAccount => "No account has this name. Make one? [y/N] ",
        Question::Password => "Password: ",
        Question::NewPassword => "Password: ",
        Question::RepeatPassword => "Repeat the password: ",
        Question::Command => "> ",
    }
}

/// Something to tell, in one or more lines without the last line end.
pub(crate) fn words_for(report: &Report) -> String {
    match report {
        Report::Message(message) => message.line.clone(),
        Report::Answer(line) => isolated_if_needed(line),
        Report::Candidates(words) => words.join("  "),
        Report::Online { names, minutes } => online(names, minutes.as_deref()),
        Report::Welcome(name) => {
            format!("Welcome, {name}. `help` shows the commands.")
        }
        Report::EmptyAnswer => "An empty answer is not possible here.".into(),
        Report::NoSuchAccount(name) => format!(
            "No account is named {name}, and the next line of the input is not `y` to make one. Nothing more was sent."
        ),
        Report::NameNotPossible(name) => format!(
            "No account can be named {name}: a name has 1 to {MAX_NEW_NAME_BYTES} ASCII letters, digits, `_`, `.` or `-`, and is no word of the protocol. Or the account is there and the operator has disabled it, or the server takes no more accounts."
        ),
        Report::NameTaken(name) => {
            format!("Somebody else has just registered the name {name}. Choose another one.")
        }
        Report::WrongPassword => "This is not the password of the account.".into(),
        Report::PasswordsDiffer => "The two passwords differ. Once more, please.".into(),
        Report::Registered(name) => format!("The account {name} has been made."),
        Report::AlreadyConnected(name) => format!(
            "{name} is logged in already, from here or elsewhere. Log out there first, or use another name."
        ),
        Report::Blocked { seconds, now: true } => format!(
            "That was one wrong password too many. You are blocked from here for {}.",
            counted(*seconds, "second")
        ),
        Report::Blocked { seconds, now: false } => format!(
            "You are blocked from here for {} more, because of wrong passwords.",
            counted(*seconds, "second")
        ),
        Report::Sent { to_everyone: true } => "Sent to everyone.".into(),
        Report::Sent { to_everyone: false } => "Sent.".into(),
        Report::NotDelivered { unknown, others } => not_delivered(unknown, *others),
        Report::NoNewMessages => "No new messages.".into(),
        Report::Switched { word, mode } => switched(word, mode),
        Report::Refused { kind, command } => refused(kind, command),
        Report::NoPush => "This server does not send messages by itself; an empty line fetches them.".into(),
        Report::TooLong { bytes, max_bytes } => format!(
            "This line is too long: it has {bytes} bytes, and {max_bytes} are allowed. Nothing was sent."
        ),
        Report::Unexpected(line) => format!("The server says: {}", isolated(line)),
        Report::Help => help(),
        Report::Goodbye => "Goodbye.".into(),
        Report::TimedOut => {
            "The server closed the connection, as nothing was sent for too long. You are offline.".into()
        }
        Report::Lost(None) => {
            "The connection has ended before its time. You are offline; what was not acknowledged may not have been done.".into()
        }
        Report::Lost(Some(reason)) => format!(
            "The connection is lost: {reason}. You are offline; what was not acknowledged may not have been done."
        ),
        Report::LostUnheard(reason) => {
            let reason = reason.as_deref().map(|reason| format!(": {reason}"));
            format!(
                "The connection ended before the server had said anything{} (does the server speak TLS there? try --tls).",
                reason.unwrap_or_default()
            )
        }
        Report::NoAnswer { seconds } => format!(
            "The server has not answered for {}. Closing the connection; the last command may or may not have been done.",
            counted(*seconds, "second")
        ),
        Report::NotSent(line) => format!("Not sent: {}", isolated_if_needed(line)),
        Report::InputEnded => "Ended without a login.".into(),
    }
}

/// What stands before the text of a message for a person: local time, with the date when it is not today's.
pub(crate) fn head_for_person(message: &Message, now: Timestamp, zone: &TimeZone) -> String {
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
    format!(
        "[{}] {number}{}: ",
        time.strftime(form),
        isolated_if_needed(&message.sender),
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

fn online(names: &[String], minutes: Option<&str>) -> String {
    let names = listed(names);
    match minutes {
        None => format!("Online: {names}"),
        Some("0") => format!("Online now: {names}"),
        Some("1") => format!("Online now or within the last minute: {names}"),
        Some(minutes) => format!("Online now or within the last {minutes} minutes: {names}"),
    }
}

fn not_delivered(unknown: &[String], others: usize) -> String {
    let names = listed(unknown);
    let users = if unknown.len() == 1 {
        "no such user"
    } else {
        "no such users"
    };
    let rest = match (unknown.len(), others) {
        (1, 0) => "",
        (_, 0) => " Nobody has it.",
        (_, 1) => " The other one has it.",
        _ => " The others have it.",
    };
    format!("Not delivered to {names}: {users}.{rest}")
}

fn switched(word: &str, mode: &str) -> String {
    match (word, mode) {
        (words::PUSH, words::OFF) => {
            "Messages come only when asked for; an empty line fetches.".into()
        }
        (words::PUSH, words::ON) => "Messages come by themselves.".into(),
        (words::PUSH, words::ACK) => {
            "Messages come by themselves, and stay queued until they were shown.".into()
        }
        (words::IDS, words::ON) => "Messages bear their numbers.".into(),
        (words::IDS, words::OFF) => "Messages bear no numbers.".into(),
        _ => format!("{word} is now: {mode}"),
    }
}

fn refused(kind: &str, command: &str) -> String {
    match kind {
        "command" => format!("There is no command `{command}`. `help` shows what there is."),
        "args" => usage(command),
        "length" => "The line is longer than this server takes. Nothing was done.".into(),
        "quota" if command == words::BROADCAST => {
            "Not sent: too much has been broadcast lately. Nobody has it; try again later.".into()
        }
        "quota" => {
            "Not sent: too much is waiting for one of the recipients already. Nobody has it; try again later.".into()
        }
        "full" => "Not done: the server has no room for it. Try again later.".into(),
        "busy" => "Not done: the server is too busy at the moment. Try again soon.".into(),
        _ => format!("The server refused `{command}`: {kind}"),
    }
}

fn usage(command: &str) -> String {
    let forms: Vec<String> = USAGES
        .iter()
        .filter(|usage| usage.word == command)
        .map(|usage| format!("`{}`", usage.form))
        .collect();
    if forms.is_empty() {
        return format!("The arguments of `{command}` are wrong.");
    }
    format!("That is not how it works. It is: {}", forms.join(" or "))
}

fn help() -> String {
    let width = USAGES
        .iter()
        .map(|usage| usage.form.len())
        .max()
        .unwrap_or(0);
    let lines: Vec<String> = USAGES
        .iter()
        .map(|usage| format!("  {:width$}  {}", usage.form, usage.meaning))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_local_and_dated_unless_of_today() {
        let message = Message::parse("[2026-11-22T23:18:31Z] #4 bob: hi").expect("a message");
        let zone = TimeZone::posix("XXX-2").expect("a zone");
        let at = |now: &str| head_for_person(&message, now.parse().expect("a time"), &zone);
        assert_eq!(at("2026-11-23T05:00:00Z"), "[01:18] #4 bob: ");
        assert!(at("2026-11-22T21:00:00Z").starts_with("[2026-11-23 01:18] "));
    }

    #[test]
    fn unknown_recipients_are_named_and_the_others_told_of() {
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
            "Not delivered to a, b: no such users. The others have it."
        );
        assert_eq!(
            not_delivered(&names(&["a", "b"]), 0),
            "Not delivered to a, b: no such users. Nobody has it."
        );
        assert_eq!(
            not_delivered(&names(&["a"]), 1),
            "Not delivered to a: no such user. The other one has it."
        );
    }

    #[test]
    fn wrong_arguments_show_the_usage() {
        assert_eq!(
            refused("args", "send"),
            "That is not how it works. It is: `send USER TEXT` or `send (USER USER ...) TEXT`"
        );
        assert_eq!(refused("args", "new"), "The arguments of `new` are wrong.");
    }
}

//! `send` and `broadcast`: one message, stored once, however often the connection breaks.

use std::io::{self, Read};
use std::thread;
use std::time::{Duration, Instant};

use chat_line_protocol::client::{Answer, Command};
use chat_line_protocol::words;
use chat_node::files::text_file::without_byte_order_mark;

use super::command_line::Message;
use super::delivery::back_off;
use super::failure::Failure;
use super::login::Login;
use super::records::{Printer, Record};
use crate::conversation::MAX_LINE_BYTES;
use crate::exit_status::ExitStatus;
use crate::safe_text::LINE_BREAK;

const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The recipient in the record of a broadcast.
const EVERYONE: [&str; 1] = ["*"];

/// Who gets a message.
pub(crate) enum Recipients {
    /// Users and rooms.
    Named(Vec<String>),
    /// Every other account.
    Everyone,
}

impl Recipients {
    fn names(&self) -> Vec<&str> {
        match self {
            Self::Named(names) => names.iter().map(String::as_str).collect(),
            Self::Everyone => EVERYONE.to_vec(),
        }
    }

    /// The command of the protocol.
    fn command(&self, text: &str) -> String {
        match self {
            Self::Named(names) => match &names[..] {
                [name] => format!("{} {name} {text}", words::SEND),
                names => format!("{} ({}) {text}", words::SEND, names.join(" ")),
            },
            Self::Everyone => format!("{} {text}", words::BROADCAST),
        }
    }
}

/// Sends the message, and reports what became of it for each recipient.
pub(crate) fn send(
    login: &Login,
    recipients: &Recipients,
    message: &Message,
    printer: &mut Printer,
) -> Result<ExitStatus, Failure> {
    let text = text_of(message)?;
    let once = message.once.clone().unwrap_or_else(new_id);
    let line = format!("{} {once} {}", words::ONCE, recipients.command(&text));
    if line.len() > MAX_LINE_BYTES {
        let over = line.len() - MAX_LINE_BYTES;
        return Err(Failure::input(&format!(
            "the message is too long by {over} bytes; nothing was sent"
        )));
    }
    match send_line(login, &line, Duration::from_secs(message.timeout)) {
        Ok(unknown) => report(recipients, &unknown, printer),
        Err(failure) => {
            report_failure(recipients, &failure, &once, printer)?;
            Ok(failure.status)
        }
    }
}

/// Returns the names that do not have the message. Tries again for this long.
fn send_line(login: &Login, line: &str, patience: Duration) -> Result<Vec<String>, Failure> {
    let begun = Instant::now();
    // An attempt that is all there is has the usual limits of time.
    let deadline = (!patience.is_zero()).then(|| begun + patience);
    let mut back_off = back_off(LONGEST_PAUSE);
    loop {
        let failure = match attempt(login, line, deadline) {
            Err(failure) if failure.is_temporary => failure,
            result => return result,
        };
        let pause = back_off.next(fastrand::f64());
        if begun.elapsed() + pause >= patience {
            return Err(failure);
        }
        thread::sleep(pause);
    }
}

fn attempt(login: &Login, line: &str, deadline: Option<Instant>) -> Result<Vec<String>, Failure> {
    let mut session = login.open_send_only(deadline)?;
    let answer = session.ask(line)?.line;
    // What was answered counts, whatever becomes of the rest.
    let _ = session.log_out(|_| Ok(()));
    match Answer::read(Command::Once, answer.as_bytes()) {
        Answer::Sent => Ok(Vec::new()),
        Answer::SentExcept(names) => {
            let names = String::from_utf8_lossy(names);
            Ok(names.split(',').map(str::to_owned).collect())
        }
        _ => Err(Failure::lost(format!("the server says: {answer}"))),
    }
}

fn report(
    recipients: &Recipients,
    unknown: &[String],
    printer: &mut Printer,
) -> Result<ExitStatus, Failure> {
    for to in recipients.names() {
        let stored = !unknown.iter().any(|name| name == to);
        let reason = (!stored).then_some("unknown");
        printer.print(&Record::Recipient { to, stored, reason })?;
        if !stored {
            let why = match to.starts_with('#') {
                true => "no room that you are in",
                false => "no such user",
            };
            printer.say(&format!("not sent to {to}: {why}"))?;
        }
    }
    Ok(match unknown.is_empty() {
        true => ExitStatus::Good,
        false => ExitStatus::Refused,
    })
}

fn report_failure(
    recipients: &Recipients,
    failure: &Failure,
    once: &str,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let reason = Some(&*failure.kind);
    for to in recipients.names() {
        let stored = false;
        printer.print(&Record::Recipient { to, stored, reason })?;
        let to = if to == "*" { "everyone" } else { to };
        printer.say(&format!("not sent to {to}: {}", failure.text))?;
    }
    if failure.is_temporary {
        printer.say(&format!(
            "it may be stored all the same; sent again with --once '{once}' it is stored once"
        ))?;
    }
    Ok(())
}

/// The words of the command line, or the standard input without the line end at its end. A line end within is a line
/// break of the text.
fn text_of(message: &Message) -> Result<String, Failure> {
    let given = message.text.join(" ");
    let text = match &*given {
        "" | "-" => from_standard_input()?,
        _ => given,
    };
    let text = text.trim_end_matches(['\n', '\r']);
    let text = text
        .replace("\r\n", "\n")
        .replace('\n', LINE_BREAK.encode_utf8(&mut [0; 4]));
    match text.is_empty() {
        true => Err(Failure::input("the text is empty; nothing was sent")),
        false => Ok(text),
    }
}

fn from_standard_input() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    // More than a line holds is too much anyway.
    let limit = 2 * MAX_LINE_BYTES as u64;
    let read = io::stdin().take(limit).read_to_end(&mut bytes);
    read.map_err(|error| Failure::input(&format!("cannot read the standard input: {error}")))?;
    let text = without_byte_order_mark(&bytes)
        .map_err(|error| Failure::input(&format!("the standard input is no text: {error}")))?;
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// An ID that no other message has.
fn new_id() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Recipients {
        Recipients::Named(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn one_recipient_is_no_group() {
        assert_eq!(named(&["bob"]).command("hi  all"), "send bob hi  all");
        assert_eq!(named(&["bob", "#ops"]).command("hi"), "send (bob #ops) hi");
        assert_eq!(Recipients::Everyone.command("hi"), "broadcast hi");
    }

    fn message(text: &str) -> Message {
        Message {
            once: None,
            timeout: 0,
            text: vec![text.to_owned()],
        }
    }

    #[test]
    fn line_ends_are_breaks_within_text() {
        let text = |given: &str| text_of(&message(given)).expect("a text");
        assert_eq!(text("a\r\nb\nc\n"), "a\u{2028}b\u{2028}c");
        assert_eq!(text(" a "), " a ");
        assert!(text_of(&message("\n")).is_err());
    }
}

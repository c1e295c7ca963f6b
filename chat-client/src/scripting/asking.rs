//! Commands that ask the server one thing: lists, rooms, the history, another password.

use chat_line_protocol::client::{Answer, Command};
use chat_line_protocol::words;

use super::command_line::{History, Search};
use super::failure::Failure;
use super::login::Login;
use super::records::{Printer, Record};
use super::session::{Heard, Reply};
use crate::exit_status::ExitStatus;
use crate::password_source::PasswordSource;

/// Names that the server lists: of users, or of rooms.
pub(crate) fn list(login: &Login, line: &str, printer: &mut Printer) -> Result<(), Failure> {
    let reply = ask(login, line)?;
    let command = Command::of(line.as_bytes());
    let names = |names| str::from_utf8(names).unwrap_or_default();
    let record = match Answer::read(command, reply.line.as_bytes()) {
        Answer::Users(users) => Record::Users {
            names: names(users).split_whitespace().collect(),
        },
        Answer::OfRooms(rooms) => Record::Rooms {
            names: names(rooms).split_whitespace().collect(),
        },
        _ => return Err(unexpected(&reply)),
    };
    printer.print(&record)
}

/// Joins a room.
pub(crate) fn join(login: &Login, room: &str, printer: &mut Printer) -> Result<(), Failure> {
    ask(login, &format!("{} {room}", words::JOIN))?;
    printer.print(&Record::Joined { room })
}

/// Leaves a room.
pub(crate) fn leave(login: &Login, room: &str, printer: &mut Printer) -> Result<(), Failure> {
    ask(login, &format!("{} {room}", words::LEAVE))?;
    printer.print(&Record::Left { room })
}

/// A part of the history.
pub(crate) fn history(
    login: &Login,
    wanted: &History,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut line = format!("{} {} {}", words::HISTORY, wanted.place, wanted.count);
    for (word, number) in [(words::BEFORE, wanted.before), (words::AFTER, wanted.after)] {
        if let Some(number) = number {
            line += &format!(" {word} {number}");
        }
    }
    kept(login, &line, printer)
}

/// Messages with these words.
pub(crate) fn search(login: &Login, wanted: &Search, printer: &mut Printer) -> Result<(), Failure> {
    let search = wanted.words.join(" ");
    if search.contains(char::is_control) {
        return Err(Failure::input("a word has no control characters"));
    }
    let line = format!("{} {} {search}", words::SEARCH, wanted.place);
    kept(login, &line, printer)
}

fn kept(login: &Login, line: &str, printer: &mut Printer) -> Result<(), Failure> {
    let reply = ask(login, line)?;
    let command = Command::of(line.as_bytes());
    let Answer::Found { count, has_more } = Answer::read(command, reply.line.as_bytes()) else {
        return Err(unexpected(&reply));
    };
    printer.print(&Record::Found { count, has_more })?;
    for message in &reply.kept {
        printer.print(&Record::of_message(message))?;
    }
    match has_more {
        true => printer.say("there may be more"),
        false => Ok(()),
    }
}

/// Gives the account another password. The current one is that of the login.
pub(crate) fn change_password(
    login: &Login,
    source: &PasswordSource,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let Some(current) = &login.password else {
        return Err(Failure::input(
            "the current password is needed: --password-file, --password-fd or --password-command",
        ));
    };
    let new = source.read().map_err(Failure::local)?;
    let mut session = login.open_send_only(None)?;
    let due = session.send(|dialogue, output| {
        dialogue.ask(words::PASSWD.as_bytes(), output);
    })?;
    if session.hear(due)? != Heard::PasswordsWanted {
        return Err(Failure::input("this server changes no passwords"));
    }
    let due = session.send(|dialogue, output| {
        for password in [current, &new, &new] {
            dialogue.give_changed_password(password, output);
        }
    })?;
    let answer = match session.hear(due)? {
        Heard::Answer(answer) => answer,
        _ => String::new(),
    };
    match Answer::read(Command::Passwd, answer.as_bytes()) {
        Answer::Passwd(b"") => printer.print(&Record::PasswordChanged),
        Answer::Refused(refusal) => Err(Failure::refused(&refusal, ExitStatus::Refused)),
        _ => Err(Failure::input(&format!("not changed: {answer}"))),
    }
}

fn ask(login: &Login, line: &str) -> Result<Reply, Failure> {
    let mut session = login.open_send_only(None)?;
    let reply = session.ask(line)?;
    // What was answered counts, whatever becomes of the rest.
    let _ = session.log_out(|_| Ok(()));
    Ok(reply)
}

fn unexpected(reply: &Reply) -> Failure {
    Failure::input(&format!("the server says: {}", reply.line))
}

//! Commands for scripts: each logs in, does one thing, and ends with a status.

mod asking;
pub(crate) mod command_line;
mod delivery;
mod failure;
mod handled;
mod handled_file;
mod listening;
mod login;
mod records;
mod sending;
mod session;

use chat_line_protocol::words;
use chat_node::process::standard_streams::stdout_was_closed;

use self::command_line::ScriptCommand;
use self::failure::Failure;
use self::login::Login;
use self::records::{Printer, Record};
use self::sending::Recipients;
use crate::exit_status::ExitStatus;
use crate::output::Output;
use crate::password_source::PasswordSource;
use crate::signals::Signals;
use crate::target::Target;

/// Runs a command to its end. An error is a text for people.
pub(crate) fn run(
    command: &ScriptCommand,
    target: Target,
    is_json: bool,
) -> Result<ExitStatus, String> {
    if stdout_was_closed() && (is_json || prints(command)) {
        return Err("the standard output is closed, so nothing could be printed".to_owned());
    }
    let login = Login::of(target)?;
    // All others end by a signal as any program does.
    let listens = matches!(command, ScriptCommand::Listen(_));
    let signals = listens.then(|| Signals::listen(false)).transpose();
    let signals = signals.map_err(|error| format!("cannot catch signals: {error}"))?;
    let output = signals
        .as_ref()
        .map_or_else(|| Ok(Output::patient()), Output::new);
    let output = output.map_err(|error| format!("cannot catch signals: {error}"))?;
    let mut printer = Printer::new(output, is_json);
    let result = match (command, &signals) {
        (ScriptCommand::Listen(wanted), Some(signals)) => {
            listening::listen(&login, wanted, &mut printer, signals)
        }
        _ => carry_out(command, &login, &mut printer),
    };
    match result {
        Ok(status) => Ok(status),
        Err(failure) => {
            // If even this fails, only the exit status tells of the error.
            let _ = printer.say(&failure.text);
            Ok(failure.status)
        }
    }
}

/// Whether the result is on the standard output, in every form.
fn prints(command: &ScriptCommand) -> bool {
    if let ScriptCommand::Listen(listen) = command {
        return listen.exec.is_none();
    }
    matches!(
        command,
        ScriptCommand::Fetch(_)
            | ScriptCommand::Who
            | ScriptCommand::Last(_)
            | ScriptCommand::Rooms(_)
            | ScriptCommand::History(_)
            | ScriptCommand::Search(_)
    )
}

fn carry_out(
    command: &ScriptCommand,
    login: &Login,
    printer: &mut Printer,
) -> Result<ExitStatus, Failure> {
    match command {
        ScriptCommand::Send(send) => {
            let recipients = Recipients::Named(send.to.clone());
            return sending::send(login, &recipients, &send.message, printer);
        }
        ScriptCommand::Broadcast(message) => {
            return sending::send(login, &Recipients::Everyone, message, printer);
        }
        // One listens to signals; the other needs no server.
        ScriptCommand::Listen(_) | ScriptCommand::CheckConfig => {}
        ScriptCommand::Fetch(fetch) => {
            listening::fetch(login, fetch.session.as_deref(), printer)?;
        }
        ScriptCommand::Who => asking::list(login, words::WHO, printer)?,
        ScriptCommand::Last(last) => {
            asking::list(login, &format!("{} {}", words::LAST, last.minutes), printer)?;
        }
        ScriptCommand::Rooms(rooms) => {
            let all = if rooms.all { " all" } else { "" };
            asking::list(login, &format!("{}{all}", words::ROOMS), printer)?;
        }
        ScriptCommand::Join(join) => asking::join(login, &join.room, printer)?,
        ScriptCommand::Leave(leave) => asking::leave(login, &leave.room, printer)?,
        ScriptCommand::History(wanted) => asking::history(login, wanted, printer)?,
        ScriptCommand::Search(wanted) => asking::search(login, wanted, printer)?,
        ScriptCommand::Register => {
            login.register()?;
            let name = &login.account;
            printer.print(&Record::Registered { name })?;
        }
        ScriptCommand::Passwd(passwd) => {
            let new = PasswordSource::of(
                passwd.new_password_fd,
                passwd.new_password_command.as_deref(),
                passwd.new_password_file.as_deref(),
            );
            // The command line has exactly one of them.
            let new = new.ok_or_else(|| Failure::input("no new password was given"))?;
            asking::change_password(login, &new, printer)?;
        }
    }
    Ok(ExitStatus::Good)
}

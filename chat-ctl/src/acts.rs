//! `chatctl kick`, `checkpoint`, `log-level`, `reload` and `drain`: what changes something. Each stands in the
//! security log of the daemon that does it, with the user and the process that asked.

use chat_model::UserSession;
use chat_node::control::client::{ControlClient, ControlError};
use chat_node::control::protocol::{Question, Report, Request, SessionRow, StatusReport};
use chat_node::files::run_dir::RunDir;
use chat_node::logs::output;

use crate::daemons::Daemons;
use crate::exit_status::ExitStatus;
use crate::pages::{self, STATE};

/// Closes the connections of a user, or that of one session. The sessions end as if the clients had left: what they
/// have not confirmed waits.
pub(crate) fn kick(daemons: &Daemons, name: &str) -> Result<String, ControlError> {
    let sessions = pages::sessions(&mut ControlClient::connect(&daemons.state)?)?;
    let sessions: Vec<SessionRow> = sessions
        .into_iter()
        .filter(|session| is_session_of(session, name))
        .collect();
    if sessions.is_empty() {
        let reason = format!("{name} is not logged in");
        return Err(refused(&daemons.state, reason));
    }
    let mut text = String::new();
    for session in &sessions {
        disconnect(daemons, session)?;
        text += &format!("{} is disconnected\n", session.name);
    }
    Ok(text)
}

/// Whether a session is the one that is named, or one of the user who is named.
fn is_session_of(session: &SessionRow, name: &str) -> bool {
    let of_user = UserSession::split(&session.name).map(|(user, _)| user);
    session.name == name || of_user == Some(name)
}

fn disconnect(daemons: &Daemons, session: &SessionRow) -> Result<(), ControlError> {
    let name = &session.name;
    let mut client = ControlClient::connect(&daemons.front_end)?;
    let report = status(&mut client)?;
    let is_its_worker = |process: i32| Some(process.cast_unsigned()) == session.worker_pid;
    let mut children = report.status.children.iter();
    let place = children.position(|child| child.process.is_some_and(|it| is_its_worker(it.pid)));
    let place = place.and_then(|place| u32::try_from(place + 1).ok());
    let worker = place.ok_or_else(|| {
        refused(
            &daemons.front_end,
            format!("the worker of {name} is gone, and the session ends with it"),
        )
    })?;
    let question = Question::Disconnect {
        worker_session: session.worker_session,
        connection: session.connection,
        name: name.clone(),
    };
    client.ask_child(worker, question)?;
    Ok(())
}

/// Lets the state process write what the journal holds into a checkpoint.
pub(crate) fn checkpoint(daemons: &Daemons) -> Result<String, ControlError> {
    let mut client = ControlClient::connect(&daemons.state)?;
    client.ask_child(STATE, Question::Checkpoint)?;
    Ok("a checkpoint is being written, unless nothing has changed\n".to_owned())
}

/// Sets the level of the log of all processes.
pub(crate) fn log_level(daemons: &Daemons, level: &str) -> Result<String, ControlError> {
    for run_dir in [&daemons.state, &daemons.front_end] {
        let mut client = ControlClient::connect(run_dir)?;
        let count = status(&mut client)?.status.children.len();
        // First, because the children's questions then need no line in the security log.
        let request = Request::SetLogLevel {
            level: level.to_owned(),
        };
        client.ask(&request)?;
        for (_, number) in (0..count).zip(1..) {
            let level = level.to_owned();
            client.ask_child(number, Question::SetLogLevel { level })?;
        }
    }
    Ok(format!("all processes log from the level {level} on\n"))
}

/// Makes both daemons read their files again. Complains of the one that cannot; the other one reads them nevertheless.
pub(crate) fn reload(daemons: &Daemons, force: bool) -> (String, ExitStatus) {
    let (mut text, mut errors) = (String::new(), Vec::new());
    // Only the state daemon has files that it refuses.
    for (run_dir, force) in [(&daemons.state, force), (&daemons.front_end, false)] {
        let reloaded = ControlClient::connect(run_dir).and_then(|mut client| client.reload(force));
        match reloaded {
            Ok(summary) => text += &format!("{}: {summary}\n", run_dir.program()),
            Err(error) => {
                output::complain(format_args!("chatctl: {error}"));
                errors.push(error);
            }
        }
    }
    (text, ExitStatus::of_both(&errors))
}

/// Lets the front end take no new connections. Clients may stay, if wished for so many seconds only.
pub(crate) fn drain(daemons: &Daemons, within_s: Option<u64>) -> Result<String, ControlError> {
    let mut client = ControlClient::connect(&daemons.front_end)?;
    client.ask(&Request::Drain { within_s })?;
    let clients = match within_s {
        Some(within_s) => {
            format!("clients that are still connected in {within_s} s are disconnected")
        }
        None => "clients stay until they leave".to_owned(),
    };
    Ok(format!("no new connections are taken; {clients}\n"))
}

/// Lets the front end take connections again.
pub(crate) fn end_drain(daemons: &Daemons) -> Result<String, ControlError> {
    ControlClient::connect(&daemons.front_end)?.ask(&Request::EndDrain)?;
    Ok("connections are taken again\n".to_owned())
}

fn status(client: &mut ControlClient) -> Result<Box<StatusReport>, ControlError> {
    match client.ask(&Request::Status)? {
        Report::Status(report) => Ok(report),
        _ => Err(client.unexpected()),
    }
}

fn refused(run_dir: &RunDir, reason: String) -> ControlError {
    let program = run_dir.program();
    ControlError::Refused { program, reason }
}

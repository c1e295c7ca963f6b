//! Asking the running daemon how far it has come.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use chat_node::control::client::{ControlClient, ControlError};
use chat_node::control::protocol::{Answer, Question, Report, Request};
use chat_node::files::run_dir::RunDir;

use crate::journal::LogIndex;

/// A state process that is just starting again answers when it has recovered its state.
const RECOVERY_TIME: Duration = Duration::from_secs(60);
/// How often it is asked meanwhile.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// The number of the state process.
const STATE: u32 = 1;

/// Asks the daemon of a run directory, and waits for a state process that is starting.
pub fn ask(run_dir: &RunDir) -> anyhow::Result<LogIndex> {
    let shown = run_dir.path().display();
    wait_for_answer(run_dir).with_context(|| {
        format!(
            "the state daemon of {shown} does not say how far it has come (is it running? see scripts/status and its \
             log)"
        )
    })
}

fn wait_for_answer(run_dir: &RunDir) -> Result<LogIndex, ControlError> {
    let mut client = ControlClient::connect(run_dir)?;
    let deadline = Instant::now() + RECOVERY_TIME;
    loop {
        let Report::Status(report) = client.ask(&Request::Status)? else {
            return Err(client.unexpected());
        };
        let is_late = Instant::now() >= deadline;
        if is_late
            || report
                .status
                .children
                .iter()
                .any(|child| child.is_serving())
        {
            match client.ask_child(STATE, Question::Backup) {
                Ok(Answer::Applied { log_index }) => return Ok(LogIndex(log_index)),
                Ok(_) => return Err(client.unexpected()),
                // It may have ended in between.
                Err(ControlError::Refused { .. }) if !is_late => {}
                Err(error) => return Err(error),
            }
        }
        thread::sleep(ASK_AGAIN);
    }
}

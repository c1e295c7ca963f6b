//! The two daemons of an installation, and what they say of themselves.

use std::path::Path;

use chat_node::control::client::{ControlClient, ControlError};
use chat_node::control::protocol::{
    Answer, Question, QueueTotals, Report, Request, SettingsReport, StatusReport,
};
use chat_node::control::status_file::ChildStatus;
use chat_node::files::run_dir::RunDir;

use crate::pages::STATE;

const STATED: &str = "chat-stated";

/// The daemons of a run directory.
pub(crate) struct Daemons {
    pub(crate) state: RunDir,
    pub(crate) front_end: RunDir,
}

/// A daemon as it was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) program: &'static str,
    pub(crate) state: FoundState,
}

/// How a daemon was found.
#[derive(Debug)]
pub(crate) enum FoundState {
    /// It does not run.
    NotRunning,
    /// It runs, or may run, but cannot be asked; the reason.
    Unreachable(String),
    /// It runs, and does not answer; the reason.
    Silent(String),
    /// It has answered.
    Running(Box<Running>),
}

/// A daemon that has answered.
#[derive(Debug)]
pub(crate) struct Running {
    /// Its version.
    pub(crate) build: String,
    pub(crate) report: StatusReport,
    pub(crate) settings: SettingsReport,
    /// By child: why it gave no answer, if it should have.
    pub(crate) silent_children: Vec<Option<String>>,
    /// What is in all queues; nothing of a daemon that has none.
    pub(crate) queue_totals: Option<QueueTotals>,
}

impl Daemons {
    pub(crate) fn of(run_dir: &Path) -> Self {
        Self {
            state: RunDir::new(run_dir, STATED),
            front_end: RunDir::new(run_dir, "chat-frontd"),
        }
    }

    /// Asks both daemons and all their children.
    pub(crate) fn look(&self) -> [Found; 2] {
        [&self.state, &self.front_end].map(look)
    }
}

fn look(run_dir: &RunDir) -> Found {
    let state = match ask(run_dir) {
        Ok(running) => FoundState::Running(Box::new(running)),
        Err(ControlError::NotRunning(_)) => FoundState::NotRunning,
        Err(error @ ControlError::Silent { .. }) => FoundState::Silent(error.to_string()),
        Err(error) => FoundState::Unreachable(error.to_string()),
    };
    let program = run_dir.program();
    Found { program, state }
}

fn ask(run_dir: &RunDir) -> Result<Running, ControlError> {
    let mut client = ControlClient::connect(run_dir)?;
    let Report::Status(report) = client.ask(&Request::Status)? else {
        return Err(client.unexpected());
    };
    let settings = client.settings()?;
    let mut silent_children = Vec::new();
    for (child, number) in report.status.children.iter().zip(1..) {
        // The parent knows of one that has been silent for long.
        let should_answer = child.is_serving();
        silent_children.push(match should_answer {
            true => match client.ask_child(number, Question::Ping) {
                Ok(_) => None,
                Err(ControlError::Refused { reason, .. }) => Some(reason),
                Err(error) => return Err(error),
            },
            false => None,
        });
    }
    let has_state =
        run_dir.program() == STATED && report.status.children.iter().all(ChildStatus::is_serving);
    let queue_totals = match has_state && silent_children.iter().all(Option::is_none) {
        true => queue_totals(&mut client)?,
        false => None,
    };
    Ok(Running {
        queue_totals,
        build: client.greeting().build.clone(),
        report: *report,
        settings,
        silent_children,
    })
}

/// What is in all queues. Nothing if the state process has ended meanwhile.
fn queue_totals(client: &mut ControlClient) -> Result<Option<QueueTotals>, ControlError> {
    let mut all = QueueTotals::default();
    loop {
        let question = Question::QueueTotals { from: all.next };
        let part = match client.ask_child(STATE, question) {
            Ok(Answer::QueueTotals(part)) => part,
            Ok(_) => return Err(client.unexpected()),
            Err(ControlError::Refused { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        all.waiting += part.waiting;
        all.nearly_full += part.nearly_full;
        all.full += part.full;
        all.oldest_ms = all.oldest_ms.into_iter().chain(part.oldest_ms).min();
        all.places += part.places;
        all.tokens += part.tokens;
        all.memberships += part.memberships;
        all.next = part.next;
        if all.next.is_none() {
            return Ok(Some(all));
        }
    }
}

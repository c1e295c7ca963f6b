//! Why a command of a script was not done.

use chat_line_protocol::client::Refusal;

use crate::exit_status::ExitStatus;
use crate::report::Report;
use crate::wording::text_of;

const INTERRUPTED: &str = "interrupted";

/// What went wrong, and whether to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For people: a sentence, or the beginning of one.
    pub(crate) text: String,
    /// For the script.
    pub(crate) status: ExitStatus,
    /// The same may succeed later: the server is away, or busy.
    pub(crate) is_temporary: bool,
    /// The word of the server for the reason, or one of ours.
    pub(crate) kind: String,
}

impl Failure {
    /// One that lasts.
    pub(crate) fn lasting(report: &Report, status: ExitStatus) -> Self {
        Self {
            text: text_of(report),
            status,
            is_temporary: false,
            kind: "refused".to_owned(),
        }
    }

    /// The server was not reached, or the connection has ended.
    pub(crate) fn lost(text: String) -> Self {
        Self {
            text,
            status: ExitStatus::Lost,
            is_temporary: true,
            kind: "lost".to_owned(),
        }
    }

    /// The command cannot be carried out with this input.
    pub(crate) fn input(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            status: ExitStatus::Refused,
            is_temporary: false,
            kind: "args".to_owned(),
        }
    }

    /// A signal to end has come.
    pub(crate) fn interrupted() -> Self {
        Self {
            text: "ended by a signal".to_owned(),
            status: ExitStatus::Lost,
            is_temporary: false,
            kind: INTERRUPTED.to_owned(),
        }
    }

    /// Whether a signal to end has come.
    pub(crate) fn is_interruption(&self) -> bool {
        self.kind == INTERRUPTED
    }

    /// Something of this system fails: a file, a command, the output.
    pub(crate) fn local(text: String) -> Self {
        Self {
            text,
            status: ExitStatus::Lost,
            is_temporary: false,
            kind: "local".to_owned(),
        }
    }

    /// The server refuses.
    pub(crate) fn refused(refusal: &Refusal<'_>, status: ExitStatus) -> Self {
        let kind = String::from_utf8_lossy(refusal.kind).into_owned();
        let command = String::from_utf8_lossy(refusal.command).into_owned();
        let report = Report::Refused {
            kind: kind.clone(),
            command,
        };
        Self {
            text: text_of(&report),
            status,
            is_temporary: refusal.is_temporary(),
            kind,
        }
    }
}

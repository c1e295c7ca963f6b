//! The exit statuses. They are documented, and scripts rely on them.

use std::process::ExitCode;

use chat_node::control::client::ControlError;

/// What the exit status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Done; of `status`: healthy.
    Done = 0,
    /// Not done; of `status`: degraded.
    NotDone = 1,
    /// Clients are not served.
    Down = 2,
    /// No daemon runs in this run directory.
    NothingRuns = 3,
    /// A daemon runs, or may run, and cannot be asked.
    Unknown = 4,
    /// Nothing was done, because it was not confirmed.
    NotConfirmed = 5,
    /// As sysexits.h has it.
    WrongUsage = 64,
}

impl ExitStatus {
    /// Of a command that came to this.
    pub(crate) fn of(error: &ControlError) -> Self {
        match error {
            ControlError::NotRunning(_) => Self::NothingRuns,
            ControlError::Refused { .. } => Self::NotDone,
            ControlError::Unreachable { .. } | ControlError::Silent { .. } => Self::Unknown,
        }
    }

    /// Of a command to both daemons that came to these errors. Where one of them runs, something was not done.
    pub(crate) fn of_both(errors: &[ControlError]) -> Self {
        match errors {
            [] => Self::Done,
            [ControlError::NotRunning(_), ControlError::NotRunning(_)] => Self::NothingRuns,
            _ if errors.iter().any(|error| Self::of(error) == Self::Unknown) => Self::Unknown,
            _ => Self::NotDone,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status as u8)
    }
}

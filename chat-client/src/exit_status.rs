//! How the client ended, as a number for scripts.

use std::process::ExitCode;

/// The exit statuses of `chat-client`. `--help` and `docs/client.md` list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Left in good order, and in a pipe every command was done.
    Good,
    /// The connection could not be made, was lost, or timed out; or another client took the session over.
    Lost,
    /// The server closed because the client was silent for too long.
    TimedOut,
    /// The user is blocked from this address.
    Blocked,
    /// Ended without having logged in.
    NotLoggedIn,
    /// In a pipe: left in good order, but a command was refused, a line was too long, or a recipient is unknown.
    Refused,
}

impl ExitStatus {
    /// The number; 2 is a wrong command line, which the argument parser reports itself.
    pub(crate) fn code(self) -> u8 {
        match self {
            ExitStatus::Good => 0,
            ExitStatus::Lost => 1,
            ExitStatus::TimedOut => 3,
            ExitStatus::Blocked => 4,
            ExitStatus::NotLoggedIn => 5,
            ExitStatus::Refused => 6,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> ExitCode {
        ExitCode::from(status.code())
    }
}

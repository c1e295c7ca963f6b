//! The flags of the sandbox, which both daemons have.

use clap::{Args, ValueEnum};

use super::users::{Separation, UserError, UserSpec};

/// Which parts of the sandbox are required.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SandboxMode {
    /// Start only with the complete sandbox.
    Require,
    /// Use what the kernel supports, and log the rest.
    #[default]
    BestEffort,
    /// Drop nothing, for debugging.
    Off,
}

/// The users that children run as, and the privileges that they drop.
#[derive(Args, Clone, Debug)]
pub struct SandboxOptions {
    /// Sandbox of the children
    ///
    /// `require` starts only with the complete sandbox; `best-effort` uses what the kernel supports, and logs the rest;
    /// `off` is for debugging. docs/security.md says what children drop.
    #[arg(
        long,
        help_heading = "[process]",
        value_name = "MODE",
        env = "CHAT_SANDBOX",
        value_enum,
        default_value_t
    )]
    pub sandbox: SandboxMode,

    /// User of the state process if started as root: a name or a number, optionally followed by :GROUP
    ///
    /// Neither root nor nobody. Both daemons must have the same value.
    #[arg(
        long,
        help_heading = "[process]",
        value_name = "USER",
        env = "CHAT_STATE_USER",
        default_value = "64190"
    )]
    pub state_user: UserSpec,

    /// User of the workers if started as root: a name or a number, optionally followed by :GROUP
    ///
    /// Neither root nor nobody. Both daemons must have the same value.
    #[arg(
        long,
        help_heading = "[process]",
        value_name = "USER",
        env = "CHAT_WORKER_USER",
        default_value = "64191"
    )]
    pub worker_user: UserSpec,
}

impl SandboxOptions {
    /// The users that the children run as. Parent and children get the same result.
    pub fn separation(&self) -> Result<Separation, UserError> {
        match self.sandbox {
            SandboxMode::Off => Ok(Separation::AsStarted {
                why: "the sandbox is off".to_owned(),
                is_gap: false,
            }),
            _ => Separation::plan(&self.state_user, &self.worker_user),
        }
    }
}

//! The flags of the sandbox, which both daemons have.

use clap::{Args, ValueEnum};

use super::users::{Separation, UserError, UserSpec};

/// How much of the sandbox there has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SandboxMode {
    /// All of it, or the daemon does not start.
    Require,
    /// What the kernel can do; the rest is logged.
    #[default]
    BestEffort,
    /// Nothing: children keep what the daemon was started with. For debugging.
    Off,
}

/// Whom children run as, and what they give up.
#[derive(Args, Clone, Debug)]
pub struct SandboxOptions {
    /// What children give up before they serve: all or no start, what the kernel can do, or nothing
    #[arg(
        long,
        value_name = "MODE",
        env = "CHAT_SANDBOX",
        value_enum,
        default_value_t
    )]
    pub sandbox: SandboxMode,

    /// Started as root: user of the process that holds the state; a name or a number, [:GROUP]
    #[arg(
        long,
        value_name = "USER",
        env = "CHAT_STATE_USER",
        default_value = "64190"
    )]
    pub state_user: UserSpec,

    /// Started as root: user of the workers; a name or a number, [:GROUP]
    #[arg(
        long,
        value_name = "USER",
        env = "CHAT_WORKER_USER",
        default_value = "64191"
    )]
    pub worker_user: UserSpec,
}

impl SandboxOptions {
    /// Whom the children run as. The same in the parent and in the children.
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

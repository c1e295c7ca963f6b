//! The flags that both daemons have: where they run, how they log, and what is to be done with a running one.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args};
use log::LevelFilter;

use crate::files::run_dir::RunDir;
use crate::sandbox::SandboxOptions;

/// Flags of a daemon's process, as opposed to those of its work.
#[derive(Args, Clone, Debug)]
pub struct ProcessOptions {
    /// Directory of the pid files, the socket, the logs, the state and the account file
    #[arg(
        long,
        value_name = "DIR",
        env = "CHAT_RUN_DIR",
        default_value = "run",
        global = true
    )]
    pub run_dir: PathBuf,

    /// What is logged: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", env = "CHAT_LOG", default_value = "info", value_parser = log_level)]
    pub log_level: LevelFilter,

    /// Whom children run as, and what they give up.
    #[command(flatten)]
    pub sandbox: SandboxOptions,

    /// Refuse a run directory, an account file or a state that others can get at, instead of closing it to them
    #[arg(
        long,
        env = "CHAT_STRICT_PERMISSIONS",
        action = ArgAction::SetTrue,
        value_parser = FalseyValueParser::new()
    )]
    pub strict_permissions: bool,

    /// Run in the background: return once the daemon can serve (0) or has failed (1)
    #[arg(long, group = "action")]
    pub detach: bool,

    /// With --detach, append the log to this file [default: DIR/PROGRAM.log]
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,

    /// With --detach, give up after so long and stop it again [default: chat-frontd 30, chat-stated waits as long as it takes]
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub start_patience: Option<u64>,

    /// Stop the daemon that runs in DIR, and wait until all its processes are gone
    #[arg(long, group = "action")]
    pub stop: bool,

    /// Have the daemon that runs in DIR read its files again, and say what came of it: exit status 1 if it cannot use them
    #[arg(long, group = "action")]
    pub reload: bool,

    /// Say how the daemon that runs in DIR is: exit status 0 all is served, 1 not all, 3 not running, 4 unknown
    #[arg(long, group = "action")]
    pub status: bool,

    /// Say whether the daemon could start with these settings, and do nothing else: exit status 0 it could, 1 or 2 not
    #[arg(long, group = "action")]
    pub check_settings: bool,

    /// This process was started by --detach.
    #[arg(long, hide = true)]
    pub detached: bool,

    /// What relative paths are relative to, if it is not the working directory any more.
    #[arg(long, hide = true, value_name = "DIR")]
    pub started_in: Option<PathBuf>,

    /// This process is a child, the one of this number.
    #[arg(long, hide = true, value_name = "NUMBER")]
    pub child_number: Option<u32>,

    /// How many listening sockets the child was given.
    #[arg(
        long,
        hide = true,
        value_name = "COUNT",
        default_value_t = 0,
        requires = "child_number"
    )]
    pub child_listeners: u32,
}

/// clap's own words do not name the levels.
fn log_level(text: &str) -> Result<LevelFilter, String> {
    let unknown = "it is one of off, error, warn, info, debug and trace";
    text.parse().map_err(|_| unknown.to_owned())
}

/// What a process is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Be one of the daemon's children.
    Child,
    /// Be the daemon, started by a [`Role::Launch`].
    Detached,
    /// Be the daemon, in the foreground.
    Foreground,
    /// Start the daemon in the background.
    Launch,
    /// Stop the running daemon.
    Stop,
    /// Have the running daemon read its files again.
    Reload,
    /// Tell how the running daemon is.
    Status,
    /// Tell whether a daemon could start with these settings.
    CheckSettings,
}

impl ProcessOptions {
    /// What this process is to do. A child is started with its parent's own flags, so what is said of itself comes first.
    pub fn role(&self) -> Role {
        match self {
            Self {
                child_number: Some(_),
                ..
            } => Role::Child,
            Self { detached: true, .. } => Role::Detached,
            Self { detach: true, .. } => Role::Launch,
            Self { stop: true, .. } => Role::Stop,
            Self { reload: true, .. } => Role::Reload,
            Self { status: true, .. } => Role::Status,
            Self {
                check_settings: true,
                ..
            } => Role::CheckSettings,
            _ => Role::Foreground,
        }
    }

    /// The run directory, as `program` uses it.
    pub fn run_dir_of(&self, program: &'static str) -> RunDir {
        RunDir::new(&self.run_dir, program)
    }
}

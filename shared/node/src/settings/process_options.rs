//! The flags that both daemons share: where they run, how they log, and the commands that control a running daemon.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args};
use log::LevelFilter;

use crate::files::run_dir::RunDir;
use crate::logs::log_format::LogFormat;
use crate::sandbox::SandboxOptions;

/// Flags of a daemon's process, as opposed to those of its work.
#[derive(Args, Clone, Debug)]
pub struct ProcessOptions {
    /// Directory of the pid files, the socket, the logs, the state and the account file
    ///
    /// Everything that the server keeps is in it. The scripts use `run` in the checkout, the programs `run` where they
    /// are started. Only a settings file that --config or CHAT_CONFIG names can set it.
    #[arg(
        long,
        help_heading = "[process]",
        value_name = "DIR",
        env = "CHAT_RUN_DIR",
        default_value = "run",
        global = true
    )]
    pub run_dir: PathBuf,

    /// Settings file, in TOML; a missing one is an error [default: DIR/chatserv.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "CHAT_CONFIG", global = true)]
    pub config: Option<PathBuf>,

    /// Lowest level that is logged: off, error, warn, info, debug or trace
    #[arg(
        long,
        help_heading = "[process]",
        value_name = "LEVEL",
        env = "CHAT_LOG",
        default_value = "info",
        value_parser = log_level
    )]
    pub log_level: LevelFilter,

    /// Format of log lines: text for people, json for programs
    #[arg(
        long,
        help_heading = "[process]",
        value_name = "FORMAT",
        env = "CHAT_LOG_FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,

    /// The users that children run as, and the privileges that they drop.
    #[command(flatten)]
    pub sandbox: SandboxOptions,

    /// Refuse a run directory, settings file, account file or state with insecure permissions, instead of correcting
    /// them
    #[arg(
        long,
        help_heading = "[process]",
        env = "CHAT_STRICT_PERMISSIONS",
        action = ArgAction::SetTrue,
        value_parser = FalseyValueParser::new()
    )]
    pub strict_permissions: bool,

    /// Run in the background; return once the daemon serves (exit status 0) or has failed (1)
    #[arg(long, group = "action")]
    pub detach: bool,

    /// With --detach, append the log to this file [default: DIR/PROGRAM.log]
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,

    /// With --detach, give up after this time and stop the daemon again [default: chat-frontd 30, chat-stated no limit]
    #[arg(
        long = "start-patience",
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub start_timeout_s: Option<u64>,

    /// Stop the daemon that runs in DIR and wait until all its processes have ended
    #[arg(long, group = "action")]
    pub stop: bool,

    /// Make the daemon that runs in DIR re-read its files and print the result; exit status 1 if it cannot use them
    #[arg(long, group = "action")]
    pub reload: bool,

    /// Print the status of the daemon that runs in DIR; exit status 0 healthy, 1 degraded, 3 not running, 4 unknown
    #[arg(long, group = "action")]
    pub status: bool,

    /// Check whether the daemon could start with these settings, and exit: 0 if it could, 1 or 2 if not
    #[arg(long, group = "action")]
    pub check_settings: bool,

    /// This process was started by --detach.
    #[arg(long, hide = true)]
    pub detached: bool,

    /// The base of relative paths, if it is no longer the working directory.
    #[arg(long, hide = true, value_name = "DIR")]
    pub started_in: Option<PathBuf>,

    /// This process is a child, the one of this number.
    #[arg(long, hide = true, value_name = "NUMBER")]
    pub child_number: Option<u32>,

    /// The number of listening sockets that the child inherits.
    #[arg(
        long,
        hide = true,
        value_name = "COUNT",
        default_value_t = 0,
        requires = "child_number"
    )]
    pub child_listeners: u32,
}

/// The message of clap does not name the levels.
fn log_level(text: &str) -> Result<LevelFilter, String> {
    let unknown = "the levels are off, error, warn, info, debug and trace";
    text.parse().map_err(|_| unknown.to_owned())
}

/// The part that a process plays.
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
    /// Make the running daemon re-read its files.
    Reload,
    /// Print the status of the running daemon.
    Status,
    /// Check whether a daemon could start with these settings.
    CheckSettings,
}

impl ProcessOptions {
    /// The role of this process. A child has its parent's flags too, so its own flags take precedence.
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

    /// The paths that a daemon uses while it runs.
    pub fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.log_file.iter_mut().chain([&mut self.run_dir])
    }

    /// The run directory, as `program` uses it.
    pub fn run_dir_of(&self, program: &'static str) -> RunDir {
        RunDir::new(&self.run_dir, program)
    }
}

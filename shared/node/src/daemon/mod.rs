//! What both daemons do alike, from `main` on. One program is the parent, its children, and the commands that control a
//! running parent.

mod child;
mod commands;
mod parent;
mod settings;

use std::ffi::CString;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Command, Parser};
use nix::sys::stat::{Mode, umask};

use crate::control::operator::{self, Health};
use crate::control::status_file::Status;
use crate::files::run_dir::RunDir;
use crate::limits::system_limits::{self, SystemLimits};
use crate::logs::output::{self, Remarks};
use crate::process::{inherited_fd, signals};
use crate::sandbox::{ChildUser, Sandbox, Users};
use crate::settings::process_options::{ProcessOptions, Role};
use crate::supervisor::child_configuration::ChildConfiguration;
use crate::supervisor::{ChangeOwnership, FileAcceptance};
use settings::Loaded;

/// The exit status of `--status` if the state of the daemon is unknown, as for service scripts.
const STATUS_UNKNOWN: u8 = 4;

/// A program whose process supervises children that do the work. Its fields are its flags.
pub trait Daemon: Parser + 'static {
    /// The program's name.
    const NAME: &'static str;
    /// The name of a child in logs and in the status.
    const CHILD_ROLE: &'static str;
    /// The user that a child runs as, if the daemon was started as root.
    const CHILD_USER: ChildUser;
    /// The least memory with which a child can work.
    const LEAST_MEMORY_BYTES: u64;

    /// All programs that have settings. The settings file holds those of all of them, so each has to know them.
    fn programs() -> Vec<Command>;

    /// Whether a reload changes the setting with this id of its flag. Others need a restart.
    fn is_reloaded(id: &str) -> bool;

    /// Whether its listening sockets are those of clients, so that it can be drained of them.
    const CAN_DRAIN: bool = false;

    /// How long `--detach` waits for the daemon to serve, and advice for when that is too short. Without it, there is
    /// no limit.
    const START_TIMEOUT: Option<(Duration, &'static str)> = None;

    /// Runs the subcommand of the command line, if there is one, instead of the daemon.
    fn run_subcommand(&self) -> Option<ExitCode> {
        None
    }

    /// The flags that all daemons share.
    fn process(&self) -> &ProcessOptions;

    /// All paths among the flags that the daemon uses while it runs. They are made absolute before it changes its
    /// working directory.
    fn paths(&mut self) -> Vec<&mut PathBuf>;

    /// The number of children, at least 1.
    fn child_count(&self) -> u32;

    /// Fails if the daemon could not start with these settings. Opens and changes nothing that a running daemon uses.
    fn check_settings(&self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Opens the sockets that the children listen on. No other process of this run directory does so at the same time.
    /// `users` are those of the children, if they have users of their own.
    fn listen(&self, users: Option<Users>) -> anyhow::Result<Listening>;

    /// Gives the children's users the files they need. Runs before each start of a child and before each reload.
    fn change_ownership(&self, _users: Users) -> Option<ChangeOwnership> {
        None
    }

    /// Whether an operator who requests a reload accepts files that would be refused.
    fn is_forced(&self) -> bool {
        false
    }

    /// Accepts such files as they are now. Runs in the parent before a reload.
    fn file_acceptance(&self) -> Option<FileAcceptance> {
        None
    }

    /// The directory that holds the state of successive children, if there is one. It must stay the same directory
    /// while the daemon runs.
    fn lasting_directory(&self) -> Option<PathBuf> {
        None
    }

    /// Does a child's work until it is told to end.
    fn run_child(self, inheritance: ChildInheritance) -> anyhow::Result<()>;

    /// Checks whether the daemon with this status serves, and writes details for people to `out`.
    fn inspect(&self, status: &Status, out: &mut impl Write) -> anyhow::Result<Health>;
}

/// The sockets and files of a daemon that listens.
#[derive(Debug, Default)]
pub struct Listening {
    /// Passed to each child, in this order.
    pub sockets: Vec<OwnedFd>,
    /// The addresses of the sockets, for people.
    pub addresses: Vec<String>,
    /// Files to remove when the daemon ends.
    pub files: Vec<PathBuf>,
    /// Configuration and secrets that are pushed to the children, if any.
    pub child_configuration: Option<Box<dyn ChildConfiguration>>,
}

/// What a child receives from its parent.
#[derive(Debug)]
pub struct ChildInheritance {
    /// Ends when the parent does.
    pub parent: UnixStream,
    /// The sockets that [`Daemon::listen`] opened.
    pub sockets: Vec<OwnedFd>,
    /// The system's limits for this process.
    pub limits: SystemLimits,
    /// User and privileges are dropped already.
    pub sandbox: Sandbox,
}

/// The `main` of a daemon.
pub fn main<D: Daemon>() -> ExitCode {
    if let Err(error) = signals::ignore_meaningless() {
        output::complain(format_args!("{}: cannot ignore signals: {error}", D::NAME));
        return ExitCode::FAILURE;
    }
    if let Err(error) = inherited_fd::adopt_all() {
        output::complain(format_args!(
            "{}: cannot list open descriptors: {error}",
            D::NAME
        ));
        return ExitCode::FAILURE;
    }
    name_process(D::NAME);
    let Loaded {
        mut daemon,
        file,
        values,
    } = match settings::load::<D>() {
        Ok(loaded) => loaded,
        Err(done) => return done,
    };
    // All files that the daemons write are for their own user alone.
    umask(Mode::from_bits_truncate(0o077));
    if let Some(done) = daemon.run_subcommand() {
        return done;
    }
    let role = daemon.process().role();
    let started_in = match leave_working_directory(&mut daemon, role) {
        Ok(started_in) => started_in,
        Err(error) => {
            output::complain(format_args!("{}: {error:#}", D::NAME));
            return ExitCode::FAILURE;
        }
    };
    let result = match role {
        Role::Child => return child::run(daemon),
        Role::Detached => return parent::run_detached(&daemon, file, values, started_in),
        Role::Foreground => return parent::run_in_foreground(&daemon, file, values),
        _ => run_command(&daemon, role),
    };
    match result {
        Ok(health) => ExitCode::from(health.exit_status()),
        Err(error) => {
            output::complain(format_args!("{}: {}", D::NAME, describe_error(&error)));
            match role {
                Role::Status => ExitCode::from(STATUS_UNKNOWN),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Runs one of the operator's commands. All but `--status` end with a healthy result or an error.
fn run_command<D: Daemon>(daemon: &D, role: Role) -> anyhow::Result<Health> {
    let mut out = Remarks::of(D::NAME);
    match role {
        Role::Launch => commands::launch(daemon)?,
        Role::Stop => operator::stop(&run_dir(daemon), &mut out)?,
        Role::Reload => operator::reload(&run_dir(daemon), daemon.is_forced(), &mut out)?,
        Role::CheckSettings => commands::check_settings(daemon, &mut out)?,
        Role::Status => return commands::print_status(daemon),
        Role::Child | Role::Detached | Role::Foreground => {}
    }
    Ok(Health::Healthy)
}

/// A daemon in the background leaves the directory it was started in, so that it can be removed or unmounted. Relative
/// paths keep their meaning. Returns that directory if this process's children need it.
fn leave_working_directory<D: Daemon>(
    daemon: &mut D,
    role: Role,
) -> anyhow::Result<Option<PathBuf>> {
    let inherited = daemon.process().started_in.clone();
    let is_left = role == Role::Detached || role == Role::Child && inherited.is_some();
    if !is_left {
        return Ok(None);
    }
    let mut started_in = inherited;
    for path in daemon.paths().into_iter().filter(|path| path.is_relative()) {
        let directory = match started_in.take() {
            Some(directory) => directory,
            None => std::env::current_dir().with_context(|| {
                format!(
                    "cannot find the working directory, to which {} is relative",
                    path.display()
                )
            })?,
        };
        *path = directory.join(&*path);
        started_in = Some(directory);
    }
    std::env::set_current_dir("/").context("cannot change to the directory /")?;
    Ok(started_in)
}

/// Without this, lists of processes show `exe` for a process that was started through `/proc/self/exe`.
fn name_process(name: &str) {
    if let Ok(name) = CString::new(name) {
        let _ = nix::sys::prctl::set_name(&name);
    }
}

fn run_dir<D: Daemon>(daemon: &D) -> RunDir {
    daemon.process().run_dir_of(D::NAME)
}

/// An error for people, with advice if a limit of the system caused it.
fn describe_error(error: &anyhow::Error) -> String {
    match system_limits::advice(error) {
        Some(advice) => format!("{error:#}: {advice}"),
        None => format!("{error:#}"),
    }
}

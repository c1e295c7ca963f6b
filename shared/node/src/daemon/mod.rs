//! What the two daemons do alike from `main` on: one program is the parent, its children, and the tools to handle them.

use std::ffi::CString;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Parser;
use nix::sys::stat::{Mode, umask};
use nix::unistd::geteuid;

use crate::control::operator::{self, Health};
use crate::control::status_file::Status;
use crate::files::run_dir::RunDir;
use crate::files::run_dir_trust::{self, Trusted, Untrusted};
use crate::limits::system_limits::{self, SystemLimits};
use crate::logs::output::Remarks;
use crate::logs::{log_format, output};
use crate::process::lock_holder::Holder;
use crate::process::pid_file::{LockError, PidFile, holder, lock_file};
use crate::process::{detach, inherited_fd, signals};
use crate::sandbox::{
    ChildUser, Sandbox, SandboxMode, SandboxOptions, Separation, Users, closed_directory,
    forbid_core_dumps, make_passable,
};
use crate::settings::command_line;
use crate::settings::process_options::{ProcessOptions, Role};
use crate::supervisor::child_configuration::Handouts;
use crate::supervisor::child_link::{report_failure, report_ready};
use crate::supervisor::{ChildStarter, HandOver, Inheritance, SharedSockets, Signals, Supervisor};

/// How long a new daemon waits for the children of one that was killed; they end at once unless something holds them.
const ORPHAN_WAIT: Duration = Duration::from_secs(5);

/// The exit status of `--status` when it cannot tell, as for service scripts.
const STATUS_UNKNOWN: u8 = 4;

/// A program whose process watches over children that do the work. Its fields are its flags.
pub trait Daemon: Parser {
    /// The program's name.
    const NAME: &'static str;
    /// What a child is called.
    const CHILD_ROLE: &'static str;
    /// Whom a child runs as.
    const CHILD_USER: ChildUser;
    /// Memory without which a child cannot do its work.
    const LEAST_MEMORY_BYTES: u64;

    /// How long a start in the background is waited for, if not as long as it takes, and what is likely to be wrong after that.
    const START_PATIENCE: Option<(Duration, &'static str)> = None;

    /// Does what a subcommand asks for, if there is one, instead of being the daemon.
    fn run_subcommand(&self) -> Option<ExitCode> {
        None
    }

    /// The flags that all daemons have.
    fn process(&self) -> &ProcessOptions;

    /// All paths among the flags that the daemon uses while it runs: they are made absolute before it leaves the
    /// working directory.
    fn paths(&mut self) -> Vec<&mut PathBuf>;

    /// How many children there are to be, from 1.
    fn child_count(&self) -> u32;

    /// Fails if the settings are such that it could not start: what can be told without opening or touching anything that a
    /// running daemon uses.
    fn check_settings(&self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Opens what the children listen on. No other process of this run directory does so at the same time. `users` are those
    /// of the children, if they have users of their own.
    fn listen(&self, users: Option<Users>) -> anyhow::Result<Listening>;

    /// What has to be given to the children's users before each life, and before they read their files again; nothing.
    fn hand_over(&self, _users: Users) -> Option<HandOver> {
        None
    }

    /// Leaves what the daemon is to find when it reads its files again, in the process that asks it to.
    fn prepare_reload(&self) -> anyhow::Result<()> {
        Ok(())
    }

    /// The directory that children serve from one after the other, if there is one: none of them begins with another than the
    /// one before had.
    fn lasting_directory(&self) -> Option<PathBuf> {
        None
    }

    /// Does a child's work until it is told to end.
    fn run_child(self, inheritance: ChildInheritance) -> anyhow::Result<()>;

    /// Looks whether the daemon that says this of itself does its work, and writes what there is to say of that.
    fn look(&self, status: &Status, out: &mut impl Write) -> anyhow::Result<Health>;
}

/// What a daemon listens on.
#[derive(Debug, Default)]
pub struct Listening {
    /// Handed to each child, in this order.
    pub sockets: Vec<OwnedFd>,
    /// The same for people.
    pub addresses: Vec<String>,
    /// Files that are to be removed when the daemon ends.
    pub files: Vec<PathBuf>,
    /// What children are given beside the sockets, if anything.
    pub handouts: Option<Box<dyn Handouts>>,
}

/// What a child is given.
#[derive(Debug)]
pub struct ChildInheritance {
    /// Ends when the parent does.
    pub parent: UnixStream,
    /// As opened by [`Daemon::listen`].
    pub sockets: Vec<OwnedFd>,
    /// What the system lets this process have.
    pub limits: SystemLimits,
    /// User and privileges are given up already.
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
    let mut daemon: D = match command_line::parse() {
        Ok(daemon) => daemon,
        Err(done) => return done,
    };
    // All that the daemons write is for their own user alone.
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
    let mut said = Remarks::of(D::NAME);
    let result = match role {
        Role::Child => return run_as_child(daemon),
        Role::Detached => return run_detached(&daemon, started_in),
        Role::Foreground => return run_in_foreground(&daemon),
        Role::Launch => launch(&daemon).map(|()| Health::Whole),
        Role::Stop => operator::stop(&run_dir(&daemon), &mut said).map(|()| Health::Whole),
        Role::Reload => operator::reload(&run_dir(&daemon), || daemon.prepare_reload(), &mut said)
            .map(|()| Health::Whole),
        Role::Status => tell_status(&daemon),
        Role::CheckSettings => check_settings(&daemon, &mut said).map(|()| Health::Whole),
    };
    match result {
        Ok(health) => ExitCode::from(health.exit_status()),
        Err(error) => {
            output::complain(format_args!("{}: {}", D::NAME, words_of(&error)));
            match role {
                Role::Status => ExitCode::from(STATUS_UNKNOWN),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// In the background a daemon leaves the directory in which it was started, which somebody may want to remove or
/// unmount. Paths mean the same as before. Returns that directory, if this process's children have to know it.
fn leave_working_directory<D: Daemon>(
    daemon: &mut D,
    role: Role,
) -> anyhow::Result<Option<PathBuf>> {
    let told = daemon.process().started_in.clone();
    let is_left = role == Role::Detached || role == Role::Child && told.is_some();
    if !is_left {
        return Ok(None);
    }
    let mut started_in = told;
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

/// A process that was started by way of `/proc/self/exe` would be called `exe` in lists of processes.
fn name_process(name: &str) {
    if let Ok(name) = CString::new(name) {
        let _ = nix::sys::prctl::set_name(&name);
    }
}

fn run_dir<D: Daemon>(daemon: &D) -> RunDir {
    daemon.process().run_dir_of(D::NAME)
}

fn launch<D: Daemon>(daemon: &D) -> anyhow::Result<()> {
    let run_dir = run_dir(daemon);
    run_dir.create()?;
    // Before anything is written there, the log above all.
    for warning in check_run_dir(daemon, false)? {
        output::complain(format_args!("{}: warning: {warning}", D::NAME));
    }
    let log_file = daemon.process().log_file.as_deref();
    let asked = daemon.process().start_patience.map(Duration::from_secs);
    let (usual, advice) = D::START_PATIENCE.unzip();
    let patience = asked.or(usual).map(|limit| detach::Patience {
        limit,
        advice: advice.unwrap_or("its log tells how far it is"),
    });
    detach::launch(&run_dir, log_file, patience)
}

/// Here the words are the work, so it is an error if they cannot be written.
fn tell_status<D: Daemon>(daemon: &D) -> anyhow::Result<Health> {
    let mut said = Vec::new();
    let health = describe_status(daemon, &mut said);
    output::say(&said).context("cannot write to the standard output")?;
    health
}

fn describe_status<D: Daemon>(daemon: &D, out: &mut impl Write) -> anyhow::Result<Health> {
    let (health, status) = operator::report(&run_dir(daemon), D::CHILD_ROLE, out)?;
    let Some(status) = status else {
        return Ok(health);
    };
    let seen = daemon.look(&status, out)?;
    Ok(match (health, seen) {
        (Health::Whole, Health::Whole) => Health::Whole,
        _ => Health::Partial,
    })
}

/// Whether the run directory can be trusted; what is not quite well. If it is only looked at, nothing is mended.
fn check_run_dir<D: Daemon>(daemon: &D, is_only_looked_at: bool) -> anyhow::Result<Vec<String>> {
    let process = daemon.process();
    let untrusted = match process.strict_permissions {
        true => Untrusted::Refuse,
        false if is_only_looked_at => Untrusted::Look,
        false => Untrusted::Close,
    };
    let users = process.sandbox.separation()?.users();
    run_dir_trust::check(&process.run_dir, Trusted::new(users), untrusted)
}

fn check_settings<D: Daemon>(daemon: &D, out: &mut impl Write) -> anyhow::Result<()> {
    daemon.process().sandbox.separation()?;
    if daemon.process().run_dir.exists() {
        check_run_dir(daemon, true)?;
    }
    daemon.check_settings()?;
    writeln!(out, "{}: could start with these settings", D::NAME).context("cannot write")
}

fn run_in_foreground<D: Daemon>(daemon: &D) -> ExitCode {
    exit_code(supervise(daemon, None, Box::new(|| ())), D::NAME, None)
}

fn run_detached<D: Daemon>(daemon: &D, started_in: Option<PathBuf>) -> ExitCode {
    let link = match inherited_fd::take(inherited_fd::LINK_FD) {
        Ok(link) => UnixStream::from(link),
        Err(error) => {
            output::complain(format_args!(
                "{}: --detached is for --detach only: {error}",
                D::NAME
            ));
            return ExitCode::FAILURE;
        }
    };
    let result = (|| {
        detach::leave_session().context("cannot begin a session")?;
        let launcher = link.try_clone()?;
        let on_ready = move || {
            if let Err(error) = report_ready(&launcher) {
                log::debug!("whoever started this no longer waits: {error}");
            }
        };
        supervise(daemon, started_in, Box::new(on_ready))
    })();
    exit_code(result, D::NAME, Some(&link))
}

fn run_as_child<D: Daemon>(daemon: D) -> ExitCode {
    let inheritance = match Inheritance::take(daemon.process().child_listeners) {
        Ok(inheritance) => inheritance,
        Err(error) => {
            let name = D::NAME;
            output::complain(format_args!(
                "{name}: --child-number is for the daemon's own use: {error}"
            ));
            return ExitCode::FAILURE;
        }
    };
    let Inheritance {
        parent,
        listeners,
        // Dropped when this returns, which is when the process ends.
        life_lock: _life_lock,
    } = inheritance;
    let link = parent.try_clone();
    let result = (|| {
        start_log(&daemon)?;
        let limits = SystemLimits::raise().context("cannot raise the limits of this process")?;
        limits.check(D::LEAST_MEMORY_BYTES)?;
        let sandbox = Sandbox::enter(&daemon.process().sandbox, D::CHILD_USER)?;
        check_way(run_dir(&daemon).path())?;
        daemon.run_child(ChildInheritance {
            parent,
            sockets: listeners,
            limits,
            sandbox,
        })
    })();
    exit_code(result, D::NAME, link.ok().as_ref())
}

/// Fails if this process, whoever it is now, cannot reach the run directory.
fn check_way(run_dir: &Path) -> anyhow::Result<()> {
    let Some(closed) = closed_directory(run_dir) else {
        return Ok(());
    };
    let (run_dir, closed, user) = (run_dir.display(), closed.display(), geteuid());
    bail!(
        "the run directory {run_dir} cannot be reached: {closed} is closed to user {user}. Let others pass it (chmod o+x \
         {closed}), choose another run directory (--run-dir, CHAT_RUN_DIR), or start chatserv as the user it belongs to"
    )
}

fn start_log<D: Daemon>(daemon: &D) -> anyhow::Result<()> {
    log_format::start(D::NAME, daemon.process().log_level).context("cannot start the log")
}

/// An error for people, with what to do if it comes of a limit of the system.
fn words_of(error: &anyhow::Error) -> String {
    match system_limits::advice(error) {
        Some(advice) => format!("{error:#}: {advice}"),
        None => format!("{error:#}"),
    }
}

/// Tells the log, and whoever started this process, of a failure.
fn exit_code(result: anyhow::Result<()>, name: &str, starter: Option<&UnixStream>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    let text = words_of(&error);
    if log::max_level() == log::LevelFilter::Off {
        output::complain(format_args!("{name}: {text}"));
    }
    log::error!("{text}");
    if let Some(Err(error)) = starter.map(|starter| report_failure(starter, &text)) {
        log::debug!("whoever started this no longer waits: {error}");
    }
    ExitCode::FAILURE
}

/// Be the daemon, until told to end.
fn supervise<D: Daemon>(
    daemon: &D,
    started_in: Option<PathBuf>,
    on_ready: Box<dyn FnOnce()>,
) -> anyhow::Result<()> {
    start_log(daemon)?;
    // A parent may hold a key; what it starts to serve hides more.
    if daemon.process().sandbox.sandbox != SandboxMode::Off
        && let Err(error) = forbid_core_dumps()
    {
        log::warn!("core dumps cannot be forbidden: {error}");
    }
    let run_dir = run_dir(daemon);
    run_dir.create()?;
    for warning in check_run_dir(daemon, false)? {
        log::warn!("{warning}");
    }
    // Before anybody can tell whom to send one.
    let signals = Signals::catch().context("cannot catch signals")?;
    let pid_file = acquire_pid_file(&run_dir)?;
    let life_lock = lock_file(&run_dir.life_lock(), ORPHAN_WAIT)
        .map_err(|error| anyhow!(orphans_error(&error, &run_dir)))?;
    if pid_file.is_after_crash() {
        log::warn!("the one before ended without warning; cleaning up after it");
    }
    let users = separate(&run_dir, &daemon.process().sandbox)?;
    let listening = daemon.listen(users)?;
    let starter = ChildStarter {
        program: D::NAME,
        role: D::CHILD_ROLE,
        is_numbered: daemon.child_count() > 1,
        life_lock,
        listeners: SharedSockets::new(listening.sockets),
        started_in,
        hand_over: users.and_then(|users| daemon.hand_over(users)),
    };
    let supervisor = Supervisor::new(
        starter,
        daemon.child_count(),
        signals,
        run_dir.status_file(),
        listening.addresses,
        on_ready,
    )
    .with_handouts(listening.handouts)
    .with_lasting_directory(daemon.lasting_directory());
    let result = supervisor.run();

    if pid_file.is_in_place() {
        remove_files(listening.files.iter().chain([&run_dir.status_file()]));
    }
    log::info!("stopped");
    // Last of all: who finds the pid file gone finds everything gone.
    drop(pid_file);
    result
}

/// The users of the children, if they have users of their own; then these can reach the run directory, as far as that is
/// up to its mode.
fn separate(run_dir: &RunDir, options: &SandboxOptions) -> anyhow::Result<Option<Users>> {
    match options.separation()? {
        Separation::Separate(users) => {
            let path = run_dir.path();
            make_passable(path).with_context(|| format!("cannot open {}", path.display()))?;
            Ok(Some(users))
        }
        Separation::AsStarted { why, .. } => {
            log::info!("children run as user {}: {why}", geteuid());
            Ok(None)
        }
    }
}

fn remove_files<'a>(files: impl Iterator<Item = &'a PathBuf>) {
    for file in files {
        if let Err(error) = std::fs::remove_file(file) {
            log::warn!("cannot remove {}: {error}", file.display());
        }
    }
}

fn acquire_pid_file(run_dir: &RunDir) -> anyhow::Result<PidFile> {
    let path = run_dir.pid_file();
    let shown = path.display();
    let mut file = PidFile::acquire(&path).map_err(|error| match error {
        LockError::Held => already_running(run_dir),
        LockError::Io(error) => anyhow!("cannot write the pid file {shown}: {error}"),
    })?;
    // What the one before said of itself; its number may be this process's now.
    let status_file = run_dir.status_file();
    match std::fs::remove_file(&status_file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            log::warn!("cannot remove the stale {}: {error}", status_file.display());
        }
        _ => {}
    }
    let named = file.name_holder();
    named.with_context(|| format!("cannot write the pid file {shown}"))?;
    Ok(file)
}

fn already_running(run_dir: &RunDir) -> anyhow::Error {
    let (path, dir) = (run_dir.pid_file(), run_dir.path().display());
    let who = match holder(&path) {
        Ok(Some(Holder::Here(process))) => format!("as process {}", process.pid()),
        Ok(Some(elsewhere)) => format!("it seems: {}", operator::whereabouts(&elsewhere, &path)),
        // It has just ended, or cannot be looked at.
        Ok(None) | Err(_) => "as another process".to_owned(),
    };
    anyhow!("already running in {dir} {who} (see scripts/status)")
}

fn orphans_error(error: &LockError, run_dir: &RunDir) -> String {
    let path = run_dir.life_lock();
    let path = path.display();
    match error {
        LockError::Held => {
            format!("processes of an earlier one still hold {path} (scripts/stop ends them)")
        }
        LockError::Io(error) => format!("cannot lock {path}: {error}"),
    }
}

//! The parent: takes the pid file, opens the sockets, supervises the children, and cleans up.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use nix::unistd::geteuid;

use super::commands::check_run_dir;
use super::settings::RunningSettings;
use super::{Daemon, describe_error, run_dir};
use crate::VERSION;
use crate::control::operator;
use crate::control::socket::ControlSocket;
use crate::files::run_dir::RunDir;
use crate::logs::log_file::LogFile;
use crate::logs::{log_format, output};
use crate::process::lock_holder::Holder;
use crate::process::pid_file::{LockError, PidFile, holder, lock_file};
use crate::process::{detach, inherited_fd};
use crate::sandbox::{
    SandboxMode, SandboxOptions, Separation, Users, forbid_core_dumps, make_passable,
};
use crate::settings::process_options::Role;
use crate::settings::reload::RunningValues;
use crate::settings::settings_file::SettingsFile;
use crate::supervisor::child_reports::{report_failure, report_ready};
use crate::supervisor::{ChildStarter, SharedSockets, Signals, Supervisor};

/// How long a new daemon waits for the children of one that was killed. They end at once unless something blocks them.
const ORPHAN_WAIT: Duration = Duration::from_secs(5);

/// Runs the daemon in the foreground until it is told to end.
pub(super) fn run_in_foreground<D: Daemon>(
    daemon: &D,
    file: Option<SettingsFile>,
    values: RunningValues,
) -> ExitCode {
    exit_code(
        supervise(daemon, file, values, None, Box::new(|| ())),
        D::NAME,
        None,
    )
}

/// Runs the daemon in the background, and reports to the process that started it once it serves.
pub(super) fn run_detached<D: Daemon>(
    daemon: &D,
    file: Option<SettingsFile>,
    values: RunningValues,
    started_in: Option<PathBuf>,
) -> ExitCode {
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
                log::debug!("the process that started this one no longer waits: {error}");
            }
        };
        supervise(daemon, file, values, started_in, Box::new(on_ready))
    })();
    exit_code(result, D::NAME, Some(&link))
}

pub(super) fn start_log<D: Daemon>(daemon: &D) -> anyhow::Result<()> {
    let process = daemon.process();
    log_format::start(D::NAME, process.log_level, process.log_format)
        .context("cannot start the log")
}

/// Reports a failure to the log and to the process that started this one.
pub(super) fn exit_code(
    result: anyhow::Result<()>,
    name: &str,
    starter: Option<&UnixStream>,
) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    let text = describe_error(&error);
    if log::max_level() == log::LevelFilter::Off {
        output::complain(format_args!("{name}: {text}"));
    }
    log::error!("{text}");
    if let Some(Err(error)) = starter.map(|starter| report_failure(starter, &text)) {
        log::debug!("the process that started this one no longer waits: {error}");
    }
    ExitCode::FAILURE
}

/// Is the daemon until it is told to end.
fn supervise<D: Daemon>(
    daemon: &D,
    file: Option<SettingsFile>,
    values: RunningValues,
    started_in: Option<PathBuf>,
    on_ready: Box<dyn FnOnce()>,
) -> anyhow::Result<()> {
    start_log(daemon)?;
    log::info!("version {VERSION}");
    // The parent may hold a private key. Its children protect more before they serve.
    if daemon.process().sandbox.sandbox != SandboxMode::Off
        && let Err(error) = forbid_core_dumps()
    {
        log::warn!("core dumps cannot be forbidden: {error}");
    }
    if let Some(file) = &file {
        log::info!("settings file: {}", file.path().display());
    }
    let run_dir = run_dir(daemon);
    run_dir.create()?;
    for warning in check_run_dir(daemon, false)? {
        log::warn!("{warning}");
    }
    // Before the pid file tells anybody where to send signals.
    let signals = Signals::catch().context("cannot catch signals")?;
    let pid_file = acquire_pid_file(&run_dir)?;
    let children_lock = lock_file(&run_dir.children_lock(), ORPHAN_WAIT)
        .map_err(|error| anyhow!(orphans_error(&error, &run_dir)))?;
    if pid_file.is_after_crash() {
        log::warn!("the previous daemon ended without removing its pid file; cleaning up");
    }
    let users = separate(&run_dir, &daemon.process().sandbox)?;
    let listening = daemon.listen(users)?;
    let control_path = run_dir.control_socket();
    let control_socket = ControlSocket::listen(D::NAME, &control_path)?;
    // In the foreground, who started the daemon has chosen where its output goes.
    let is_detached = daemon.process().role() == Role::Detached;
    let chosen_log = daemon.process().log_file.as_deref();
    let log_file = is_detached.then(|| LogFile::new(&run_dir, chosen_log));
    let settings = RunningSettings::<D>::new(values, started_in.clone());
    let starter = ChildStarter {
        program: D::NAME,
        role: D::CHILD_ROLE,
        is_numbered: daemon.child_count() > 1,
        children_lock,
        listeners: SharedSockets::new(listening.sockets),
        started_in,
        settings_file: file.as_ref().map(SettingsFile::for_child),
        change_ownership: users.and_then(|users| daemon.change_ownership(users)),
    };
    let supervisor = Supervisor::new(
        starter,
        daemon.child_count(),
        signals,
        run_dir.status_file(),
        listening.addresses,
        on_ready,
    )
    .with_child_configuration(listening.child_configuration)
    .with_log_file(log_file)
    .with_draining(D::CAN_DRAIN)
    .with_settings(Box::new(settings))
    .with_file_acceptance(daemon.file_acceptance())
    .with_lasting_directory(daemon.lasting_directory())
    .with_control_socket(control_socket);
    let result = supervisor.run();

    if pid_file.is_in_place() {
        let own = [&run_dir.status_file(), &control_path];
        remove_files(listening.files.iter().chain(own));
    }
    log::info!("stopped");
    // Last of all: once the pid file is gone, everything is gone.
    drop(pid_file);
    result
}

/// The users of the children, if they have users of their own. In that case the run directory is made passable for
/// them.
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
    // The status of the previous daemon must be gone first: that may have had the number that this process has now.
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
        Ok(Some(other)) => format!("(probably: {})", operator::describe_holder(&other, &path)),
        // It has just ended, or its pid file cannot be read.
        Ok(None) | Err(_) => "as another process".to_owned(),
    };
    anyhow!("already running in {dir} {who} (see scripts/status)")
}

fn orphans_error(error: &LockError, run_dir: &RunDir) -> String {
    let path = run_dir.children_lock();
    let path = path.display();
    match error {
        LockError::Held => {
            format!("processes of an earlier daemon still hold {path} (scripts/stop ends them)")
        }
        LockError::Io(error) => format!("cannot lock {path}: {error}"),
    }
}

//! Starts a daemon in the background, independent of the process that started it, and reports the result.

use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::files::run_dir::RunDir;
use crate::logs::log_file::LogFile;
use crate::logs::output;
use crate::process::inherited_fd::LINK_FD;
use crate::supervisor::child_link::ChildLink;
use crate::supervisor::own_binary;

/// Interval of the message that a long start is still in progress.
const PROGRESS_EVERY_MS: u64 = 10_000;

/// How long to wait for a start.
#[derive(Clone, Copy, Debug)]
pub struct StartTimeout {
    /// The daemon is stopped again after this time.
    pub limit: Duration,
    /// Advice for people if this was too short.
    pub advice: &'static str,
}

/// Starts this program again in a session of its own and waits until it serves. After `timeout` the daemon is stopped
/// again. Fails with the error that the daemon reports. Progress messages go to standard error.
pub fn launch(
    run_dir: &RunDir,
    log_file: &LogFile,
    timeout: Option<StartTimeout>,
) -> anyhow::Result<()> {
    let (log, log_path) = (log_file.open()?, log_file.path());
    let program = run_dir.program();
    let (mut link, child_end) = ChildLink::pair()?;
    let descriptors = vec![(OwnedFd::from(child_end), LINK_FD)];
    let mut command = own_binary(program, &["--detached".into()], descriptors)?;
    command.stdout(log.try_clone()?).stderr(log);
    let mut child = command.spawn().context("cannot start a process")?;
    // The command holds the child's end of the link; the end of the child would not be noticed.
    drop(command);

    let give_up_at = timeout.map(|timeout| Instant::now() + timeout.limit);
    let was_reported = wait_for_report(&mut link, program, log_path, give_up_at)?;
    if link.is_ready() {
        return Ok(());
    }
    if let (false, Some(StartTimeout { limit, advice })) = (was_reported, timeout) {
        stop(&mut child)?;
        bail!(
            "not ready after {} s, so it was stopped again: {advice} (see {})",
            limit.as_secs(),
            log_path.display()
        );
    }
    let status = child.wait()?;
    match link.failure() {
        Some(text) => Err(anyhow!("{text}")),
        None => bail!(
            "the daemon {} before it was ready (see {})",
            describe(status),
            log_path.display()
        ),
    }
}

/// Waits until the daemon reports or ends. Returns false at `give_up_at`.
fn wait_for_report(
    link: &mut ChildLink,
    program: &str,
    log_path: &Path,
    give_up_at: Option<Instant>,
) -> anyhow::Result<bool> {
    while !link.is_ready() && !link.has_ended() {
        let mut wait = Duration::from_millis(PROGRESS_EVERY_MS);
        if let Some(give_up_at) = give_up_at {
            let left = give_up_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            wait = wait.min(left + Duration::from_millis(1));
        }
        let is_last_wait = wait.as_millis() < u128::from(PROGRESS_EVERY_MS);
        let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(link.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(0) if is_last_wait => {}
            Ok(0) => {
                let log = log_path.display();
                output::complain(format_args!("{program}: still starting (see {log})"));
            }
            Ok(_) => link.read_available()?,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// The daemon ends its own children first.
fn stop(child: &mut Child) -> anyhow::Result<()> {
    let pid = Pid::from_raw(child.id().cast_signed());
    // Not yet waited for, so its number is still its own.
    kill(pid, Signal::SIGTERM).context("cannot stop the daemon that was started")?;
    child
        .wait()
        .context("cannot wait for the daemon that was started")?;
    Ok(())
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// Puts this process, which [`launch`] has started, into a session of its own.
pub fn leave_session() -> nix::Result<()> {
    nix::unistd::setsid().map(drop)
}

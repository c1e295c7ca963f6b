//! Starting a daemon in the background, so that nothing of it hangs on whoever started it, and saying how that went.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::files::regular_file;
use crate::files::run_dir::RunDir;
use crate::logs::output;
use crate::process::inherited_fd::LINK_FD;
use crate::supervisor::child_link::ChildLink;
use crate::supervisor::own_binary;

/// A start may take long, with much to read from disk; this often, the one who waits is told that it goes on.
const TELL_EVERY_MS: u64 = 10_000;

/// How long a start is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// So long.
    pub limit: Duration,
    /// What to do when it was not long enough.
    pub advice: &'static str,
}

/// Starts this program again in a session of its own, with its log appended to `log_path`, or else to the run
/// directory's, and waits until it is ready, or stops it again after `patience`. Fails with what it says if it fails.
/// What is said while waiting goes to standard error.
pub fn launch(
    run_dir: &RunDir,
    log_path: Option<&Path>,
    patience: Option<Patience>,
) -> anyhow::Result<()> {
    let own_log = run_dir.log_file();
    let log = open_log(log_path, &own_log)?;
    let log_path = log_path.unwrap_or(&own_log);
    let program = run_dir.program();
    let (mut link, child_end) = ChildLink::pair()?;
    let descriptors = vec![(OwnedFd::from(child_end), LINK_FD)];
    let mut command = own_binary(program, &["--detached".into()], descriptors)?;
    command.stdout(log.try_clone()?).stderr(log);
    let mut child = command.spawn().context("cannot start a process")?;
    // The command still holds the child's end; while it does, the end of the child would not be noticed.
    drop(command);

    let give_up_at = patience.map(|patience| Instant::now() + patience.limit);
    let was_told = wait_for_word(&mut link, program, log_path, give_up_at)?;
    if link.is_ready() {
        return Ok(());
    }
    if let (false, Some(Patience { limit, advice })) = (was_told, patience) {
        stop(&mut child)?;
        bail!(
            "not ready after {} s, and stopped again: {advice} (see {})",
            limit.as_secs(),
            log_path.display()
        );
    }
    let status = child.wait()?;
    match link.failure() {
        Some(text) => Err(anyhow!("{text}")),
        None => bail!(
            "it {} before it was ready (see {})",
            describe(status),
            log_path.display()
        ),
    }
}

/// An operator may have the log go anywhere, by a link too. In the run directory others may be able to put one.
fn open_log(chosen: Option<&Path>, own: &Path) -> anyhow::Result<File> {
    let options = &mut OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    let opened = match chosen {
        Some(chosen) => options.open(chosen),
        None => regular_file::open_own(own, options),
    };
    opened.map_err(|error| anyhow!(log_error(chosen.unwrap_or(own), &error)))
}

fn log_error(path: &Path, error: &io::Error) -> String {
    let text = format!(
        "cannot write to the log {} (see --log-file): {error}",
        path.display()
    );
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "{text}. The run directory, or what is in it, belongs to another user: become that user, or stop everything and \
             chown -R it to yourself"
        ),
        _ => text,
    }
}

/// Whether there was a word, or the end of the process, before it was time to give up.
fn wait_for_word(
    link: &mut ChildLink,
    program: &str,
    log_path: &Path,
    give_up_at: Option<Instant>,
) -> anyhow::Result<bool> {
    while !link.is_ready() && !link.has_ended() {
        let mut wait = Duration::from_millis(TELL_EVERY_MS);
        if let Some(give_up_at) = give_up_at {
            let left = give_up_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            wait = wait.min(left + Duration::from_millis(1));
        }
        let is_last_wait = wait.as_millis() < u128::from(TELL_EVERY_MS);
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

/// It ends its children first; they are given up on by itself if they do not end.
fn stop(child: &mut Child) -> anyhow::Result<()> {
    let pid = Pid::from_raw(child.id().cast_signed());
    // Not yet waited for, so its number is still its own.
    kill(pid, Signal::SIGTERM).context("cannot stop what was started")?;
    child.wait().context("cannot wait for what was started")?;
    Ok(())
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// Gives this process, just started by [`launch`], a session of its own.
pub fn leave_session() -> nix::Result<()> {
    nix::unistd::setsid().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_of_another_user_is_told_with_what_to_do() {
        let path = Path::new("run/chat-stated.log");
        let denied = log_error(path, &Errno::EACCES.into());
        assert!(denied.starts_with(
            "cannot write to the log run/chat-stated.log (see --log-file): Permission denied"
        ));
        assert!(denied.contains("belongs to another user"), "{denied}");
        assert!(denied.contains("chown -R"), "{denied}");
        let other = log_error(path, &Errno::EISDIR.into());
        assert!(!other.contains("chown"), "{other}");
    }
}

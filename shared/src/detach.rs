//! Starting a daemon in the background, so that nothing of it hangs on whoever started it, and saying how that went.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use anyhow::{Context, anyhow, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::child_link::ChildLink;
use crate::inherited_fd::LINK_FD;
use crate::run_dir::RunDir;
use crate::supervisor::own_binary;

/// A start may take long, with much to read from disk; this often, the one who waits is told that it goes on.
const PATIENCE_MS: u16 = 10_000;

/// Starts this program again in a session of its own, with its log appended to `log_path`, and waits until it is ready.
/// Fails with what it says if it fails. What is said while waiting goes to standard error.
pub fn launch(run_dir: &RunDir, log_path: &Path) -> anyhow::Result<()> {
    let log = open_log(log_path)?;
    let program = run_dir.program();
    let (mut link, child_end) = ChildLink::pair()?;
    let descriptors = vec![(OwnedFd::from(child_end), LINK_FD)];
    let mut command = own_binary(program, &["--detached".to_owned()], descriptors)?;
    command.stdout(log.try_clone()?).stderr(log);
    let mut child = command.spawn().context("cannot start a process")?;
    // The command still holds the child's end; while it does, the end of the child would not be noticed.
    drop(command);

    wait_for_word(&mut link, program, log_path)?;
    if link.is_ready() {
        return Ok(());
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

fn open_log(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .with_context(|| {
            format!(
                "cannot write to the log {} (see --log-file)",
                path.display()
            )
        })
}

fn wait_for_word(link: &mut ChildLink, program: &str, log_path: &Path) -> anyhow::Result<()> {
    while !link.is_ready() && !link.has_ended() {
        let mut fds = [PollFd::new(link.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(PATIENCE_MS)) {
            Ok(0) => {
                let log = log_path.display();
                eprintln!("{program}: still starting (see {log})");
            }
            Ok(_) => link.read_available()?,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
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

//! Makes a daemon re-read its files, and waits for the result.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::Signal;

use super::{running, send, wait_until};
use crate::control::reload_result::ReloadStatus;
use crate::control::status_file::Status;
use crate::files::run_dir::RunDir;

/// How long a reload may take. There may be a million accounts.
const RELOAD_WAIT: Duration = Duration::from_secs(30);

/// Makes the daemon of `run_dir` re-read its files, waits for that, and reports the result. It is an error if the files
/// cannot be used; the previous content stays in use then. `prepare` runs before the daemon is signalled.
pub fn reload(
    run_dir: &RunDir,
    prepare: impl FnOnce() -> anyhow::Result<()>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let Some(daemon) = running(run_dir)? else {
        bail!("not running");
    };
    let pid = daemon.pid();
    let _lock = lock_reloads(run_dir)?;
    prepare()?;
    let requested_before = reload_status(run_dir, pid).map_or(0, |read| read.requested);
    send(&daemon, Signal::SIGHUP)?;
    // The status file may lag behind if it could not be written, so the number of this request is read from it later.
    let (mut requested, mut answer) = (None, None);
    let is_over = || {
        if let Some(read) = reload_status(run_dir, pid)
            && read.requested > requested_before
        {
            let is_answered = read.answered >= *requested.get_or_insert(read.requested);
            answer = is_answered.then_some(read);
        }
        Ok(answer.is_some() || daemon.has_ended())
    };
    if !wait_until(RELOAD_WAIT, is_over)? {
        let status_file = run_dir.status_file();
        bail!(
            "no reload result within {RELOAD_WAIT:?}: see the log, and check whether the daemon can write {}",
            status_file.display()
        );
    }
    match answer.map(|read| read.result) {
        Some(Some(Ok(words))) => writeln!(out, "{}: {words}", run_dir.program())?,
        Some(Some(Err(words))) => bail!("{words}"),
        Some(None) => bail!("re-read its files, but does not report a result"),
        None => bail!("ended before it reported a reload result"),
    }
    Ok(())
}

/// Serialises reloads: the status file cannot tell two concurrent requests apart.
fn lock_reloads(run_dir: &RunDir) -> anyhow::Result<File> {
    let path = run_dir.path();
    let directory = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let is_locked = || match directory.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    };
    match wait_until(RELOAD_WAIT, is_locked) {
        Ok(true) => Ok(directory),
        Ok(false) => bail!("another reload has been running for {RELOAD_WAIT:?}"),
        Err(error) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

fn reload_status(run_dir: &RunDir, pid: i32) -> Option<ReloadStatus> {
    let status = Status::read(&run_dir.status_file())?;
    // The file may be that of an earlier daemon.
    (status.pid == pid).then_some(status.reload)
}

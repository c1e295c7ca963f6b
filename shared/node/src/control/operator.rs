//! The commands that control a running daemon from another process: stop, reload and status.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::Signal;

use crate::control::reload_result::ReloadStatus;
use crate::control::status_file::{ChildStatus, Phase, Status};
use crate::files::run_dir::RunDir;
use crate::process::identity::{ProcessIdentity, boot_id, pid_namespace};
use crate::process::lock_holder::{Holder, HoldingProcess};
use crate::process::pid_file::{holder, is_locked};

/// How long a daemon and its children may take to end. The daemon kills its children sooner.
const STOP_WAIT: Duration = Duration::from_secs(10);
/// Children without a parent end by themselves, at once. They are killed after this time.
const ORPHAN_WAIT: Duration = Duration::from_secs(2);
/// How long a reload may take. There may be a million accounts.
const RELOAD_WAIT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The health of a daemon, and so the exit status of `--status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Every child and every listener serves.
    Healthy,
    /// Something is not served, or refused to clients.
    Degraded,
    /// No daemon runs.
    NotRunning,
}

impl Health {
    /// 0, 1 or 3, as for service scripts.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Degraded => 1,
            Self::NotRunning => 3,
        }
    }
}

/// Stops the daemon of `run_dir` and returns once all its processes are gone and its locks are free.
pub fn stop(run_dir: &RunDir, out: &mut impl Write) -> anyhow::Result<()> {
    let program = run_dir.program();
    let known = known_processes(run_dir);
    let Some(daemon) = running(run_dir)? else {
        let had_orphans = is_locked(&run_dir.children_lock())?;
        end_orphans(run_dir, &known)?;
        match had_orphans {
            true => writeln!(
                out,
                "{program}: stopped processes that an earlier daemon left behind"
            )?,
            false => writeln!(out, "{program}: not running")?,
        }
        return Ok(());
    };
    send(&daemon, Signal::SIGTERM)?;
    let is_gone =
        || -> io::Result<bool> { Ok(daemon.has_ended() && !is_locked(&run_dir.pid_file())?) };
    if !wait_until(STOP_WAIT, is_gone)? {
        let children = list(known.iter().filter(|process| process.is_alive()));
        let pid = daemon.pid();
        bail!("process {pid} still runs after {STOP_WAIT:?}; its children: {children}");
    }
    end_orphans(run_dir, &known)?;
    writeln!(out, "{program}: stopped")?;
    Ok(())
}

/// Waits for children that outlived their parent, and kills those that do not end.
fn end_orphans(run_dir: &RunDir, known: &[ProcessIdentity]) -> anyhow::Result<()> {
    let is_free = || is_locked(&run_dir.children_lock()).map(|locked| !locked);
    if wait_until(ORPHAN_WAIT, is_free)? {
        return Ok(());
    }
    for process in known {
        process.signal(Signal::SIGKILL)?;
    }
    if !wait_until(ORPHAN_WAIT, is_free)? {
        let left = list(known.iter().filter(|process| process.is_alive()));
        let lock = run_dir.children_lock();
        bail!(
            "{} is still locked ({left}; if they run in a container, stop them there)",
            lock.display()
        );
    }
    Ok(())
}

/// The children that the status file names, if its numbers mean the same here and now.
fn known_processes(run_dir: &RunDir) -> Vec<ProcessIdentity> {
    let means_the_same = |status: &Status| {
        let namespace = status.pid_namespace;
        status.boot_id == boot_id() && (namespace.is_none() || namespace == pid_namespace())
    };
    match Status::read(&run_dir.status_file()).filter(means_the_same) {
        Some(status) => status.children.iter().filter_map(|c| c.process).collect(),
        None => Vec::new(),
    }
}

fn list<'a>(processes: impl Iterator<Item = &'a ProcessIdentity>) -> String {
    let pids: Vec<String> = processes.map(|p| format!("process {}", p.pid)).collect();
    match pids.is_empty() {
        true => "by an unknown process".to_owned(),
        false => pids.join(", "),
    }
}

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

/// The running daemon, if there is one. It is an error if its process cannot be identified for certain: the number in
/// the pid file may belong to another process here.
fn running(run_dir: &RunDir) -> anyhow::Result<Option<HoldingProcess>> {
    let path = run_dir.pid_file();
    let shown = path.display();
    match holder(&path).with_context(|| format!("cannot read {shown}"))? {
        None => Ok(None),
        Some(Holder::Here(process)) => Ok(Some(process)),
        Some(elsewhere) => bail!("{}", describe_holder(&elsewhere, &path)),
    }
}

/// Describes, for people, where the daemon that holds the pid file at `path` runs.
pub fn describe_holder(holder: &Holder, path: &Path) -> String {
    let shown = path.display();
    match holder {
        Holder::Here(process) => format!("it runs as process {}", process.pid()),
        Holder::Elsewhere {
            number,
            number_here,
        } => {
            let here = number_here.map_or(String::new(), |here| format!(", {here} here"));
            format!(
                "it runs in another PID namespace, perhaps of a container, as process {number} there{here}: \
                 run this command in that container, or stop the container (it locks {shown})"
            )
        }
        Holder::Unknown => format!(
            "{shown} is locked by a process that cannot be identified from here: a daemon that has only just started, \
             or one in another PID namespace (a container)"
        ),
    }
}

fn send(daemon: &HoldingProcess, signal: Signal) -> anyhow::Result<()> {
    let pid = daemon.pid();
    let sent = daemon.signal(signal);
    sent.with_context(|| format!("cannot send {signal} to process {pid}"))
}

fn wait_until(timeout: Duration, mut done: impl FnMut() -> io::Result<bool>) -> io::Result<bool> {
    let deadline = Instant::now() + timeout;
    loop {
        if done()? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Writes the status of the daemon of `run_dir` and of its children for people. `role` is the name of a child. Also
/// returns the daemon's own status, if it runs.
pub fn report(
    run_dir: &RunDir,
    role: &str,
    out: &mut impl Write,
) -> anyhow::Result<(Health, Option<Status>)> {
    let program = run_dir.program();
    let Some(daemon) = running(run_dir)? else {
        writeln!(out, "{program}: not running")?;
        return Ok((Health::NotRunning, None));
    };
    let pid = daemon.pid();
    let Some(status) = Status::read(&run_dir.status_file()).filter(|status| status.pid == pid)
    else {
        writeln!(out, "{program}: starting, process {pid}")?;
        return Ok((Health::Degraded, None));
    };
    let Status { phase, since, .. } = &status;
    let phase = phase.word();
    writeln!(out, "{program}: {phase}, process {pid}, since {since:.0}")?;
    for (child, number) in status.children.iter().zip(1..) {
        writeln!(out, "  {role} {number}: {}", describe_child(child))?;
        if !child.sandbox.is_empty() {
            writeln!(out, "    sandbox: {}", child.sandbox)?;
        }
        if !child.warning.text.is_empty() {
            writeln!(out, "    warning: {}", child.warning.text)?;
        }
    }
    if !status.refused.is_empty() {
        let refused = status.refused.iter();
        let refused: Vec<String> = refused.map(|(kind, n)| format!("{kind} {n}")).collect();
        writeln!(out, "  refused since then: {}", refused.join(", "))?;
    }
    if let Some(Ok(words)) = &status.reload.result {
        writeln!(out, "  {words}")?;
    }
    if !status.warning.is_empty() {
        writeln!(out, "  warning: {}", status.warning)?;
    }
    let serving = |child: &ChildStatus| {
        let is_alive = child.process.is_some_and(|process| process.is_alive());
        child.phase == Phase::Serving
            && is_alive
            && child.silent_since.is_none()
            && !child.warning.is_refusing
    };
    let is_healthy = status.phase == Phase::Serving && status.children.iter().all(serving);
    let health = match is_healthy {
        true => Health::Healthy,
        false => Health::Degraded,
    };
    Ok((health, Some(status)))
}

fn describe_child(child: &ChildStatus) -> String {
    let mut text = format!("{} since {:.0}", child.phase.word(), child.since);
    match child.process {
        Some(process) if process.is_alive() => text += &format!(", process {}", process.pid),
        Some(process) => text += &format!(", process {} is gone", process.pid),
        None => {}
    }
    if let Some(since) = child.silent_since {
        text += &format!(
            ", no sign of life since {since:.0}: it is stopped (continue it with kill -CONT), or it hangs \
             (replace it with kill -KILL)"
        );
    }
    if let Some(at) = child.next_start {
        text += &format!(", started again at {at:.0}");
    }
    text += &format!(", {} restarts", child.restarts);
    if let Some(end) = &child.last_end {
        text += &format!(", last end {:.0}: {}", end.at, end.reason);
    }
    text
}

/// Writes the sizes of the files and directories at `paths` that exist.
pub fn report_sizes(paths: &[&Path], out: &mut impl Write) -> io::Result<()> {
    for path in paths {
        if path.exists() {
            let (path, size) = (path.display(), bytes_below(path));
            writeln!(out, "  {path}: {}", human_readable(size))?;
        }
    }
    Ok(())
}

/// The bytes in the file or directory at `path`, one level deep. No daemon has deeper directories.
fn bytes_below(path: &Path) -> u64 {
    match path.read_dir() {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok()?.metadata().ok())
            .map(|metadata| metadata.len())
            .sum(),
        Err(_) => path.metadata().map_or(0, |metadata| metadata.len()),
    }
}

fn human_readable(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = "bytes";
    for larger in UNITS {
        if size < 1024.0 {
            break;
        }
        (size, unit) = (size / 1024.0, larger);
    }
    match unit {
        "bytes" => format!("{bytes} bytes"),
        _ => format!("{size:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;
    use crate::process::pid_file::lock_file;

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(human_readable(1023), "1023 bytes");
        assert_eq!(human_readable(1536), "1.5 KiB");
        assert_eq!(human_readable(5 << 40), "5.0 TiB");
        assert_eq!(human_readable(5 << 50), "5120.0 TiB");
    }

    #[test]
    fn hanging_orphan_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = RunDir::new(dir.path(), "chat-x");
        let lock = lock_file(&run_dir.children_lock(), Duration::ZERO).unwrap();
        let mut command = Command::new("sleep");
        let mut orphan = command.arg("600").stdin(lock).spawn().unwrap();
        drop(command);
        let child = ChildStatus {
            process: ProcessIdentity::of(orphan.id().cast_signed()),
            ..ChildStatus::default()
        };
        let status = Status {
            boot_id: boot_id(),
            children: vec![child],
            ..Status::default()
        };
        status.write(&run_dir.status_file()).unwrap();
        let mut out = Vec::new();
        stop(&run_dir, &mut out).unwrap();
        assert_eq!(orphan.wait().unwrap().signal(), Some(9));
        let said = String::from_utf8(out).unwrap();
        assert_eq!(
            said,
            "chat-x: stopped processes that an earlier daemon left behind\n"
        );
    }

    #[test]
    fn stop_and_reload_without_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = RunDir::new(&dir.path().join("not there"), "chat-x");
        let mut out = Vec::new();
        stop(&run_dir, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "chat-x: not running\n");
        let error = reload(&run_dir, || Ok(()), &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "not running");
        let (health, status) = report(&run_dir, "child", &mut Vec::new()).unwrap();
        assert_eq!((health, status), (Health::NotRunning, None));
    }
}

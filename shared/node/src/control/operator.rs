//! What a person does to a running daemon from outside: stop it, have it read its files again, ask how it is.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::Signal;

use crate::control::reload_result::FilesRead;
use crate::control::status_file::{ChildStatus, Phase, Status};
use crate::files::run_dir::RunDir;
use crate::process::identity::{ProcessIdentity, boot_id, pid_namespace};
use crate::process::lock_holder::{Holder, HoldingProcess};
use crate::process::pid_file::{holder, is_locked};

/// How long a daemon and its children have to end; the daemon itself kills its children sooner.
const STOP_WAIT: Duration = Duration::from_secs(10);
/// Children without a parent end by themselves, at once. After this long they are killed.
const ORPHAN_WAIT: Duration = Duration::from_secs(2);
/// How long files may take to be read: there may be a million accounts.
const RELOAD_WAIT: Duration = Duration::from_secs(30);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// How well a daemon does its work. The exit status of `--status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// All of it is done.
    Whole,
    /// Some of it is not done.
    Partial,
    /// It does not run.
    NotRunning,
}

impl Health {
    /// 0, 1 or 3, as for service scripts.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Whole => 0,
            Self::Partial => 1,
            Self::NotRunning => 3,
        }
    }
}

/// Stops the daemon of `run_dir` and returns once all its processes are gone and its locks are free.
pub fn stop(run_dir: &RunDir, out: &mut impl Write) -> anyhow::Result<()> {
    let program = run_dir.program();
    let known = known_processes(run_dir);
    let Some(daemon) = running(run_dir)? else {
        let had_orphans = is_locked(&run_dir.life_lock())?;
        end_orphans(run_dir, &known)?;
        match had_orphans {
            true => writeln!(out, "{program}: what an earlier one left behind is stopped")?,
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
        bail!("process {pid} is still there after {STOP_WAIT:?}; its children: {children}");
    }
    end_orphans(run_dir, &known)?;
    writeln!(out, "{program}: stopped")?;
    Ok(())
}

/// Waits for children that outlived their parent, and kills those that do not end.
fn end_orphans(run_dir: &RunDir, known: &[ProcessIdentity]) -> anyhow::Result<()> {
    let is_free = || is_locked(&run_dir.life_lock()).map(|locked| !locked);
    if wait_until(ORPHAN_WAIT, is_free)? {
        return Ok(());
    }
    for process in known {
        process.signal(Signal::SIGKILL)?;
    }
    if !wait_until(ORPHAN_WAIT, is_free)? {
        let left = list(known.iter().filter(|process| process.is_alive()));
        let lock = run_dir.life_lock();
        bail!(
            "{} is still held ({left}; in a container perhaps, where they can be stopped)",
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
        true => "by a process that is not known".to_owned(),
        false => pids.join(", "),
    }
}

/// Has the daemon of `run_dir` read its files again, waits for that, and says what came of it. It is an error if they cannot be
/// used, and all stays as it was. `prepare` is called before the daemon is asked.
pub fn reload(
    run_dir: &RunDir,
    prepare: impl FnOnce() -> anyhow::Result<()>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let Some(daemon) = running(run_dir)? else {
        bail!("not running");
    };
    let pid = daemon.pid();
    let _turn = one_reload_at_a_time(run_dir)?;
    prepare()?;
    let asked_before = files_read(run_dir, pid).map_or(0, |read| read.asked);
    send(&daemon, Signal::SIGHUP)?;
    // What was asked before may not have stood in the file, if that could not be written.
    let (mut asked, mut answer) = (None, None);
    let is_over = || {
        if let Some(read) = files_read(run_dir, pid)
            && read.asked > asked_before
        {
            let is_answered = read.answered >= *asked.get_or_insert(read.asked);
            answer = is_answered.then_some(read);
        }
        Ok(answer.is_some() || daemon.has_ended())
    };
    if !wait_until(RELOAD_WAIT, is_over)? {
        let status_file = run_dir.status_file();
        bail!(
            "told to reload, but has not said within {RELOAD_WAIT:?} what came of it: see its log, and whether it can write {}",
            status_file.display()
        );
    }
    match answer.map(|read| read.outcome) {
        Some(Some(Ok(words))) => writeln!(out, "{}: {words}", run_dir.program())?,
        Some(Some(Err(words))) => bail!("{words}"),
        Some(None) => bail!("has read its files, and does not say what came of it"),
        None => bail!("told to reload, but ended before it had said what came of it"),
    }
    Ok(())
}

/// Of two that are asked for at the same time nobody could tell which one an answer is for.
fn one_reload_at_a_time(run_dir: &RunDir) -> anyhow::Result<File> {
    let path = run_dir.path();
    let directory = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let is_locked = || match directory.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    };
    match wait_until(RELOAD_WAIT, is_locked) {
        Ok(true) => Ok(directory),
        Ok(false) => bail!("another reload has been going on for {RELOAD_WAIT:?}"),
        Err(error) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

fn files_read(run_dir: &RunDir, pid: i32) -> Option<FilesRead> {
    let status = Status::read(&run_dir.status_file())?;
    // Of another one the file tells nothing about this one.
    (status.pid == pid).then_some(status.files_read)
}

/// The running daemon, if one runs. One that cannot be told for certain is an error: a number in a file may be another
/// process's here.
fn running(run_dir: &RunDir) -> anyhow::Result<Option<HoldingProcess>> {
    let path = run_dir.pid_file();
    let shown = path.display();
    match holder(&path).with_context(|| format!("cannot read {shown}"))? {
        None => Ok(None),
        Some(Holder::Here(process)) => Ok(Some(process)),
        Some(elsewhere) => bail!("{}", whereabouts(&elsewhere, &path)),
    }
}

/// Where a daemon runs that holds the pid file at `path`, for people.
pub fn whereabouts(holder: &Holder, path: &Path) -> String {
    let shown = path.display();
    match holder {
        Holder::Here(process) => format!("it runs as process {}", process.pid()),
        Holder::Elsewhere {
            number,
            number_here,
        } => {
            let here = number_here.map_or(String::new(), |here| format!(", {here} here"));
            format!(
                "it runs in another PID namespace, a container's perhaps, as process {number} there{here}: \
                 do this in that container, or stop the container ({shown} is locked by it)"
            )
        }
        Holder::Unknown => format!(
            "{shown} is locked, but not by a process that can be told from here: a daemon that has only just begun, \
             or one in another PID namespace (a container)"
        ),
    }
}

fn send(daemon: &HoldingProcess, signal: Signal) -> anyhow::Result<()> {
    let pid = daemon.pid();
    let sent = daemon.signal(signal);
    sent.with_context(|| format!("cannot send {signal} to process {pid}"))
}

fn wait_until(patience: Duration, mut done: impl FnMut() -> io::Result<bool>) -> io::Result<bool> {
    let deadline = Instant::now() + patience;
    loop {
        if done()? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        thread::sleep(LOOK_AGAIN_AFTER);
    }
}

/// Writes, for people, how the daemon of `run_dir` and its children are. `role` is what a child is called.
/// Also returns what the daemon says of itself, if it runs.
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
        return Ok((Health::Partial, None));
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
    if let Some(Ok(words)) = &status.files_read.outcome {
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
    let is_whole = status.phase == Phase::Serving && status.children.iter().all(serving);
    let health = match is_whole {
        true => Health::Whole,
        false => Health::Partial,
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
            ", has given no sign of life since {since:.0}: it is stopped (kill -CONT), or hangs \
             (kill -KILL, and it is replaced)"
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

/// Writes how large the files and directories at `paths` are, those that exist.
pub fn report_sizes(paths: &[&Path], out: &mut impl Write) -> io::Result<()> {
    for path in paths {
        if path.exists() {
            let (path, size) = (path.display(), bytes_below(path));
            writeln!(out, "  {path}: {}", for_people(size))?;
        }
    }
    Ok(())
}

/// Bytes in the file or directory at `path`, one level deep: no daemon keeps anything deeper.
fn bytes_below(path: &Path) -> u64 {
    match path.read_dir() {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok()?.metadata().ok())
            .map(|metadata| metadata.len())
            .sum(),
        Err(_) => path.metadata().map_or(0, |metadata| metadata.len()),
    }
}

fn for_people(bytes: u64) -> String {
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
    fn sizes_are_written_for_people() {
        assert_eq!(for_people(1023), "1023 bytes");
        assert_eq!(for_people(1536), "1.5 KiB");
        assert_eq!(for_people(5 << 40), "5.0 TiB");
        assert_eq!(for_people(5 << 50), "5120.0 TiB");
    }

    #[test]
    fn a_child_that_outlives_its_parent_and_hangs_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = RunDir::new(dir.path(), "chat-x");
        let lock = lock_file(&run_dir.life_lock(), Duration::ZERO).unwrap();
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
        assert_eq!(said, "chat-x: what an earlier one left behind is stopped\n");
    }

    #[test]
    fn without_a_daemon_there_is_nothing_to_stop_and_nothing_to_reload() {
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

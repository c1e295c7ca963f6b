//! Stops a daemon and its children.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::bail;
use nix::sys::signal::Signal;

use super::{running, send, wait_until};
use crate::control::status_file::Status;
use crate::files::run_dir::RunDir;
use crate::process::identity::{ProcessIdentity, boot_id, pid_namespace};
use crate::process::pid_file::is_locked;

/// How long a daemon and its children may take to end. The daemon kills its children sooner.
const STOP_WAIT: Duration = Duration::from_secs(10);
/// Children without a parent end by themselves, at once. They are killed after this time.
const ORPHAN_WAIT: Duration = Duration::from_secs(2);

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

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;
    use crate::control::status_file::ChildStatus;
    use crate::process::pid_file::lock_file;

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
}

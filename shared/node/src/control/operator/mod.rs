//! The commands that control a running daemon from another process: stop, reload and status.

mod reload;
mod report;
mod stop;

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::Signal;

use crate::files::run_dir::RunDir;
use crate::process::lock_holder::{Holder, HoldingProcess};
use crate::process::pid_file::holder;

pub use reload::reload;
pub use report::{describe, report, report_sizes};
pub use stop::stop;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_and_reload_without_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = RunDir::new(&dir.path().join("not there"), "chat-x");
        let mut out = Vec::new();
        stop(&run_dir, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "chat-x: not running\n");
        let error = reload(&run_dir, false, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "not running");
        let (health, status) = report(&run_dir, "child", &mut Vec::new()).unwrap();
        assert_eq!((health, status), (Health::NotRunning, None));
    }
}

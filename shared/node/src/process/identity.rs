//! The identity of a process: its number and its start time. Numbers alone are reused.
//!
//! A process that cannot be seen may still run: `/proc` may be restricted (`hidepid`) or missing.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use crate::process::pidfd;

/// A process, unique since the host was booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// The process number.
    pub pid: i32,
    /// The start time in the kernel's clock ticks since boot; 0 if unknown.
    pub start_ticks: u64,
}

impl ProcessIdentity {
    /// The process that has the number `pid` now. Nothing if it has ended or cannot be seen.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let start_ticks = start_ticks_of_living(&stat)?;
        Some(Self { pid, start_ticks })
    }

    /// Whether it may still run. A zombie does not.
    pub fn is_alive(&self) -> bool {
        if has_ended(self.pid) {
            return false;
        }
        let seen = Self::of(self.pid);
        let is_another = |seen: Self| self.start_ticks != 0 && seen.start_ticks != self.start_ticks;
        !seen.is_some_and(is_another)
    }

    /// Sends `signal` if the number still belongs to this process.
    pub fn signal(&self, signal: Signal) -> nix::Result<()> {
        let process = match pidfd::open(self.pid) {
            Err(Errno::ESRCH) => return Ok(()),
            opened => opened?,
        };
        // From here on, the handle refers to the process even if the number is reused.
        if Self::of(self.pid) != Some(*self) {
            return Ok(());
        }
        match pidfd::send_signal(&process, signal) {
            Err(Errno::ESRCH) => Ok(()),
            sent => sent,
        }
    }
}

/// Whether there certainly is no live process with this number. A zombie counts as ended.
pub fn has_ended(pid: i32) -> bool {
    pidfd::has_ended(pid).unwrap_or(false)
}

/// The start time in a line of `/proc/PID/stat`, or nothing if the process has ended.
fn start_ticks_of_living(stat: &str) -> Option<u64> {
    let mut fields = fields_from_state(stat)?;
    if is_end(fields.next()) {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// The fields from the third on, which is the state.
fn fields_from_state(stat: &str) -> Option<impl Iterator<Item = &str>> {
    // The second field is a name in parentheses, which may itself hold spaces and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_ascii_whitespace())
}

fn is_end(state: Option<&str>) -> bool {
    matches!(state, Some("Z" | "X"))
}

/// The kernel's id of the current boot; empty if it has none.
pub fn boot_id() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// The number of the PID namespace of this process, if it is visible.
pub fn pid_namespace() -> Option<u64> {
    fs::metadata("/proc/self/ns/pid")
        .ok()
        .map(|namespace| namespace.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_number_is_not_same_process() {
        let own = ProcessIdentity::of(std::process::id() as i32).unwrap();
        assert!(own.is_alive());
        let earlier = ProcessIdentity {
            start_ticks: own.start_ticks - 1,
            ..own
        };
        assert!(!earlier.is_alive());
        // It would kill this process.
        earlier.signal(Signal::SIGKILL).unwrap();
    }

    #[test]
    fn unknown_start_time_proves_nothing() {
        let unknown = ProcessIdentity {
            pid: std::process::id() as i32,
            start_ticks: 0,
        };
        assert!(unknown.is_alive());
        unknown.signal(Signal::SIGKILL).unwrap();
    }

    #[test]
    fn zombie_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id() as i32;
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while ProcessIdentity::of(pid).is_some() {
            assert!(std::time::Instant::now() < deadline);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(has_ended(pid));
        child.wait().unwrap();
        assert!(has_ended(pid));
        assert!(!has_ended(std::process::id() as i32));
    }

    #[test]
    fn names_with_parentheses_do_not_confuse() {
        let stat = "7 (a) (b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";
        assert_eq!(start_ticks_of_living(stat), Some(4242));
        assert_eq!(start_ticks_of_living(&stat.replace(" S ", " Z ")), None);
        assert_eq!(start_ticks_of_living("7 (a"), None);
    }
}

//! Which process a number stood for: numbers are used again, a number with its start time is not.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::pidfd;

/// One process among all since the host was booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessIdentity {
    /// Its number.
    pub pid: i32,
    /// When it was started, in the kernel's clock ticks since boot.
    pub start_ticks: u64,
}

impl ProcessIdentity {
    /// The process that has the number `pid` now, unless it has ended.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let start_ticks = start_ticks_of_living(&stat)?;
        Some(Self { pid, start_ticks })
    }

    /// Whether it still runs. One that has ended and was not yet waited for does not.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    /// Sends `signal` if it still runs.
    pub fn signal(&self, signal: Signal) -> nix::Result<()> {
        if self.is_alive() {
            kill(Pid::from_raw(self.pid), signal)
        } else {
            Ok(())
        }
    }
}

/// Whether no process of this number lives, for certain: it is gone, or has ended and was not yet waited for. One of
/// which nothing can be found out may live.
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

/// The fields from the third on.
fn fields_from_state(stat: &str) -> Option<impl Iterator<Item = &str>> {
    // The second field is a name in parentheses, which may itself hold spaces and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_ascii_whitespace())
}

fn is_end(state: Option<&str>) -> bool {
    matches!(state, Some("Z" | "X"))
}

/// The kernel's name for the time since the host was booted; empty if it has none.
pub fn boot_id() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_another_of_its_number_is_not() {
        let own = ProcessIdentity::of(std::process::id() as i32).unwrap();
        assert!(own.is_alive());
        let earlier = ProcessIdentity {
            start_ticks: own.start_ticks - 1,
            ..own
        };
        assert!(!earlier.is_alive());
    }

    #[test]
    fn a_zombie_is_not_alive() {
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

//! Finds the process that holds a lock, according to the kernel. The number in a file is no proof: another process may
//! have it by now, or has it in this PID namespace while the holder is in a container.
//!
//! A holder marks its file with a POSIX lock beside the lock that counts. The kernel reports the number of the marking
//! process in the namespace of the caller, and removes the mark when that process ends.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

use crate::process::identity::has_ended;
use crate::process::pidfd;

/// The holder of a lock.
#[derive(Debug)]
pub enum Holder {
    /// A process of this PID namespace, for certain.
    Here(HoldingProcess),
    /// A process of another PID namespace.
    Elsewhere {
        /// Its number there, from the file.
        number: i32,
        /// Its number here, if it has one.
        number_here: Option<i32>,
    },
    /// The kernel does not tell, or the holder has not yet written its number.
    Unknown,
}

/// A process that was seen to hold a lock.
#[derive(Debug)]
pub struct HoldingProcess {
    pid: i32,
    /// Missing if the system does not support handles.
    handle: Option<OwnedFd>,
}

impl HoldingProcess {
    /// The process number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether the process has certainly ended.
    pub fn has_ended(&self) -> bool {
        match &self.handle {
            Some(handle) => pidfd::is_ended(handle).unwrap_or(false),
            None => has_ended(self.pid),
        }
    }

    /// Sends a signal. It is no error if the process has ended.
    pub fn signal(&self, signal: Signal) -> nix::Result<()> {
        let sent = match &self.handle {
            Some(handle) => pidfd::send_signal(handle, signal),
            None => kill(Pid::from_raw(self.pid), signal),
        };
        match sent {
            Err(Errno::ESRCH) => Ok(()),
            sent => sent,
        }
    }
}

/// Marks a file that this process has locked. The mark ends when this process closes any descriptor of the file.
pub(crate) fn mark(file: &File) -> io::Result<()> {
    Ok(fcntl(file, FcntlArg::F_SETLK(&whole_file())).map(drop)?)
}

/// The number of the process that has marked a file; 0 if it has none in this namespace.
fn marked_by(file: &File) -> io::Result<Option<i32>> {
    let mut found = whole_file();
    fcntl(file, FcntlArg::F_GETLK(&mut found))?;
    let is_marked = i32::from(found.l_type) != libc::F_UNLCK;
    Ok(is_marked.then_some(found.l_pid))
}

fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// The holder of a locked file that contains `number`; nothing if that is about to change.
pub(crate) fn identify(file: &File, number: i32) -> io::Result<Option<Holder>> {
    let is_holder = || -> io::Result<bool> {
        Ok(match marked_by(file)? {
            Some(marked_by) => marked_by == number,
            None => is_listed(file, number),
        })
    };
    match marked_by(file)? {
        Some(here) if here != number => {
            let number_here = (here > 0).then_some(here);
            return Ok(Some(Holder::Elsewhere {
                number,
                number_here,
            }));
        }
        _ if !is_holder()? => return Ok(None),
        _ => {}
    }
    let handle = match pidfd::open(number) {
        Ok(handle) => Some(handle),
        // Old filters of system calls refuse it.
        Err(Errno::ENOSYS | Errno::EPERM) => None,
        Err(Errno::ESRCH) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // Before the handle was opened, the process may have ended, and another may have got its number.
    let holder = HoldingProcess {
        pid: number,
        handle,
    };
    Ok(is_holder()?.then_some(Holder::Here(holder)))
}

/// Whether the kernel's list of locks names process `number` as the holder. Daemons of older versions set no mark.
fn is_listed(file: &File, number: i32) -> bool {
    // The numbers in the list of another namespace would mean other processes here.
    let is_of_this_namespace = fs::read_link("/proc/self")
        .is_ok_and(|own| own.to_str() == Some(&getpid().as_raw().to_string()));
    let (Ok(found), true) = (file.metadata(), is_of_this_namespace) else {
        return false;
    };
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    locks
        .lines()
        .any(|line| is_lock_of(line, number, found.ino()))
}

/// Whether a line like `1: FLOCK  ADVISORY  WRITE 4 fe:00:10111314 0 EOF` is a lock of process `number`.
fn is_lock_of(line: &str, number: i32, inode: u64) -> bool {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, "FLOCK", _, "WRITE", pid, place, ..] = fields[..] else {
        return false;
    };
    let listed_inode = place.rsplit(':').next().and_then(|text| text.parse().ok());
    pid.parse() == Ok(number) && listed_inode == Some(inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_locks_are_read() {
        let line = "1: FLOCK  ADVISORY  WRITE 4 fe:00:10111314 0 EOF";
        assert!(is_lock_of(line, 4, 10_111_314));
        assert!(!is_lock_of(line, 5, 10_111_314) && !is_lock_of(line, 4, 7));
        for other in [
            "",
            "1: -> FLOCK  ADVISORY  WRITE 4 fe:00:10111314 0 EOF",
            "2: POSIX  ADVISORY  WRITE 4 fe:00:10111314 0 EOF",
            "1: FLOCK  ADVISORY  READ 4 fe:00:10111314 0 EOF",
        ] {
            assert!(!is_lock_of(other, 4, 10_111_314), "{other}");
        }
    }
}

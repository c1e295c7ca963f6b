//! Handles of processes (pidfd). Unlike a number, a handle never refers to another process later. They work without
//! `/proc`.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

/// Whether there is no live process with this number. Fails if that is unknown.
pub fn has_ended(pid: i32) -> nix::Result<bool> {
    match open(pid) {
        Ok(process) => is_ended(&process),
        Err(Errno::ESRCH) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Opens a handle of the process that has the number `pid` now.
pub fn open(pid: i32) -> nix::Result<OwnedFd> {
    // SAFETY: the call takes two integers and touches no memory of ours.
    let opened = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = RawFd::try_from(Errno::result(opened)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether the process has ended, even if it was not waited for.
pub fn is_ended(process: &OwnedFd) -> nix::Result<bool> {
    let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut fds, PollTimeout::ZERO)? > 0)
}

/// Sends `signal` to the process. Fails with [`Errno::ESRCH`] if it has ended.
pub fn send_signal(process: &OwnedFd, signal: Signal) -> nix::Result<()> {
    let no_details: *const libc::siginfo_t = std::ptr::null();
    // SAFETY: the call takes integers and a null pointer, which means the same details as for kill.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal as i32,
            no_details,
            0,
        )
    };
    Errno::result(sent).map(drop)
}

//! Handles of processes, which no other process can come to have: whether one has ended, and signals to it, without a
//! look into `/proc`.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

/// Whether no process of this number lives. An error tells that it cannot be found out.
pub fn has_ended(pid: i32) -> nix::Result<bool> {
    match open(pid) {
        Ok(process) => is_ended(&process),
        Err(Errno::ESRCH) => Ok(true),
        Err(error) => Err(error),
    }
}

/// A handle of the process that has the number `pid` now.
pub fn open(pid: i32) -> nix::Result<OwnedFd> {
    // SAFETY: the call takes two integers and touches no memory of ours.
    let opened = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = RawFd::try_from(Errno::result(opened)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just given this descriptor to us, and nobody else has its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether the process of this handle has ended, waited for or not.
pub fn is_ended(process: &OwnedFd) -> nix::Result<bool> {
    let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut fds, PollTimeout::ZERO)? > 0)
}

/// Sends `signal` to the process of this handle. That it has ended is [`Errno::ESRCH`].
pub fn send_signal(process: &OwnedFd, signal: Signal) -> nix::Result<()> {
    let no_details: *const libc::siginfo_t = std::ptr::null();
    // SAFETY: the call takes integers and a null pointer, which stands for the details that kill would give.
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

//! Whether a process has ended, whoever's it is, without a look into `/proc` or a right to signal it.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Whether no process of this number lives. An error tells that it cannot be found out.
pub fn has_ended(pid: i32) -> nix::Result<bool> {
    let process = match open(pid) {
        Ok(process) => process,
        Err(Errno::ESRCH) => return Ok(true),
        Err(error) => return Err(error),
    };
    // It is readable once the process has ended, waited for or not.
    let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut fds, PollTimeout::ZERO)? > 0)
}

fn open(pid: i32) -> nix::Result<OwnedFd> {
    // SAFETY: the call takes two integers and touches no memory of ours.
    let opened = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = RawFd::try_from(Errno::result(opened)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just given this descriptor to us, and nobody else has its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

//! Descriptors that a process was started with: all of them are closed at the next exec, and those that
//! were meant for this process are taken by their number.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::path::Path;

use command_fds::inherited::{init_inherited_fds, take_fd_ownership};

/// Where a started process finds its end of the socket pair to the process that started it.
pub const LINK_FD: RawFd = 3;
/// Where a child finds the lock that it holds for as long as it lives.
pub const CHILDREN_LOCK_FD: RawFd = 4;
/// Where a child finds the first of its listening sockets; the others follow.
pub const FIRST_LISTENER_FD: RawFd = 5;

/// Takes all descriptors above standard error and marks them to be closed at the next exec, so that nothing this
/// process starts keeps a descriptor of whoever started it.
///
/// Must be the first thing that a program does. Where there is no `/proc` to list them, nothing is taken: a program
/// cannot start another there.
pub fn adopt_all() -> io::Result<()> {
    if !Path::new("/proc/self/fd").exists() {
        return Ok(());
    }
    // SAFETY: called first in `main`, while no other code of the program has opened a descriptor.
    unsafe { init_inherited_fds() }
}

/// The inherited descriptor `fd`. Each can be taken once, after [`adopt_all`].
pub fn take(fd: RawFd) -> io::Result<OwnedFd> {
    take_fd_ownership(fd).map_err(io::Error::other)
}

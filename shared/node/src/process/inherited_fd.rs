//! Descriptors that a process inherits. All of them are closed at the next exec, and those meant for this process are
//! taken by number.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::path::Path;

use command_fds::inherited::{init_inherited_fds, take_fd_ownership};

/// The link to the process that started this one.
pub const LINK_FD: RawFd = 3;
/// The lock that a child holds while it runs.
pub const CHILDREN_LOCK_FD: RawFd = 4;
/// The first listening socket of a child; the others follow.
pub const FIRST_LISTENER_FD: RawFd = 5;

/// Takes all descriptors above standard error and marks them to be closed at the next exec, so that processes started
/// later do not inherit them.
///
/// Must be called first in `main`. Does nothing without `/proc`, where a daemon cannot start processes anyway.
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

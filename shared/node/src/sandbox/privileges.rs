//! Drops the privileges of a process.

use std::io;

use caps::{CapSet, Capability};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

/// Empties the bounding set, which limits the capabilities of executed programs. Without the right to do so, the
/// process has no capabilities that matter.
pub(super) fn empty_bounding_set() -> io::Result<()> {
    match caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP) {
        Ok(true) => caps::clear(None, CapSet::Bounding).map_err(io::Error::other),
        _ => Ok(()),
    }
}

/// Drops all capabilities, forbids to gain any by executing a program, and protects the memory of the process.
pub(super) fn give_up() -> io::Result<()> {
    for set in [
        CapSet::Ambient,
        CapSet::Inheritable,
        CapSet::Effective,
        CapSet::Permitted,
    ] {
        caps::clear(None, set).map_err(io::Error::other)?;
    }
    prctl::set_no_new_privs()?;
    keep_memory_secret()
}

/// Forbids core dumps, and access to the memory by other processes of the same user.
pub fn keep_memory_secret() -> io::Result<()> {
    prctl::set_dumpable(false)?;
    forbid_core_dumps()
}

/// Forbids core dumps of this process and of processes it starts.
pub fn forbid_core_dumps() -> io::Result<()> {
    Ok(setrlimit(Resource::RLIMIT_CORE, 0, 0)?)
}

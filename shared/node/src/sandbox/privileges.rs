//! What a process may do beyond other processes, given up.

use std::io;

use caps::{CapSet, Capability};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

/// Empties the set of capabilities that anything this process executes could come to have. Only who may do so can have
/// anything in it that matters.
pub(super) fn empty_bounding_set() -> io::Result<()> {
    match caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP) {
        Ok(true) => caps::clear(None, CapSet::Bounding).map_err(io::Error::other),
        _ => Ok(()),
    }
}

/// Gives up all capabilities, the gain of any by executing something, memory images, and being looked into by other
/// processes of the same user.
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

/// From here on this process leaves no memory image when it dies, and other processes of its user cannot look into it.
pub fn keep_memory_secret() -> io::Result<()> {
    prctl::set_dumpable(false)?;
    forbid_core_dumps()
}

/// From here on this process, and those it starts, leave no memory image when they die.
pub fn forbid_core_dumps() -> io::Result<()> {
    Ok(setrlimit(Resource::RLIMIT_CORE, 0, 0)?)
}

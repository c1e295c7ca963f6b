//! Resource limits of a process, so that a compromised or faulty one does not harm the host.

use std::fmt;
use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

const MIB: u64 = 1024 * 1024;

/// The resource limits of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory of its own, in bytes: heap, stacks, private mappings.
    pub memory_bytes: u64,
    /// Maximum number of open descriptors.
    pub descriptors: u64,
}

impl Limits {
    /// Sets these limits, and forbids to start processes.
    pub(super) fn set(&self) -> io::Result<()> {
        lower(Resource::RLIMIT_DATA, self.memory_bytes)?;
        lower(Resource::RLIMIT_NOFILE, self.descriptors)?;
        lower(Resource::RLIMIT_NPROC, 0)
    }
}

fn lower(resource: Resource, limit: u64) -> io::Result<()> {
    let (_, hard) = getrlimit(resource)?;
    let limit = limit.min(hard);
    Ok(setrlimit(resource, limit, limit)?)
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            memory_bytes,
            descriptors,
        } = self;
        let mib = memory_bytes / MIB;
        write!(f, "{mib} MiB, {descriptors} descriptors, no processes")
    }
}

/// The memory of the host including swap, in bytes; `u64::MAX` if unknown.
pub fn physical_memory_bytes() -> u64 {
    nix::sys::sysinfo::sysinfo().map_or(u64::MAX, |host| {
        host.ram_total().saturating_add(host.swap_total())
    })
}

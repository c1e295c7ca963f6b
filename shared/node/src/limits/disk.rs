//! How much room a file system has.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;

/// The room of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Its size, in bytes.
    pub size_bytes: u64,
    /// What is free for users other than root, in bytes.
    pub free_bytes: u64,
}

impl DiskSpace {
    /// Of the file system that has this file or directory.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = statvfs(path)?;
        let unit = found.fragment_size();
        Ok(Self {
            size_bytes: found.blocks().saturating_mul(unit),
            free_bytes: found.blocks_available().saturating_mul(unit),
        })
    }
}

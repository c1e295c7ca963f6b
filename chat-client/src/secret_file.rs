//! Reads files with secrets, which have to be for their owner alone.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chat_model::Password;

const OTHERS: u32 = 0o077;

/// The first bytes of the file, `limit_bytes` at most.
pub(crate) fn read(path: &Path, limit_bytes: usize) -> io::Result<Password<'static>> {
    read_open(File::open(path)?, limit_bytes)
}

/// The same of a file that is open.
pub(crate) fn read_open(file: File, limit_bytes: usize) -> io::Result<Password<'static>> {
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode() & 0o7777;
    // A pipe or a terminal is whose it is.
    if metadata.is_file() && mode & OTHERS != 0 {
        let reason = format!("others can get at it (mode {mode:04o}): chmod 600 it");
        return Err(io::Error::other(reason));
    }
    // Room for all that is read, so that growing leaves no copy.
    let mut bytes = Vec::with_capacity(limit_bytes);
    file.take(limit_bytes as u64).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

//! Writes an account file again, because what is on the disk may not be what can be read.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use chat_node::files::regular_file;

use super::append::{AppendError, LOCK_WAIT, lock, open, system};
use super::create::sync_directory;

/// Bytes that are read and written at a time.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Writes every byte of the file over itself, so that the system takes all of it to the disk again: owner, mode and
/// links stay, and a death in the middle changes nothing. No file is no error.
pub fn rewrite(path: &Path) -> Result<(), AppendError> {
    let file = match open(path) {
        Err(AppendError::Missing(_)) => return Ok(()),
        file => lock(file?, path, LOCK_WAIT)?,
    };
    let write = || -> io::Result<()> {
        // The one that is locked appends, wherever it is told to write.
        let target = regular_file::open_with(path, OpenOptions::new().write(true))?;
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut offset = 0;
        loop {
            let bytes = file.read_at(&mut chunk, offset)?;
            if bytes == 0 {
                break;
            }
            target.write_all_at(&chunk[..bytes], offset)?;
            offset += bytes as u64;
        }
        target.sync_all()?;
        sync_directory(path)
    };
    write().map_err(|error| system(path, "write again", error))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn file_stays_what_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("user_pass.txt");
        rewrite(&path).unwrap();
        let content = "a,b\n".repeat(CHUNK_BYTES / 3);
        fs::write(&path, &content).unwrap();
        rewrite(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    }
}

//! Makes files that only their owner may use, and the directories that they are in.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Opens a file so. What is not there yet is made: the file with mode 0600, its directory with 0700.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(directory)?;
    }
    options.mode(0o600).open(path)
}

/// Adds to the end of a file.
pub(crate) fn append(path: &Path, text: &str) -> io::Result<File> {
    let mut file = open(path, OpenOptions::new().append(true).create(true))?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}

/// Has these parts in a file instead of what it had. They are on disk when this returns; else the file is as before.
pub(crate) fn replace(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let new = path.with_added_extension(format!("{}.new", std::process::id()));
    let replaced = (|| {
        let mut file = open(&new, OpenOptions::new().write(true).create_new(true))?;
        for part in parts {
            file.write_all(part)?;
        }
        file.sync_all()?;
        fs::rename(&new, path)
    })();
    if replaced.is_err() {
        let _ = fs::remove_file(&new);
    }
    replaced
}

//! Looking into the account file of an installation, and changing it by hand.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::pattern::{Pattern, SeenNumbers};
use super::processes::wait_for;

/// Adds bytes at the end.
pub(crate) fn append(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::OpenOptions::new()
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Removes every line of a name; there must be one.
pub(crate) fn remove(path: &Path, name: &str) -> Result<(), String> {
    let describe = |error| format!("{}: {error}", path.display());
    let text = fs::read(path).map_err(describe)?;
    let start = format!("{name},");
    let kept: Vec<_> = text
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !line.starts_with(start.as_bytes()))
        .collect();
    if kept.concat().len() == text.len() {
        return Err(format!("{}: no line of {name}", path.display()));
    }
    // As an editor does it, so that a server that reads at this moment sees the old file or the new one.
    let new = path.with_extension("edited");
    fs::write(&new, kept.concat())
        .and_then(|()| fs::rename(&new, path))
        .map_err(describe)
}

/// Waits until there is a line like this.
pub(crate) fn await_line(path: &Path, pattern: &Pattern) -> Result<(), String> {
    wait_for(
        &format!("a line {} in the account file", pattern.written()),
        || {
            let text = fs::read(path).ok()?;
            text.split(|byte| *byte == b'\n')
                .any(|line| pattern.matches(line, &mut SeenNumbers::default()))
                .then_some(())
        },
    )
}

//! Whether this installation has had a state before. A note in the run directory remembers it, because an empty state
//! directory does not: it may be a new installation, or a volume that is not mounted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use chat_node::logs::wall_clock;

use crate::database::{CHECKPOINT_FILE, JOURNAL_FILE, sync_directory};
use crate::journal::durable_position;

/// The note, in the run directory.
pub(crate) const NOTE: &str = "state-known";

/// Fails if the state directory is empty, and the installation has had a state.
pub(crate) fn refuse_to_forget(run_dir: &Path, state_dir: &Path) -> anyhow::Result<()> {
    let note = run_dir.join(NOTE);
    // Any of these is a state, or what is left of one.
    for name in [JOURNAL_FILE, CHECKPOINT_FILE]
        .into_iter()
        .chain(durable_position::FILE_NAMES)
    {
        if exists(&state_dir.join(name))? {
            return Ok(());
        }
    }
    if !exists(&note)? {
        return Ok(());
    }
    let (state, note) = (state_dir.display(), note.display());
    bail!(
        "{state} is empty, but this installation has accounts and messages already, as {note} says. Is its volume not \
         mounted, or was it moved? Put it back, or restore a backup. To begin without them, delete {note}"
    )
}

/// Remembers that there is a state, which must be durable by now. Without the note only the next start knows less.
pub(crate) fn note(run_dir: &Path) {
    if let Err(error) = write_note(run_dir) {
        let shown = run_dir.join(NOTE);
        log::warn!(
            "cannot write {}: {error:#}; the next start tries again",
            shown.display()
        );
    }
}

fn write_note(run_dir: &Path) -> anyhow::Result<()> {
    let path = run_dir.join(NOTE);
    if exists(&path)? {
        return Ok(());
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    let text = format!(
        "Since {:.0} this installation has a state. The server does not start with an empty state directory while \
         this file is here.\n",
        wall_clock::now()
    );
    file.write_all(text.as_bytes())?;
    File::sync_all(&file)?;
    Ok(sync_directory(run_dir)?)
}

fn exists(path: &Path) -> anyhow::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot look for {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_state_directory_is_refused_afterwards() {
        let run_dir = tempfile::tempdir().unwrap();
        let state_dir = run_dir.path().join("state");
        std::fs::create_dir(&state_dir).unwrap();
        let refuse = || refuse_to_forget(run_dir.path(), &state_dir);
        refuse().unwrap();
        note(run_dir.path());
        note(run_dir.path());
        let error = refuse().unwrap_err().to_string();
        assert!(
            error.contains("state is empty") && error.contains(NOTE),
            "{error}"
        );
        // What is left of a state is for the recovery to judge.
        std::fs::write(state_dir.join("journal.mark2"), "").unwrap();
        refuse().unwrap();
    }
}

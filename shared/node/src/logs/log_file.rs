//! The log file of a daemon in the background. It is opened at the start, and anew at a reload if it was renamed or
//! deleted in the meantime.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use nix::errno::Errno;
use nix::sys::stat::fstat;
use rustix::stdio::{dup2_stderr, dup2_stdout};

use crate::files::regular_file;
use crate::files::run_dir::RunDir;

/// Where a daemon in the background logs to.
#[derive(Clone, Debug)]
pub struct LogFile {
    path: PathBuf,
    /// An operator has chosen it.
    is_chosen: bool,
}

impl LogFile {
    /// The file that an operator has chosen, or that of the run directory.
    pub fn new(run_dir: &RunDir, chosen: Option<&Path>) -> Self {
        Self {
            path: chosen.map_or_else(|| run_dir.log_file(), Path::to_owned),
            is_chosen: chosen.is_some(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it for appending; makes it if it is missing.
    ///
    /// An operator may choose any log file, also through a link. In the run directory, others may be able to place a
    /// link.
    pub fn open(&self) -> anyhow::Result<File> {
        let options = &mut OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let opened = match self.is_chosen {
            true => options.open(&self.path),
            false => regular_file::open_own(&self.path, options),
        };
        opened.map_err(|error| anyhow!(log_error(&self.path, &error)))
    }

    /// Opens it anew if this process logs to another file by now. Returns the new file, which this process logs to from
    /// then on.
    pub fn open_anew(&self) -> anyhow::Result<Option<File>> {
        let file = self.open()?;
        let failed = || format!("cannot change to the log {}", self.path.display());
        let identity = |found: nix::sys::stat::FileStat| (found.st_dev, found.st_ino);
        let new = fstat(&file).map(identity).with_context(failed)?;
        let current = fstat(io::stderr().as_fd()).map(identity);
        if current == Ok(new) {
            return Ok(None);
        }
        redirect(&file).with_context(failed)?;
        Ok(Some(file))
    }
}

/// In a child: the log goes to this file of the parent from now on. There is none if this process has as many
/// descriptors as it may have.
pub fn take_over(file: Option<OwnedFd>) {
    let no_descriptor = || io::Error::from(Errno::EMFILE);
    if let Err(error) = file.ok_or_else(no_descriptor).and_then(redirect) {
        log::error!("cannot change to the new log file: {error}; the log goes on in the old one");
    }
}

/// Standard output and standard error go to this file from now on. A line is in one file or the other.
fn redirect(file: impl AsFd) -> io::Result<()> {
    dup2_stdout(&file)?;
    dup2_stderr(&file)?;
    Ok(())
}

fn log_error(path: &Path, error: &io::Error) -> String {
    let text = format!(
        "cannot write to the log {} (see --log-file): {error}",
        path.display()
    );
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "{text}. The run directory, or a file in it, belongs to another user: become that user, or stop both \
             daemons and run chown -R on the run directory"
        ),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_log_error_has_advice() {
        let path = Path::new("run/chat-stated.log");
        let denied = log_error(path, &Errno::EACCES.into());
        assert!(denied.starts_with(
            "cannot write to the log run/chat-stated.log (see --log-file): Permission denied"
        ));
        assert!(denied.contains("belongs to another user"), "{denied}");
        assert!(denied.contains("chown -R"), "{denied}");
        let other = log_error(path, &Errno::EISDIR.into());
        assert!(!other.contains("chown"), "{other}");
    }
}

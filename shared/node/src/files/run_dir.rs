//! The run directory, which holds all files of an installation, and the names of these files.

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::sys::stat::{Mode, umask};
use nix::unistd::geteuid;

/// Whether this file belongs to an operator: root, the user of this process, or the owner of the directory it is in. A
/// compromised child can create files in the run directory too, and these must not be obeyed.
pub fn is_operators(found: &Metadata, path: &Path) -> io::Result<bool> {
    let owner = found.uid();
    if owner == 0 || owner == geteuid().as_raw() {
        return Ok(true);
    }
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    let directory = directory.unwrap_or(Path::new("."));
    Ok(directory.metadata()?.uid() == owner)
}

/// The files of one daemon in the run directory.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
    program: &'static str,
}

impl RunDir {
    /// The files of `program` in the directory at `path`.
    pub fn new(path: &Path, program: &'static str) -> Self {
        Self {
            path: path.to_owned(),
            program,
        }
    }

    /// Creates the directory and its missing parents, for the owner only. A directory of root's can be passed by other
    /// users, because root's children run as users of their own.
    pub fn create(&self) -> anyhow::Result<()> {
        let (mode, mask) = match geteuid().is_root() {
            true => (0o711, 0o066),
            false => (0o700, 0o077),
        };
        let before = umask(Mode::from_bits_truncate(mask));
        let made = DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(&self.path);
        umask(before);
        made.with_context(|| {
            let path = self.path.display();
            format!("cannot make the run directory {path} (see --run-dir, CHAT_RUN_DIR)")
        })
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the daemon.
    pub fn program(&self) -> &'static str {
        self.program
    }

    /// The pid file, which the running daemon locks.
    pub fn pid_file(&self) -> PathBuf {
        self.file("pid")
    }

    /// A file that the daemon and its children lock while they run. It is never removed.
    pub fn children_lock(&self) -> PathBuf {
        self.file("lock")
    }

    /// The status file.
    pub fn status_file(&self) -> PathBuf {
        self.file("status")
    }

    /// The control socket.
    pub fn control_socket(&self) -> PathBuf {
        self.file("ctl")
    }

    /// The default log file.
    pub fn log_file(&self) -> PathBuf {
        self.file("log")
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.path.join(format!("{}.{kind}", self.program))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, lchown};

    use super::*;

    #[test]
    fn file_of_child_is_not_operators() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.pid");
        std::fs::write(&path, "1").unwrap();
        let is_operators = || super::is_operators(&path.metadata().unwrap(), &path).unwrap();
        assert!(is_operators());
        if geteuid().is_root() {
            lchown(&path, Some(64_190), None).unwrap();
            assert!(!is_operators());
            chown(directory.path(), Some(64_190), None).unwrap();
            assert!(is_operators());
        }
    }
}

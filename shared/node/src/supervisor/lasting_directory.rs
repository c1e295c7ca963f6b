//! A directory that must stay the same across restarts of a child. With a new directory in its place, the child would
//! start without any state.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The directory, and its identity when a child first served.
#[derive(Debug)]
pub(super) struct LastingDirectory {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl LastingDirectory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            identity: None,
        }
    }

    /// A child serves from the directory.
    pub(super) fn has_served(&mut self) {
        if self.identity.is_none() {
            self.identity = identity(&self.path).ok();
        }
    }

    /// Whether another child may start. The error is for people.
    pub(super) fn check(&self) -> Result<(), String> {
        let Some(expected) = self.identity else {
            return Ok(());
        };
        let path = self.path.display();
        let what = match identity(&self.path) {
            Ok(found) if found == expected => return Ok(()),
            Ok(_) => "is another directory than before".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                "was deleted or renamed while it was in use".to_owned()
            }
            Err(error) => format!("cannot be accessed: {error}"),
        };
        Err(format!(
            "{path} {what}. Put the original back, and this server continues with it. If it is lost, stop the server \
             (scripts/stop), restore a backup, and start the server again"
        ))
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn served_directory_must_stay_same() {
        let dir = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (dir.path().join("state"), dir.path().join("elsewhere"));
        let mut directory = LastingDirectory::new(path.clone());
        // Before a child has served, any directory will do, or none.
        directory.check().unwrap();
        fs::create_dir(&path).unwrap();
        directory.has_served();
        directory.check().unwrap();

        fs::rename(&path, &elsewhere).unwrap();
        let error = directory.check().unwrap_err();
        assert!(error.contains("was deleted or renamed"), "{error}");
        fs::create_dir(&path).unwrap();
        directory.has_served();
        let error = directory.check().unwrap_err();
        assert!(error.contains("is another directory"), "{error}");
        fs::remove_dir(&path).unwrap();
        fs::rename(&elsewhere, &path).unwrap();
        directory.check().unwrap();
    }
}

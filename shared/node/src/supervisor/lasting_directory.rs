//! A directory that must stay what it is while children come and go: one that begins anew in its place would begin with nothing.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The directory, and which one it was when a child first served.
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

    /// A child serves from it.
    pub(super) fn has_served(&mut self) {
        if self.identity.is_none() {
            self.identity = identity(&self.path).ok();
        }
    }

    /// Whether another child may begin; if not, why, for people.
    pub(super) fn check(&self) -> Result<(), String> {
        let Some(expected) = self.identity else {
            return Ok(());
        };
        let path = self.path.display();
        let what = match identity(&self.path) {
            Ok(found) if found == expected => return Ok(()),
            Ok(_) => "is another directory than the one it served from".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                "was deleted or renamed while it was in use".to_owned()
            }
            Err(error) => format!("cannot be looked at: {error}"),
        };
        Err(format!(
            "{path} {what}. Put it back, and this server goes on with it; or stop the server (scripts/stop), restore a backup \
             if it is lost, and start it again"
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
    fn a_served_directory_must_stay_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (dir.path().join("state"), dir.path().join("elsewhere"));
        let mut directory = LastingDirectory::new(path.clone());
        // Before a child has served, whatever is there will do, or nothing.
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

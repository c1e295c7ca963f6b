//! Files in use that have to keep their names: what is written to one that was deleted or renamed is not there for the
//! next process.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::StorageError;

/// Files, and which ones they are.
#[derive(Debug, Default)]
pub(crate) struct NamedFiles(Vec<(PathBuf, Identity)>);

type Identity = (u64, u64);

impl NamedFiles {
    /// Those of `paths` that are there now.
    pub(crate) fn of(paths: impl IntoIterator<Item = PathBuf>) -> Result<Self, StorageError> {
        let mut files = Vec::new();
        for path in paths {
            match identity(&path) {
                Ok(identity) => files.push((path, identity)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(StorageError::io("look for", &path)(error)),
            }
        }
        Ok(Self(files))
    }

    /// Fails if one of them cannot be found under its name any more. A call of the system for each.
    pub(crate) fn check(&self) -> Result<(), StorageError> {
        for (path, expected) in &self.0 {
            match identity(path) {
                Ok(found) if found == *expected => {}
                Ok(_) => {
                    return Err(StorageError::NameLost {
                        file: path.clone(),
                        what: "was replaced by another file",
                    });
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(StorageError::NameLost {
                        file: first_missing(path).to_owned(),
                        what: "was deleted or renamed",
                    });
                }
                Err(error) => return Err(StorageError::io("look for", path)(error)),
            }
        }
        Ok(())
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

/// The directory that is missing, if the file is because of that.
fn first_missing(path: &Path) -> &Path {
    let is_missing = |path: &&Path| matches!(fs::exists(path), Ok(false));
    let parents = path.ancestors().skip(1);
    let named = parents.take_while(|path| !path.as_os_str().is_empty());
    named.take_while(is_missing).last().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(files: &NamedFiles) -> (PathBuf, &'static str) {
        match files.check() {
            Err(StorageError::NameLost { file, what }) => (file, what),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn unlinked_file_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        fs::create_dir(&state).unwrap();
        let paths = ["a", "b"].map(|name| state.join(name));
        fs::write(&paths[0], "").unwrap();
        let files = NamedFiles::of(paths.clone()).unwrap();
        // One that was not there is not missed, and what is written to a file changes nothing.
        fs::write(&paths[0], "more").unwrap();
        files.check().unwrap();

        fs::rename(&paths[0], &paths[1]).unwrap();
        assert_eq!(lost(&files), (paths[0].clone(), "was deleted or renamed"));
        fs::write(&paths[0], "").unwrap();
        assert_eq!(
            lost(&files),
            (paths[0].clone(), "was replaced by another file")
        );
        fs::rename(&paths[1], &paths[0]).unwrap();
        files.check().unwrap();

        let elsewhere = dir.path().join("elsewhere");
        fs::rename(&state, &elsewhere).unwrap();
        assert_eq!(lost(&files), (state.clone(), "was deleted or renamed"));
        fs::rename(&elsewhere, &state).unwrap();
        files.check().unwrap();
    }
}

//! Files in use that have to keep their names: what is written to one that was deleted or renamed is not there for the
//! next process.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::StorageError;

/// A directory that was changed before so long is settled: any later change gives it another time, however coarse the
/// times of its file system are.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// So often each file is looked at, whatever its directory says.
const BETWEEN_LOOKS_AT_FILES: Duration = Duration::from_secs(1);

/// Files of one directory, and which ones they are.
///
/// Deleting, renaming or replacing a file changes the time of its directory. So while that is as it was when each file
/// was looked at, one look at the directory is enough.
#[derive(Debug)]
pub(crate) struct NamedFiles {
    directory: PathBuf,
    files: Vec<(PathBuf, Identity)>,
    /// The settled directory in which all files had their names, and when they were looked at.
    proved: Option<(DirectoryVersion, Instant)>,
}

type Identity = (u64, u64);

/// A directory at one time. Two that are equal and settled have the same names for the same files.
#[derive(Debug, PartialEq, Eq)]
struct DirectoryVersion {
    identity: Identity,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl DirectoryVersion {
    /// The one that is there now; nothing if that cannot be found out.
    fn of(directory: &Path) -> Option<Self> {
        let found = fs::metadata(directory).ok()?;
        Some(Self {
            identity: (found.dev(), found.ino()),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }

    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let settled_s = now.map(|now| now.saturating_sub(SETTLED_AFTER).as_secs());
        settled_s.is_ok_and(|settled_s| self.modified.0 < settled_s as i64)
    }
}

impl NamedFiles {
    /// Those of `names` in `directory` that are there now.
    pub(crate) fn of(
        directory: &Path,
        names: impl IntoIterator<Item = String>,
    ) -> Result<Self, StorageError> {
        let mut files = Vec::new();
        for name in names {
            let path = directory.join(name);
            match identity(&path) {
                Ok(identity) => files.push((path, identity)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(StorageError::io("look for", &path)(error)),
            }
        }
        Ok(Self {
            directory: directory.to_owned(),
            files,
            proved: None,
        })
    }

    /// Fails if one of them cannot be found under its name any more. A call of the system where the directory has not
    /// changed for long, otherwise one for each file.
    pub(crate) fn check(&mut self) -> Result<(), StorageError> {
        let now = Instant::now();
        // Before the files are looked at: what happens meanwhile makes it another.
        let version = DirectoryVersion::of(&self.directory);
        if self.is_proved(version.as_ref(), now) {
            return Ok(());
        }
        self.proved = None;
        self.look_at_files()?;
        self.proved = version
            .filter(DirectoryVersion::is_settled)
            .map(|version| (version, now));
        Ok(())
    }

    fn is_proved(&self, version: Option<&DirectoryVersion>, now: Instant) -> bool {
        self.proved.as_ref().is_some_and(|(proved, at)| {
            Some(proved) == version && now.duration_since(*at) < BETWEEN_LOOKS_AT_FILES
        })
    }

    fn look_at_files(&self) -> Result<(), StorageError> {
        for (path, expected) in &self.files {
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

    fn lost(files: &mut NamedFiles) -> (PathBuf, &'static str) {
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
        let names = ["a", "b"].map(str::to_owned);
        let paths = ["a", "b"].map(|name| state.join(name));
        fs::write(&paths[0], "").unwrap();
        let mut files = NamedFiles::of(&state, names).unwrap();
        // One that was not there is not missed, and what is written to a file changes nothing.
        fs::write(&paths[0], "more").unwrap();
        files.check().unwrap();

        fs::rename(&paths[0], &paths[1]).unwrap();
        assert_eq!(
            lost(&mut files),
            (paths[0].clone(), "was deleted or renamed")
        );
        fs::write(&paths[0], "").unwrap();
        assert_eq!(
            lost(&mut files),
            (paths[0].clone(), "was replaced by another file")
        );
        fs::rename(&paths[1], &paths[0]).unwrap();
        files.check().unwrap();

        let elsewhere = dir.path().join("elsewhere");
        fs::rename(&state, &elsewhere).unwrap();
        assert_eq!(lost(&mut files), (state.clone(), "was deleted or renamed"));
        fs::rename(&elsewhere, &state).unwrap();
        files.check().unwrap();
    }

    /// Makes a directory look as if it had not been changed for long.
    fn settle(directory: &Path) {
        let long_ago = SystemTime::now() - 5 * SETTLED_AFTER;
        let directory = fs::File::open(directory).unwrap();
        directory.set_modified(long_ago).unwrap();
    }

    fn is_proved(files: &NamedFiles) -> bool {
        let version = DirectoryVersion::of(&files.directory);
        files.is_proved(version.as_ref(), Instant::now())
    }

    #[test]
    fn settled_directory_is_looked_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&path, "").unwrap();
        let mut files = NamedFiles::of(dir.path(), ["a".to_owned()]).unwrap();
        files.check().unwrap();
        assert!(!is_proved(&files), "the directory has just been changed");

        type Change<'a> = &'a dyn Fn();
        let changes: [(Change<'_>, Change<'_>, &str); 3] = [
            (
                &|| fs::rename(&path, &other).unwrap(),
                &|| fs::rename(&other, &path).unwrap(),
                "was deleted or renamed",
            ),
            (
                &|| {
                    fs::write(&other, "").unwrap();
                    settle(dir.path());
                    fs::rename(&other, &path).unwrap();
                },
                &|| {},
                "was replaced by another file",
            ),
            (
                &|| fs::remove_file(&path).unwrap(),
                &|| {},
                "was deleted or renamed",
            ),
        ];
        for (change, back, what) in changes {
            let mut files = NamedFiles::of(dir.path(), ["a".to_owned()]).unwrap();
            settle(dir.path());
            files.check().unwrap();
            assert!(is_proved(&files));
            let later = Instant::now() + BETWEEN_LOOKS_AT_FILES;
            let version = DirectoryVersion::of(dir.path());
            assert!(!files.is_proved(version.as_ref(), later));
            fs::write(&path, "what is written changes no name").unwrap();
            assert!(is_proved(&files));
            change();
            assert_eq!(lost(&mut files), (path.clone(), what));
            back();
        }
    }
}

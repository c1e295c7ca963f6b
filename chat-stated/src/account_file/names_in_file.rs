//! Whether a name stands in an account file that was changed since it was read.

use std::collections::HashSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::append::Appended;
use super::format::parse;
use super::read::{MAX_FILE_BYTES, ReadError, read};

/// What tells one content of a file from another, as far as the system says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileVersion {
    file: (u64, u64),
    pub(super) len: u64,
    changed: (i64, i64),
}

impl FileVersion {
    /// Of the file at `path`; `None` if there is none, or that cannot be told.
    pub(super) fn of(path: &Path) -> Option<Self> {
        path.metadata().ok().map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for FileVersion {
    fn from(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// What is known of the names in the file.
#[derive(Debug, Default)]
pub(super) struct NamesInFile {
    /// The version that was read last, with the lines that the daemon has added since.
    read: Option<FileVersion>,
    /// Digests of all names in another version.
    unread: Option<(FileVersion, HashSet<u64>)>,
}

impl NamesInFile {
    /// This version was read.
    pub(super) fn was_read(&mut self, version: Option<FileVersion>) {
        *self = Self {
            read: version,
            unread: None,
        };
    }

    /// Lines of accounts that the state has were added to the file.
    pub(super) fn appended(&mut self, appended: &Appended) {
        if self.read == Some(appended.before) {
            self.read = Some(appended.after);
        }
    }

    /// Whether the name stands in the file at `path`. Says no without a look if the file is as it was read, and the
    /// state has taken in all of it: then the state knows better.
    pub(super) fn has(
        &mut self,
        path: &Path,
        name: &str,
        was_taken_in: bool,
    ) -> Result<bool, ReadError> {
        let version = FileVersion::of(path);
        if was_taken_in && version.is_some() && version == self.read {
            return Ok(false);
        }
        if let (Some(version), Some((known, names))) = (version, &self.unread)
            && version == *known
        {
            return Ok(names.contains(&digest(name)));
        }
        let content = match read(path, MAX_FILE_BYTES) {
            Err(ReadError::Missing(_)) => return Ok(false),
            content => content?,
        };
        let parsed = parse(&content.bytes);
        let names = parsed.accounts.iter().map(|(name, _)| name);
        let names: HashSet<u64> = names
            .chain(parsed.doubtful.keys())
            .map(|name| digest(name))
            .collect();
        let has = names.contains(&digest(name));
        // As it was before the reading: what changed meanwhile is read the next time.
        self.unread = version.map(|version| (version, names));
        Ok(has)
    }
}

fn digest(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::account_file::append::append;

    const SHA1: &str = "53649f6e45138ef119c955d04bf042562f6e2946";

    #[test]
    fn only_file_that_changed_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("user_pass.txt");
        let mut names = NamesInFile::default();
        assert!(!names.has(&path, "ann", true).unwrap(), "there is no file");
        fs::write(&path, format!("ann,{SHA1}\nbob:{SHA1}\n")).unwrap();
        for _ in 0..2 {
            assert!(names.has(&path, "ann", true).unwrap());
            assert!(names.has(&path, "bob", true).unwrap(), "it may be bob's");
            assert!(!names.has(&path, "carol", true).unwrap());
        }
        names.was_read(FileVersion::of(&path));
        assert!(!names.has(&path, "ann", true).unwrap(), "the state knows");
        assert!(names.has(&path, "ann", false).unwrap(), "it does not");
        names.was_read(FileVersion::of(&path));
        // The daemon's own lines change nothing, and anybody else's do.
        let appended = append(&path, format!("dave,{SHA1}\n").as_bytes()).unwrap();
        names.appended(&appended);
        assert!(!names.has(&path, "dave", true).unwrap());
        let other = directory.path().join("edited");
        fs::write(&other, format!("ann,{SHA1}\nerin,{SHA1}\n")).unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(names.has(&path, "erin", true).unwrap());
        let appended = append(&path, format!("frank,{SHA1}\n").as_bytes()).unwrap();
        names.appended(&appended);
        assert!(names.has(&path, "erin", true).unwrap());
    }

    #[test]
    fn unreadable_file_is_error() {
        let directory = tempfile::tempdir().unwrap();
        let error = NamesInFile::default().has(directory.path(), "ann", true);
        assert!(matches!(error, Err(ReadError::NotAFile(_))), "{error:?}");
    }
}

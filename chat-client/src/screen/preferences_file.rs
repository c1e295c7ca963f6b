//! What the user has decided in the full screen, on disk: a file for each server and account.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use crate::private_file;
use crate::state_directory::{NO_DIRECTORY, file_name};

/// Most bytes of such a file.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// The directory of one server, if the environment says where the state of programs is.
pub(crate) struct PreferencesFiles(pub(crate) Option<PathBuf>);

impl PreferencesFiles {
    /// What is kept of this account; nothing if there is no file.
    pub(crate) fn read(&self, account: &str) -> Result<String, String> {
        let Some(path) = self.path(account) else {
            return Ok(String::new());
        };
        let mut text = String::new();
        let read = fs::File::open(&path)
            .and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text));
        match read {
            Ok(_) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(text),
            Err(error) => Err(format!("cannot read {}: {error}", path.display())),
        }
    }

    /// Keeps this text instead of what was kept before.
    pub(crate) fn write(&self, account: &str, text: &str) -> Result<(), String> {
        let path = self.path(account);
        let path = path.ok_or(NO_DIRECTORY)?;
        private_file::replace(&path, &[text.as_bytes()])
            .map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    fn path(&self, account: &str) -> Option<PathBuf> {
        let directory = self.0.as_ref()?;
        Some(directory.join(file_name(account)))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn decisions_outlive_the_run() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = PreferencesFiles(Some(directory.path().join("new")));
        assert_eq!(files.read("ann"), Ok(String::new()));
        for text in ["mute #tea\n", ""] {
            files.write("ann", text).expect("a file");
            assert_eq!(files.read("ann").as_deref(), Ok(text));
        }
        let found = fs::metadata(directory.path().join("new/ann")).expect("a file");
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
        assert!(PreferencesFiles(None).write("ann", "x").is_err());
    }
}

//! An operator's word that the account file is meant as it is, although it would take away most accounts: a file beside
//! it with the digest of the content that is meant. Any other content is not.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chat_node::files::regular_file;
use xxhash_rust::xxh3::xxh3_128;

const DIGEST_BYTES: u64 = 32;

/// Where the word stands.
pub fn path_beside(account_file: &Path) -> PathBuf {
    account_file.with_extension("accepted")
}

/// Gives the word for an account file of this content.
pub fn accept(account_file: &Path, content: &[u8]) -> io::Result<()> {
    let path = path_beside(account_file);
    // Never written through a link that somebody put there.
    take_back(&path)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(digest(content).as_bytes())
}

/// Whether the word was given for this content. It holds once.
pub(super) fn take(account_file: &Path, content: &[u8]) -> bool {
    let path = path_beside(account_file);
    let mut word = Vec::new();
    let read = regular_file::open(&path)
        .and_then(|file| file.take(DIGEST_BYTES + 1).read_to_end(&mut word));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return false,
        Err(error) => {
            log::warn!("cannot read {}: {error}", path.display());
            return false;
        }
    }
    if let Err(error) = take_back(&path) {
        log::warn!("cannot remove {}: {error}", path.display());
        return false;
    }
    word == digest(content).as_bytes()
}

fn take_back(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn digest(content: &[u8]) -> String {
    format!("{:032x}", xxh3_128(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_holds_once_and_for_one_content() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("user_pass.txt");
        assert!(!take(&path, b"a"));
        accept(&path, b"b").unwrap();
        assert!(!take(&path, b"a"), "another content");
        assert!(!take(&path, b"b"), "it was looked at before");
        accept(&path, b"b").unwrap();
        accept(&path, b"a").unwrap();
        assert!(take(&path, b"a"));
        assert!(!take(&path, b"a"));
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }
}

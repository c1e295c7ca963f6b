//! Reads the account file.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use chat_node::files::regular_file::{self, NotRegular};
use chat_node::files::text_file::{TextFileError, without_byte_order_mark};
use thiserror::Error;

use super::create::sync_directory;
use crate::insecure_permissions::PermissionsError;

/// Largest file that is read, in bytes: some ten million accounts.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024 * 1024;

/// An account file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFile {
    /// All of it.
    pub bytes: Vec<u8>,
}

/// Why it was not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// There is none.
    #[error("cannot read the account file {}: it is missing", .0.display())]
    Missing(PathBuf),
    /// A directory, device or pipe.
    #[error("cannot read the account file {}: it is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// Over the limit.
    #[error("cannot read the account file {}: it has more than {max_bytes} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        max_bytes: u64,
    },
    /// Text of another encoding. A zero byte elsewhere makes its own line unreadable, and no other.
    #[error("cannot read the account file {}: {error} (iconv -f UTF-16 -t UTF-8 does it)", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        error: TextFileError,
    },
    /// Others can get at it.
    #[error("cannot read the account file: {0}")]
    Exposed(PermissionsError),
    /// What was read may not be on the disk.
    #[error("cannot sync the account file {}: {error}", path.display())]
    Sync {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// The system refused.
    #[error("cannot read the account file {}: {error}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
}

/// Reads a file of at most `max_bytes`.
pub fn read(path: &Path, max_bytes: u64) -> Result<AccountFile, ReadError> {
    let system = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ReadError::Missing(path.to_owned()),
        _ if NotRegular::is_reason_of(&error) => ReadError::NotAFile(path.to_owned()),
        _ => ReadError::System {
            path: path.to_owned(),
            error,
        },
    };
    let file = regular_file::open(path).map_err(system)?;
    // What is read is taken for granted from here on: a process that died may have left what it never synced.
    file.sync_all()
        .and_then(|()| sync_directory(path))
        .map_err(|error| ReadError::Sync {
            path: path.to_owned(),
            error,
        })?;
    let metadata = file.metadata().map_err(system)?;
    let mut bytes = Vec::new();
    if metadata.len() <= max_bytes {
        file.take(max_bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(system)?;
    }
    if metadata.len().max(bytes.len() as u64) > max_bytes {
        return Err(ReadError::TooLarge {
            path: path.to_owned(),
            max_bytes,
        });
    }
    match without_byte_order_mark(&bytes) {
        Err(error @ TextFileError::Utf16) => Err(ReadError::NotUtf8 {
            path: path.to_owned(),
            error,
        }),
        Err(TextFileError::Nul) | Ok(_) => Ok(AccountFile { bytes }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn reads_file_up_to_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("user_pass.txt");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap().bytes, b"12345");
        let error = read(&path, 4).unwrap_err();
        assert!(
            matches!(error, ReadError::TooLarge { max_bytes: 4, .. }),
            "{error}"
        );
    }

    #[test]
    fn utf16_is_refused_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("user_pass.txt");
        let units = "ann,x\n".encode_utf16();
        let little: Vec<u8> = units.clone().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units.flat_map(u16::to_be_bytes).collect();
        for bytes in [
            little.clone(),
            big.clone(),
            [&b"\xff\xfe"[..], &little].concat(),
            [&b"\xfe\xff"[..], &big].concat(),
        ] {
            fs::write(&path, bytes).unwrap();
            let error = read(&path, 100).unwrap_err().to_string();
            assert!(
                error.contains("UTF-16") && error.contains("iconv"),
                "{error}"
            );
        }
        fs::write(&path, "ann,x\nb\0").unwrap();
        read(&path, 100).unwrap();
    }

    #[test]
    fn missing_is_error_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let error = read(&directory.path().join("none"), 5).unwrap_err();
        assert!(matches!(error, ReadError::Missing(_)), "{error}");
        let error = read(directory.path(), 5).unwrap_err();
        assert!(matches!(error, ReadError::NotAFile(_)), "{error}");
    }
}

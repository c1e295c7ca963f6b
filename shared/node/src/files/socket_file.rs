//! Unix sockets in the run directory. A socket outlives the process that serves it.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::sandbox::share_socket;
use anyhow::{Context, bail};

/// Longest path of a socket, in bytes; the system's own limit.
const MAX_PATH_BYTES: usize = 107;

/// Makes the socket at `path`, in place of one that an earlier daemon may have left. No other daemon may be using it.
/// Besides its owner those in `group` can connect, if there is one.
pub fn listen(path: &Path, group: Option<u32>) -> anyhow::Result<UnixListener> {
    let shown = path.display();
    let length = path.as_os_str().len();
    if length > MAX_PATH_BYTES {
        bail!(
            "the path of the socket {shown} has {length} bytes, the system allows \
             {MAX_PATH_BYTES}: use a shorter --run-dir"
        );
    }
    remove_stale(path)?;
    let listener = UnixListener::bind(path).with_context(|| format!("cannot listen on {shown}"))?;
    share_socket(path, group)
        .with_context(|| format!("cannot give {shown} to those who may connect"))?;
    Ok(listener)
}

fn remove_stale(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot look at {shown}")),
        Ok(found) if found.file_type().is_socket() => {
            fs::remove_file(path).with_context(|| format!("cannot remove the stale {shown}"))
        }
        Ok(_) => bail!("{shown} is in the way and is no socket: move it elsewhere"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use nix::unistd::getegid;

    use super::*;

    #[test]
    fn only_stale_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let own_group = getegid().as_raw();
        for (group, mode) in [(None, 0o600), (Some(own_group), 0o660)] {
            drop(listen(&path, group).unwrap());
            let found = fs::metadata(&path).unwrap();
            assert_eq!(found.permissions().mode() & 0o777, mode);
            assert_eq!(found.gid(), own_group);
        }
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        let error = listen(&path, None).unwrap_err().to_string();
        assert!(error.contains("is no socket"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }

    #[test]
    fn path_too_long_says_how_long() {
        let error = listen(Path::new(&"x".repeat(200)), None).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("200 bytes"), "{error}");
    }
}

//! Changes the ownership of files and directories to the users that need them. Root does this in directories that such
//! a user may write to, so links that the user could have placed there are not followed.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AtFlags, OFlag, open};
use nix::libc::{O_DIRECTORY, O_NOFOLLOW};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, fchownat, geteuid};
use thiserror::Error;

use super::users::Identity;

/// The ownership of a file could not be changed.
#[derive(Debug, Error)]
#[error("cannot give {} to user {user}: {reason}", path.display())]
pub struct OwnershipError {
    path: PathBuf,
    user: Identity,
    reason: String,
}

/// Changes the owner of a regular file, if it exists. Links and files with a second name are refused.
pub fn give(path: &Path, user: Identity) -> Result<(), OwnershipError> {
    let error = |reason: String| OwnershipError {
        path: path.to_owned(),
        user,
        reason,
    };
    match give_opened(path, user) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(|cause| error(cause.to_string())),
    }
}

/// Changes the owner of a directory and of the files in it. A missing directory is created, for that user alone. A link
/// to it is followed if it belongs to root.
pub fn give_directory(path: &Path, user: Identity) -> Result<(), OwnershipError> {
    give_directory_or_fail(path, user).map_err(|error| OwnershipError {
        path: path.to_owned(),
        user,
        reason: error.to_string(),
    })
}

fn give_directory_or_fail(path: &Path, user: Identity) -> io::Result<()> {
    let path = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().mode(0o700).create(path)?;
            path.to_owned()
        }
        Err(error) => return Err(error),
        Ok(found) if found.is_symlink() && found.uid() == 0 => fs::canonicalize(path)?,
        Ok(_) => path.to_owned(),
    };
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(O_DIRECTORY | O_NOFOLLOW)
        .open(&path)?;
    // Through the descriptor: this is the directory that was checked, whatever its name refers to now.
    let directory = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    for entry in fs::read_dir(&directory)? {
        match give_opened(&entry?.path(), user) {
            // Its owner has removed it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    chown(&opened, Some(user.uid), user.gid)
}

fn give_opened(path: &Path, user: Identity) -> io::Result<()> {
    let opened = open_to_give(path)?;
    let found = opened.metadata()?;
    if (found.uid(), found.gid()) == (user.uid, user.gid) {
        return Ok(());
    }
    let kind = found.file_type();
    let refused = if kind.is_symlink() {
        "is a symbolic link: put the file itself there"
    } else if !kind.is_file() {
        "is not a regular file"
    } else if found.nlink() > 1 {
        "has another name elsewhere"
    } else {
        chown(&opened, Some(user.uid), user.gid)?;
        // Root can write regardless of the mode; the user cannot.
        let mode = found.permissions().mode() & 0o7777;
        if mode & 0o600 != 0o600 {
            set_mode(&opened, mode | 0o600)?;
        }
        return Ok(());
    };
    let name = path.file_name().unwrap_or_default().display();
    Err(io::Error::other(format!("{name} {refused}")))
}

fn chown(opened: &File, uid: Option<u32>, gid: u32) -> io::Result<()> {
    let owner = uid.map(Uid::from_raw);
    let group = Some(Gid::from_raw(gid));
    Ok(fchownat(opened, "", owner, group, AtFlags::AT_EMPTY_PATH)?)
}

/// Lets the owner, and the members of `group` if it is given, connect to this process's socket. Fails if another
/// process has replaced the socket.
pub fn share_socket(path: &Path, group: Option<u32>) -> io::Result<()> {
    let opened = open_to_give(path)?;
    let found = opened.metadata()?;
    if !found.file_type().is_socket() || found.uid() != geteuid().as_raw() {
        return Err(io::Error::other("another process has replaced it"));
    }
    if let Some(group) = group {
        chown(&opened, None, group)?;
    }
    set_mode(&opened, if group.is_some() { 0o660 } else { 0o600 })
}

/// Opens any kind of file to inspect it and to change its owner or mode. A link is not followed.
fn open_to_give(path: &Path) -> io::Result<File> {
    // With musl, std takes O_PATH for a part of the access mode, and removes it.
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(File::from(open(path, flags, Mode::empty())?))
}

fn set_mode(opened: &File, mode: u32) -> io::Result<()> {
    let opened = format!("/proc/self/fd/{}", opened.as_raw_fd());
    fs::set_permissions(opened, Permissions::from_mode(mode))
}

/// Lets a group create files in a directory and remove its own. Others may enter the directory, but not list it.
pub fn share_with_group(directory: &Path, user: Identity) -> Result<(), OwnershipError> {
    let share = || {
        let opened = File::open(directory)?;
        chown(&opened, None, user.gid)?;
        opened.set_permissions(Permissions::from_mode(0o1771))
    };
    share().map_err(|error: io::Error| OwnershipError {
        path: directory.to_owned(),
        user,
        reason: error.to_string(),
    })
}

/// Lets everybody enter a directory, but not list it.
pub fn make_passable(directory: &Path) -> io::Result<()> {
    let mode = directory.metadata()?.permissions().mode() & 0o7777;
    match mode & 0o001 {
        0 => fs::set_permissions(directory, Permissions::from_mode(mode | 0o011)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const USER: Identity = Identity {
        uid: 64190,
        gid: 64190,
    };

    #[test]
    fn links_are_not_given() {
        if !geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (mine, link, name) = (
            dir.path().join("a"),
            dir.path().join("b"),
            dir.path().join("c"),
        );
        give(&mine, USER).unwrap();
        fs::write(&mine, "").unwrap();
        symlink(&mine, &link).unwrap();
        fs::hard_link(&mine, &name).unwrap();
        assert!(
            give(&link, USER)
                .unwrap_err()
                .to_string()
                .contains("symbolic")
        );
        assert!(
            give(&name, USER)
                .unwrap_err()
                .to_string()
                .contains("another name")
        );
        assert_eq!(mine.metadata().unwrap().uid(), 0);
        fs::remove_file(&name).unwrap();
        give(&mine, USER).unwrap();
        assert_eq!(mine.metadata().unwrap().uid(), USER.uid);
    }

    #[test]
    fn directory_is_given_with_its_files() {
        if !geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        give_directory(&state, USER).unwrap();
        fs::write(state.join("x"), "").unwrap();
        give_directory(&state, USER).unwrap();
        for path in [&state, &state.join("x")] {
            let found = path.metadata().unwrap();
            assert_eq!((found.uid(), found.gid()), (USER.uid, USER.gid));
        }
        let mode = state.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        // A link that the user could have placed there is refused.
        let target = dir.path().join("target");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("y"), "").unwrap();
        let link = dir.path().join("link");
        symlink(&target, &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(USER.uid), None).unwrap();
        assert!(give_directory(&link, USER).is_err());
        assert_eq!(target.join("y").metadata().unwrap().uid(), 0);
        std::os::unix::fs::lchown(&link, Some(0), None).unwrap();
        give_directory(&link, USER).unwrap();
        assert_eq!(target.join("y").metadata().unwrap().uid(), USER.uid);
    }

    #[test]
    fn directory_becomes_passable_once() {
        let dir = tempfile::tempdir().unwrap();
        for (mode, wanted) in [(0o700, 0o711), (0o1771, 0o1771), (0o755, 0o755)] {
            fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
            make_passable(dir.path()).unwrap();
            let mode = dir.path().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, wanted);
        }
    }
}

//! Checks whether the run directory can be trusted. A user who can create files there can create an account file.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::unistd::{getegid, geteuid};

use crate::sandbox::{Identity, Users};

/// Mode bits that let others create, rename and remove files in a directory.
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
/// With this bit, users can rename and remove only their own files.
const STICKY: u32 = 0o1000;
/// The owner that a user namespace shows for unmapped users.
const UNMAPPED: u32 = 65_534;

/// Who may own or write to the run directory.
#[derive(Clone, Copy, Debug)]
pub struct Trusted {
    user: u32,
    group: u32,
    /// The user of the state process, if it has one of its own.
    state: Option<Identity>,
}

impl Trusted {
    /// Trusts root, the user of this process, and the user of the state process.
    pub fn new(users: Option<Users>) -> Self {
        Self {
            user: geteuid().as_raw(),
            group: getegid().as_raw(),
            state: users.map(|users| users.state),
        }
    }

    fn is_owner(&self, owner: u32) -> bool {
        let state = self.state.map(|state| state.uid);
        self.is_operator(owner) || state == Some(owner)
    }

    fn is_operator(&self, owner: u32) -> bool {
        owner == 0 || owner == self.user
    }

    /// The mode bits that let untrusted users write to `found`.
    fn insecure_bits(&self, found: &Metadata) -> u32 {
        let mode = found.mode();
        let is_own_group = found.gid() == self.group;
        let is_shared = mode & STICKY != 0 && self.state.map(|it| it.gid) == Some(found.gid());
        let group = match is_own_group || is_shared {
            true => 0,
            false => mode & GROUP_WRITES,
        };
        group | mode & OTHERS_WRITE
    }
}

/// How to treat a run directory with insecure permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untrusted {
    /// Correct the permissions if the directory belongs to this user.
    Close,
    /// Refuse the directory.
    Refuse,
    /// Change nothing; refuse the directory only if the permissions could not be corrected.
    Report,
}

/// Checks the existing directory at `path` and the directories above it. Problems that do not prevent its use are
/// returned as warnings for people.
pub fn check(path: &Path, trusted: Trusted, untrusted: Untrusted) -> anyhow::Result<Vec<String>> {
    refuse_foreign_links(path, trusted)?;
    let shown = path.display();
    let whole = fs::canonicalize(path).with_context(|| format!("cannot find {shown}"))?;
    let found = whole
        .metadata()
        .with_context(|| format!("cannot access {shown}"))?;
    let owner = found.uid();
    if !trusted.is_owner(owner) {
        bail!(
            "the run directory {shown} belongs to user {owner}, who can put any file there: start chatserv as that \
             user, or inspect its files and chown it to yourself"
        );
    }
    let mut warnings = Vec::new();
    warnings.extend(close(&whole, &found, trusted, untrusted)?);
    if let Some(warning) = open_ancestor(&whole, trusted) {
        if untrusted == Untrusted::Refuse {
            bail!("{warning} ({})", how_to_be_lenient());
        }
        warnings.push(warning);
    }
    Ok(warnings)
}

fn how_to_be_lenient() -> &'static str {
    "or omit --strict-permissions, CHAT_STRICT_PERMISSIONS"
}

fn close(
    path: &Path,
    found: &Metadata,
    trusted: Trusted,
    untrusted: Untrusted,
) -> anyhow::Result<Option<String>> {
    let insecure = trusted.insecure_bits(found);
    if insecure == 0 {
        return Ok(None);
    }
    let (shown, mode) = (path.display(), found.mode() & 0o7777);
    let what = format!("others can write to the run directory {shown} (mode {mode:04o})");
    let is_changeable = trusted.user == 0 || found.uid() == trusted.user;
    if untrusted == Untrusted::Refuse || !is_changeable {
        bail!("{what}: chmod go-w it, {}", how_to_be_lenient());
    }
    let closed = mode & !insecure;
    if untrusted == Untrusted::Close {
        fs::set_permissions(path, Permissions::from_mode(closed))
            .with_context(|| format!("{what}, and its mode cannot be changed"))?;
    }
    Ok(Some(format!(
        "others could write to the run directory {shown} (mode {mode:04o}); its mode is {closed:04o} now: check \
         that all files in it are yours, above all user_pass.txt"
    )))
}

/// Refuses a path through another user's symbolic link, which could be changed at any time.
fn refuse_foreign_links(path: &Path, trusted: Trusted) -> anyhow::Result<()> {
    let whole = std::path::absolute(path).with_context(|| {
        let shown = path.display();
        format!("cannot resolve the path of the run directory {shown}")
    })?;
    for step in whole.ancestors() {
        let found = match fs::symlink_metadata(step) {
            Ok(found) => found,
            // If the directory is not readable, later steps fail anyway.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => continue,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot access {}", step.display()));
            }
        };
        if found.is_symlink() && !trusted.is_operator(found.uid()) {
            let (shown, link, owner) = (path.display(), step.display(), found.uid());
            bail!(
                "the run directory {shown} is reached through {link}, a symbolic link of user {owner}, who can \
                 change it: name the directory itself"
            );
        }
    }
    Ok(())
}

/// A warning about the nearest directory above in which others can replace the next directory.
fn open_ancestor(path: &Path, trusted: Trusted) -> Option<String> {
    let above = path.ancestors().skip(1);
    let (directory, found): (PathBuf, Metadata) = above
        .filter_map(|directory| Some((directory.to_owned(), directory.metadata().ok()?)))
        .find(|(_, found)| {
            let owner = found.uid();
            let is_foreign = !trusted.is_operator(owner) && owner != UNMAPPED;
            is_foreign || trusted.insecure_bits(found) != 0 && found.mode() & STICKY == 0
        })?;
    let (path, shown) = (path.display(), directory.display());
    let (owner, mode) = (found.uid(), found.mode() & 0o7777);
    Some(format!(
        "other users can replace the run directory {path}: {shown} belongs to \
         user {owner} and has mode {mode:04o}"
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, lchown, symlink};

    use super::*;

    fn trusted() -> Trusted {
        let identity = |number| Identity {
            uid: number,
            gid: number,
        };
        Trusted::new(Some(Users {
            state: identity(64_190),
            worker: identity(64_191),
        }))
    }

    fn mode_of(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn open_directory_is_closed_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        for (mode, closed) in [(0o777, 0o775), (0o1777, 0o1775), (0o702, 0o700)] {
            set_mode(path, mode);
            let error = check(path, trusted(), Untrusted::Refuse).unwrap_err();
            assert!(error.to_string().contains("others can write"), "{error}");
            assert_eq!(check(path, trusted(), Untrusted::Report).unwrap().len(), 1);
            assert_eq!(mode_of(path), mode);
            let said = check(path, trusted(), Untrusted::Close).unwrap();
            assert!(said[0].contains(&format!("{closed:04o} now")), "{said:?}");
            assert_eq!(mode_of(path), closed);
        }
        // One's own group is not others.
        for mode in [0o700, 0o755, 0o775] {
            set_mode(path, mode);
            let said = check(path, trusted(), Untrusted::Refuse).unwrap();
            assert!(said.is_empty(), "{said:?}");
        }
    }

    #[test]
    fn directory_of_another_user_is_refused() {
        if !geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        chown(path, Some(1_234), None).unwrap();
        let error = check(path, trusted(), Untrusted::Close).unwrap_err();
        assert!(
            error.to_string().contains("belongs to user 1234"),
            "{error}"
        );
        chown(path, Some(64_190), Some(1_234)).unwrap();
        set_mode(path, 0o1771);
        check(path, trusted(), Untrusted::Close).unwrap();
        assert_eq!(mode_of(path), 0o1751, "another group could write");
        chown(path, Some(0), Some(64_190)).unwrap();
        for (mode, is_shared) in [(0o1771, true), (0o771, false)] {
            set_mode(path, mode);
            let said = check(path, trusted(), Untrusted::Close).unwrap();
            assert_eq!(said.is_empty(), is_shared, "{said:?}");
        }
    }

    #[test]
    fn changeable_paths_are_reported_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("above/run");
        fs::create_dir_all(&path).unwrap();
        let above = path.parent().unwrap();
        set_mode(above, 0o1777);
        assert!(
            check(&path, trusted(), Untrusted::Refuse)
                .unwrap()
                .is_empty()
        );
        set_mode(above, 0o757);
        let said = check(&path, trusted(), Untrusted::Close).unwrap();
        assert!(said[0].contains("has mode 0757"), "{said:?}");
        check(&path, trusted(), Untrusted::Refuse).unwrap_err();
        set_mode(above, 0o755);
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(
            check(&link, trusted(), Untrusted::Refuse)
                .unwrap()
                .is_empty()
        );
        if geteuid().is_root() {
            lchown(&link, Some(1_234), None).unwrap();
            let error = check(&link, trusted(), Untrusted::Close).unwrap_err();
            assert!(error.to_string().contains("link of user 1234"), "{error}");
            chown(above, Some(1_234), None).unwrap();
            let said = check(&path, trusted(), Untrusted::Close).unwrap();
            assert!(said[0].contains("belongs to user 1234"), "{said:?}");
        }
    }
}

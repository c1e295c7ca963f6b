//! Takes accounts out of the account file: their lines become comments, which programs of any version pass over.
//!
//! The file is replaced as a whole, so that a death leaves the old one or the new one.

use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::Flock;

use super::append::{
    AppendError, Appended, LOCK_WAIT, MAX_REPLACEMENTS, is_at, lock, open, refuse_other_text,
    system, version,
};
use super::create::{new_path, sync_directory};
use super::format::parse_line;

/// How a line of a disabled account begins.
const DISABLED: &[u8] = b"#disabled:";

/// An account that the file is to lose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisabledAccount {
    /// Its name.
    pub name: String,
    /// Its secret stays in the comment.
    pub keeps_secret: bool,
}

/// Makes comments of all lines of these accounts. Returns once that is on disk. A file without such a line stays as it
/// is.
pub fn disable(path: &Path, accounts: &[DisabledAccount]) -> Result<Appended, AppendError> {
    // The file behind a link is replaced, not the link.
    let path = &path.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => AppendError::Missing(path.to_owned()),
        _ => system(path, "find", error),
    })?;
    for _ in 0..MAX_REPLACEMENTS {
        let mut file = lock(open(path)?, path, LOCK_WAIT)?;
        // Who held the lock may have put another file in this one's place.
        if !is_at(&file, path)? {
            continue;
        }
        refuse_other_text(&file, path)?;
        let before = version(&file, path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|error| system(path, "read", error))?;
        let Some(content) = without(&bytes, accounts) else {
            return Ok(Appended {
                before,
                after: before,
            });
        };
        let new = new_path(path).map_err(|error| system(path, "name a new", error))?;
        let written = write_beside(&file, &new, &content);
        // Whoever takes no lock may have written meanwhile.
        let is_same = version(&file, path)? == before && is_at(&file, path)?;
        let replaced = match (written, is_same) {
            (Ok(()), true) => fs::rename(&new, path),
            (written, _) => {
                let removed = fs::remove_file(&new);
                written.and(removed)
            }
        };
        replaced.map_err(|error| system(path, "replace", error))?;
        if is_same {
            sync_directory(path).map_err(|error| system(path, "write", error))?;
            let after = path.metadata();
            let after = after.map_err(|error| system(path, "look at", error))?;
            let after = (&after).into();
            return Ok(Appended { before, after });
        }
    }
    Err(AppendError::Unsteady(path.to_owned()))
}

/// Writes a file of the same permissions to the disk.
fn write_beside(file: &Flock<fs::File>, new: &Path, content: &[u8]) -> io::Result<()> {
    // One that a death left behind; the lock on the state lets no other daemon be at it.
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let old = file.metadata()?;
    let mut written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(new)?;
    let (owner, new_owner) = (old.uid(), written.metadata()?.uid());
    if owner != new_owner {
        return Err(io::Error::other(format!(
            "it belongs to user {owner}, and a new one would belong to user {new_owner}"
        )));
    }
    written.set_permissions(Permissions::clone(&old.permissions()))?;
    written.write_all(content)?;
    written.sync_all()
}

/// The content without these accounts. The last line of each stays as a comment; older comments of that kind go, and so
/// does each secret that is not to be kept. Nothing if the content stays what it is.
pub(crate) fn without(bytes: &[u8], accounts: &[DisabledAccount]) -> Option<Vec<u8>> {
    let accounts = accounts.iter().map(|account| (&*account.name, account));
    let accounts: HashMap<&str, &DisabledAccount> = accounts.collect();
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let lines: Vec<&[u8]> = bytes.split_inclusive(is_end).collect();
    let account_of = |line: &[u8]| match parse_line(line) {
        Ok(Some((name, _))) => accounts.get(name).copied(),
        _ => None,
    };
    let (mut seen, mut kept, mut is_changed) = (HashSet::new(), Vec::new(), false);
    // From the end, because the last line of a name counts.
    for line in lines.iter().rev() {
        let comment = line.strip_prefix(DISABLED);
        let Some(account) = account_of(comment.unwrap_or(line)) else {
            kept.push(line.to_vec());
            continue;
        };
        let is_to_go = comment.is_none() || !account.keeps_secret;
        is_changed |= is_to_go;
        if seen.insert(&account.name) {
            kept.push(match (is_to_go, account.keeps_secret) {
                (false, _) => line.to_vec(),
                (true, true) => [DISABLED, line.trim_ascii_start()].concat(),
                (true, false) => [DISABLED, account.name.as_bytes(), b"\n"].concat(),
            });
        }
    }
    is_changed.then(|| kept.iter().rev().flatten().copied().collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::account_file::format::parse;

    const SHA1: &str = "53649f6e45138ef119c955d04bf042562f6e2946";
    const OTHER: &str = "3cbf2c628de96e8e46ab4e44d4ddf2c4d1eccddb";

    fn bob() -> Vec<DisabledAccount> {
        let name = "bob".to_owned();
        vec![DisabledAccount {
            name,
            keeps_secret: true,
        }]
    }

    #[test]
    fn secret_of_forgotten_account_goes() {
        let forgotten = [DisabledAccount {
            keeps_secret: false,
            ..bob().remove(0)
        }];
        for file in [
            format!("#disabled:bob,{SHA1}\nann,{SHA1}\nbob,{OTHER}\nbob,{SHA1}\n"),
            format!("ann,{SHA1}\n#disabled:bob,{SHA1}\n"),
        ] {
            let content = without(file.as_bytes(), &forgotten).unwrap();
            let expected = format!("ann,{SHA1}\n#disabled:bob\n");
            assert_eq!(String::from_utf8(content.clone()).unwrap(), expected);
            assert_eq!(without(&content, &forgotten), None);
        }
    }

    #[test]
    fn last_line_becomes_comment() {
        let file = format!(
            "# old\r\nbob,{SHA1}\nann,{SHA1}\r\n#disabled:bob,{SHA1}\n#disabled:eve,{SHA1}\n bob,{OTHER}\nbobby,{SHA1}"
        );
        let content = without(file.as_bytes(), &bob()).unwrap();
        let expected = format!(
            "# old\r\nann,{SHA1}\r\n#disabled:eve,{SHA1}\n#disabled:bob,{OTHER}\nbobby,{SHA1}"
        );
        assert_eq!(String::from_utf8(content).unwrap(), expected);
        assert_eq!(without(expected.as_bytes(), &bob()), None);
        let parsed = parse(expected.as_bytes());
        assert_eq!((parsed.accounts.len(), parsed.unreadable_total), (2, 0));
    }

    #[test]
    fn file_is_replaced_with_its_permissions() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("user_pass.txt");
        let link = directory.path().join("link");
        fs::write(&path, format!("ann,{SHA1}\nbob,{SHA1}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        fs::write(directory.path().join(".user_pass.txt.new"), "of a death").unwrap();
        symlink(&path, &link).unwrap();
        let changed = disable(&link, &bob()).unwrap();
        assert_ne!(changed.before, changed.after);
        let content = fs::read_to_string(&path).unwrap();
        assert_eq!(content, format!("ann,{SHA1}\n#disabled:bob,{SHA1}\n"));
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        assert!(link.is_symlink());
        let again = disable(&path, &bob()).unwrap();
        assert_eq!(again.before, again.after);
        assert_eq!(directory.path().read_dir().unwrap().count(), 2);
    }

    #[test]
    fn missing_file_and_held_lock_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("user_pass.txt");
        let error = disable(&path, &bob()).unwrap_err();
        assert!(matches!(error, AppendError::Missing(_)), "{error}");
    }
}

//! Opens regular files at paths where somebody may have placed something else.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::libc::{O_NOCTTY, O_NOFOLLOW, O_NONBLOCK};
use nix::unistd::geteuid;
use thiserror::Error;

/// The path names a directory, device, pipe or socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it is not a regular file")]
pub struct NotRegular;

impl NotRegular {
    /// Whether `error` has this reason.
    pub fn is_reason_of(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|reason| reason.is::<Self>())
    }
}

/// Why a file is refused in a directory that others may write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotOwn {
    /// Writes would go to another file.
    #[error("it is a symbolic link: remove it, or put the file itself there")]
    SymbolicLink,
    /// Writes would also change the file under its other name.
    #[error("it has another name elsewhere (a hard link): remove it, or the other name")]
    HardLink,
    /// Its owner could read and change the content.
    #[error("it belongs to user {0}: remove it")]
    Owner(u32),
}

/// Opens a regular file for reading; a link to one is followed. Everything else is refused with [`NotRegular`] without
/// blocking: opening a pipe would wait for a writer, perhaps for ever.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(path, OpenOptions::new().read(true))
}

/// Like [`open`], with other options. Custom flags of `options` are overwritten.
pub fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Checked before opening, because opening a device can have effects, and afterwards, because the file may have been
    // replaced meanwhile.
    let refuse_others = |found: fs::Metadata| match found.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, NotRegular)),
    };
    refuse_others(fs::metadata(path)?)?;
    let file = options.custom_flags(O_NONBLOCK | O_NOCTTY).open(path)?;
    refuse_others(file.metadata()?)?;
    Ok(file)
}

/// Opens, or creates if the options say so, a regular file with only this name. Symbolic links and files with a second
/// name are refused, because they may lead to a file of somebody else. Options must not truncate.
pub fn open_unlinked(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => refuse_linked(&found?)?,
    }
    let flags = O_NONBLOCK | O_NOCTTY | O_NOFOLLOW;
    let file = options.custom_flags(flags).open(path)?;
    refuse_linked(&file.metadata()?)?;
    Ok(file)
}

/// Like [`open_unlinked`], but refuses files that belong to neither root nor the user of this process.
pub fn open_own(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = open_unlinked(path, options)?;
    match file.metadata()?.uid() {
        owner if owner == 0 || owner == geteuid().as_raw() => Ok(file),
        owner => Err(refused(NotOwn::Owner(owner))),
    }
}

fn refuse_linked(found: &fs::Metadata) -> io::Result<()> {
    if found.is_symlink() {
        return Err(refused(NotOwn::SymbolicLink));
    }
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, NotRegular));
    }
    match found.nlink() {
        0 | 1 => Ok(()),
        _ => Err(refused(NotOwn::HardLink)),
    }
}

fn refused(reason: NotOwn) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::lchown;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let directory = tempfile::tempdir().unwrap();
        let in_it = |name: &str| directory.path().join(name);
        fs::write(in_it("file"), "text").unwrap();
        symlink(in_it("file"), in_it("link")).unwrap();
        for name in ["file", "link"] {
            let mut text = String::new();
            let mut file = open(&in_it(name)).unwrap();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, "text");
        }
        mkfifo(&in_it("pipe"), Mode::S_IRWXU).unwrap();
        symlink(in_it("pipe"), in_it("link to a pipe")).unwrap();
        let _listener = UnixListener::bind(in_it("socket")).unwrap();
        let others = [
            in_it("pipe"),
            in_it("link to a pipe"),
            in_it("socket"),
            directory.path().to_owned(),
            "/dev/null".into(),
        ];
        for path in others {
            for write in [false, true] {
                let options = &mut OpenOptions::new();
                let error = open_with(&path, options.read(!write).write(write)).unwrap_err();
                assert!(NotRegular::is_reason_of(&error), "{path:?}: {error}");
            }
        }
        let error = open(&in_it("none")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn foreign_files_and_links_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let in_it = |name: &str| directory.path().join(name);
        let write = |name| open_own(&in_it(name), OpenOptions::new().write(true).create(true));
        let reason = |name| write(name).unwrap_err().to_string();
        write("file").unwrap();
        write("file").unwrap();
        fs::create_dir(in_it("directory")).unwrap();
        assert!(NotRegular::is_reason_of(&write("directory").unwrap_err()));
        fs::hard_link(in_it("file"), in_it("other")).unwrap();
        assert!(reason("file").contains("a hard link"));
        fs::remove_file(in_it("other")).unwrap();
        for target in ["file", "nothing"] {
            symlink(in_it(target), in_it("link")).unwrap();
            assert!(reason("link").contains("a symbolic link"));
            fs::remove_file(in_it("link")).unwrap();
        }
        assert!(!in_it("nothing").exists());
        if geteuid().is_root() {
            lchown(in_it("file"), Some(64_190), None).unwrap();
            assert_eq!(reason("file"), "it belongs to user 64190: remove it");
        }
    }
}

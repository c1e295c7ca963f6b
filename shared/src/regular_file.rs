//! Opening what should be a regular file, at a path where somebody may have put something else.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc::{O_NOCTTY, O_NONBLOCK};
use thiserror::Error;

/// What is there is a directory, device, pipe or socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it is not a regular file")]
pub struct NotRegular;

impl NotRegular {
    /// Whether this is the reason of `error`.
    pub fn is_reason_of(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|reason| reason.is::<Self>())
    }
}

/// Opens a regular file for reading; a link to one is followed. All else is refused with [`NotRegular`], and at once:
/// opening a pipe would wait for somebody who writes to it, perhaps for ever.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(path, OpenOptions::new().read(true))
}

/// The same with other options. Flags of their own that these have are lost.
pub fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Looked at before it is opened, since opening can be an effect on what a device stands for; and afterwards, since it
    // may have been replaced meanwhile.
    let refuse_others = |found: fs::Metadata| match found.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, NotRegular)),
    };
    refuse_others(fs::metadata(path)?)?;
    let file = options.custom_flags(O_NONBLOCK | O_NOCTTY).open(path)?;
    refuse_others(file.metadata()?)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_file_is_opened_by_any_of_its_names_and_nothing_else_is() {
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
}

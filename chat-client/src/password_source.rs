//! Where a password comes from in a script: it is on no command line, and in no environment.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chat_model::Password;
use chat_node::files::text_file::{lines, without_byte_order_mark};
use chat_node::process::inherited_fd;

use crate::conversation::MAX_LINE_BYTES;
use crate::secret_file;

/// A password, a byte order mark and a line end.
const MAX_BYTES: usize = MAX_LINE_BYTES + 5;

/// Where to read a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PasswordSource {
    /// A file that is for its owner alone.
    File(PathBuf),
    /// A descriptor that the client was started with, and has adopted by `inherited_fd`.
    Descriptor(u32),
    /// A command of the shell that prints it.
    Command(String),
}

impl PasswordSource {
    /// The first of those that were given.
    pub(crate) fn of(
        descriptor: Option<u32>,
        command: Option<&str>,
        file: Option<&Path>,
    ) -> Option<Self> {
        let descriptor = descriptor.map(Self::Descriptor);
        let command = command.map(|command| Self::Command(command.to_owned()));
        let file = file.map(|file| Self::File(file.to_owned()));
        descriptor.or(command).or(file)
    }

    /// The first line of it. A byte order mark before it and its line end (LF, CR LF, CR) are no part of it; everything
    /// else is, blanks too.
    pub(crate) fn read(&self) -> Result<Password<'static>, String> {
        match self {
            Self::File(path) => {
                let read = secret_file::read(path, MAX_BYTES);
                of_file(read, &path.display().to_string())
            }
            Self::Descriptor(number) => {
                let file = open_descriptor(*number);
                let read = file.and_then(|file| secret_file::read_open(file, MAX_BYTES));
                of_file(read, &format!("descriptor {number}"))
            }
            Self::Command(command) => of_command(command),
        }
    }
}

fn of_file(read: io::Result<Password<'static>>, shown: &str) -> Result<Password<'static>, String> {
    let whole = read.map_err(|error| format!("cannot read the password from {shown}: {error}"))?;
    first_line(&whole, shown)
}

/// By its number: this process hides its memory, so it cannot open `/dev/fd` itself.
fn open_descriptor(number: u32) -> io::Result<File> {
    let descriptor = match number {
        0 => io::stdin().as_fd().try_clone_to_owned()?,
        number => inherited_fd::take(i32::try_from(number).unwrap_or(-1))?,
    };
    Ok(File::from(descriptor))
}

fn of_command(command: &str) -> Result<Password<'static>, String> {
    let shown = format!("the output of `{command}`");
    let output = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run `{command}` for the password: {error}"))?;
    let printed = Password::from(output.stdout);
    match output.status.success() {
        true => first_line(&printed, &shown),
        false => Err(format!(
            "no password: `{command}` failed ({})",
            output.status
        )),
    }
}

fn first_line(whole: &[u8], shown: &str) -> Result<Password<'static>, String> {
    let text = without_byte_order_mark(whole)
        .map_err(|error| format!("cannot take a password from {shown}: {error}"))?;
    let line = lines(text).next().unwrap_or(&[]);
    match line.len() {
        0 => Err(format!("the first line of {shown} is empty: no password")),
        length if length > MAX_LINE_BYTES => Err(format!(
            "the first line of {shown} is too long for a password"
        )),
        _ => Ok(line.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_prints_the_password() {
        let read = |command: &str| PasswordSource::Command(command.to_owned()).read();
        let password = read("printf ' a b \\r\\nmore'").expect("a password");
        assert_eq!(&password[..], b" a b ");
        let error = |command: &str| read(command).err().unwrap_or_default();
        assert!(error("exit 3").contains("failed (exit status: 3)"));
        assert!(error("true").contains("is empty"));
    }

    #[test]
    fn sources_have_an_order() {
        let file = Some(Path::new("f"));
        let of = PasswordSource::of;
        let command = PasswordSource::Command("c".into());
        assert_eq!(of(None, Some("c"), file), Some(command));
        let descriptor = PasswordSource::Descriptor(3);
        assert_eq!(of(Some(3), Some("c"), file), Some(descriptor));
        assert_eq!(of(None, None, None), None);
    }
}

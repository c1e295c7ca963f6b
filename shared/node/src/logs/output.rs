//! What a program says on its standard output and standard error, where either may refuse to be written to.
//!
//! An exit status tells of the work. Where the words only describe work that is done, they may be lost; where they are
//! the work, losing them is an error.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use nix::errno::Errno;

use crate::process::standard_streams::stdout_was_closed;

/// Writes a line to standard error. If even that cannot be written, the exit status has to tell.
pub fn complain(text: impl Display) {
    // As a whole, so that the lines of processes that write to the same file do not mix.
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Writes all of `text` to standard output. That nobody reads to its end is no error.
pub fn say(text: &[u8]) -> io::Result<()> {
    let written = io::stdout().write_all(text);
    unless_unread(written.and_then(|()| flush()))
}

/// Writes what is left of standard output. One that was closed from the start has taken nothing.
pub(crate) fn flush() -> io::Result<()> {
    if stdout_was_closed() {
        return Err(Errno::EBADF.into());
    }
    io::stdout().flush()
}

/// Whoever stops reading has read enough.
pub(crate) fn unless_unread(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Standard output for words about work that is done whether or not they can be written: writing never fails.
#[derive(Debug)]
pub struct Remarks {
    program: &'static str,
    has_failed: bool,
}

impl Remarks {
    /// Of what `program` does.
    pub fn of(program: &'static str) -> Self {
        Self {
            program,
            has_failed: false,
        }
    }

    fn take(&mut self, result: io::Result<()>) {
        if let Err(error) = result
            && !self.has_failed
        {
            self.has_failed = true;
            complain(format_args!(
                "{}: cannot write to the standard output: {error}",
                self.program
            ));
        }
    }
}

impl Write for Remarks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(say(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Standard output and standard error, either of which may fail.
//!
//! The exit status describes the work. If output only describes work that is done, it may be lost. If output is the
//! work, losing it is an error.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use nix::errno::Errno;

use crate::process::standard_streams::stdout_was_closed;

/// Writes a line to standard error. If even that fails, only the exit status tells of the error.
pub fn complain(text: impl Display) {
    // In one call, so that lines of several processes do not mix in a file.
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Writes `text` to standard error, and no line end: a question to the person at the terminal. Fails in silence.
pub fn prompt(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Writes `text` to standard output. It is no error if the reader closes the pipe early.
pub fn say(text: &[u8]) -> io::Result<()> {
    let written = io::stdout().write_all(text);
    unless_unread(written.and_then(|()| flush()))
}

/// Flushes standard output. Fails if it was closed when the program started.
pub(crate) fn flush() -> io::Result<()> {
    if stdout_was_closed() {
        return Err(Errno::EBADF.into());
    }
    io::stdout().flush()
}

/// Ignores a broken pipe: the reader has read enough.
pub(crate) fn unless_unread(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Standard output for descriptions of work that is done anyway. Writing never fails; the first error is reported on
/// standard error.
#[derive(Debug)]
pub struct Remarks {
    program: &'static str,
    has_failed: bool,
}

impl Remarks {
    /// For `program`, which is named in the error.
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

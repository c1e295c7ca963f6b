//! Signals as something to poll for.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// Becomes readable when one of its signals has come.
pub(crate) struct SignalPipe {
    reader: UnixStream,
}

impl SignalPipe {
    /// Listens for these signals from now on, instead of what they do by default.
    pub(crate) fn of(signals: &[i32]) -> io::Result<SignalPipe> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        for &signal in signals {
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(SignalPipe { reader })
    }

    /// Forgets the signals that have come. How many there were is not told.
    pub(crate) fn clear(&mut self) {
        let mut bytes = [0; 64];
        while matches!(self.reader.read(&mut bytes), Ok(length) if length == bytes.len()) {}
    }
}

impl AsFd for SignalPipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

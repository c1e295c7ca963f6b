//! What a started process tells the process that started it, over a socket pair: that it is ready, or why it failed.
//!
//! The bytes are `R` for ready, and `E` followed by a text that ends with the stream. The other way go handouts
//! (see [`crate::handouts`]); and by the end of the stream the child learns that its parent is gone.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::handouts::Outbox;

/// Longest text of a failure that is passed on, in bytes.
const MAX_FAILURE_BYTES: usize = 4096;

const READY: u8 = b'R';
const FAILURE: u8 = b'E';

/// Tells the parent that this process can serve.
pub fn report_ready(mut parent: &UnixStream) -> io::Result<()> {
    parent.write_all(&[READY])
}

/// Tells the parent why this process is about to end. Must be the last thing that it says.
pub fn report_failure(mut parent: &UnixStream, text: &str) -> io::Result<()> {
    let mut message = vec![FAILURE];
    message.extend(text.bytes().take(MAX_FAILURE_BYTES));
    parent.write_all(&message)
}

/// The parent's end: collects what the child has said so far.
#[derive(Debug)]
pub struct ChildLink {
    stream: UnixStream,
    ready: bool,
    failure: Option<Vec<u8>>,
    ended: bool,
    outbox: Outbox,
}

impl ChildLink {
    /// The parent's end of a new pair, and the child's.
    pub fn pair() -> io::Result<(Self, UnixStream)> {
        let (stream, child) = UnixStream::pair()?;
        stream.set_nonblocking(true)?;
        let link = Self {
            stream,
            ready: false,
            failure: None,
            ended: false,
            outbox: Outbox::default(),
        };
        Ok((link, child))
    }

    /// Reads what has come, without waiting.
    pub fn read_available(&mut self) -> io::Result<()> {
        let mut buffer = [0; 1024];
        while !self.ended {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(count) => self.take_bytes(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => {
                    self.ended = true;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn take_bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match &mut self.failure {
                Some(text) if text.len() < MAX_FAILURE_BYTES => text.push(byte),
                Some(_) => {}
                None if byte == READY => self.ready = true,
                None if byte == FAILURE => self.failure = Some(Vec::new()),
                None => {}
            }
        }
    }

    /// Hands something to the child, as soon as it takes it: see [`Self::flush`].
    pub fn hand_out(&mut self, handout: &[u8]) {
        self.outbox.put(handout);
    }

    /// Writes what the child takes without waiting. A child that is gone takes nothing; that is learned elsewhere.
    pub fn flush(&mut self) {
        if let Err(error) = self.outbox.write_to(&mut self.stream) {
            log::debug!("handing something to a child: {error}");
        }
    }

    /// Whether [`Self::flush`] is to be called once the child takes more.
    pub fn has_unsent(&self) -> bool {
        !self.ended && self.outbox.has_unsent()
    }

    /// Whether the child has said that it can serve.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether the child's end is closed.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Why the child failed, in its own words, once all of them have come.
    pub fn failure(&self) -> Option<String> {
        let text = self.failure.as_ref().filter(|_| self.ended)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

impl AsFd for ChildLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_and_a_later_failure_arrive() {
        let (mut link, child) = ChildLink::pair().unwrap();
        link.read_available().unwrap();
        assert!(!link.is_ready() && !link.has_ended());
        report_ready(&child).unwrap();
        link.read_available().unwrap();
        assert!(link.is_ready() && link.failure().is_none());
        report_failure(&child, "the journal is damaged: RE").unwrap();
        link.read_available().unwrap();
        assert_eq!(link.failure(), None, "the text may go on");
        drop(child);
        link.read_available().unwrap();
        assert_eq!(link.failure().unwrap(), "the journal is damaged: RE");
    }

    #[test]
    fn a_failure_is_bounded_and_never_taken_for_readiness() {
        let (mut link, child) = ChildLink::pair().unwrap();
        report_failure(&child, &"R".repeat(100_000)).unwrap();
        drop(child);
        link.read_available().unwrap();
        assert!(!link.is_ready());
        assert_eq!(link.failure().unwrap().len(), MAX_FAILURE_BYTES);
    }
}

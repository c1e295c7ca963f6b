//! What a parent hands to its children over their links: keys and the like, which they could not fetch themselves.
//!
//! Each handout is a length, four bytes in little-endian order, and so many bytes. Parent and child are of one
//! binary, so what is in it needs no version. A handout replaces the one before.

use std::fmt;
use std::io::{self, ErrorKind, Write};

use zeroize::Zeroizing;

use crate::control::reload_result::Outcome;

/// Longest handout.
pub const MAX_HANDOUT_BYTES: usize = 512 * 1024;

/// The parent's side: makes what is handed out. Each child gets it when it is started, and again when it changes.
pub trait Handouts: fmt::Debug {
    /// What a child is given now.
    fn current(&self) -> Zeroizing<Vec<u8>>;

    /// Reads again what it is made of. If that cannot be used, says so in the log and leaves all as it was. Whether there
    /// is something to hand out now.
    fn reload(&mut self) -> bool;

    /// What came of what it is made of when that was last read: what was taken over, or why all is as it was before.
    fn files_read(&self) -> &Outcome;

    /// The parent's clock has come to `clock_ms`; whether that changed what is handed out.
    fn at(&mut self, clock_ms: u64) -> bool;

    /// When [`Self::at`] has something to do.
    fn next_due_ms(&self) -> Option<u64>;
}

/// Handouts on their way to one child: one that it has begun to get, and the newest behind that.
#[derive(Default)]
pub(crate) struct Outbox {
    begun: Zeroizing<Vec<u8>>,
    sent: usize,
    newest: Option<Zeroizing<Vec<u8>>>,
}

impl Outbox {
    pub(crate) fn put(&mut self, handout: &[u8]) {
        let length = u32::try_from(handout.len()).ok();
        let length = length.filter(|_| handout.len() <= MAX_HANDOUT_BYTES);
        let Some(length) = length else {
            log::error!(
                "a handout of {} bytes is too long for a child",
                handout.len()
            );
            return;
        };
        // With its full size at once: what a growing buffer leaves behind is not wiped.
        let mut frame = Zeroizing::new(Vec::with_capacity(4 + handout.len()));
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(handout);
        self.newest = Some(frame);
    }

    pub(crate) fn has_unsent(&self) -> bool {
        self.sent < self.begun.len() || self.newest.is_some()
    }

    /// Writes until all is written, or until `stream` takes no more.
    pub(crate) fn write_to(&mut self, stream: &mut impl Write) -> io::Result<()> {
        loop {
            if self.sent == self.begun.len() {
                self.begun = self.newest.take().unwrap_or_default();
                self.sent = 0;
            }
            if self.begun.is_empty() {
                return Ok(());
            }
            match stream.write(&self.begun[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => self.sent += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => {
                    *self = Self::default();
                    return Err(error);
                }
            }
        }
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.begun.len();
        write!(f, "Outbox({} of {length} bytes sent)", self.sent)
    }
}

/// The child's side: puts handouts together from the bytes that come.
#[derive(Default)]
pub struct Inbox {
    bytes: Zeroizing<Vec<u8>>,
}

/// What came is no handout: the parent is another program, or broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parent hands out {0} bytes, more than there can be")]
pub struct TooLong(u32);

impl Inbox {
    /// Bytes came from the parent.
    pub fn take(&mut self, bytes: &[u8]) {
        let mut joined = Zeroizing::new(Vec::with_capacity(self.bytes.len() + bytes.len()));
        joined.extend_from_slice(&self.bytes);
        joined.extend_from_slice(bytes);
        self.bytes = joined;
    }

    /// The next whole handout.
    pub fn next_handout(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, TooLong> {
        let Some((length, rest)) = self.bytes.split_first_chunk() else {
            return Ok(None);
        };
        let announced = u32::from_le_bytes(*length);
        let length = announced as usize;
        if length > MAX_HANDOUT_BYTES {
            return Err(TooLong(announced));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let (handout, rest) = rest.split_at(length);
        let handout = Zeroizing::new(handout.to_vec());
        self.bytes = Zeroizing::new(rest.to_vec());
        Ok(Some(handout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::child_link::ChildLink;
    use std::io::Read;

    #[test]
    fn handouts_arrive_whole_and_the_newest_of_those_that_wait() {
        let (mut link, mut child) = ChildLink::pair().unwrap();
        child.set_nonblocking(true).unwrap();
        let mut inbox = Inbox::default();
        let mut got = Vec::new();
        // More than the pair holds, so that the second and third have to wait.
        let long = vec![7; MAX_HANDOUT_BYTES];
        link.hand_out(&long);
        link.flush();
        assert!(link.has_unsent());
        link.hand_out(b"second");
        link.hand_out(b"third");
        let mut buffer = [0; 10_000];
        while got.len() < 2 {
            link.flush();
            if let Ok(bytes) = child.read(&mut buffer) {
                inbox.take(&buffer[..bytes]);
            }
            while let Some(handout) = inbox.next_handout().unwrap() {
                got.push(handout.to_vec());
            }
        }
        assert!(!link.has_unsent());
        assert!(got[0] == long);
        assert_eq!(got[1], b"third");
    }

    #[test]
    fn byte_by_byte_it_is_the_same_and_none_is_empty_by_mistake() {
        let mut outbox = Outbox::default();
        let mut stream = Vec::new();
        outbox.put(b"");
        outbox.write_to(&mut stream).unwrap();
        outbox.put(b"keys");
        outbox.write_to(&mut stream).unwrap();
        let mut inbox = Inbox::default();
        let mut got = Vec::new();
        for byte in stream {
            assert_eq!(inbox.next_handout(), Ok(None));
            inbox.take(&[byte]);
            got.extend(
                inbox
                    .next_handout()
                    .unwrap()
                    .map(|handout| handout.to_vec()),
            );
        }
        assert_eq!(got, [b"".to_vec(), b"keys".to_vec()]);
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_it_is_waited_for() {
        let mut inbox = Inbox::default();
        inbox.take(&[255; 4]);
        assert_eq!(inbox.next_handout(), Err(TooLong(u32::MAX)));
    }
}

//! Configuration and secrets that a parent pushes to its children over their links. Children could not read them
//! themselves, because they have dropped the privileges for it.
//!
//! A configuration on the link is its length, four bytes in little-endian order, and its bytes. Parent and child run
//! the same binary, so the content needs no version. Each configuration replaces the previous one.

use std::fmt;
use std::io::{self, ErrorKind, Write};

use zeroize::Zeroizing;

use crate::control::reload_result::ReloadResult;

/// Longest configuration, in bytes.
pub const MAX_CONFIGURATION_BYTES: usize = 512 * 1024;

/// The source of the configuration, in the parent. Each child receives it when it starts, and again when it changes.
pub trait ChildConfiguration: fmt::Debug {
    /// The current configuration, encoded.
    fn current(&self) -> Zeroizing<Vec<u8>>;

    /// Re-reads the files it is made of. If they cannot be used, logs the reason and keeps the previous configuration.
    /// Returns whether to push the configuration now.
    fn reload(&mut self) -> bool;

    /// The result of the last reload.
    fn reload_result(&self) -> &ReloadResult;

    /// The parent's clock has reached `clock_ms`. Returns whether that changed the configuration.
    fn at(&mut self, clock_ms: u64) -> bool;

    /// When [`Self::at`] is due.
    fn next_due_ms(&self) -> Option<u64>;
}

/// Configurations on their way to one child: the one being sent, and the newest after it.
#[derive(Default)]
pub(crate) struct Outbox {
    begun: Zeroizing<Vec<u8>>,
    sent: usize,
    newest: Option<Zeroizing<Vec<u8>>>,
}

impl Outbox {
    pub(crate) fn put(&mut self, configuration: &[u8]) {
        let length = u32::try_from(configuration.len()).ok();
        let length = length.filter(|_| configuration.len() <= MAX_CONFIGURATION_BYTES);
        let Some(length) = length else {
            log::error!(
                "a configuration of {} bytes is too long for a child",
                configuration.len()
            );
            return;
        };
        // Allocated at full size: a growing buffer would leave copies that are not wiped.
        let mut frame = Zeroizing::new(Vec::with_capacity(4 + configuration.len()));
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(configuration);
        self.newest = Some(frame);
    }

    pub(crate) fn has_unsent(&self) -> bool {
        self.sent < self.begun.len() || self.newest.is_some()
    }

    /// Writes until everything is written or `stream` would block.
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

/// The child's side: assembles configurations from bytes.
#[derive(Default)]
pub struct Inbox {
    bytes: Zeroizing<Vec<u8>>,
}

/// The bytes are no configuration: the parent is another program, or broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parent announces a configuration of {0} bytes, which is too long")]
pub struct TooLong(u32);

impl Inbox {
    /// Adds bytes from the parent.
    pub fn take(&mut self, bytes: &[u8]) {
        let mut joined = Zeroizing::new(Vec::with_capacity(self.bytes.len() + bytes.len()));
        joined.extend_from_slice(&self.bytes);
        joined.extend_from_slice(bytes);
        self.bytes = joined;
    }

    /// Returns the next complete configuration.
    pub fn next_configuration(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, TooLong> {
        let Some((length, rest)) = self.bytes.split_first_chunk() else {
            return Ok(None);
        };
        let announced = u32::from_le_bytes(*length);
        let length = announced as usize;
        if length > MAX_CONFIGURATION_BYTES {
            return Err(TooLong(announced));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let (configuration, rest) = rest.split_at(length);
        let configuration = Zeroizing::new(configuration.to_vec());
        self.bytes = Zeroizing::new(rest.to_vec());
        Ok(Some(configuration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::child_link::ChildLink;
    use std::io::Read;

    #[test]
    fn newest_waiting_configuration_wins() {
        let (mut link, mut child) = ChildLink::pair().unwrap();
        child.set_nonblocking(true).unwrap();
        let mut inbox = Inbox::default();
        let mut got = Vec::new();
        // More than the pair holds, so that the second and third have to wait.
        let long = vec![7; MAX_CONFIGURATION_BYTES];
        link.push_configuration(&long);
        link.flush();
        assert!(link.has_unsent());
        link.push_configuration(b"second");
        link.push_configuration(b"third");
        let mut buffer = [0; 10_000];
        while got.len() < 2 {
            link.flush();
            if let Ok(bytes) = child.read(&mut buffer) {
                inbox.take(&buffer[..bytes]);
            }
            while let Some(configuration) = inbox.next_configuration().unwrap() {
                got.push(configuration.to_vec());
            }
        }
        assert!(!link.has_unsent());
        assert!(got[0] == long);
        assert_eq!(got[1], b"third");
    }

    #[test]
    fn configurations_arrive_byte_by_byte() {
        let mut outbox = Outbox::default();
        let mut stream = Vec::new();
        outbox.put(b"");
        outbox.write_to(&mut stream).unwrap();
        outbox.put(b"keys");
        outbox.write_to(&mut stream).unwrap();
        let mut inbox = Inbox::default();
        let mut got = Vec::new();
        for byte in stream {
            assert_eq!(inbox.next_configuration(), Ok(None));
            inbox.take(&[byte]);
            got.extend(
                inbox
                    .next_configuration()
                    .unwrap()
                    .map(|configuration| configuration.to_vec()),
            );
        }
        assert_eq!(got, [b"".to_vec(), b"keys".to_vec()]);
    }

    #[test]
    fn excessive_length_is_refused_at_once() {
        let mut inbox = Inbox::default();
        inbox.take(&[255; 4]);
        assert_eq!(inbox.next_configuration(), Err(TooLong(u32::MAX)));
    }
}

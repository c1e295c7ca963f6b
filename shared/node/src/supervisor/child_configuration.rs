//! What a parent sends to its children over their links: configuration and secrets, settings, and questions.
//!
//! Children could not read the configuration themselves, because they have dropped the privileges for it. Each
//! configuration replaces the previous one.
//!
//! A message is its length, four bytes in little-endian order, a byte for its kind, and its content: a configuration as
//! it is, the settings file, or a question as JSON. Parent and child run the same binary, so the content needs no
//! version.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::control::protocol::Question;
use crate::control::reload_result::ReloadResult;

/// Longest configuration, in bytes.
pub const MAX_CONFIGURATION_BYTES: usize = 512 * 1024;

/// Bytes that are read from a parent at once.
const READ_BYTES: usize = 16 * 1024;

const CONFIGURATION: u8 = 0;
const QUESTION: u8 = 1;
const SETTINGS: u8 = 2;

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

/// Messages on their way to one child: the one being sent, the newest configuration after it, and questions.
#[derive(Default)]
pub(crate) struct Outbox {
    begun: Zeroizing<Vec<u8>>,
    sent: usize,
    newest: Option<Zeroizing<Vec<u8>>>,
    /// The newest settings file.
    settings: Option<Vec<u8>>,
    questions: VecDeque<Vec<u8>>,
    /// The tickets of questions without an answer.
    asked: BTreeSet<u64>,
}

#[derive(Serialize, Deserialize)]
struct AskedQuestion {
    ticket: u64,
    question: Question,
}

impl Outbox {
    pub(crate) fn put(&mut self, configuration: &[u8]) {
        if configuration.len() > MAX_CONFIGURATION_BYTES {
            log::error!(
                "a configuration of {} bytes is too long for a child",
                configuration.len()
            );
            return;
        }
        self.newest = Some(frame(CONFIGURATION, configuration));
    }

    /// Each settings file replaces the previous one.
    pub(crate) fn put_settings(&mut self, written: &str) {
        self.settings = Some(std::mem::take(&mut *frame(SETTINGS, written.as_bytes())));
    }

    pub(crate) fn ask(&mut self, ticket: u64, question: &Question) {
        self.asked.insert(ticket);
        let question = question.clone();
        // Strings and numbers: there is nothing that JSON cannot hold.
        let content = serde_json::to_vec(&AskedQuestion { ticket, question }).unwrap_or_default();
        self.questions
            .push_back(std::mem::take(&mut *frame(QUESTION, &content)));
    }

    pub(crate) fn is_asked(&self, ticket: u64) -> bool {
        self.asked.contains(&ticket)
    }

    pub(crate) fn answered(&mut self, ticket: u64) {
        self.asked.remove(&ticket);
    }

    pub(crate) fn has_unsent(&self) -> bool {
        self.sent < self.begun.len()
            || self.newest.is_some()
            || self.settings.is_some()
            || !self.questions.is_empty()
    }

    fn next_frame(&mut self) -> Zeroizing<Vec<u8>> {
        if let Some(newest) = self.newest.take() {
            return newest;
        }
        let settings = self.settings.take();
        let frame = settings.or_else(|| self.questions.pop_front());
        Zeroizing::new(frame.unwrap_or_default())
    }

    /// Writes until everything is written or `stream` would block.
    pub(crate) fn write_to(&mut self, stream: &mut impl Write) -> io::Result<()> {
        loop {
            if self.sent == self.begun.len() {
                self.begun = self.next_frame();
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

/// A message, at full size from the beginning: a growing buffer would leave copies that are not wiped.
fn frame(kind: u8, content: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = u32::try_from(1 + content.len()).unwrap_or(u32::MAX);
    let mut frame = Zeroizing::new(Vec::with_capacity(5 + content.len()));
    frame.extend_from_slice(&length.to_le_bytes());
    frame.push(kind);
    frame.extend_from_slice(content);
    frame
}

/// A message of the parent.
#[derive(Debug, PartialEq)]
pub enum ParentMessage {
    /// Replaces the previous configuration.
    Configuration(Zeroizing<Vec<u8>>),
    /// The settings file has changed: see [`read_again`](crate::settings::reload::read_again).
    Settings(String),
    /// Is to be answered: see [`super::child_reports::Reports::answer`].
    Question {
        /// Names the question.
        ticket: u64,
        /// The question.
        question: Question,
    },
}

/// The child's side: assembles messages from bytes.
#[derive(Default)]
pub struct Inbox {
    bytes: Zeroizing<Vec<u8>>,
}

/// Why a child cannot go on with its parent.
#[derive(Debug, thiserror::Error)]
pub enum ParentError {
    /// The stream has ended, or is broken.
    #[error("the parent is gone")]
    Gone,
    /// The bytes are no message: the parent is another program, or broken.
    #[error("the parent announces a message of {0} bytes, which is too long")]
    TooLong(u32),
    /// The same.
    #[error("the parent sends a message that is none: {0}")]
    NoMessage(String),
}

impl Inbox {
    /// Reads all that has come from the parent, whose stream does not block.
    pub fn read(&mut self, parent: &mut impl Read) -> Result<(), ParentError> {
        let mut buffer = [0; READ_BYTES];
        let read = loop {
            match parent.read(&mut buffer) {
                Ok(0) => break Err(ParentError::Gone),
                Ok(bytes) => self.take(&buffer[..bytes]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(()),
                Err(_) => break Err(ParentError::Gone),
            }
        };
        buffer.zeroize();
        read
    }

    /// Adds bytes from the parent.
    pub fn take(&mut self, bytes: &[u8]) {
        let mut joined = Zeroizing::new(Vec::with_capacity(self.bytes.len() + bytes.len()));
        joined.extend_from_slice(&self.bytes);
        joined.extend_from_slice(bytes);
        self.bytes = joined;
    }

    /// Returns the next complete message.
    pub fn next_message(&mut self) -> Result<Option<ParentMessage>, ParentError> {
        let Some((length, rest)) = self.bytes.split_first_chunk() else {
            return Ok(None);
        };
        let announced = u32::from_le_bytes(*length);
        let length = announced as usize;
        if length > 1 + MAX_CONFIGURATION_BYTES {
            return Err(ParentError::TooLong(announced));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let (message, rest) = rest.split_at(length);
        let message = match message.split_first() {
            Some((&CONFIGURATION, content)) => {
                ParentMessage::Configuration(Zeroizing::new(content.to_vec()))
            }
            Some((&SETTINGS, content)) => {
                ParentMessage::Settings(String::from_utf8_lossy(content).into_owned())
            }
            Some((&QUESTION, content)) => {
                let AskedQuestion { ticket, question } = serde_json::from_slice(content)
                    .map_err(|error| ParentError::NoMessage(error.to_string()))?;
                ParentMessage::Question { ticket, question }
            }
            _ => return Err(ParentError::NoMessage("it has no known kind".to_owned())),
        };
        self.bytes = Zeroizing::new(rest.to_vec());
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::child_link::ChildLink;
    use std::io::Read;

    fn configuration_of(message: ParentMessage) -> Vec<u8> {
        match message {
            ParentMessage::Configuration(configuration) => configuration.to_vec(),
            other => panic!("no configuration: {other:?}"),
        }
    }

    #[test]
    fn question_arrives_between_configurations() {
        let mut outbox = Outbox::default();
        let mut stream = Vec::new();
        outbox.ask(7, &Question::Ping);
        outbox.put(b"keys");
        assert!(outbox.is_asked(7) && !outbox.is_asked(8));
        outbox.write_to(&mut stream).unwrap();
        assert!(!outbox.has_unsent());
        let mut inbox = Inbox::default();
        let mut parent = stream.as_slice();
        let error = inbox.read(&mut parent).unwrap_err();
        assert!(matches!(error, ParentError::Gone), "{error}");
        let configuration = inbox.next_message().unwrap().unwrap();
        assert_eq!(configuration_of(configuration), b"keys");
        let question = ParentMessage::Question {
            ticket: 7,
            question: Question::Ping,
        };
        assert_eq!(inbox.next_message().unwrap(), Some(question));
        assert_eq!(inbox.next_message().unwrap(), None);
    }

    #[test]
    fn settings_arrive_after_configuration() {
        let mut outbox = Outbox::default();
        let mut stream = Vec::new();
        outbox.put_settings("old");
        outbox.put_settings("new");
        outbox.put(b"keys");
        outbox.write_to(&mut stream).unwrap();
        let mut inbox = Inbox::default();
        inbox.take(&stream);
        let configuration = inbox.next_message().unwrap().unwrap();
        assert_eq!(configuration_of(configuration), b"keys");
        let settings = ParentMessage::Settings("new".to_owned());
        assert_eq!(inbox.next_message().unwrap(), Some(settings));
        assert_eq!(inbox.next_message().unwrap(), None);
    }

    #[test]
    fn message_of_unknown_kind_is_refused() {
        for frame in [&[0, 0, 0, 0][..], &[1, 0, 0, 0, 9], &[2, 0, 0, 0, 1, b'x']] {
            let mut inbox = Inbox::default();
            inbox.take(frame);
            let error = inbox.next_message().unwrap_err();
            assert!(matches!(error, ParentError::NoMessage(_)), "{error}");
        }
    }

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
            while let Some(message) = inbox.next_message().unwrap() {
                got.push(configuration_of(message));
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
            assert!(inbox.next_message().unwrap().is_none());
            inbox.take(&[byte]);
            got.extend(inbox.next_message().unwrap().map(configuration_of));
        }
        assert_eq!(got, [b"".to_vec(), b"keys".to_vec()]);
    }

    #[test]
    fn excessive_length_is_refused_at_once() {
        let mut inbox = Inbox::default();
        inbox.take(&[255; 4]);
        let error = inbox.next_message().unwrap_err();
        assert!(matches!(error, ParentError::TooLong(u32::MAX)), "{error}");
    }
}

//! What a parent sends to its children over their links: configuration and secrets, settings, log files,
//! drains, and questions.
//!
//! Children could not read the configuration themselves, because they have dropped the privileges for it. Each
//! configuration replaces the previous one.
//!
//! A message is its length, four bytes in little-endian order, a byte for its kind, and its content: a configuration as
//! it is, the settings file, a drain or a question as JSON. With the message of a log file comes its descriptor: a
//! child could not open the file itself. Parent and child run the same binary, so the content needs no version.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use jiff::Timestamp;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::control::protocol::Question;
use crate::control::reload_result::ReloadResult;

/// Longest configuration, in bytes.
pub const MAX_CONFIGURATION_BYTES: usize = 512 * 1024;

/// Bytes that are read from a parent at once.
const READ_BYTES: usize = 16 * 1024;

/// Bytes of most questions.
const QUESTION_BYTES: usize = 4_096;

const CONFIGURATION: u8 = 0;
const QUESTION: u8 = 1;
const SETTINGS: u8 = 2;
const LOG_FILE: u8 = 3;
const DRAIN: u8 = 4;

/// The source of the configuration, in the parent. Each child receives it when it starts, and again when it changes.
pub trait ChildConfiguration: fmt::Debug {
    /// The current configuration, encoded.
    fn current(&self) -> Zeroizing<Vec<u8>>;

    /// Re-reads the files it is made of. If they cannot be used, logs the reason and keeps the previous configuration.
    /// Returns whether to push the configuration now.
    fn reload(&mut self) -> bool;

    /// The result of the last reload.
    fn reload_result(&self) -> &ReloadResult;

    /// When the certificate in it expires, if there is one.
    fn certificate_end(&self) -> Option<Timestamp>;

    /// What an operator has to know of it at this time, for as long as that is so.
    fn warning(&self, now: Timestamp) -> Option<String>;

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
    /// What goes with the first byte of `begun`.
    descriptor: Option<OwnedFd>,
    newest: Option<Zeroizing<Vec<u8>>>,
    /// The newest settings file.
    settings: Option<Vec<u8>>,
    /// The newest log file.
    log_file: Option<OwnedFd>,
    /// The newest drain.
    drain: Option<Vec<u8>>,
    questions: VecDeque<Zeroizing<Vec<u8>>>,
    /// The tickets of questions without an answer.
    asked: BTreeSet<u64>,
}

/// Whether a child takes new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Drain {
    /// It takes none, and disconnects after so long those that are left.
    Begin {
        /// Milliseconds; none if clients may stay.
        within_ms: Option<u64>,
    },
    /// It takes them again.
    End,
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

    /// Each log file replaces the previous one.
    pub(crate) fn put_log_file(&mut self, file: OwnedFd) {
        self.log_file = Some(file);
    }

    /// Each drain replaces the previous one.
    pub(crate) fn put_drain(&mut self, drain: Drain) {
        let content = serde_json::to_vec(&drain).unwrap_or_default();
        self.drain = Some(std::mem::take(&mut *frame(DRAIN, &content)));
    }

    pub(crate) fn ask(&mut self, ticket: u64, question: &Question) {
        self.asked.insert(ticket);
        let question = question.clone();
        // Strings and numbers: there is nothing that JSON cannot hold.
        // With a password in it, growing would leave copies.
        let mut content = Zeroizing::new(Vec::with_capacity(QUESTION_BYTES));
        let _ = serde_json::to_writer(&mut *content, &AskedQuestion { ticket, question });
        self.questions.push_back(frame(QUESTION, &content));
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
            || self.log_file.is_some()
            || self.drain.is_some()
            || !self.questions.is_empty()
    }

    fn next_frame(&mut self) -> Zeroizing<Vec<u8>> {
        self.descriptor = self.log_file.take();
        if self.descriptor.is_some() {
            return frame(LOG_FILE, &[]);
        }
        if let Some(newest) = self.newest.take() {
            return newest;
        }
        let frame = self.settings.take().or_else(|| self.drain.take());
        let frame = frame.map(Zeroizing::new);
        let frame = frame.or_else(|| self.questions.pop_front());
        frame.unwrap_or_default()
    }

    /// Writes until everything is written or `stream` would block.
    pub(crate) fn write_to(&mut self, stream: &mut UnixStream) -> io::Result<()> {
        loop {
            if self.sent == self.begun.len() {
                self.begun = self.next_frame();
                self.sent = 0;
            }
            if self.begun.is_empty() {
                return Ok(());
            }
            let unsent = &self.begun[self.sent..];
            let written = match &self.descriptor {
                Some(descriptor) => send_with(stream, unsent, descriptor),
                None => stream.write(unsent),
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    self.sent += bytes;
                    self.descriptor = None;
                }
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

/// Writes bytes, and passes a descriptor with the first of them.
fn send_with(stream: &UnixStream, bytes: &[u8], descriptor: &OwnedFd) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let bytes = [IoSlice::new(bytes)];
    Ok(sendmsg(
        stream,
        &bytes,
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?)
}

/// Reads bytes, and the descriptor that came with them.
fn receive(parent: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut buffer = [IoSliceMut::new(buffer)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(parent, &mut buffer, &mut ancillary, flags)?;
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    Ok((received.bytes, descriptors.flatten().last()))
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
#[derive(Debug)]
pub enum ParentMessage {
    /// Replaces the previous configuration.
    Configuration(Zeroizing<Vec<u8>>),
    /// The settings file has changed: see [`read_again`](crate::settings::reload::read_again).
    Settings(String),
    /// The log goes to this file from now on: see [`take_over`](crate::logs::log_file::take_over).
    /// None if this process has as many descriptors as it may have.
    LogFile(Option<OwnedFd>),
    /// New connections are refused, or taken again.
    Drain(Drain),
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
    /// What came with the bytes.
    descriptors: VecDeque<OwnedFd>,
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
    pub fn read(&mut self, parent: &impl AsFd) -> Result<(), ParentError> {
        let mut buffer = [0; READ_BYTES];
        let read = loop {
            match receive(parent, &mut buffer) {
                Ok((0, _)) => break Err(ParentError::Gone),
                Ok((bytes, descriptor)) => {
                    self.take(&buffer[..bytes]);
                    self.descriptors.extend(descriptor);
                }
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
            Some((&LOG_FILE, [])) => ParentMessage::LogFile(self.descriptors.pop_front()),
            Some((&DRAIN, content)) => {
                let drain = serde_json::from_slice(content);
                ParentMessage::Drain(
                    drain.map_err(|error| ParentError::NoMessage(error.to_string()))?,
                )
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
#[path = "child_configuration_tests.rs"]
mod tests;

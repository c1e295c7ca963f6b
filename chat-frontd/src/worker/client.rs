//! A client's socket, with its dialogue.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use chat_shared::rpc::{ConnectionSerial, Progress};
use mio::net::TcpStream;

use super::tcp_queues;
use crate::session::Session;

/// Bytes read from a client at once.
pub(super) const READ_BYTES: usize = 16 * 1024;

/// What became of a client's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alive {
    Yes,
    /// Reset, timed out, or otherwise not to be used any more.
    No,
}

pub(super) struct Client {
    pub(super) serial: ConnectionSerial,
    pub(super) stream: TcpStream,
    pub(super) session: Session,
    /// There may be something to be read.
    pub(super) is_readable: bool,
    /// The event queue said that nothing more will come.
    pub(super) is_read_closed: bool,
    /// The kernel may take something.
    pub(super) is_writable: bool,
    /// The event queue said that the connection is broken.
    pub(super) is_broken: bool,
    /// Listed among those to be served in this turn.
    pub(super) is_listed: bool,
    /// The client has closed its sending side.
    has_ended: bool,
    /// Our sending side is closed.
    pub(super) is_shut: bool,
    /// Since when the dialogue only has to be concluded or closed.
    pub(super) ending_since_ms: Option<u64>,
    /// What the daemon was told last of the reader's progress.
    pub(super) reported: Progress,
    /// How long until it is looked again whether messages were acknowledged.
    pub(super) check_after_ms: u64,
}

impl Client {
    pub(super) fn new(serial: ConnectionSerial, stream: TcpStream, session: Session) -> Self {
        Self {
            serial,
            stream,
            session,
            is_readable: true,
            is_read_closed: false,
            is_writable: true,
            is_broken: false,
            is_listed: false,
            has_ended: false,
            is_shut: false,
            ending_since_ms: None,
            reported: Progress::default(),
            check_after_ms: 0,
        }
    }

    /// Looks how much the client's TCP has acknowledged, if that would be news.
    pub(super) fn observe(&mut self, now_ms: u64) {
        if !self.session.delivery.awaits_acknowledgement() {
            return;
        }
        let (Ok(unacknowledged), Ok(unread)) = (
            tcp_queues::unacknowledged_bytes(&self.stream),
            tcp_queues::unread_bytes(&self.stream),
        ) else {
            return;
        };
        let position = self
            .session
            .output
            .written_position()
            .saturating_sub(unacknowledged);
        let input_total = self.session.input_total() + unread;
        self.session
            .delivery
            .acknowledged(position, input_total, now_ms);
    }

    /// Reads once, if the dialogue takes more; what it does not take stays in the kernel.
    pub(super) fn read(&mut self, scratch: &mut [u8; READ_BYTES], now_ms: u64) -> Alive {
        let is_discarding = self.session.is_over();
        if !self.is_readable || self.has_ended || !(is_discarding || self.session.wants_input()) {
            return Alive::Yes;
        }
        self.observe(now_ms);
        match self.stream.read(scratch) {
            Ok(0) => {
                self.has_ended = true;
                self.is_readable = false;
                self.session.end_input();
            }
            Ok(_) if is_discarding => {}
            Ok(bytes) => {
                // A short read has emptied the kernel's queue, and more will be told of; but the end was.
                self.is_readable = bytes == READ_BYTES || self.is_read_closed;
                self.session.received(&scratch[..bytes]);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Alive::No,
        }
        Alive::Yes
    }

    /// Writes what the kernel takes.
    pub(super) fn write(&mut self) -> Alive {
        while self.is_writable && !self.session.output.pending().is_empty() {
            match self.stream.write(self.session.output.pending()) {
                Ok(bytes) if bytes > 0 => {
                    self.session.output.advance(bytes);
                    let position = self.session.output.written_position();
                    self.session.delivery.written(position);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return Alive::No,
            }
        }
        Alive::Yes
    }

    /// Closes our sending side once everything is written; whether nothing is left to wait for.
    pub(super) fn shut_if_over(&mut self) -> Alive {
        if !self.session.is_over() || !self.session.output.pending().is_empty() {
            return Alive::Yes;
        }
        if !self.is_shut {
            self.is_shut = true;
            if self.stream.shutdown(Shutdown::Write).is_err() {
                return Alive::No;
            }
        }
        if self.has_ended {
            Alive::No
        } else {
            Alive::Yes
        }
    }

    /// Whether there is more to be done for it without waiting.
    pub(super) fn has_more_to_read(&self) -> bool {
        self.is_readable
            && !self.has_ended
            && (self.session.is_over() || self.session.wants_input())
    }
}

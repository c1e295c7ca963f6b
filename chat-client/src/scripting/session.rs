//! One connection with a login, for a command that waits for each answer.

use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use chat_line_protocol::client::{Dialogue, Event, Line, LineSplitter, Refusal};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::failure::Failure;
use crate::connection::{Connection, reason};
use crate::conversation::message::Message;
use crate::event_loop::{MAX_SERVER_LINE_BYTES, READ_BYTES};
use crate::exit_status::ExitStatus;
use crate::report::Report;
use crate::safe_text::safe_with_breaks;

/// A connection, and how far its dialogue is.
pub(crate) struct Session {
    connection: Connection,
    dialogue: Dialogue,
    server_lines: LineSplitter,
    buffer: Vec<u8>,
    answer_timeout: Duration,
    /// For everything together, if there is such a limit.
    deadline: Option<Instant>,
    /// Readable once a signal to end has come, if signals are listened to.
    interrupt: Option<OwnedFd>,
}

/// What the server said, when a login is not in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A new message.
    Message(Message),
    /// A message of the history.
    Kept(Message),
    /// What waited at the login has come.
    CaughtUp,
    /// The line that answers the command.
    Answer(String),
    /// Lines of `passwd` are wanted.
    PasswordsWanted,
    /// What came with the answer has come.
    Done,
    /// Logged out.
    Goodbye,
}

/// What a command was answered.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// The line.
    pub(crate) line: String,
    /// Messages of the history behind it.
    pub(crate) kept: Vec<Message>,
}

impl Session {
    /// Over a connection on which nothing was said.
    pub(crate) fn new(
        connection: Connection,
        answer_timeout: Duration,
        deadline: Option<Instant>,
        interrupt: Option<OwnedFd>,
    ) -> Self {
        Self {
            connection,
            dialogue: Dialogue::default(),
            server_lines: LineSplitter::new(MAX_SERVER_LINE_BYTES),
            buffer: vec![0; READ_BYTES],
            answer_timeout,
            deadline,
            interrupt,
        }
    }

    /// Sends the lines that the dialogue writes, and returns when the server has to have answered.
    pub(crate) fn send(
        &mut self,
        write: impl FnOnce(&mut Dialogue, &mut Vec<u8>),
    ) -> Result<Instant, Failure> {
        let mut lines = Vec::new();
        write(&mut self.dialogue, &mut lines);
        let sent = self.connection.send(&lines);
        // If the server has closed, what it said before tells why.
        if let Err(error) = sent
            && !matches!(
                error.kind(),
                ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
            )
        {
            return Err(connection_lost(&reason(&error)));
        }
        Ok(self.due())
    }

    /// When a line that is asked for now has to be there.
    fn due(&self) -> Instant {
        let due = Instant::now() + self.answer_timeout;
        self.deadline.map_or(due, |deadline| deadline.min(due))
    }

    /// Asks for something, and waits for the answer. A refusal is a failure.
    pub(crate) fn ask(&mut self, line: &str) -> Result<Reply, Failure> {
        let due = self.send(|dialogue, output| dialogue.ask(line.as_bytes(), output))?;
        let mut reply = Reply::default();
        loop {
            match self.hear(due)? {
                Heard::Answer(answer) => reply.line = answer,
                Heard::Kept(message) => reply.kept.push(message),
                Heard::Done => break,
                _ => {}
            }
        }
        match Refusal::parse(reply.line.as_bytes()) {
            Some(refusal) => Err(Failure::refused(&refusal, ExitStatus::Refused)),
            None => Ok(reply),
        }
    }

    /// Passes over what waited at the login.
    pub(crate) fn catch_up(&mut self) -> Result<(), Failure> {
        while self.hear_next()? != Heard::CaughtUp {}
        Ok(())
    }

    /// Logs out, and waits until the server has closed. What was heard is confirmed by this, and what comes meanwhile.
    pub(crate) fn log_out(
        mut self,
        mut take: impl FnMut(&Message) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let due = self.send(|dialogue, output| dialogue.ask(b"logout", output))?;
        loop {
            match self.hear(due)? {
                Heard::Message(message) => take(&message)?,
                Heard::Goodbye => break,
                _ => {}
            }
        }
        self.connection.close();
        Ok(())
    }

    /// What the next line means. The server has to send it in the time for an answer.
    pub(crate) fn hear_next(&mut self) -> Result<Heard, Failure> {
        self.hear(self.due())
    }

    /// What the next line means, once a login is done.
    pub(crate) fn hear(&mut self, due: Instant) -> Result<Heard, Failure> {
        let line = self.next_line(due)?;
        let heard = match self.dialogue.hear(line.as_bytes()) {
            Event::Message(message) => Message::of(&message, &line).map(Heard::Message),
            Event::Kept(message) => Message::of(&message, &line).map(|it| Heard::Kept(it.kept())),
            Event::CaughtUp => Some(Heard::CaughtUp),
            Event::Answer(..) => Some(Heard::Answer(line.clone())),
            Event::PasswordsWanted => Some(Heard::PasswordsWanted),
            Event::Done(_) => Some(Heard::Done),
            Event::Goodbye => Some(Heard::Goodbye),
            event => return Err(ended(&event, &line)),
        };
        heard.ok_or_else(|| Failure::lost(format!("the server says: {line}")))
    }

    /// What the next line means, while logging in.
    pub(crate) fn hear_of_login<T>(
        &mut self,
        due: Instant,
        understand: impl FnOnce(&Event<'_>) -> Option<T>,
    ) -> Result<T, Failure> {
        let line = self.next_line(due)?;
        let event = self.dialogue.hear(line.as_bytes());
        understand(&event).ok_or_else(|| ended(&event, &line))
    }

    /// Whether a line is to be heard. Waits for one until this time.
    pub(crate) fn has_line(&mut self, until: Instant) -> Result<bool, Failure> {
        while !self.server_lines.has_line() {
            if !self.wait(until)? {
                return Ok(false);
            }
            self.read()?;
        }
        Ok(true)
    }

    /// Waits until something can be read; false if the time is over before.
    fn wait(&self, until: Instant) -> Result<bool, Failure> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut fds = vec![PollFd::new(self.connection.as_fd(), PollFlags::POLLIN)];
            let interrupt = self.interrupt.as_ref();
            fds.extend(interrupt.map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)));
            match poll(&mut fds, timeout) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(connection_lost(&error.to_string())),
            }
            let mut ready = fds.iter().map(|fd| fd.any() == Some(true));
            let is_readable = ready.next() == Some(true);
            if ready.next() == Some(true) {
                return Err(Failure::interrupted());
            }
            if is_readable || left.is_zero() {
                return Ok(is_readable);
            }
        }
    }

    fn next_line(&mut self, due: Instant) -> Result<String, Failure> {
        if !self.has_line(due)? {
            return Err(Failure::lost("the server has not answered in time".into()));
        }
        match self.server_lines.take() {
            Some(Line::Whole(line)) => Ok(safe_with_breaks(&line)),
            _ => Err(Failure::lost("the server sent a line without end".into())),
        }
    }

    fn read(&mut self) -> Result<(), Failure> {
        match self.connection.read(&mut self.buffer) {
            Ok(0) => Err(connection_lost("the server has closed the connection")),
            Ok(length) => {
                self.server_lines.give(&self.buffer[..length]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(connection_lost(&reason(&error))),
        }
    }
}

fn connection_lost(reason: &str) -> Failure {
    Failure::lost(format!("connection lost: {reason}"))
}

/// What an event means that ends the command.
fn ended(event: &Event<'_>, line: &str) -> Failure {
    let lasting = |report: &Report, status| Failure::lasting(report, status);
    match event {
        Event::Blocked { seconds } | Event::Locked { seconds } => {
            let (seconds, now) = (*seconds, matches!(event, Event::Locked { .. }));
            lasting(&Report::Blocked { seconds, now }, ExitStatus::Blocked)
        }
        Event::TimedOut => Failure {
            is_temporary: true,
            ..lasting(&Report::TimedOut, ExitStatus::TimedOut)
        },
        Event::Replaced => lasting(&Report::Replaced, ExitStatus::Lost),
        Event::WrongPassword => lasting(&Report::WrongPassword, ExitStatus::NotLoggedIn),
        Event::LoginRefused(refusal) => Failure::refused(refusal, ExitStatus::NotLoggedIn),
        _ => Failure::lost(format!("the server says: {line}")),
    }
}

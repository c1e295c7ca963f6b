//! Moves bytes between user input, conversation and server; decides nothing.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use chat_line_protocol::client::{Line, LineSplitter};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::connection::{Connection, reason};
use crate::conversation::{Conversation, Effect, Input};
use crate::display::Display;
use crate::exit_status::ExitStatus;
use crate::kept_logins::KeptLogins;
use crate::report::Report;
use crate::signals::Signals;
use crate::user_input::{UserAction, UserInput};

/// Longest line of a server that is shown. The answer to `who` may be long.
pub(crate) const MAX_SERVER_LINE_BYTES: usize = 16 * 1024 * 1024;
/// Bytes that are read at once.
pub(crate) const READ_BYTES: usize = 65_536;

/// A running dialogue.
pub(crate) struct EventLoop {
    conversation: Conversation,
    connection: Connection,
    kept_logins: KeptLogins,
    user_input: UserInput,
    display: Display,
    signals: Signals,
    server_lines: LineSplitter,
    /// Lines to send after everything that has arrived was written.
    unsent: Vec<Vec<u8>>,
    started: Instant,
    ended: Option<ExitStatus>,
}

/// The result of poll.
struct Ready {
    server: bool,
    leave: bool,
    resized: bool,
    continued: bool,
    stop: bool,
    user_input: bool,
}

impl EventLoop {
    pub(crate) fn new(
        conversation: Conversation,
        connection: Connection,
        kept_logins: KeptLogins,
        (user_input, display): (UserInput, Display),
        signals: Signals,
    ) -> EventLoop {
        EventLoop {
            conversation,
            connection,
            kept_logins,
            user_input,
            display,
            signals,
            server_lines: LineSplitter::new(MAX_SERVER_LINE_BYTES),
            unsent: Vec::new(),
            started: Instant::now(),
            ended: None,
        }
    }

    /// Runs to the end. An error is one of the standard input or output. The connection is reset then, so that messages
    /// that could not be shown stay queued.
    pub(crate) fn run(mut self) -> io::Result<ExitStatus> {
        match self.run_to_the_end() {
            Ok(status) => {
                self.connection.close();
                Ok(status)
            }
            Err(error) => {
                self.connection.abort();
                Err(error)
            }
        }
    }

    fn run_to_the_end(&mut self) -> io::Result<ExitStatus> {
        let mut buffer = vec![0; READ_BYTES];
        self.handle(Input::Start)?;
        loop {
            self.take_user_input()?;
            self.send_once_all_is_written()?;
            if let Some(status) = self.ended {
                return self.finish(status);
            }
            let ready = self.wait()?;
            self.take_signals(&ready)?;
            if ready.stop || ready.continued {
                // During a stop, the shell may have read the input.
                continue;
            }
            if ready.server && self.ended.is_none() {
                self.read_server(&mut buffer)?;
            }
            if ready.user_input
                && let Some(length) = read_stdin(&mut buffer)?
            {
                self.user_input.give(&buffer[..length]);
            }
            self.handle(Input::Tick)?;
        }
    }

    /// Handles pending actions of the user, then shows the current prompt.
    fn take_user_input(&mut self) -> io::Result<()> {
        while self.ended.is_none() {
            let prompt = self.conversation.prompt();
            let Some(action) = self.user_input.next_action(prompt, &mut self.display)? else {
                break;
            };
            match action {
                UserAction::Line(Line::Whole(line)) => self.handle(Input::Line(&line))?,
                UserAction::Line(Line::TooLong(bytes)) => self.handle(Input::LineTooLong(bytes))?,
                UserAction::Leave => self.handle(Input::Leave)?,
                UserAction::DroppedText => self.display.show(&Report::DroppedText)?,
                UserAction::StopJob => self.stop(true)?,
                UserAction::Complete(before_cursor) => {
                    let candidates = self.conversation.completions(&before_cursor);
                    if !self.user_input.complete(&candidates) && candidates.len() > 1 {
                        self.display.show(&Report::Candidates(candidates))?;
                    }
                }
            }
        }
        let prompt = self.conversation.prompt();
        self.user_input.show_prompt(prompt, &mut self.display)
    }

    /// A line confirms to the server everything that this system has acknowledged before, including bytes that are
    /// still in the socket. Those must be read and written first; the next try comes after reading the server again.
    fn send_once_all_is_written(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() || self.ended.is_some() {
            return Ok(());
        }
        self.display.flush()?;
        if is_readable(self.connection.as_fd())? {
            return Ok(());
        }
        for line in std::mem::take(&mut self.unsent) {
            if let Err(error) = self.connection.send(&line) {
                return self.report_send_error(&error);
            }
        }
        Ok(())
    }

    fn wait(&self) -> io::Result<Ready> {
        let timeout = match self.conversation.deadline() {
            None => PollTimeout::NONE,
            Some(deadline) => {
                let left = deadline.saturating_sub(self.now()) + Duration::from_millis(1);
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            }
        };
        let stdin = io::stdin();
        let wants_input = self.user_input.wants_input(self.conversation.prompt());
        let stop = self.signals.stop.as_ref();
        let watched = [
            Some(self.connection.as_fd()),
            Some(self.signals.leave.as_fd()),
            Some(self.signals.resized.as_fd()),
            Some(self.signals.continued.as_fd()),
            stop.map(AsFd::as_fd),
            wants_input.then(|| stdin.as_fd()),
        ];
        let mut fds: Vec<PollFd<'_>> = watched
            .iter()
            .flatten()
            .map(|&fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut polled = fds.iter();
        let [server, leave, resized, continued, stop, user_input] = watched.map(|fd| {
            fd.and_then(|_| polled.next())
                .is_some_and(|fd| fd.any() == Some(true))
        });
        Ok(Ready {
            server,
            leave,
            resized,
            continued,
            stop,
            user_input,
        })
    }

    fn take_signals(&mut self, ready: &Ready) -> io::Result<()> {
        if ready.resized {
            self.signals.resized.clear();
            self.user_input.redraw();
        }
        if ready.continued {
            self.signals.continued.clear();
            self.user_input.resume()?;
        }
        if ready.stop {
            self.stop(false)?;
        }
        if ready.leave {
            self.signals.leave.clear();
            self.handle(Input::Leave)?;
        }
        Ok(())
    }

    fn stop(&mut self, whole_job: bool) -> io::Result<()> {
        match &self.signals.stop {
            Some(signal) => self.user_input.stop(whole_job, signal, &mut self.display)?,
            None => return Ok(()),
        }
        self.signals.continued.clear();
        Ok(())
    }

    fn read_server(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        match self.connection.read(buffer) {
            Ok(0) => self.handle(Input::ServerClosed(None)),
            Ok(length) => {
                self.server_lines.give(&buffer[..length]);
                while let Some(line) = self.server_lines.take() {
                    match line {
                        Line::Whole(line) => self.handle(Input::ServerLine(&line))?,
                        Line::TooLong(bytes) => self.handle(Input::ServerClosed(Some(format!(
                            "the server sent a line of {bytes} bytes"
                        ))))?,
                    }
                }
                self.display.flush()
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => self.handle(Input::ServerClosed(Some(reason(&error)))),
        }
    }

    fn handle(&mut self, input: Input<'_>) -> io::Result<()> {
        let now = self.now();
        for effect in self.conversation.handle(input, now) {
            match effect {
                Effect::Show(report) => self.display.show(&report)?,
                Effect::Send(line) => self.unsent.push(line),
                Effect::FindLogin(account) => {
                    self.handle(Input::LoginFound(self.kept_logins.find(&account)))?;
                }
                Effect::StoreLogin(account, login) => {
                    let stored = self.kept_logins.store(&account, &login);
                    self.handle(Input::LoginStored(stored))?;
                }
                Effect::RemoveLogin(account) => {
                    self.handle(Input::LoginRemoved(self.kept_logins.remove(&account)))?;
                }
                Effect::End(status) => self.ended = Some(status),
            }
        }
        Ok(())
    }

    /// A line could not be sent. The last bytes of the server, which may contain the reason, may still be readable.
    fn report_send_error(&mut self, error: &io::Error) -> io::Result<()> {
        let gone = matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
        );
        if gone {
            return Ok(());
        }
        self.handle(Input::ServerClosed(Some(reason(error))))
    }

    fn finish(&mut self, status: ExitStatus) -> io::Result<ExitStatus> {
        if let Some(text) = self.user_input.take_unsent() {
            self.display.show(&Report::NotSent(text))?;
        }
        self.display.leave_row("");
        self.display.flush()?;
        Ok(status)
    }

    /// The time, without the time during which the output was blocked: the server is not read then, so its answer may
    /// be waiting.
    fn now(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.display.waited())
    }
}

/// Whether reading from this gives something now.
pub(crate) fn is_readable(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::ZERO) {
        Ok(_) => Ok(fds[0].any() == Some(true)),
        Err(Errno::EINTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Reads once without the buffer of the standard library, which poll ignores. 0 is the end of the input.
pub(crate) fn read_stdin(buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match nix::unistd::read(io::stdin(), buffer) {
        Ok(length) => Ok(Some(length)),
        // The terminal is closed.
        Err(Errno::EIO) => Ok(Some(0)),
        Err(Errno::EINTR | Errno::EAGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

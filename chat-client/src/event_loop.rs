//! Moves bytes between person, conversation and server; decides nothing.

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
use crate::person::{Act, Person};
use crate::report::Report;
use crate::signals::Signals;

/// Longest line of a server that is shown: a `who` on a full server may be long.
const MAX_SERVER_LINE_BYTES: usize = 16 * 1024 * 1024;
const READ_BYTES: usize = 65_536;

/// A dialogue that is going on.
pub(crate) struct EventLoop {
    conversation: Conversation,
    connection: Connection,
    person: Person,
    display: Display,
    signals: Signals,
    server_lines: LineSplitter,
    /// To be sent as soon as everything that has arrived was written.
    unsent: Vec<Vec<u8>>,
    started: Instant,
    ended: Option<ExitStatus>,
}

/// What poll found.
struct Ready {
    server: bool,
    leave: bool,
    resized: bool,
    continued: bool,
    stop: bool,
    person: bool,
}

impl EventLoop {
    pub(crate) fn new(
        conversation: Conversation,
        connection: Connection,
        person: Person,
        display: Display,
        signals: Signals,
    ) -> EventLoop {
        EventLoop {
            conversation,
            connection,
            person,
            display,
            signals,
            server_lines: LineSplitter::new(MAX_SERVER_LINE_BYTES),
            unsent: Vec::new(),
            started: Instant::now(),
            ended: None,
        }
    }

    /// Runs to the end. An error is one of the standard input or output; the connection is aborted
    /// then, so that what could not be shown stays queued.
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
        loop {
            self.serve_person()?;
            self.send_once_all_is_written()?;
            if let Some(status) = self.ended {
                return self.finish(status);
            }
            let ready = self.wait()?;
            self.take_signals(&ready)?;
            if ready.stop || ready.continued {
                // What could be read before a stop, the shell may have read meanwhile.
                continue;
            }
            if ready.server && self.ended.is_none() {
                self.read_server(&mut buffer)?;
            }
            if ready.person
                && let Some(length) = read_stdin(&mut buffer)?
            {
                self.person.give(&buffer[..length]);
            }
            self.handle(Input::Tick)?;
        }
    }

    /// Takes what the person has done already, then shows what is asked now.
    fn serve_person(&mut self) -> io::Result<()> {
        while self.ended.is_none() {
            let question = self.conversation.question();
            let Some(act) = self.person.next_act(question, &mut self.display)? else {
                break;
            };
            match act {
                Act::Line(Line::Whole(line)) => self.handle(Input::Line(&line))?,
                Act::Line(Line::TooLong(bytes)) => self.handle(Input::LineTooLong(bytes))?,
                Act::Leave => self.handle(Input::Leave)?,
                Act::StopJob => self.stop(true)?,
                Act::Complete(before_cursor) => {
                    let candidates = self.conversation.completions(&before_cursor);
                    if !self.person.complete(&candidates) && candidates.len() > 1 {
                        self.display.show(&Report::Candidates(candidates))?;
                    }
                }
            }
        }
        let question = self.conversation.question();
        self.person.show_question(question, &mut self.display)
    }

    /// A line confirms to the server everything that this system has acknowledged before, also what still waits in the
    /// socket. So that has to be read and written first; the server is read again before the next try.
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
                return self.lose_unless_told(&error);
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
        let wants_input = self.person.wants_input(self.conversation.question());
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
        let [server, leave, resized, continued, stop, person] = watched.map(|fd| {
            fd.and_then(|_| polled.next())
                .is_some_and(|fd| fd.any() == Some(true))
        });
        Ok(Ready {
            server,
            leave,
            resized,
            continued,
            stop,
            person,
        })
    }

    fn take_signals(&mut self, ready: &Ready) -> io::Result<()> {
        if ready.resized {
            self.signals.resized.clear();
            self.person.redraw();
        }
        if ready.continued {
            self.signals.continued.clear();
            self.person.go_on()?;
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
            Some(signal) => self.person.stop(whole_job, signal, &mut self.display)?,
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
                Effect::End(status) => self.ended = Some(status),
            }
        }
        Ok(())
    }

    /// A line could not be sent. What the server said last, perhaps why, may still be there to be read.
    fn lose_unless_told(&mut self, error: &io::Error) -> io::Result<()> {
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
        if let Some(text) = self.person.take_unsent() {
            self.display.show(&Report::NotSent(text))?;
        }
        self.display.leave_row("");
        self.display.flush()?;
        Ok(status)
    }

    /// Time for which nothing took the output does not count: the server is not read then, and its answer may be there.
    fn now(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.display.waited())
    }
}

fn is_readable(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::ZERO) {
        Ok(_) => Ok(fds[0].any() == Some(true)),
        Err(Errno::EINTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Reads once, past the buffer of the standard library, which poll would not know of. 0 is the end of the input.
fn read_stdin(buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match nix::unistd::read(io::stdin(), buffer) {
        Ok(length) => Ok(Some(length)),
        // A terminal that has hung up.
        Err(Errno::EIO) => Ok(Some(0)),
        Err(Errno::EINTR | Errno::EAGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

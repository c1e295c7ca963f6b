//! Moves bytes between person, conversation and server; decides nothing.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGCONT, SIGINT, SIGTERM, SIGWINCH};

use crate::connection::{Connection, reason};
use crate::conversation::{Conversation, Effect, Input};
use crate::display::Display;
use crate::exit_status::ExitStatus;
use crate::line_splitter::{Line, LineSplitter};
use crate::person::{Act, Person};
use crate::report::Report;
use crate::signals::SignalPipe;

/// Longest line of a server that is shown: a `who` on a full server may be long.
const MAX_SERVER_LINE_BYTES: usize = 16 * 1024 * 1024;
const READ_BYTES: usize = 65_536;

/// A dialogue that is going on.
pub(crate) struct EventLoop {
    conversation: Conversation,
    connection: Connection,
    person: Person,
    display: Display,
    server_lines: LineSplitter,
    started: Instant,
    ended: Option<ExitStatus>,
}

/// What poll found.
struct Ready {
    server: bool,
    leave: bool,
    redraw: bool,
    person: bool,
}

/// The signals that are listened to.
struct Signals {
    leave: SignalPipe,
    redraw: SignalPipe,
}

impl EventLoop {
    pub(crate) fn new(
        conversation: Conversation,
        connection: Connection,
        person: Person,
        display: Display,
    ) -> EventLoop {
        EventLoop {
            conversation,
            connection,
            person,
            display,
            server_lines: LineSplitter::new(MAX_SERVER_LINE_BYTES),
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
        let mut signals = Signals {
            leave: SignalPipe::of(&[SIGINT, SIGTERM])?,
            redraw: SignalPipe::of(&[SIGWINCH, SIGCONT])?,
        };
        let mut buffer = vec![0; READ_BYTES];
        loop {
            self.serve_person()?;
            if let Some(status) = self.ended {
                self.display.leave_row("");
                self.display.flush()?;
                return Ok(status);
            }
            let ready = self.wait(&signals)?;
            if ready.redraw {
                signals.redraw.clear();
                self.person.redraw();
            }
            if ready.leave {
                signals.leave.clear();
                self.handle(Input::Leave)?;
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

    fn wait(&self, signals: &Signals) -> io::Result<Ready> {
        let timeout = match self.conversation.deadline() {
            None => PollTimeout::NONE,
            Some(deadline) => {
                let left = deadline.saturating_sub(self.now()) + Duration::from_millis(1);
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            }
        };
        let stdin = io::stdin();
        let mut fds = vec![
            PollFd::new(self.connection.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.leave.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.redraw.as_fd(), PollFlags::POLLIN),
        ];
        if self.person.wants_input(self.conversation.question()) {
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |position: usize| fds.get(position).is_some_and(|fd| fd.any() == Some(true));
        Ok(Ready {
            server: is_ready(0),
            leave: is_ready(1),
            redraw: is_ready(2),
            person: is_ready(3),
        })
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
                            "a line of {bytes} bytes came"
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
                Effect::Send(line) => {
                    // What the server may take for read by this line has to be shown first.
                    self.display.flush()?;
                    if let Err(error) = self.connection.send(&line) {
                        self.lose_unless_told(&error)?;
                    }
                }
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

    fn now(&self) -> Duration {
        self.started.elapsed()
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

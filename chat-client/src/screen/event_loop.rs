//! Moves bytes between terminal, model and server; decides nothing.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_line_protocol::client::{Line, LineSplitter};
use chat_node::logs::wall_clock;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ratatui_core::terminal::Terminal;
use rustls::ClientConfig;

use super::backend::TerminalBackend;
use super::clipboard;
use super::dialer::Dialer;
use super::keys::Decoder;
use super::log::Log;
use super::model::{Action, Input, Model};
use super::notifier::Notifier;
use super::preferences_file::PreferencesFiles;
use super::view;
use crate::connection::{Connection, reason};
use crate::event_loop::{MAX_SERVER_LINE_BYTES, READ_BYTES, is_readable, read_stdin};
use crate::exit_status::ExitStatus;
use crate::signals::Signals;
use crate::target::Target;
use crate::terminal::{TerminalMode, stop_job};

/// A lone Escape is a key if nothing follows it for this long.
const ESCAPE_PAUSE: Duration = Duration::from_millis(50);

/// After a signal to end, a terminal that takes nothing is waited for so long.
const BLOCKED_TERMINAL: Duration = Duration::from_millis(500);

/// What the full screen uses outside terminal and server.
pub(crate) struct Files {
    pub(crate) log: Log,
    pub(crate) preferences: PreferencesFiles,
    pub(crate) notifier: Notifier,
}

/// A running full screen.
pub(crate) struct EventLoop {
    model: Model,
    terminal: Terminal<TerminalBackend>,
    mode: TerminalMode,
    files: Files,
    signals: Signals,
    server: Arc<Target>,
    tls: Option<ClientConfig>,
    connection: Option<Connection>,
    dialer: Option<Dialer>,
    decoder: Decoder,
    server_lines: LineSplitter,
    /// Lines to send after everything that has arrived was shown.
    unsent: Vec<Vec<u8>>,
    started: Instant,
    is_drawn: bool,
    /// Rows of the screen in which composed characters stand.
    composed_rows: BTreeSet<u16>,
    ended: Option<(ExitStatus, String)>,
}

/// What poll has found.
struct Ready {
    server: bool,
    dialer: bool,
    leave: bool,
    hang_up: bool,
    resized: bool,
    continued: bool,
    stop: bool,
    input: bool,
}

impl EventLoop {
    pub(crate) fn new(
        model: Model,
        (terminal, mode): (Terminal<TerminalBackend>, TerminalMode),
        files: Files,
        signals: Signals,
        (server, tls): (Target, Option<ClientConfig>),
        connection: Connection,
    ) -> Self {
        Self {
            model,
            terminal,
            mode,
            files,
            signals,
            server: Arc::new(server),
            tls,
            connection: Some(connection),
            dialer: None,
            decoder: Decoder::default(),
            server_lines: LineSplitter::new(MAX_SERVER_LINE_BYTES),
            unsent: Vec::new(),
            started: Instant::now(),
            is_drawn: false,
            composed_rows: BTreeSet::new(),
            ended: None,
        }
    }

    /// Runs to the end; gives the exit status, and words to show behind the screen. After an error of the terminal the
    /// connection is reset, so that messages that could not be shown stay queued.
    pub(crate) fn run(mut self) -> io::Result<(ExitStatus, Vec<String>)> {
        let end = self.run_to_the_end();
        self.mode.restore();
        let connection = self.connection.take();
        match end {
            Ok((status, words)) => {
                if let Some(connection) = connection {
                    connection.close();
                }
                let unsent = self.model.unsent().into_iter();
                let unsent = unsent.map(|line| format!("Not sent: {line}"));
                let words = Some(words).filter(|words| !words.is_empty());
                Ok((status, words.into_iter().chain(unsent).collect()))
            }
            Err(error) => {
                if let Some(connection) = connection {
                    connection.abort();
                }
                Err(error)
            }
        }
    }

    fn run_to_the_end(&mut self) -> io::Result<(ExitStatus, String)> {
        let mut buffer = vec![0; READ_BYTES];
        self.resize()?;
        self.handle(Input::Connected)?;
        loop {
            if let Some(end) = self.ended.take() {
                return Ok(end);
            }
            self.draw()?;
            self.send_once_all_is_shown()?;
            let ready = self.wait()?;
            self.files.notifier.look();
            self.take_signals(&ready)?;
            if ready.dialer {
                self.take_connection()?;
            }
            if ready.server {
                self.read_server(&mut buffer)?;
            }
            if ready.input && !ready.stop && !ready.continued {
                self.read_keys(&mut buffer)?;
            } else if let Some(typed) = self.escape_if_alone(&ready) {
                self.handle(Input::Typed(typed))?;
            }
            let is_due = self
                .model
                .deadline()
                .is_some_and(|due| due <= self.started.elapsed());
            if is_due {
                self.handle(Input::Tick)?;
            }
        }
    }

    /// Draws what has changed, if anything may have.
    fn draw(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.is_drawn, true) {
            return Ok(());
        }
        let (model, composed_rows) = (&self.model, &mut self.composed_rows);
        self.terminal.draw(|frame| {
            let cursor = view::draw(model, frame.buffer_mut());
            *composed_rows = view::draw_composed_rows_whole(frame.buffer_mut(), composed_rows);
            if let Some(cursor) = cursor {
                frame.set_cursor_position(cursor);
            }
        })?;
        Ok(())
    }

    /// A line confirms to the server everything that this system has acknowledged before, including bytes that are
    /// still in the socket. Those must be read and shown first.
    fn send_once_all_is_shown(&mut self) -> io::Result<()> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        if self.unsent.is_empty() || is_readable(connection.as_fd())? {
            return Ok(());
        }
        for line in std::mem::take(&mut self.unsent) {
            // If this fails, reading tells of the end, after the last lines of the server.
            if connection.send(&line).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn wait(&self) -> io::Result<Ready> {
        let now = self.started.elapsed();
        let notifier_due = self.files.notifier.due().map(|due| now + due);
        let due = self.model.deadline().into_iter().chain(notifier_due).min();
        let timeout = match (self.decoder.may_be_escape(), due) {
            (true, _) => PollTimeout::try_from(ESCAPE_PAUSE).unwrap_or(PollTimeout::ZERO),
            (false, None) => PollTimeout::NONE,
            (false, Some(deadline)) => {
                let left = deadline.saturating_sub(self.started.elapsed());
                PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
            }
        };
        let stdin = io::stdin();
        let signals = &self.signals;
        let watched = [
            self.connection.as_ref().map(AsFd::as_fd),
            self.dialer.as_ref().map(AsFd::as_fd),
            Some(signals.leave.as_fd()),
            signals.hang_up.as_ref().map(AsFd::as_fd),
            Some(signals.resized.as_fd()),
            Some(signals.continued.as_fd()),
            signals.stop.as_ref().map(AsFd::as_fd),
            Some(stdin.as_fd()),
        ];
        let [
            server,
            dialer,
            leave,
            hang_up,
            resized,
            continued,
            stop,
            input,
        ] = ready(watched, timeout)?;
        Ok(Ready {
            server,
            dialer,
            leave,
            hang_up,
            resized,
            continued,
            stop,
            input,
        })
    }

    fn take_signals(&mut self, ready: &Ready) -> io::Result<()> {
        if ready.hang_up {
            // Nothing can be shown any more, so nothing more is confirmed.
            return Err(io::Error::other(
                "the terminal is closed, or a signal ended the program",
            ));
        }
        if ready.resized {
            self.signals.resized.clear();
            self.resize()?;
        }
        if ready.continued {
            self.signals.continued.clear();
            self.resume()?;
        }
        if ready.stop {
            self.stop(false)?;
        }
        if ready.leave {
            self.signals.leave.clear();
            let terminal = self.terminal.backend_mut();
            terminal.lose_patience_after(BLOCKED_TERMINAL);
            self.handle(Input::Leave)?;
        }
        Ok(())
    }

    fn resize(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.handle(Input::Resized(size.width, size.height))
    }

    /// Stops the program, or the whole job, with the terminal as it was found. Returns when it is continued.
    fn stop(&mut self, whole_job: bool) -> io::Result<()> {
        let Some(signal) = &self.signals.stop else {
            return Ok(());
        };
        self.mode.restore();
        if whole_job {
            stop_job()?;
        }
        signal.let_through()?;
        self.signals.continued.clear();
        self.resume()
    }

    /// The mode of the terminal and what it shows may have changed during a stop.
    fn resume(&mut self) -> io::Result<()> {
        self.mode.set_again()?;
        self.terminal.clear()?;
        self.resize()
    }

    fn take_connection(&mut self) -> io::Result<()> {
        let Some(dialer) = self.dialer.take() else {
            return Ok(());
        };
        match dialer.result() {
            Ok(connection) => {
                self.connection = Some(connection);
                self.server_lines = LineSplitter::new(MAX_SERVER_LINE_BYTES);
                self.unsent.clear();
                self.handle(Input::Connected)
            }
            Err(why) => self.handle(Input::Lost(Some(why))),
        }
    }

    fn read_server(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        match connection.read(buffer) {
            Ok(0) => self.lost(None),
            Ok(length) => {
                self.server_lines.give(&buffer[..length]);
                while let Some(line) = self.server_lines.take() {
                    match line {
                        Line::Whole(line) => self.handle(Input::ServerLine(&line))?,
                        Line::TooLong(bytes) => {
                            self.lost(Some(format!("the server sent a line of {bytes} bytes")))?;
                        }
                    }
                }
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => self.lost(Some(reason(&error))),
        }
    }

    fn lost(&mut self, why: Option<String>) -> io::Result<()> {
        self.connection = None;
        self.handle(Input::Lost(why))
    }

    fn read_keys(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        match read_stdin(buffer)? {
            None => Ok(()),
            // The terminal is gone: new messages can no longer be shown, so they must stay queued.
            Some(0) => Err(io::Error::other("the terminal is closed")),
            Some(length) => {
                for &byte in &buffer[..length] {
                    if let Some(typed) = self.decoder.take(byte) {
                        self.handle(Input::Typed(typed))?;
                    }
                }
                match self.decoder.take_dropped_text() {
                    true => self.handle(Input::Typed(super::keys::Typed::DroppedText)),
                    false => Ok(()),
                }
            }
        }
    }

    fn escape_if_alone(&mut self, ready: &Ready) -> Option<super::keys::Typed> {
        let is_alone = self.decoder.may_be_escape() && !ready.input;
        is_alone.then(|| self.decoder.nothing_followed()).flatten()
    }

    fn handle(&mut self, input: Input<'_>) -> io::Result<()> {
        self.is_drawn = false;
        let actions = self
            .model
            .handle(input, self.started.elapsed(), wall_clock::now());
        for action in actions {
            self.act(action)?;
        }
        Ok(())
    }

    fn act(&mut self, action: Action) -> io::Result<()> {
        match action {
            Action::Connect => self.dialer = Some(Dialer::start(&self.server, self.tls.clone())?),
            Action::Close => {
                self.connection = None;
                self.unsent.clear();
            }
            Action::Send(line) => self.unsent.push(line),
            Action::FindLogin(account) => {
                let found = self.server.kept_logins().find(&account);
                self.handle(Input::LoginFound(found))?;
            }
            Action::StoreLogin(account, login) => {
                let stored = self.server.kept_logins().store(&account, &login);
                self.handle(Input::LoginStored(stored))?;
            }
            Action::FindPreferences(account) => {
                let found = self.files.preferences.read(&account);
                self.handle(Input::PreferencesFound(found))?;
            }
            Action::StorePreferences(account, text) => {
                if let Err(reason) = self.files.preferences.write(&account, &text) {
                    self.handle(Input::Failed(reason))?;
                }
            }
            Action::Log(account, line) => {
                if let Err(reason) = self.files.log.add(&account, &line) {
                    self.handle(Input::LogFailed(reason))?;
                }
            }
            Action::RunCommand(notice) => {
                if let Err(error) = self.files.notifier.tell(&notice) {
                    let reason = format!("Cannot run notify_command: {error}");
                    self.handle(Input::Failed(reason))?;
                }
            }
            Action::Notify(how, words) => {
                self.terminal.backend_mut().add(&how.sequence(&words));
            }
            Action::Copy(text) => self.terminal.backend_mut().add(&clipboard::sequence(&text)),
            Action::Redraw => self.terminal.clear()?,
            Action::StopJob => self.stop(true)?,
            Action::End(status, words) => self.ended = Some((status, words)),
        }
        Ok(())
    }
}

/// Which of these are readable, after a wait.
fn ready<const COUNT: usize>(
    watched: [Option<BorrowedFd<'_>>; COUNT],
    timeout: PollTimeout,
) -> io::Result<[bool; COUNT]> {
    let fds = watched.iter().flatten();
    let mut fds: Vec<PollFd<'_>> = fds.map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut polled = fds.iter();
    Ok(watched.map(|fd| {
        let polled = fd.and_then(|_| polled.next());
        polled.is_some_and(|fd| fd.any() == Some(true))
    }))
}

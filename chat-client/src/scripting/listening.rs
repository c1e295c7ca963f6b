//! `listen` and `fetch`: messages as they come, each given once.

use std::time::{Duration, Instant};

use chat_line_protocol::client::{Answer, Command};
use chat_line_protocol::words;
use chat_model::SessionName;
use chat_model::UserSession;
use xxhash_rust::xxh3::xxh3_128;

use super::command_line::Listen;
use super::delivery::{Delivery, Given, back_off, pause};
use super::failure::Failure;
use super::handled::Handled;
use super::handled_file::HandledFile;
use super::login::Login;
use super::records::{Printer, Record};
use super::session::{Heard, Session};
use crate::back_off::BackOff;
use crate::conversation::message::Message;
use crate::exit_status::ExitStatus;
use crate::signals::Signals;

/// The session of `listen` if none is named.
const DEFAULT_SESSION: &str = "listen";
/// The pause between two questions for messages, just after one came. Then often another one follows, and a script
/// that answers a person seems to answer at once.
const SHORTEST_POLL: Duration = Duration::from_millis(100);
/// The same after a silence. A person hardly notices it, and one short line a second is little for the server.
const LONGEST_POLL: Duration = Duration::from_secs(1);
/// The longest pause before the next connection.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Prints what waits, and leaves. The server counts it as read when all is printed.
pub(crate) fn fetch(
    login: &Login,
    session: Option<&str>,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let which = session.map_or(Ok(login.session), named)?;
    let mut connection = login.connect(None, None)?;
    login.log_in(&mut connection, which)?;
    loop {
        match connection.hear_next()? {
            Heard::Message(message) => printer.print(&Record::of_message(&message))?,
            Heard::CaughtUp => break,
            _ => {}
        }
    }
    connection.log_out(|message| printer.print(&Record::of_message(message)))
}

fn named(name: &str) -> Result<UserSession, Failure> {
    let session = SessionName::parse(name).map(UserSession::Named);
    session.ok_or_else(|| Failure::input(&format!("no session can be called {name}")))
}

/// What `listen` is doing.
struct Listener<'a> {
    login: &'a Login,
    wanted: &'a Listen,
    printer: &'a mut Printer,
    signals: &'a Signals,
    delivery: Delivery<'a>,
    handled: Handled,
    file: HandledFile,
    /// How many messages are still to be given, if there is an end to it.
    left: Option<u64>,
    /// The server is not reached, and this was told.
    is_away: bool,
}

/// Gives each message once, over as many connections as it takes, until a signal or the wanted number ends it.
pub(crate) fn listen(
    login: &Login,
    wanted: &Listen,
    printer: &mut Printer,
    signals: &Signals,
) -> Result<ExitStatus, Failure> {
    let which = match (&wanted.session, login.session) {
        (Some(name), _) => named(name)?,
        (None, UserSession::Plain) => named(DEFAULT_SESSION)?,
        (None, session) => session,
    };
    let path = login.handled_file(which).map_err(Failure::local)?;
    let (file, handled) = HandledFile::open(&path).map_err(Failure::local)?;
    let delivery = match (&wanted.exec, wanted.ask) {
        (Some(command), _) => Delivery::Run(command),
        (None, true) => Delivery::PrintOnRequest,
        (None, false) => Delivery::Print,
    };
    let mut listener = Listener {
        login,
        wanted,
        printer,
        signals,
        delivery,
        handled,
        file,
        left: wanted.count,
        is_away: false,
    };
    let mut back_off = back_off(LONGEST_PAUSE);
    loop {
        let failure = match listener.one_session(which, &mut back_off) {
            Ok(()) => return Ok(ExitStatus::Good),
            Err(failure) => failure,
        };
        if failure.is_interruption() {
            return Ok(ExitStatus::Good);
        }
        if !failure.is_temporary {
            return Err(failure);
        }
        if !std::mem::replace(&mut listener.is_away, true) {
            let text = format!("{}; trying again", failure.text);
            listener.printer.say(&text)?;
        }
        if pause(back_off.next(fastrand::f64()), &signals.leave).is_err() {
            return Ok(ExitStatus::Good);
        }
    }
}

impl Listener<'_> {
    /// One connection. Ends well if nobody asks for messages any more.
    fn one_session(&mut self, which: UserSession, back_off: &mut BackOff) -> Result<(), Failure> {
        let leave = self.signals.leave.try_clone();
        let leave = leave.map_err(|error| Failure::local(error.to_string()))?;
        let mut session = self.login.connect(None, Some(leave))?;
        self.login.log_in(&mut session, which)?;
        back_off.restart();
        self.is_away = false;
        self.handled.begin_session();
        loop {
            match session.hear_next()? {
                Heard::Message(message) if self.take(&message)? == Given::NoMore => return Ok(()),
                Heard::CaughtUp => break,
                _ => {}
            }
        }
        self.handled.end_repeats();
        match self.ask(&mut session, "ids on")? {
            Some(came) => self.poll(&mut session, came),
            None => Ok(()),
        }
    }

    /// Asks for messages again and again.
    ///
    /// A line confirms everything that has arrived, even a message that this process has not read. Without push,
    /// messages come only with answers, so nothing can arrive between the last look and the line.
    fn poll(&mut self, session: &mut Session, mut came: usize) -> Result<(), Failure> {
        let mut pause = SHORTEST_POLL;
        loop {
            pause = match came {
                0 => LONGEST_POLL.min(2 * pause),
                _ => SHORTEST_POLL,
            };
            // Unasked, the server only says why it closes.
            if session.has_line(Instant::now() + pause)?
                && let Heard::Message(message) = session.hear_next()?
                && self.take(&message)? == Given::NoMore
            {
                return Ok(());
            }
            match self.ask(session, words::FETCH)? {
                Some(count) => came = count,
                None => return Ok(()),
            }
        }
    }

    /// Asks for something, and takes the messages that come with the answer. Returns how many came; nothing, if nobody
    /// asks for more.
    fn ask(&mut self, session: &mut Session, line: &str) -> Result<Option<usize>, Failure> {
        self.handled.line_sent();
        session.send(|dialogue, output| dialogue.ask(line.as_bytes(), output))?;
        let (mut answer, mut came) = (String::new(), 0);
        loop {
            match session.hear_next()? {
                Heard::Message(message) => {
                    if self.take(&message)? == Given::NoMore {
                        return Ok(None);
                    }
                    came += 1;
                }
                Heard::Answer(line) => answer = line,
                Heard::Done => break,
                _ => {}
            }
        }
        if !matches!(
            Answer::read(Command::of(line.as_bytes()), answer.as_bytes()),
            Answer::Refused(_)
        ) {
            let confirmed = self.handled.line_answered();
            let removed = self.file.remove(confirmed, self.handled.is_empty());
            removed.map_err(Failure::local)?;
        }
        Ok(Some(came))
    }

    /// Gives a message away, unless it was given already or nobody wants it.
    fn take(&mut self, message: &Message) -> Result<Given, Failure> {
        let id = xxh3_128(message.unnumbered_line().as_bytes());
        if self.handled.is_repeat(id) {
            return Ok(Given::Yes);
        }
        let is_wanted = self.is_wanted(message);
        if is_wanted
            && self
                .delivery
                .give(message, self.printer, &self.signals.leave)?
                == Given::NoMore
        {
            return Ok(Given::NoMore);
        }
        self.file.add(id).map_err(Failure::local)?;
        self.handled.add(id);
        if is_wanted && let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Ok(Given::NoMore);
            }
        }
        Ok(Given::Yes)
    }

    fn is_wanted(&self, message: &Message) -> bool {
        let is_among = |names: &[String], name: Option<&String>| {
            names.is_empty() || name.is_some_and(|name| names.contains(name))
        };
        is_among(&self.wanted.from, Some(&message.sender))
            && is_among(&self.wanted.room, message.room.as_ref())
    }
}

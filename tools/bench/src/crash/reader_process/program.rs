//! The reader process itself: it logs in, handles what comes, confirms it by lines of its own, and leaves now and then.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chat_line_protocol::client::{Answer, Command, Dialogue, Event, MessageLine, Step};
use chat_line_protocol::words;
use nix::poll::PollFlags;

use super::connection::{Connection, await_any};
use super::monotonic;
use super::report::Report;
use crate::crash::people::{FETCH_INTERVAL, LEAVE_INTERVAL, RETRY};
use crate::crash::person::Mode;
use crate::installation::Accounts;
use crate::payload::Payload;
use crate::random::Random;

/// How often it says that it has handled everything, at least.
const SEEN_INTERVAL: Duration = Duration::from_millis(10);
/// How long it takes to handle a message, in the mean, so that a death can come between two of them.
const HANDLING: Duration = Duration::from_micros(300);

/// Who it is.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Where it connects
    #[arg(long)]
    server: SocketAddr,

    /// The file of the server's certificate, if TLS is spoken
    #[arg(long)]
    certificate: Option<PathBuf>,

    /// What it logs in with
    #[arg(long)]
    login: String,

    /// What the labels of its messages have for their reader
    #[arg(long)]
    reader: u32,

    /// How it gets its messages
    #[arg(long)]
    mode: Mode,

    /// What the payloads begin with
    #[arg(long)]
    seed: u64,

    /// Length of a message
    #[arg(long)]
    text_bytes: usize,

    /// What its own choices begin with
    #[arg(long)]
    random_seed: u64,
}

/// Reads until it has left, was cut off, or its parent is gone.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let Ok(connection) = Connection::open(options.server) else {
        return report(&Report::Refused);
    };
    report(&Report::Port(connection.socket().local_addr()?.port()))?;
    let connection = match &options.certificate {
        None => connection,
        Some(file) => match connection.begin_tls(file, options.server) {
            Ok(connection) => connection,
            // A server that dies ends handshakes. The parent knows whether it did.
            Err(_) => return Ok(()),
        },
    };
    connection.set_nonblocking()?;
    let mut random = Random::new(options.random_seed);
    let now = Instant::now();
    Reader {
        options,
        connection,
        dialogue: Dialogue::default(),
        payload: Payload::new(options.seed, options.text_bytes),
        commands: VecDeque::new(),
        retry_at: None,
        fetch_at: now,
        leave_at: now + random.interval(LEAVE_INTERVAL),
        random,
        has_news: false,
        is_over: false,
        handled: None,
        handled_before_lines: [None; 2],
        confirmed: None,
    }
    .run()
}

struct Reader<'a> {
    options: &'a Options,
    connection: Connection,
    dialogue: Dialogue,
    payload: Payload,
    random: Random,
    /// To be said one after another, each when the one before it is done.
    commands: VecDeque<&'static str>,
    /// When the refused line of the login is to be sent again.
    retry_at: Option<Instant>,
    fetch_at: Instant,
    leave_at: Instant,
    has_news: bool,
    is_over: bool,
    /// The last message.
    handled: Option<u32>,
    /// The last message before the line before the last one, and before the last one.
    handled_before_lines: [Option<u32>; 2],
    confirmed: Option<u32>,
}

impl Reader<'_> {
    fn run(mut self) -> anyhow::Result<()> {
        // A connection that breaks is found when it is read.
        let _ = self.write_login();
        let mut orders = std::io::stdin();
        loop {
            let seen_at = monotonic();
            let read = self.connection.read();
            for line in read.lines.split_inclusive(|byte| *byte == b'\n') {
                self.hear(line.strip_suffix(b"\n").unwrap_or(line))?;
            }
            report(&Report::Seen(seen_at))?;
            if read.has_ended || self.is_over {
                break;
            }
            // A line confirms all that has reached this process, so nothing may be unread when it is written.
            if !self.connection.has_unread() && self.speak().is_err() {
                break;
            }
            let watched = [self.connection.socket().as_fd(), orders.as_fd()];
            let [_, is_ordered] = await_any(watched, PollFlags::POLLIN, SEEN_INTERVAL)?;
            if is_ordered {
                // There is one order, to leave. At the end of its input, the parent is gone.
                if orders.read(&mut [0; 64])? == 0 {
                    break;
                }
                self.leave_at = Instant::now();
            }
        }
        Ok(())
    }

    /// Writes the name, or the password where that is wanted.
    fn write_login(&mut self) -> std::io::Result<()> {
        let mut output = Vec::new();
        match self.dialogue.step() {
            Step::Password => {
                let password = Accounts::PASSWORD.as_bytes();
                self.dialogue.give_password(password, &mut output);
            }
            _ => {
                let login = self.options.login.as_bytes();
                self.dialogue.give_name(login, &mut output);
            }
        }
        self.connection.write(&output)
    }

    /// Says what is to be said now.
    fn speak(&mut self) -> std::io::Result<()> {
        let now = Instant::now();
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            return self.write_login();
        }
        if !self.dialogue.is_chatting() || self.dialogue.asked() > 0 {
            return Ok(());
        }
        if self.commands.is_empty() {
            self.choose_commands(now);
        }
        let Some(line) = self.commands.pop_front() else {
            return Ok(());
        };
        self.handled_before_lines = [self.handled_before_lines[1], self.handled];
        let mut output = Vec::new();
        self.dialogue.ask(line.as_bytes(), &mut output);
        self.connection.write(&output)
    }

    fn choose_commands(&mut self, now: Instant) {
        let wants_fetch = match self.options.mode {
            Mode::Fetch => true,
            Mode::PushOn => false,
            Mode::PushAck => self.has_news,
        };
        if self.leave_at <= now {
            // `logout` confirms what is written up to `goodbye`: nothing more may come that is not handled before it.
            self.commands.extend(["push off", "logout"]);
        } else if wants_fetch && self.fetch_at <= now {
            self.fetch_at = now + self.random.interval(FETCH_INTERVAL);
            self.has_news = false;
            self.commands.push_back("fetch");
        }
    }

    fn hear(&mut self, line: &[u8]) -> anyhow::Result<()> {
        match self.dialogue.hear(line) {
            Event::PasswordWanted => {
                // A connection that breaks is found when it is read.
                let _ = self.write_login();
                Ok(())
            }
            Event::AlreadyConnected => self.try_again(&Report::Connected),
            Event::LoginRefused(refusal) if refusal.is_temporary() => self.try_again(&Report::Busy),
            Event::Welcome => report(&Report::Welcome),
            Event::CaughtUp => {
                self.commands.push_back("ids on");
                match self.options.mode {
                    Mode::Fetch => {}
                    Mode::PushOn => self.commands.push_back("push on"),
                    Mode::PushAck => self.commands.push_back("push ack"),
                }
                report(&Report::CaughtUp)
            }
            Event::Message(message) => self.handle(message),
            Event::Answer(command, answer) => self.hear_answer(command, answer),
            Event::Done(_) => Ok(()),
            Event::Goodbye => {
                self.is_over = true;
                report(&Report::Goodbye)
            }
            _ => report(&Report::Unexpected(
                String::from_utf8_lossy(line).into_owned(),
            )),
        }
    }

    fn try_again(&mut self, why: &Report) -> anyhow::Result<()> {
        self.retry_at = Some(Instant::now() + RETRY);
        report(why)
    }

    fn handle(&mut self, message: MessageLine<'_>) -> anyhow::Result<()> {
        std::thread::sleep(self.random.interval(HANDLING));
        self.has_news = true;
        let label = self.payload.recognise(message.text, self.options.reader);
        match label {
            Some(label) => {
                report(&Report::Handled {
                    sequence: label.sequence,
                    number: message.number,
                })?;
                self.handled = Some(label.sequence);
                Ok(())
            }
            None => report(&Report::Foreign(
                String::from_utf8_lossy(message.text).into_owned(),
            )),
        }
    }

    /// A line that the server received before it saw an acknowledgement does not confirm; the next one does.
    fn hear_answer(&mut self, command: Command, answer: Answer<'_>) -> anyhow::Result<()> {
        let is_right = match command {
            Command::Fetch => match answer {
                Answer::Refused(refusal) => refusal.kind == words::BUSY.as_bytes(),
                other => other == Answer::Fetching,
            },
            _ => matches!(answer, Answer::Ids(true) | Answer::Push(_)),
        };
        if !is_right {
            return report(&Report::Unexpected(format!("{answer:?} to {command:?}")));
        }
        let confirmed = self.handled_before_lines[0];
        if let Some(sequence) = confirmed
            && self.confirmed != confirmed
        {
            self.confirmed = confirmed;
            report(&Report::Confirmed(sequence))?;
        }
        Ok(())
    }
}

/// Writes a report as a whole, so that a death leaves all of it or nothing.
fn report(report: &Report) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(format!("{report}\n").as_bytes())?;
    out.flush()?;
    Ok(())
}

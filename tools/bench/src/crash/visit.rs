//! Short visits to the server, beside the clients of the storm: to join rooms, and to ask for numbers.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use chat_line_protocol::client::{Dialogue, Event};

use crate::installation::Accounts;

const PATIENCE: Duration = Duration::from_secs(60);
/// Lines of the history that are asked for at once.
const HISTORY_LINES: usize = 1_000;

/// What a visitor was told.
#[derive(Debug, Default)]
struct Visit {
    /// The answers to the commands.
    answers: Vec<String>,
    /// The number of the last message.
    last_number: Option<u64>,
    /// Lines of the history.
    history: Vec<String>,
}

/// A message as the history has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) number: u64,
    pub(super) sender: String,
    pub(super) text: String,
}

/// Sends `name` a message from itself, and tells the number that this has.
pub(super) fn newest_number(server: SocketAddr, name: &str) -> anyhow::Result<u64> {
    let send = format!("send {name} number?");
    let visit = visit(server, name, &["ids on", &send, "fetch"])?;
    visit
        .last_number
        .context("the message to oneself did not come")
}

/// Makes `name` a member of a room.
pub(super) fn join(server: SocketAddr, name: &str, room: &str) -> anyhow::Result<()> {
    let visit = visit(server, name, &[&format!("join {room}")])?;
    ensure!(
        visit.answers == [format!("join:{room}")],
        "{name} cannot join {room}: the server said {:?}",
        visit.answers
    );
    Ok(())
}

/// Whether the server says that it can do this.
pub(super) fn can(server: SocketAddr, name: &str, feature: &str) -> anyhow::Result<bool> {
    let visit = visit(server, name, &["features"])?;
    let answer = visit
        .answers
        .first()
        .context("`features` was not answered")?;
    Ok(answer.split([':', ' ']).any(|word| word == feature))
}

/// All that the history has of a room after a message, as `name` sees it.
pub(super) fn history(
    server: SocketAddr,
    name: &str,
    room: &str,
    after: u64,
) -> anyhow::Result<Vec<Kept>> {
    let (mut kept, mut after) = (Vec::new(), after);
    loop {
        let command = format!("history {room} {HISTORY_LINES} after {after}");
        let visit = visit(server, name, &[&command])?;
        let expected = format!("history:{}", visit.history.len());
        ensure!(
            visit.answers == [expected.as_str()],
            "{command:?} was answered {:?}, and {} lines",
            visit.answers,
            visit.history.len()
        );
        for line in &visit.history {
            let message = Kept::parse(line).with_context(|| format!("{command:?}: {line:?}"))?;
            after = message.number;
            kept.push(message);
        }
        if visit.history.len() < HISTORY_LINES {
            return Ok(kept);
        }
    }
}

impl Kept {
    /// `<time> #number sender #room: text`.
    fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.strip_prefix('<')?.split_once("> #")?;
        let (head, text) = rest.split_once(": ")?;
        let mut words = head.split(' ');
        Some(Self {
            number: words.next()?.parse().ok()?,
            sender: words.next()?.to_owned(),
            text: text.to_owned(),
        })
    }
}

/// Logs in, sends these commands, and leaves.
fn visit(server: SocketAddr, name: &str, commands: &[&str]) -> anyhow::Result<Visit> {
    let stream = TcpStream::connect(server).context("cannot connect to the server")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut dialogue = Dialogue::default();
    let deadline = Instant::now() + PATIENCE;
    let (mut line, mut said, mut visit) = (Vec::new(), Vec::new(), Visit::default());
    dialogue.give_name(name.as_bytes(), &mut said);
    while Instant::now() < deadline {
        (&stream).write_all(&said)?;
        said.clear();
        line.clear();
        lines.read_until(b'\n', &mut line)?;
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        match dialogue.hear(line) {
            Event::PasswordWanted => {
                dialogue.give_password(Accounts::PASSWORD.as_bytes(), &mut said);
            }
            Event::CaughtUp => {
                for command in commands.iter().chain(&["logout"]) {
                    dialogue.ask(command.as_bytes(), &mut said);
                }
            }
            Event::Message(message) => visit.last_number = message.number,
            Event::Answer(..) => visit
                .answers
                .push(String::from_utf8_lossy(line).into_owned()),
            Event::Kept(_) => {
                visit
                    .history
                    .push(String::from_utf8_lossy(line).into_owned());
            }
            Event::Goodbye => return Ok(visit),
            Event::Welcome | Event::Done(_) => {}
            _ => {
                let line = String::from_utf8_lossy(line);
                bail!("{name} cannot ask {commands:?}: the server said {line:?}");
            }
        }
    }
    bail!(
        "{name} asked {commands:?}, and was not told everything within {} s",
        PATIENCE.as_secs()
    )
}

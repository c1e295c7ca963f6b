//! Asks the server how many messages it has taken: numbers are given out one by one.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chat_line_protocol::client::{Dialogue, Event};

use crate::installation::Accounts;

const PATIENCE: Duration = Duration::from_secs(60);

/// Logs in as `name`, sends itself a message, and tells the number that this has.
pub(super) fn newest_number(server: SocketAddr, name: &str) -> anyhow::Result<u64> {
    let stream = TcpStream::connect(server).context("cannot connect to ask for a number")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut dialogue = Dialogue::default();
    let deadline = Instant::now() + PATIENCE;
    let (mut line, mut said, mut number) = (Vec::new(), Vec::new(), None);
    dialogue.give_name(name.as_bytes(), &mut said);
    while Instant::now() < deadline {
        (&stream).write_all(&said)?;
        said.clear();
        line.clear();
        lines.read_until(b'\n', &mut line)?;
        match dialogue.hear(line.strip_suffix(b"\n").unwrap_or(&line)) {
            Event::PasswordWanted => {
                dialogue.give_password(Accounts::PASSWORD.as_bytes(), &mut said);
            }
            Event::CaughtUp => {
                let send = format!("send {name} number?");
                for command in ["ids on", &send, "fetch", "logout"] {
                    dialogue.ask(command.as_bytes(), &mut said);
                }
            }
            Event::Message(message) => number = message.number,
            Event::Goodbye => return number.context("the message to oneself did not come"),
            Event::Welcome | Event::Answer(..) | Event::Done(_) => {}
            _ => {
                let line = String::from_utf8_lossy(&line);
                bail!("cannot ask for a number: the server said {line:?}");
            }
        }
    }
    bail!("the server gave no number within {} s", PATIENCE.as_secs())
}

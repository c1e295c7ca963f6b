//! Asks the server how many messages it has taken: numbers are given out one by one.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::dialogue::{Command, Dialogue, Heard};
use crate::installation::Accounts;

const PATIENCE: Duration = Duration::from_secs(60);

/// Logs in as `name`, sends itself a message, and tells the number that this has.
pub(super) fn newest_number(server: SocketAddr, name: &str) -> anyhow::Result<u64> {
    let stream = TcpStream::connect(server).context("cannot connect to ask for a number")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut dialogue = Dialogue::default();
    let say = |line: &str| (&stream).write_all(line.as_bytes());
    let deadline = Instant::now() + PATIENCE;
    let (mut line, mut number) = (Vec::new(), None);
    say(&format!("{name}\n"))?;
    while Instant::now() < deadline {
        line.clear();
        lines.read_until(b'\n', &mut line)?;
        match dialogue.hear(line.strip_suffix(b"\n").unwrap_or(&line)) {
            Heard::PasswordWanted => say(&format!("{}\n", Accounts::PASSWORD))?,
            Heard::CaughtUp => {
                say(&format!("ids on\nsend {name} number?\nfetch\nlogout\n"))?;
                for command in [
                    Command::Mode,
                    Command::Send,
                    Command::Fetch,
                    Command::LogOut,
                ] {
                    dialogue.ask(command);
                }
            }
            Heard::Message(message) => number = message.number,
            Heard::Goodbye => return number.context("the message to oneself did not come"),
            Heard::Welcome | Heard::Answer(..) | Heard::Done(_) => {}
            Heard::Connected | Heard::NotNow | Heard::Unexpected(_) => {
                let line = String::from_utf8_lossy(&line);
                bail!("cannot ask for a number: the server said {line:?}");
            }
        }
    }
    bail!("the server gave no number within {} s", PATIENCE.as_secs())
}

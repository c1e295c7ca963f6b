//! One client of ours that waits for each answer.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::dialect::{Dialect, Presence};
use crate::installation::Accounts;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client that is logged in.
#[derive(Debug)]
pub struct Person {
    stream: BufReader<TcpStream>,
    line: Vec<u8>,
}

impl Person {
    /// Logs one in; `None` if the server says that the name is logged in still.
    pub fn log_in(address: SocketAddr, name: &str) -> anyhow::Result<Option<Self>> {
        let stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut person = Self {
            stream: BufReader::new(stream),
            line: Vec::new(),
        };
        let credentials = (name, Accounts::PASSWORD);
        person.say(&Dialect::Chatserv.enter(credentials, Presence::LoggedIn))?;
        loop {
            match person.hear()? {
                b"connected" => return Ok(None),
                b"DONE" => return Ok(Some(person)),
                b"password" | b"welcome" => {}
                line if Dialect::Chatserv.is_delivery(line) => {}
                line => bail!(
                    "{name} does not get in: {:?}",
                    String::from_utf8_lossy(line)
                ),
            }
        }
    }

    /// Says a command and waits for its end; messages that come meanwhile are passed over.
    pub fn ask(&mut self, command: &[u8]) -> anyhow::Result<()> {
        self.say(command)?;
        loop {
            let line = self.hear()?;
            ensure!(
                !line.starts_with(b"error:"),
                "{:?}",
                String::from_utf8_lossy(line)
            );
            if line == b"DONE" {
                return Ok(());
            }
        }
    }

    /// Leaves in good order.
    pub fn log_out(mut self) -> anyhow::Result<()> {
        self.say(b"logout\n")?;
        while self.hear()? != b"goodbye" {}
        Ok(())
    }

    /// To be used in another way, without what was received and not taken.
    pub fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }

    fn say(&mut self, line: &[u8]) -> anyhow::Result<()> {
        self.stream
            .get_mut()
            .write_all(line)
            .context("cannot write to the server")
    }

    fn hear(&mut self) -> anyhow::Result<&[u8]> {
        self.line.clear();
        let read = self.stream.read_until(b'\n', &mut self.line);
        read.context("no answer came")?;
        self.line
            .strip_suffix(b"\n")
            .context("the server closed the connection")
    }
}

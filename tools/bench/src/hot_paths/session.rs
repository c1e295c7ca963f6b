//! A worker's core, with one client and a daemon that agrees to everything.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, ensure};
use chat_frontd::core::{
    ClientKey, Core, CoreSettings, Observation, SessionLimits, UnauthenticatedLimits,
};
use chat_model::{
    ConnectionSerial, Message, MessageNumber, NameList, Outcome, Request, StreamOffset,
    WorkerSessionId,
};
use chat_node::limits::network::Networks;
use chat_node::limits::token_bucket::Rate;
use chat_rpc::{
    FrameReader, FrameWriter, FromWorker, Greeting, ResumeToken, SendBatch, ToWorker, decode_items,
};

use super::{BATCH, text};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Lines that the session answers by itself: one of each kind takes the way of a line and an answer.
pub(super) fn parse_lines(rounds: u64) -> anyhow::Result<()> {
    let mut worker = Worker::logged_in()?;
    let lines = b"ids off\n".repeat(BATCH as usize);
    for _ in 0..rounds {
        worker.says(black_box(&lines))?;
        worker.reads(b"ids:off\nDONE\n".len() * BATCH as usize)?;
    }
    Ok(())
}

pub(super) fn send(rounds: u64) -> anyhow::Result<()> {
    let mut worker = Worker::logged_in()?;
    let lines = format!("send somebody {}\n", text()).repeat(BATCH as usize);
    for _ in 0..rounds {
        worker.says(black_box(lines.as_bytes()))?;
        worker.reads(b"sent:\nDONE\n".len() * BATCH as usize)?;
    }
    Ok(())
}

pub(super) fn push(rounds: u64) -> anyhow::Result<()> {
    let mut worker = Worker::logged_in()?;
    worker.says(b"push on\n")?;
    worker.reads(b"push:on\nDONE\n".len())?;
    let text = text();
    let line_bytes = "[2026-11-22T11:18:31Z] somebody: \n".len() + text.len();
    for round in 0..rounds {
        let first = round * BATCH + 1;
        let message = |number| Message {
            number: MessageNumber(number),
            time_ms: 1_800_000_000_000,
            sender: "somebody",
            sent_to: chat_model::SentTo::People,
            text: &text,
        };
        worker.is_told(&ToWorker::Push {
            connections: vec![worker.connection],
            messages: (first..first + BATCH).map(message).collect(),
            through: MessageNumber(first + BATCH - 1),
            more: false,
        })?;
        worker.serve()?;
        worker.reads(line_bytes * BATCH as usize)?;
    }
    Ok(())
}

struct Worker {
    core: Core,
    client: ClientKey,
    connection: ConnectionSerial,
    /// What the daemon hears and says.
    heard: FrameReader,
    said: FrameWriter,
    now_ms: u64,
}

impl Worker {
    fn logged_in() -> anyhow::Result<Self> {
        let settings = CoreSettings {
            limits: SessionLimits {
                max_line_bytes: 8_192,
                max_unread_bytes: 262_144,
                max_recipients: 4_096,
                time_out_ms: 1_800_000,
            },
            unauthenticated: UnauthenticatedLimits {
                trusted: Networks::LOOPBACK.parse()?,
                login_ms: 120_000,
                lines: Rate::new(100, 1_000, 500),
            },
            max_held_bytes: 512 << 20,
            secret_seed: [7; 32],
        };
        let mut core = Core::new(settings, 0);
        core.daemon_connected()?;
        let hello = core.link_output().pending().len();
        core.link_output().advance(hello);
        let greeting = Greeting::Attached(ResumeToken {
            worker_session: WorkerSessionId(1),
            secret: [7; 16],
        });
        let mut said = FrameWriter::default();
        said.push_frame(&greeting.encode()?);
        core.daemon_received(said.pending())?;
        let bytes = said.pending().len();
        said.advance(bytes);
        let client = core.open(HERE);
        let mut worker = Self {
            core,
            client,
            connection: ConnectionSerial(0),
            heard: FrameReader::default(),
            said,
            now_ms: 0,
        };
        worker.says(b"ann\nsecret\n")?;
        worker.reads(b"password\nwelcome\nDONE\n".len())?;
        Ok(worker)
    }

    /// The client says something, and all is done that comes of it.
    fn says(&mut self, lines: &[u8]) -> anyhow::Result<()> {
        self.now_ms += 1;
        self.core.begin_turn(self.now_ms, self.now_ms);
        self.core.received(self.client, lines);
        self.serve()
    }

    fn serve(&mut self) -> anyhow::Result<()> {
        loop {
            self.core.serve(self.client);
            while let Some(key) = self.core.next_listed() {
                self.core.serve(key);
            }
            let asked = self.core.link_output();
            let bytes = asked.pending();
            if bytes.is_empty() {
                return Ok(());
            }
            self.heard.extend(bytes);
            let count = bytes.len();
            asked.advance(count);
            self.answer()?;
        }
    }

    fn answer(&mut self) -> anyhow::Result<()> {
        while let Some(payload) = self.heard.next_frame()? {
            for item in decode_items::<FromWorker<'_>>(payload) {
                match item? {
                    FromWorker::Request(request) => {
                        self.connection = request.connection;
                        let reply = reply(request.connection, request.offset, &request.request);
                        self.said.push(&reply)?;
                    }
                    FromWorker::SendBatch(sends) => self.said.push(&all_sent(&sends))?,
                    _ => {}
                }
            }
        }
        let bytes = self.said.pending();
        let count = bytes.len();
        self.core.daemon_received(bytes)?;
        self.said.advance(count);
        Ok(())
    }

    fn is_told(&mut self, told: &ToWorker<'_>) -> anyhow::Result<()> {
        self.now_ms += 1;
        self.core.begin_turn(self.now_ms, self.now_ms);
        self.said.push(told)?;
        let bytes = self.said.pending();
        let count = bytes.len();
        self.core.daemon_received(bytes)?;
        self.said.advance(count);
        Ok(())
    }

    /// The client reads what waits, which has so many bytes.
    fn reads(&mut self, expected: usize) -> anyhow::Result<()> {
        let output = self
            .core
            .output(self.client)
            .context("the client is there")?;
        let bytes = black_box(output.pending()).len();
        ensure!(bytes == expected, "{bytes} bytes wait, not {expected}");
        output.advance(bytes);
        self.core.wrote(self.client);
        self.core.observed(self.client, Observation::default());
        Ok(())
    }
}

fn all_sent(sends: &SendBatch<'_>) -> ToWorker<'static> {
    let first = sends.lines.first();
    let last = sends.lines.iter().last().map_or(first, |line| line.offset);
    ToWorker::Stored {
        connection: sends.connection,
        first,
        last,
        through: MessageNumber(0),
        more: false,
    }
}

/// A daemon for which everything is right.
fn reply<'a>(
    connection: ConnectionSerial,
    offset: StreamOffset,
    request: &Request<'_>,
) -> ToWorker<'a> {
    let outcome = match request {
        Request::Identify { .. } => Outcome::PasswordNeeded,
        Request::LogIn { .. } => Outcome::LoggedIn,
        Request::Send { .. } => Outcome::Stored {
            unknown: NameList::new(),
        },
        _ => Outcome::Done,
    };
    ToWorker::Reply {
        connection,
        offset,
        outcome,
        messages: Vec::new(),
        through: MessageNumber(0),
        more: false,
    }
}

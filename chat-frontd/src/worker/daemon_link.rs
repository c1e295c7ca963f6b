//! The worker's connection to the state daemon, which may go and come back.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use chat_shared::rpc::{FrameReader, FrameWriter, FromWorker, Greeting, Hello, LifeCredential};
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

/// How long to wait before the next try to connect; the first is made at once.
const RETRY_MS: u64 = 20;
/// While more than this waits to be written, clients' requests are kept back.
const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;
/// A daemon that is away for so long has its clients told so.
const LOST_MS: u64 = 10_000;

/// How far the connection is.
#[derive(Debug)]
enum Stage {
    Away { retry_at_ms: u64 },
    Greeting(UnixStream),
    Attached(UnixStream),
}

/// What became of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Frames may be there, and more may follow.
    More,
    /// Nothing more for now.
    Nothing,
}

pub(super) struct DaemonLink {
    path: PathBuf,
    token: Token,
    stage: Stage,
    reader: FrameReader,
    writer: FrameWriter,
    credential: Option<LifeCredential>,
    /// Since when it has not been attached.
    away_since_ms: Option<u64>,
}

impl DaemonLink {
    pub(super) fn new(path: PathBuf, token: Token, now_ms: u64) -> Self {
        Self {
            path,
            token,
            stage: Stage::Away {
                retry_at_ms: now_ms,
            },
            reader: FrameReader::default(),
            writer: FrameWriter::default(),
            credential: None,
            away_since_ms: Some(now_ms),
        }
    }

    pub(super) fn is_attached(&self) -> bool {
        matches!(self.stage, Stage::Attached(_))
    }

    /// Whether requests can be taken now.
    pub(super) fn has_room(&self) -> bool {
        self.is_attached() && self.writer.pending_bytes() < MAX_WAITING_BYTES
    }

    /// Whether the daemon has been away for so long that clients are told.
    pub(super) fn is_lost(&self, now_ms: u64) -> bool {
        self.away_since_ms
            .is_some_and(|since_ms| since_ms + LOST_MS <= now_ms)
    }

    /// When it is to be looked after again.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let retry_ms = match self.stage {
            Stage::Away { retry_at_ms } => Some(retry_at_ms),
            _ => None,
        };
        let lost_ms = self.away_since_ms.map(|since_ms| since_ms + LOST_MS);
        retry_ms.into_iter().chain(lost_ms).min()
    }

    /// Connects, if it is time to.
    pub(super) fn connect_if_due(
        &mut self,
        registry: &Registry,
        now_ms: u64,
    ) -> anyhow::Result<()> {
        match self.stage {
            Stage::Away { retry_at_ms } if retry_at_ms <= now_ms => {}
            _ => return Ok(()),
        }
        let mut stream = match UnixStream::connect(&self.path) {
            Ok(stream) => stream,
            Err(error) => {
                log::debug!("cannot connect to {}: {error}", self.path.display());
                self.stage = Stage::Away {
                    retry_at_ms: now_ms + RETRY_MS,
                };
                return Ok(());
            }
        };
        registry
            .register(
                &mut stream,
                self.token,
                Interest::READABLE | Interest::WRITABLE,
            )
            .context("cannot wait for the state daemon")?;
        self.reader = FrameReader::default();
        self.writer = FrameWriter::default();
        let hello = Hello {
            resume: self.credential,
        };
        self.writer.push_frame(&hello.encode()?);
        self.stage = Stage::Greeting(stream);
        Ok(())
    }

    /// Adds what is to be said; kept until [`DaemonLink::write`].
    pub(super) fn push(&mut self, item: &FromWorker<'_>) {
        if let Err(error) = self.writer.push(item) {
            log::error!("cannot send to the state daemon: {error}");
        }
    }

    pub(super) fn write(&mut self, now_ms: u64) {
        let (Stage::Greeting(stream) | Stage::Attached(stream)) = &mut self.stage else {
            return;
        };
        while self.writer.pending_bytes() > 0 {
            match stream.write(self.writer.pending()) {
                Ok(bytes) if bytes > 0 => self.writer.advance(bytes),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return self.lose(now_ms),
            }
        }
    }

    /// Reads once.
    pub(super) fn read(&mut self, now_ms: u64) -> Read {
        let (Stage::Greeting(stream) | Stage::Attached(stream)) = &mut self.stage else {
            return Read::Nothing;
        };
        match self.reader.read_from(stream) {
            Ok(bytes) if bytes > 0 => Read::More,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Read::Nothing,
            Err(error) if error.kind() == ErrorKind::Interrupted => Read::More,
            Ok(_) | Err(_) => {
                self.lose(now_ms);
                Read::Nothing
            }
        }
    }

    fn lose(&mut self, now_ms: u64) {
        if self.is_attached() {
            log::warn!("the state daemon is away; clients wait");
        }
        self.away_since_ms.get_or_insert(now_ms);
        self.stage = Stage::Away {
            retry_at_ms: now_ms + RETRY_MS * u64::from(!self.is_attached()),
        };
    }

    /// Looks for the daemon's greeting; whether it has just come. An error means that this worker must end.
    pub(super) fn take_greeting(&mut self) -> anyhow::Result<bool> {
        if !matches!(self.stage, Stage::Greeting(_)) {
            return Ok(false);
        }
        let greeting = match self.reader.next_frame() {
            Ok(Some(payload)) => Greeting::decode(payload),
            Ok(None) => return Ok(false),
            Err(error) => Err(error),
        };
        match greeting.context("cannot read the state daemon's greeting")? {
            Greeting::Attached(credential) => {
                self.credential = Some(credential);
                self.away_since_ms = None;
                let away = Stage::Away { retry_at_ms: 0 };
                if let Stage::Greeting(stream) = std::mem::replace(&mut self.stage, away) {
                    self.stage = Stage::Attached(stream);
                }
                log::info!("attached to the state daemon (life {})", credential.life.0);
                Ok(true)
            }
            Greeting::Refused(refusal) => bail!("the state daemon refused this worker: {refusal}"),
        }
    }

    /// The next frame of items.
    pub(super) fn next_frame(&mut self) -> anyhow::Result<Option<&[u8]>> {
        if !self.is_attached() {
            return Ok(None);
        }
        self.reader
            .next_frame()
            .context("the state daemon sent what is not a frame")
    }

    /// Whether something waits to be written.
    pub(super) fn has_output(&self) -> bool {
        self.writer.pending_bytes() > 0
    }
}

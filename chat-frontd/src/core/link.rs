//! The worker's side of the RPC: saying hello, coming back, and knowing how long the daemon has been away.

use anyhow::{Context, bail};
use chat_rpc::{FrameReader, FrameWriter, FromWorker, Greeting, Hello, ResumeToken};

/// While more than this waits to be written, clients' requests are kept back.
const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;
/// When the daemon has been away for so long, what did not reach it is refused.
const LOST_MS: u64 = 10_000;

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Away,
    /// Connected; the daemon has not greeted.
    Greeting,
    Attached,
}

/// What the daemon said.
#[derive(Debug)]
pub(super) enum Said<'a> {
    /// It greeted: this worker has a worker session, and had the same one before if `is_again`.
    Attached { is_again: bool },
    /// A frame of items.
    Items(&'a [u8]),
}

/// What is known of the connection to the daemon.
#[derive(Debug)]
pub(super) struct Link {
    stage: Stage,
    reader: FrameReader,
    writer: FrameWriter,
    credential: Option<ResumeToken>,
    /// Since when it has not been attached.
    away_since_ms: Option<u64>,
    is_loss_announced: bool,
}

impl Link {
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            stage: Stage::Away,
            reader: FrameReader::default(),
            writer: FrameWriter::default(),
            credential: None,
            away_since_ms: Some(now_ms),
            is_loss_announced: false,
        }
    }

    pub(super) fn is_attached(&self) -> bool {
        self.stage == Stage::Attached
    }

    /// Whether requests can be taken now.
    pub(super) fn has_room(&self) -> bool {
        self.is_attached() && self.writer.pending_bytes() < MAX_WAITING_BYTES
    }

    pub(super) fn has_output(&self) -> bool {
        self.writer.pending_bytes() > 0
    }

    pub(super) fn output(&mut self) -> &mut FrameWriter {
        &mut self.writer
    }

    /// Whether it was announced to clients that the daemon has been away for long.
    pub(super) fn is_loss_announced(&self) -> bool {
        self.is_loss_announced
    }

    /// Returns whether the loss of the daemon is to be announced now. It is announced once.
    pub(super) fn announce_loss(&mut self, now_ms: u64) -> bool {
        let is_lost = self
            .away_since_ms
            .is_some_and(|since_ms| since_ms + LOST_MS <= now_ms);
        is_lost && !std::mem::replace(&mut self.is_loss_announced, true)
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        if self.is_loss_announced {
            return None;
        }
        self.away_since_ms.map(|since_ms| since_ms + LOST_MS)
    }

    pub(super) fn connected(&mut self) -> anyhow::Result<()> {
        self.stage = Stage::Greeting;
        self.reader = FrameReader::default();
        self.writer = FrameWriter::default();
        let hello = Hello {
            resume: self.credential,
        };
        self.writer.push_frame(&hello.encode()?);
        Ok(())
    }

    pub(super) fn lost(&mut self, now_ms: u64) {
        if self.is_attached() {
            log::warn!("the state daemon is away; clients wait");
        }
        self.stage = Stage::Away;
        self.writer = FrameWriter::default();
        self.away_since_ms.get_or_insert(now_ms);
    }

    /// Adds what is to be said; the daemon must be attached.
    pub(super) fn push(&mut self, item: &FromWorker<'_>) {
        if let FromWorker::Request(item) = item
            && item.request.holds_password()
        {
            self.writer.wipe_when_written();
        }
        if let Err(error) = self.writer.push(item) {
            log::error!("cannot send to the state daemon: {error}");
        }
    }

    /// The worker session of this worker; 0 while no daemon has given it one.
    pub(super) fn worker_session(&self) -> u64 {
        self.credential.as_ref().map_or(0, |it| it.worker_session.0)
    }

    pub(super) fn input(&mut self) -> &mut FrameReader {
        &mut self.reader
    }

    /// What the daemon said next, once all of it has come.
    pub(super) fn next_said(&mut self) -> anyhow::Result<Option<Said<'_>>> {
        let payload = self
            .reader
            .next_frame()
            .context("the state daemon sent what is not a frame")?;
        let Some(payload) = payload else {
            return Ok(None);
        };
        if self.stage == Stage::Attached {
            return Ok(Some(Said::Items(payload)));
        }
        match Greeting::decode(payload).context("cannot read the state daemon's greeting")? {
            Greeting::Attached(credential) => {
                log::info!(
                    "attached to the state daemon (worker session {})",
                    credential.worker_session.0
                );
                self.stage = Stage::Attached;
                self.away_since_ms = None;
                self.is_loss_announced = false;
                let is_again = self.credential.replace(credential).is_some();
                Ok(Some(Said::Attached { is_again }))
            }
            Greeting::Refused(refusal) => bail!("the state daemon refused this worker: {refusal}"),
        }
    }
}

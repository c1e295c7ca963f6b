//! The connections of workers, and what is known of their clients while they are attached.

use std::collections::BTreeMap;

use chat_shared::rpc::{ConnectionSerial, FrameWriter, LifeId, MessageNumber, Progress};

use crate::entry::ConnectionId;

/// Names a worker's connection for the loop and the core.
pub type LinkId = usize;

/// A worker's connection.
#[derive(Debug)]
pub(super) struct Link {
    /// The worker's process, as the kernel says.
    pub(super) pid: u32,
    pub(super) stage: Stage,
    pub(super) output: FrameWriter,
    pub(super) clients: BTreeMap<ConnectionSerial, Client>,
    /// Clients that asked for push.
    pub(super) pushed: std::collections::BTreeSet<ConnectionSerial>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Has not said hello yet; must by then, in boot time.
    Silent { until_ms: u64 },
    /// Waits for its life to be durable.
    Beginning { secret: [u8; 16] },
    /// Speaks for a life.
    Attached(LifeId),
    /// Nothing it says counts any more.
    Closing,
}

/// What is known of a worker's client, for as long as the worker is attached.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// The batch of its last entry.
    pub(super) last_batch: Option<u64>,
    /// What its worker said last.
    pub(super) progress: Progress,
    /// The last message that was sent to the worker for it.
    pub(super) sent_through: MessageNumber,
    /// The worker was told of messages up to here that it has to ask for; nothing is sent unasked until then.
    pub(super) promised_through: Option<MessageNumber>,
    /// The page that waits for its texts to be read.
    pub(super) parked_page: Option<u64>,
    /// Bytes of text pushed that the worker has not said to be written: before and after the mark.
    pub(super) pushed_bytes: PushedBytes,
}

/// How much was pushed to a client and not written yet, to about a window's accuracy.
#[derive(Debug, Default)]
pub(super) struct PushedBytes {
    mark: MessageNumber,
    until_mark: usize,
    after_mark: usize,
}

impl PushedBytes {
    pub(super) fn add(&mut self, bytes: usize) {
        self.after_mark += bytes;
    }

    pub(super) fn total(&self) -> usize {
        self.until_mark + self.after_mark
    }

    /// The worker wrote everything up to `written`; `sent_through` is the last it was sent.
    pub(super) fn written(&mut self, written: MessageNumber, sent_through: MessageNumber) {
        if written >= self.mark {
            self.until_mark = std::mem::take(&mut self.after_mark);
            self.mark = sent_through;
            if written >= sent_through {
                self.until_mark = 0;
            }
        }
    }
}

impl Link {
    pub(super) fn new(pid: u32, until_ms: u64) -> Self {
        Self {
            pid,
            stage: Stage::Silent { until_ms },
            output: FrameWriter::default(),
            clients: BTreeMap::new(),
            pushed: std::collections::BTreeSet::new(),
        }
    }

    pub(super) fn life(&self) -> Option<LifeId> {
        match self.stage {
            Stage::Attached(life) => Some(life),
            _ => None,
        }
    }

    pub(super) fn connection(&self, serial: ConnectionSerial) -> Option<ConnectionId> {
        let life = self.life()?;
        Some(ConnectionId { life, serial })
    }
}

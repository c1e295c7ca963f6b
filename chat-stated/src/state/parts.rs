//! The state in plain parts: what is written down of it, and what it is made of again.

use super::State;
use crate::entry::Limits;

pub(crate) use super::accounts::{AccountRecord, FileStatus};
pub(crate) use super::builder::StateBuilder;
pub(crate) use super::clock::{Clock, StateMs};
pub(crate) use super::failures::{FailureRecord, KeptFailure, Source};
pub(crate) use super::groups::Group;
pub(crate) use super::last_message::LastMessage;
pub(crate) use super::message::{MessageParts, PageNumber, Readers, StoredMessage, Text};
pub(crate) use super::rate::{Allowance, UsedAllowance};
pub(crate) use super::snapshot_sink::SnapshotSink;
pub(crate) use super::worker_sessions::{ConnectionParts, WorkerSessionParts};

/// Everything that is small and changes all the time.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) failures: Vec<KeptFailure>,
    /// The last worker session that ever began; 0 before the first.
    pub(crate) last_worker_session: u64,
    pub(crate) worker_sessions: Vec<WorkerSessionParts>,
    /// Its time is 0 where a program wrote it that counted seconds.
    pub(crate) last_message: LastMessage,
}

impl State {
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// By the time they mean nothing any more.
    pub(crate) fn failures(&self) -> impl ExactSizeIterator<Item = KeptFailure> {
        self.failures.iter()
    }

    /// The last worker session that ever began; 0 before the first.
    pub(crate) fn last_worker_session(&self) -> u64 {
        self.worker_sessions.last()
    }

    pub(crate) fn newest_message(&self) -> LastMessage {
        self.last_message
    }
}

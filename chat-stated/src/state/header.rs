//! What is written down of the state in one piece, because it is small and changes all the time.

use super::State;
use super::clock::Clock;
use super::failures::KeptFailure;
use super::last_message::LastMessage;
use super::rooms::RoomsHeader;
use super::worker_sessions::WorkerSessionParts;
use crate::entry::Limits;

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

    /// What is remembered of all rooms beside each of them; nothing before the first.
    pub(crate) fn rooms_header(&self) -> Option<RoomsHeader> {
        self.rooms.header()
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

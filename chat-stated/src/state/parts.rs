//! The state in plain parts: what is written down of it, and what it is made of again.

use chat_model::{MessageNumber, StreamOffset, WorkerSessionId};

use super::State;
use super::answer::Decision;
use crate::entry::Limits;
use chat_model::AccountId;

pub(crate) use super::accounts::{AccountRecord, FileStatus};
pub(crate) use super::clock::{Clock, StateMs};
pub(crate) use super::failures::{FailureRecord, KeptFailure, Source};
pub(crate) use super::groups::Group;
pub(crate) use super::messages::Readers;
pub(crate) use super::rate::{Allowance, UsedAllowance};

/// Everything that is small and changes all the time.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) failures: Vec<KeptFailure>,
    /// The last worker session that ever began; 0 before the first.
    pub(crate) last_worker_session: u64,
    pub(crate) worker_sessions: Vec<WorkerSessionParts>,
    pub(crate) last_message: MessageNumber,
}

/// A worker session that has not ended.
#[derive(Debug)]
pub(crate) struct WorkerSessionParts {
    pub(crate) id: WorkerSessionId,
    pub(crate) secret: [u8; 16],
    pub(crate) pid: u32,
    /// By rising serial.
    pub(crate) connections: Vec<(chat_model::ConnectionSerial, ConnectionParts)>,
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct ConnectionParts {
    /// The last request that was decided; 0 before the first.
    pub(crate) last_decided: StreamOffset,
    /// The last request whose answer the worker is known to have.
    pub(crate) answered: StreamOffset,
    /// Decisions that the worker may not have, by rising offset.
    pub(crate) decisions: Vec<(StreamOffset, Decision)>,
    pub(crate) account: Option<AccountId>,
}

/// A message without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MessageParts<R = Readers> {
    pub(crate) number: MessageNumber,
    pub(crate) sender: AccountId,
    pub(crate) wall_s: i64,
    pub(crate) text_bytes: u32,
    pub(crate) readers: R,
}

impl State {
    pub(crate) fn header(&self) -> Header {
        Header {
            limits: self.limits,
            clock: self.clock.clone(),
            failures: self.failures.iter().collect(),
            last_worker_session: self.worker_sessions.last(),
            worker_sessions: self.worker_sessions.parts().collect(),
            last_message: self.last_message,
        }
    }
}

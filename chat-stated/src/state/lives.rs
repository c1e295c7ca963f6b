//! The lives of workers, their clients' connections, and the answers those may still ask for again.

use std::collections::{BTreeMap, VecDeque};

use chat_shared::rpc::{ConnectionSerial, LifeId, StreamOffset};
use serde::{Deserialize, Serialize};

use super::answer::Decision;
use crate::entry::{AccountId, ConnectionId};

/// Requests of one connection whose answers the worker may not have yet.
pub const MAX_REQUESTS_IN_FLIGHT: usize = 1_024;

/// A worker from its first hello to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// What the worker must show to attach again.
    pub secret: [u8; 16],
    /// Its process.
    pub pid: u32,
    /// Its clients' connections, as far as they ever did something that is journalled.
    pub(super) connections: BTreeMap<ConnectionSerial, Connection>,
}

/// A client's connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Connection {
    /// Who is logged in.
    pub(super) account: Option<AccountId>,
    /// The last request that was decided.
    last_decided: Option<StreamOffset>,
    /// The last request whose answer the worker is known to have.
    answered: StreamOffset,
    /// Decisions the worker may not have, by rising offset.
    decisions: VecDeque<(StreamOffset, Decision)>,
}

/// Whether a request was decided before.
pub(super) enum Repeat<'a> {
    /// Never seen.
    New,
    /// Decided, and this was it.
    Decided(&'a Decision),
    /// Never decided, though later ones were: the disk had no room for it.
    PassedOver,
    /// Decided, and forgotten because the worker said it had the answer; or too many are in flight.
    Unanswerable,
}

impl Connection {
    pub(super) fn repeat(&self, offset: StreamOffset) -> Repeat<'_> {
        if self.last_decided.is_none_or(|last| offset > last) {
            return if self.decisions.len() < MAX_REQUESTS_IN_FLIGHT {
                Repeat::New
            } else {
                Repeat::Unanswerable
            };
        }
        match self.decisions.binary_search_by_key(&offset, |(at, _)| *at) {
            Ok(index) => Repeat::Decided(&self.decisions[index].1),
            Err(_) if offset > self.answered => Repeat::PassedOver,
            Err(_) => Repeat::Unanswerable,
        }
    }

    pub(super) fn keep(&mut self, offset: StreamOffset, decision: Decision) {
        self.last_decided = Some(offset);
        self.decisions.push_back((offset, decision));
    }

    pub(super) fn forget_through(&mut self, answered: StreamOffset) {
        self.answered = self.answered.max(answered);
        while self
            .decisions
            .front()
            .is_some_and(|(offset, _)| *offset <= answered)
        {
            self.decisions.pop_front();
        }
    }
}

/// All lives that have not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lives {
    last: u64,
    lives: BTreeMap<LifeId, Life>,
}

impl Lives {
    pub(super) fn begin(&mut self, secret: [u8; 16], pid: u32) -> LifeId {
        self.last += 1;
        let id = LifeId(self.last);
        self.lives.insert(
            id,
            Life {
                secret,
                pid,
                connections: BTreeMap::new(),
            },
        );
        id
    }

    pub(super) fn end(&mut self, life: LifeId) -> Option<Life> {
        self.lives.remove(&life)
    }

    pub(super) fn get(&self, life: LifeId) -> Option<&Life> {
        self.lives.get(&life)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LifeId, &Life)> {
        self.lives.iter().map(|(id, life)| (*id, life))
    }

    pub(super) fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.lives.get(&id.life)?.connections.get(&id.serial)
    }

    pub(super) fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.lives
            .get_mut(&id.life)?
            .connections
            .get_mut(&id.serial)
    }

    /// The connection, made if it is not there; `None` if its life has ended.
    pub(super) fn connection_or_new(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let life = self.lives.get_mut(&id.life)?;
        Some(life.connections.entry(id.serial).or_default())
    }

    pub(super) fn close(&mut self, id: ConnectionId) -> Option<Connection> {
        self.lives.get_mut(&id.life)?.connections.remove(&id.serial)
    }
}

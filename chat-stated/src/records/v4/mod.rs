//! Format 4: recipients are a list, and messages have a time in milliseconds that rises with their number.
//!
//! Here is what batches and checkpoints have in common. Once the format is released, this module is frozen: whatever
//! comes is of a format of its own.

pub(crate) mod entry;
pub(crate) mod state;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use chat_model::ConnectionId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use super::v3::{Address, Connection, Limits, Timestamp, WaitingLimits};
use crate::entry as memory;

impl From<memory::Timestamp> for Timestamp {
    fn from(timestamp: memory::Timestamp) -> Self {
        Self {
            wall_ms: timestamp.wall_ms,
            boot_ms: timestamp.boot_ms,
            boot_id: timestamp.boot_id,
        }
    }
}

impl From<ConnectionId> for Connection {
    fn from(connection: ConnectionId) -> Self {
        Self {
            worker_session: connection.worker_session.0,
            serial: connection.serial.0,
        }
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => Self::V6(address.octets()),
        }
    }
}

impl From<memory::Limits> for Limits {
    fn from(limits: memory::Limits) -> Self {
        Self {
            block_time_ms: limits.block_time_ms,
            accounts: limits.accounts,
            queue_messages: limits.queue_messages,
            queue_bytes: limits.queue_bytes,
            sender_share_percent: limits.sender_share_percent,
            broadcast_messages: limits.broadcast_messages,
            broadcast_bytes: limits.broadcast_bytes,
            broadcasts_per_minute: limits.broadcasts_per_minute,
        }
    }
}

impl From<memory::WaitingLimits> for WaitingLimits {
    fn from(limits: memory::WaitingLimits) -> Self {
        Self {
            bytes: limits.bytes,
            sender_percent: limits.sender_percent,
        }
    }
}

/// A list: written down from where it is in memory, read into a vector.
pub(crate) enum List<'a, M, R> {
    InMemory(&'a [M]),
    Read(Vec<R>),
}

impl<'a, M, R: Serialize + From<&'a M>> Serialize for List<'a, M, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::InMemory(items) => serializer.collect_seq(items.iter().map(R::from)),
            Self::Read(records) => serializer.collect_seq(records),
        }
    }
}

impl<'de, M, R: Deserialize<'de>> Deserialize<'de> for List<'_, M, R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::Read)
    }
}

impl<M, R> List<'_, M, R>
where
    M: From<R> + Clone,
{
    /// What is in memory, or will be.
    pub(super) fn into_memory(self) -> Vec<M> {
        match self {
            Self::InMemory(items) => items.to_vec(),
            Self::Read(records) => records.into_iter().map(M::from).collect(),
        }
    }
}

//! Formats 1 to 3. Frozen: what was written in them stays readable, so nothing here may change.
//!
//! Here is what batches and checkpoints have in common. Format 4 has the same types.

pub(crate) mod entry;
pub(crate) mod state;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chat_model::{ConnectionId, ConnectionSerial, WorkerSessionId};
use serde::{Deserialize, Serialize};

use crate::entry as memory;

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Timestamp {
    pub(super) wall_ms: i64,
    pub(super) boot_ms: u64,
    pub(super) boot_id: [u8; 16],
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Connection {
    pub(super) worker_session: u64,
    pub(super) serial: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Limits {
    pub(super) block_time_ms: u64,
    pub(super) accounts: u32,
    pub(super) queue_messages: u32,
    pub(super) queue_bytes: u64,
    pub(super) sender_share_percent: u32,
    pub(super) broadcast_messages: u32,
    pub(super) broadcast_bytes: u64,
    pub(super) broadcasts_per_minute: u32,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Address {
    V4([u8; 4]),
    V6([u8; 16]),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct WaitingLimits {
    pub(super) bytes: u64,
    pub(super) sender_percent: u32,
}

impl From<Timestamp> for memory::Timestamp {
    fn from(timestamp: Timestamp) -> Self {
        Self {
            wall_ms: timestamp.wall_ms,
            boot_ms: timestamp.boot_ms,
            boot_id: timestamp.boot_id,
        }
    }
}

impl From<Connection> for ConnectionId {
    fn from(connection: Connection) -> Self {
        Self {
            worker_session: WorkerSessionId(connection.worker_session),
            serial: ConnectionSerial(connection.serial),
        }
    }
}

impl From<Address> for IpAddr {
    fn from(address: Address) -> Self {
        match address {
            Address::V4(octets) => Self::V4(Ipv4Addr::from(octets)),
            Address::V6(octets) => Self::V6(Ipv6Addr::from(octets)),
        }
    }
}

impl From<Limits> for memory::Limits {
    fn from(limits: Limits) -> Self {
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

impl From<WaitingLimits> for memory::WaitingLimits {
    fn from(limits: WaitingLimits) -> Self {
        Self {
            bytes: limits.bytes,
            sender_percent: limits.sender_percent,
        }
    }
}

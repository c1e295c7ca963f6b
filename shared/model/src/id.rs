//! What things are called: connections, requests, messages, accounts, and how far a reader has come.

use serde::{Deserialize, Serialize};

/// A worker process from its first hello to its death, as the state daemon knows it. Never given to another worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkerSessionId(pub u64);

/// A client connection within a worker session. Rises from connection to connection, with gaps; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionSerial(pub u64);

/// Bytes of a client's stream up to the end of a line. With its connection it names a request: a request that is sent
/// again has the same name.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct StreamOffset(pub u64);

/// Place of a message in the one order of all messages, from 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct MessageNumber(pub u64);

/// How far a reader has come in its queue. Each number stands for itself and all messages before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Handed to the kernel for the client's connection.
    pub sent: MessageNumber,
    /// Acknowledged by the client's TCP: no longer counts against the queue's limit.
    pub acknowledged: MessageNumber,
    /// Confirmed by the client: leaves the queue.
    pub confirmed: MessageNumber,
}

/// A client's connection among those of all worker sessions there ever were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionId {
    /// The worker that holds it.
    pub worker_session: WorkerSessionId,
    /// Its number in that worker.
    pub serial: ConnectionSerial,
}

/// Names a request for ever: where its line ends in its connection's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestName {
    /// Whose line.
    pub connection: ConnectionId,
    /// Where it ends.
    pub offset: StreamOffset,
}

/// Number of an account, from 0 in the order in which accounts were made. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId(pub u32);

/// Number of a room, from 1 in the order in which rooms were made. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RoomId(pub u32);

//! The words of the domain: who there is, what may be said, and what it means.
//!
//! Nothing here knows a protocol, an encoding or a disk. The front end, the state daemon and the tools speak of the same
//! things with these types.

pub mod message;
pub mod name;
pub mod password;
pub mod text;

mod id;

pub use id::{
    AccountId, ConnectionId, ConnectionSerial, MessageNumber, Progress, RequestName, StreamOffset,
    WorkerSessionId,
};

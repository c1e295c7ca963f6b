//! The words of the domain: who there is, what may be said, and what it means.
//!
//! Nothing here knows a protocol, an encoding or a disk. The front end, the state daemon and the tools speak of the
//! same things with these types.

mod id;
pub mod message;
mod message_batch;
pub mod name;
mod name_list;
mod password;
mod push_mode;
mod request;
pub mod text;

pub use id::{
    AccountId, ConnectionId, ConnectionSerial, MessageNumber, Progress, RequestName, StreamOffset,
    WorkerSessionId,
};
pub use message_batch::{BatchedMessage, MAX_BATCHED_MESSAGES, MessageBatch, MessageBatchBuilder};
pub use name_list::{NameList, Names};
pub use password::Password;
pub use push_mode::PushMode;
pub use request::{Audience, Message, Outcome, Request};

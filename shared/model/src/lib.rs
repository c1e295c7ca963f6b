//! The words of the domain: who there is, what may be said, and what it means.
//!
//! Nothing here knows a protocol, an encoding or a disk; [`words`] are those that no account may be named like. The
//! front end, the state daemon and the tools speak of the same things with these types.

mod audience;
mod id;
mod kind;
pub mod message;
mod message_batch;
pub mod name;
mod name_list;
mod outcome;
mod password;
mod push_mode;
mod read_message;
mod request;
pub mod room;
pub mod text;
mod user_session;
pub mod words;

pub use audience::Audience;
pub use id::*;
pub use kind::*;
pub use message_batch::*;
pub use name_list::*;
pub use outcome::Outcome;
pub use password::Password;
pub use push_mode::PushMode;
pub use read_message::{Message, SentTo};
pub use request::{HistorySpan, Request};
pub use room::{RoomAct, Treatment};
pub use user_session::{MAX_NAMED_SESSIONS, SessionName, UserSession};

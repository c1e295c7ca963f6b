//! The RPC between a front-end worker and the state daemon, over a Unix stream socket.
//!
//! Both directions carry frames: a length (`u32`, little endian), then that many bytes. The first frame of
//! each side is a greeting ([`Hello`], [`Greeting`]). Every later frame is one or more [`FromWorker`] or
//! [`ToWorker`] items behind one another, so that all that became ready in one turn travels in one write.

mod frame;
mod greeting;
mod item;

pub use frame::{FrameError, FrameReader, FrameWriter, MAX_FRAME_BYTES, decode_items};
pub use greeting::{Greeting, Hello, HelloError, Refusal, ResumeToken, VERSION};
pub use item::{FromWorker, RequestItem, ResumedConnection, SendBatch, ToWorker, UsersRequest};

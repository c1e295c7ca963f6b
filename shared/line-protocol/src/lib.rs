//! The line protocol, which clients speak over TCP. `docs/protocol.md` is the full description.
//!
//! Both ends, without I/O: [`server`] makes requests of a client's lines and lines of what comes of them; [`client`]
//! writes the lines and understands the answers. Nothing outside this crate and the front end's dialect of the same
//! name knows a word of it.

mod answer;
pub mod client;
mod command;
pub mod server;

pub use chat_model::words;
pub use command::{COMMANDS, Command, CommandUsage};

/// Largest line a client may send by default, in bytes, its line end included.
pub const DEFAULT_MAX_LINE_BYTES: usize = 8192;

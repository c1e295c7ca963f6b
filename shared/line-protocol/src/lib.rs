//! The line protocol, which clients speak over TCP. `docs/protocol.md` is the full description.
//!
//! Nothing outside this crate and the front end's dialect of the same name knows a word of it.

pub mod words;

/// Largest line a client may send by default, in bytes, its line end included.
pub const DEFAULT_MAX_LINE_BYTES: usize = 8192;

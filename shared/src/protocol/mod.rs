//! The parts of the line protocol that more than one program must agree on.
//! `docs/protocol.md` is the full description.

pub mod message;
pub mod name;
pub mod text;
pub mod words;

/// Largest line a client may send by default, in bytes, its line end included.
pub const DEFAULT_MAX_LINE_BYTES: usize = 8192;

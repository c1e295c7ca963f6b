//! The one tree of settings: what both daemons can be told by flags and environment variables, with types, bounds,
//! defaults and help texts. Every program knows the whole tree. What the daemons do with a value is theirs.

pub mod front_end;
pub mod listen_address;
pub mod state;

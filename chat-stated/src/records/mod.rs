//! What journal and checkpoint write down: record types of each format, in a module of its own, and how they become what
//! is in memory.
//!
//! A module of a format that was released is frozen, types, order of fields and all. So what is in memory can change as it
//! likes, and what is on the disk stays readable.

pub(crate) mod encoding;
pub(crate) mod v3;

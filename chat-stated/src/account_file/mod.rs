//! The account file, `user_pass.txt`: where operators see, add and change accounts, and where the daemon
//! appends those that were registered. The state decides; the file follows, and its changes become entries.

pub mod acceptance;
pub mod accepted;
pub mod append;
pub mod create;
pub mod difference;
pub mod disable;
pub mod format;
mod names_in_file;
pub mod read;
pub mod rewrite;
pub mod writer;

//! Processes as the kernel knows them: their identities and handles, pid files and locks, signals, the descriptors that
//! a process starts with, and how one becomes a background process.

pub mod detach;
pub mod identity;
pub mod inherited_fd;
pub mod lock_holder;
pub mod pid_file;
pub mod pidfd;
pub mod signals;
pub mod standard_streams;
pub mod wake_stream;

//! What a program of chatserv is on a host: how it starts, how it is supervised, confined and stopped, its settings,
//! its logs, and what the system allows it. Knows neither the protocol nor the state.
// It panics if the error output cannot be written: see `logs::output::complain`.
#![warn(clippy::print_stderr)]

/// The version of all programs; release builds name their commit: `0.1.0 (commit 6df7733bd1c2)`.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("CHAT_SHOWN_COMMIT"));

pub mod boot_clock;
pub mod control;
pub mod crash_point;
pub mod daemon;
pub mod files;
pub mod limits;
pub mod logs;
pub mod metrics;
pub mod process;
pub mod sandbox;
pub mod settings;
pub mod supervisor;

//! A deterministic simulation of chatserv.
//!
//! The state machine, the daemon's core, the workers' core with its sessions, their RPC, and the fleets by which the
//! parents of both decide are the real ones. Clocks, networks, disks, password hashes and the deaths of processes are
//! simulated, from one seed: the same seed gives the same run. After every step what the protocol promises is checked,
//! and that whatever died is soon replaced.

mod account_file;
mod client;
mod daemon;
mod disk;
mod history_file;
mod oracle;
mod parent;
mod pipe;
mod report;
mod tcp;
mod worker;
mod world;

pub use report::{Report, Violation};
pub use world::run;

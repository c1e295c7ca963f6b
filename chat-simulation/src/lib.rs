//! A deterministic simulation of chatserv.
//!
//! The state machine, the daemon's core, the workers' core with its sessions, and their RPC are the real ones. Clocks,
//! networks, disks, password hashes and the deaths of processes are simulated, from one seed: the same seed gives the
//! same run. After every step what the protocol promises is checked.

mod account_file;
mod client;
mod daemon;
mod disk;
mod oracle;
mod pipe;
mod tcp;
mod worker;
mod world;

pub use world::{Report, Violation, run};

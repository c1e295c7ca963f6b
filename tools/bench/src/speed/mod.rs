//! How fast the server is: one subcommand a kind of work, each with its figures from several runs.

pub mod accounts;
pub mod asking;
pub mod attack;
pub mod attackers;
pub mod deliveries;
pub mod dialect;
pub mod fan_out;
pub mod floors;
pub mod gathering;
pub mod hearing;
pub mod idle;
pub mod latency;
pub mod logins;
pub mod measurement;
pub mod offline;
pub mod page;
pub mod peer;
pub mod person;
pub mod placement;
pub mod progress;
pub mod queued;
pub mod relay;
pub mod rooms;
pub mod setup;
pub mod target;
pub mod traffic;

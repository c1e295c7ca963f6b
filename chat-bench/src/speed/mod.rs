//! How fast the server is: one subcommand a kind of work, each with its figures from several runs.

pub mod deliveries;
pub mod dialect;
pub mod gathering;
pub mod measurement;
pub mod placement;
pub mod progress;
pub mod relay;
pub mod setup;
pub mod target;

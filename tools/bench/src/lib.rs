//! Clients by the thousand, to load a chat server with, and what is done with them.
// See `chat_node::logs::output`.
#![warn(clippy::print_stderr)]

pub mod client_addresses;
pub mod crash;
pub mod crowd;
pub mod footprint;
pub mod hot_paths;
pub mod installation;
pub mod json_object;
pub mod machine;
pub mod outage;
pub mod payload;
pub mod process_tree;
pub mod random;
pub mod run_options;
pub mod soak;
pub mod socket_owner;
pub mod speed;
pub mod startup;
pub mod strict_client;
pub mod verdict;

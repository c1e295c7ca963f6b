//! TLS apart from connections: certificate and key, ticket keys, and how they reach the workers.
//!
//! The master reads and checks the files. The workers receive the content over their links, and open no files.

pub mod chain;
pub mod configuration;
pub mod identity;
pub mod key_kind;
pub mod names;
pub mod pem_file;
pub mod server_config;
pub mod tickets;
pub mod validity;

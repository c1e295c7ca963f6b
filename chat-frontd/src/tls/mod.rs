//! What TLS needs beside the connections: certificate and key, ticket keys, and how the workers come by them.
//!
//! The master reads the files and checks them; the workers get what is in them over their links, and open no file.

pub mod chain;
pub mod configuration;
pub mod identity;
pub mod key_kind;
pub mod names;
pub mod pem_file;
pub mod server_config;
pub mod tickets;
pub mod validity;

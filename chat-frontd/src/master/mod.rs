//! The master, which is the parent of the workers. Besides supervising them, it opens the sockets that they share,
//! pushes the TLS configuration to them, and probes the server for `--status`. It reads no bytes of clients.

pub mod activation;
pub mod listen;
pub mod listened;
pub mod probe;
pub mod tls_configuration;
mod tls_probe;

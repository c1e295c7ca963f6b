//! What the parent of the workers does beside supervising them: it opens the sockets that they share, and looks, when
//! asked, whether clients are served. It reads no client's byte.

pub mod address;
pub mod listen;
pub mod listened;
pub mod probe;
pub mod tls_configuration;
mod tls_probe;

//! The layer of TLS as it can be fuzzed from outside.

use std::sync::Arc;

use rustls::{Error, ServerConfig};

use super::tls_layer::TlsLayer;

/// The server's side of one connection, used as a worker uses it.
pub struct TlsServer(TlsLayer);

impl TlsServer {
    /// Before the first byte.
    pub fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        TlsLayer::new(config).map(Self)
    }

    /// Whether the handshake is not done yet.
    pub fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Whether the peer said that nothing more comes.
    pub fn has_close_notify(&self) -> bool {
        self.0.has_close_notify()
    }

    /// Bytes came; what they say goes to `plain`. After an error nothing else is called but [`Self::take_outgoing`].
    pub fn receive(&mut self, bytes: &mut [u8], plain: &mut Vec<u8>) -> Result<(), Error> {
        self.0.receive(bytes, plain)
    }

    /// What is to be written, all of which the kernel takes, and the peer acknowledges.
    pub fn take_outgoing(&mut self) -> Vec<u8> {
        let outgoing = self.0.outgoing().to_vec();
        self.0.wrote(outgoing.len());
        assert_eq!(self.0.unacknowledged_plaintext(0), 0);
        outgoing
    }

    /// Says something, if nothing else waits to be written; how much of it.
    pub fn say(&mut self, plain: &[u8]) -> Result<usize, Error> {
        if plain.is_empty() || !self.0.outgoing().is_empty() {
            return Ok(0);
        }
        self.0.encrypt(plain)?;
        Ok(plain.len().min(16 * 1024))
    }

    /// Says that nothing more comes.
    pub fn send_close_notify(&mut self) -> Result<(), Error> {
        self.0.send_close_notify()
    }
}

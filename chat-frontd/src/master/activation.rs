//! Listening sockets that a service manager opened before it started this process (socket activation). They are used
//! in the place of sockets that the settings name, so the settings stay the one place for addresses.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, ensure};
use chat_node::process::inherited_fd;

/// Sockets that were passed to this process and are not used yet.
#[derive(Debug, Default)]
pub struct ActivatedSockets(Vec<(SocketAddr, TcpListener)>);

impl ActivatedSockets {
    /// Takes the sockets that were passed to this process; there are none without socket activation.
    pub fn take() -> anyhow::Result<Self> {
        let context = "cannot use the sockets of the service manager (LISTEN_FDS)";
        let fds = sd_notify::listen_fds().context(context)?;
        let sockets = fds.map(|fd| {
            let listener = TcpListener::from(inherited_fd::take(fd)?);
            Ok((listener.local_addr()?, listener))
        });
        let sockets: anyhow::Result<Vec<_>> = sockets.collect();
        sockets.context(context).map(Self)
    }

    /// The socket that listens on `address`, if there is one.
    pub fn remove(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let index = self.0.iter().position(|(own, _)| *own == address)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Fails if a socket is left: clients would connect to it, and nobody would answer.
    pub fn expect_none_left(&self) -> anyhow::Result<()> {
        let left: Vec<String> = self.0.iter().map(|(own, _)| own.to_string()).collect();
        ensure!(
            left.is_empty(),
            "the service manager listens on {}, which no setting names: name it in listen or listen_tls, or remove it \
             from the socket unit",
            left.join(", ")
        );
        Ok(())
    }
}

//! What the master hands to this worker for TLS, now and whenever it changes.

use std::io::{ErrorKind, Read};
use std::sync::Arc;

use anyhow::{Context, bail};
use chat_node::supervisor::child_configuration::Inbox;
use rustls::server::ServerConfig;
use zeroize::Zeroize;

use crate::tls::configuration::TlsConfiguration;
use crate::tls::server_config::server_config;

/// What new TLS connections are begun with.
#[derive(Default)]
pub(super) struct TlsSetup {
    inbox: Inbox,
    current: Option<Current>,
}

struct Current {
    first_tls_listener: usize,
    config: Option<Arc<ServerConfig>>,
}

impl TlsSetup {
    /// Reads all that has come from the master, whose stream does not block. Fails if the master is gone.
    pub(super) fn read(&mut self, master: &mut impl Read) -> anyhow::Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            match master.read(&mut buffer) {
                Ok(0) => bail!("the master is gone"),
                Ok(bytes) => self.inbox.take(&buffer[..bytes]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("the master is gone"),
            }
        }
        buffer.zeroize();
        while let Some(configuration) = self.inbox.next_configuration()? {
            let configuration =
                TlsConfiguration::decode(&configuration).context("the master sends nonsense")?;
            self.take(&configuration)?;
        }
        Ok(())
    }

    fn take(&mut self, configuration: &TlsConfiguration) -> anyhow::Result<()> {
        let config = configuration
            .identity
            .as_ref()
            .map(|identity| server_config(identity, &configuration.ticket_keys))
            .transpose()
            .context("the master's certificate and key cannot be used")?;
        if self.current.is_some() && config.is_some() {
            log::info!("new TLS connections use what the master has handed out now");
        }
        self.current = Some(Current {
            first_tls_listener: configuration.first_tls_listener as usize,
            config,
        });
        Ok(())
    }

    /// Whether the master has said which sockets are for TLS, and with what.
    pub(super) fn is_complete(&self) -> bool {
        self.current.is_some()
    }

    /// What connections of the listener of this index are begun with; `None` if they are plain.
    pub(super) fn config_of(&self, listener: usize) -> Option<&Arc<ServerConfig>> {
        let current = self.current.as_ref()?;
        current
            .config
            .as_ref()
            .filter(|_| listener >= current.first_tls_listener)
    }
}

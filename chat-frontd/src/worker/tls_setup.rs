//! What the master hands to this worker for TLS, now and whenever it changes.

use std::sync::Arc;

use anyhow::Context;
use rustls::server::ServerConfig;

use crate::tls::configuration::TlsConfiguration;
use crate::tls::server_config::server_config;

/// What new TLS connections are begun with.
#[derive(Default)]
pub(super) struct TlsSetup {
    current: Option<Current>,
}

struct Current {
    first_tls_listener: usize,
    config: Option<Arc<ServerConfig>>,
}

impl TlsSetup {
    /// Takes what the master has handed out.
    pub(super) fn take(&mut self, configuration: &[u8]) -> anyhow::Result<()> {
        let configuration =
            TlsConfiguration::decode(configuration).context("the master sends nonsense")?;
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

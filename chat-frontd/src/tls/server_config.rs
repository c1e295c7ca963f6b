//! The TLS configuration of the server side.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;

use super::identity::{Identity, provider};
use super::tickets::{TicketKey, Tickets};

/// TLS 1.2 and 1.3, without client certificates and without 0-RTT data, which an attacker could replay to send a
/// message twice.
pub fn server_config(
    identity: &Identity,
    ticket_keys: &[TicketKey],
) -> anyhow::Result<Arc<ServerConfig>> {
    let provider = provider();
    let key = identity.certified_key(&provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("cannot set up TLS")?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    let tickets =
        Tickets::new(ticket_keys).map_err(|_| anyhow!("the ticket keys cannot be used"))?;
    config.ticketer = Arc::new(tickets);
    Ok(Arc::new(config))
}

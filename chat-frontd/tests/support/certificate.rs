//! Certificates for tests, and clients that trust them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// What the server calls itself in tests.
pub(crate) const SERVER_NAME: &str = "chat.example";

/// A self-signed certificate and its key, in files.
pub(crate) struct Certificate {
    pub(crate) certificate_file: PathBuf,
    pub(crate) key_file: PathBuf,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// Makes one for [`SERVER_NAME`] in `dir`, in the place of one that is there.
    pub(crate) fn make(dir: &Path) -> Self {
        Self::make_for(dir, [SERVER_NAME.to_owned()])
    }

    /// The same, for these names or addresses.
    pub(crate) fn make_for(dir: &Path, names: impl Into<Vec<String>>) -> Self {
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate can be made");
        let certificate_file = dir.join("cert.pem");
        let key_file = dir.join("key.pem");
        fs::write(&certificate_file, made.cert.pem()).expect("a file can be written");
        fs::write(&key_file, made.signing_key.serialize_pem()).expect("a file can be written");
        Self {
            certificate_file,
            key_file,
            der: made.cert.der().clone(),
        }
    }

    /// The settings of a server that shows it at `listen`, and listens nowhere else.
    pub(crate) fn settings(&self, listen: &str) -> Vec<(String, String)> {
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            setting("CHAT_LISTEN", "none"),
            setting("CHAT_LISTEN_TLS", listen),
            setting("CHAT_TLS_CERT", &self.certificate_file.to_string_lossy()),
            setting("CHAT_TLS_KEY", &self.key_file.to_string_lossy()),
        ]
    }

    /// Clients that trust it, and nothing else, and speak these versions.
    pub(crate) fn client(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        client_that_trusts(self.der.clone(), versions)
    }
}

/// Clients that trust this certificate and nothing else.
pub(crate) fn client_that_trusts(
    certificate: CertificateDer<'static>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut trusted = RootCertStore::empty();
    trusted.add(certificate).expect("it is a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("these versions are known")
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Arc::new(config)
}

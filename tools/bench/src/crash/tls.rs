//! What the storm's own installation needs to speak TLS beside the plain protocol.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use anyhow::Context;
use tempfile::TempDir;

use super::reader_process::TlsAddress;
use crate::installation::free_address;

/// An address, and a certificate for it.
#[derive(Debug)]
pub(super) struct TlsSetup {
    dir: TempDir,
    address: SocketAddr,
}

impl TlsSetup {
    pub(super) fn make() -> anyhow::Result<Self> {
        let setup = Self {
            dir: tempfile::tempdir().context("cannot make a directory for the certificate")?,
            address: free_address()?,
        };
        let names = [setup.address.ip().to_string()];
        let made = rcgen::generate_simple_self_signed(names)?;
        for (file, content) in [
            (setup.certificate_file(), made.cert.pem()),
            (setup.key_file(), made.signing_key.serialize_pem()),
        ] {
            let mut options = OpenOptions::new();
            let options = options.write(true).create_new(true).mode(0o600);
            options.open(file)?.write_all(content.as_bytes())?;
        }
        Ok(setup)
    }

    fn certificate_file(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    fn key_file(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }

    /// Flags of the front end.
    pub(super) fn flags(&self) -> Vec<String> {
        vec![
            format!("--listen-tls={}", self.address),
            format!("--tls-cert={}", self.certificate_file().display()),
            format!("--tls-key={}", self.key_file().display()),
        ]
    }

    /// Where readers connect.
    pub(super) fn address(&self) -> TlsAddress {
        TlsAddress {
            address: self.address,
            certificate_file: self.certificate_file(),
        }
    }
}

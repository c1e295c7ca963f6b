//! TLS over the connection. The server's certificate is verified before anything is sent.

use std::env;
use std::fmt::Display;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_node::files::text_file;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, RootCertStore,
};

/// The error if the first bytes of the server are no TLS.
const NOT_TLS: &str = "the server does not speak TLS on this port; try another port, or omit --tls";

/// The client's side of TLS.
pub(crate) struct Tls {
    connection: ClientConnection,
}

impl Tls {
    /// Does the handshake. The error contains advice.
    pub(crate) fn connect(
        stream: &mut TcpStream,
        host: &str,
        config: ClientConfig,
        timeout: Duration,
    ) -> Result<Tls, String> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("{host} is not a valid name for a certificate"))?;
        let connection = ClientConnection::new(Arc::new(config), name)
            .map_err(|error| format!("cannot start TLS: {error}"))?;
        let mut tls = Tls { connection };
        tls.shake_hands(stream, timeout)
            .map_err(|error| format!("no TLS with {host}: {}", explain(&error, host)))?;
        Ok(tls)
    }

    fn shake_hands(&mut self, stream: &mut TcpStream, timeout: Duration) -> io::Result<()> {
        let deadline = Instant::now() + timeout;
        while self.connection.is_handshaking() {
            self.flush(stream)?;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            stream.set_read_timeout(Some(left))?;
            if !self.connection.wants_read() {
                continue;
            }
            match self.take_in(stream) {
                // SIGSTOP and SIGCONT interrupt a read that has a time limit.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => result?,
            }
        }
        stream.set_read_timeout(None)?;
        self.flush(stream)
    }

    /// Reads once from the stream.
    fn take_in(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        if self.connection.read_tls(stream)? == 0 && self.connection.is_handshaking() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if let Err(error) = self.connection.process_new_packets() {
            // Sends the alert to the server. The reason is reported here even if that fails.
            let _ = self.flush(stream);
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        Ok(())
    }

    fn flush(&mut self, stream: &mut impl Write) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(stream) {
                // Writes have a time limit, too.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => drop(result?),
            }
        }
        Ok(())
    }

    /// Sends all of `bytes`.
    pub(crate) fn send(&mut self, stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        self.connection.writer().write_all(bytes)?;
        self.flush(stream)
    }

    /// Reads once from the stream; 0 bytes after the server's close notification.
    pub(crate) fn read(&mut self, stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        // Bytes that arrived with the end of the handshake are available already. The buffer has space for all of them.
        if let Some(bytes) = self.read_plain(buffer)? {
            return Ok(bytes);
        }
        self.take_in(stream)?;
        self.flush(stream)?;
        match self.read_plain(buffer)? {
            Some(bytes) => Ok(bytes),
            None => Err(ErrorKind::Interrupted.into()),
        }
    }

    fn read_plain(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.connection.reader().read(buffer) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                "the stream was cut off: the server did not announce its end",
            )),
            Err(error) => Err(error),
        }
    }

    /// Sends the close notification.
    pub(crate) fn send_close_notify(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        self.connection.send_close_notify();
        self.flush(stream)
    }
}

/// Trusts the certificates of the system and those in the file `ca`.
pub(crate) fn config(ca: Option<&Path>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("cannot set up TLS: {error}"))?
        .with_root_certificates(trusted(ca)?)
        .with_no_client_auth())
}

fn trusted(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let mut trusted = RootCertStore::empty();
    trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = env::var_os("SSL_CERT_FILE") {
        // The library reads this file, too, but ignores errors.
        trusted.add_parsable_certificates(certificates_in(Path::new(&path))?);
    }
    if let Some(path) = ca {
        for certificate in certificates_in(path)? {
            trusted.add(certificate).map_err(|error| {
                format!("cannot use a certificate in {}: {error}", path.display())
            })?;
        }
    }
    if trusted.is_empty() {
        return Err("this system has no trusted certificates: use --ca FILE".to_owned());
    }
    Ok(trusted)
}

/// All certificates of a file. It is an error if one of them is damaged.
fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let cannot = |error: &dyn Display| format!("cannot read the certificates in {shown}: {error}");
    let bytes = fs::read(path).map_err(|error| cannot(&error))?;
    let pem = text_file::pem(&bytes).map_err(|error| cannot(&error))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| cannot(&error))?;
    let is_beginning = |line: &&[u8]| {
        let is_for = |label: &[u8]| line.windows(label.len()).any(|part| part == label);
        is_for(b"-----BEGIN ") && is_for(b"CERTIFICATE-----")
    };
    let begun = text_file::lines(&pem).filter(is_beginning).count();
    match certificates.len() {
        0 => Err(format!(
            "there is no certificate in {shown} (PEM form is needed)"
        )),
        found if found < begun => Err(cannot(&format_args!(
            "only {found} of {begun} are valid (PEM, -----BEGIN CERTIFICATE-----)"
        ))),
        _ => Ok(certificates),
    }
}

/// Describes a handshake error, with advice.
fn explain(error: &io::Error, host: &str) -> String {
    let tls_error = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    match tls_error {
        Some(Error::InvalidCertificate(error)) => explain_certificate(error, host),
        Some(Error::InvalidMessage(_)) => NOT_TLS.to_owned(),
        Some(Error::AlertReceived(AlertDescription::HandshakeFailure)) => {
            "the server and this client share no encryption method".to_owned()
        }
        Some(error) => error.to_string(),
        None if error.kind() == ErrorKind::UnexpectedEof => {
            "the server closed the connection".to_owned()
        }
        None => crate::connection::reason(error),
    }
}

fn explain_certificate(error: &CertificateError, host: &str) -> String {
    match error {
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<String> = presented.iter().map(|name| readable(name)).collect();
            match names.is_empty() {
                true => format!("the certificate names no host, so it is not valid for {host}"),
                false => format!("the certificate is for {}, not for {host}", names.join(", ")),
            }
        }
        CertificateError::NotValidForName => format!("the certificate is not for {host}"),
        // BadSignature: a certificate with the same name is trusted, but with another key. Self-signed certificates may
        // share one name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the certificate is not trusted: its issuer is unknown to this system. If it is the right one, get \
             the certificate of the CA that issued it over a channel you trust, and pass it with --ca FILE. The \
             server's own certificate helps only if it is self-signed"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired (or this machine's clock is wrong)".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet (or this machine's clock is wrong)".to_owned()
        }
        CertificateError::Other(error) if error.to_string().contains("CaUsedAsEndEntity") => {
            "the certificate belongs to a CA and not to a server (scripts/make-cert makes one for a server)".to_owned()
        }
        error => format!("the certificate cannot be used: {error}"),
    }
}

/// The name within `DnsName("chat.example")` or `IpAddress(::1)`.
fn readable(presented: &str) -> String {
    let inner = presented
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .unwrap_or(presented);
    crate::safe_text::safe(inner.trim_matches('"').as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes one byte at a time, each after a signal.
    #[derive(Default)]
    struct Disturbed {
        taken: Vec<u8>,
        is_due: bool,
    }

    impl Write for Disturbed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.is_due = !self.is_due;
            if self.is_due {
                return Err(ErrorKind::Interrupted.into());
            }
            self.taken.push(bytes[0]);
            Ok(1)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn interrupted_write_is_no_failure() {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let name = ServerName::try_from("chat.example").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut tls = Tls { connection };
        let mut stream = Disturbed::default();
        tls.flush(&mut stream).unwrap();
        assert!(!tls.connection.wants_write());
        assert_eq!(stream.taken[..2], [22, 3], "the beginning of a handshake");
    }
}

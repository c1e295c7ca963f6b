//! The TLS configuration that the master pushes to its workers: certificate and key from their files, and ticket keys.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use chat_node::control::reload_result::ReloadResult;
use chat_node::files::regular_file;
use chat_node::logs::wall_clock;
use chat_node::supervisor::child_configuration::ChildConfiguration;
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::tls::chain;
use crate::tls::configuration::TlsConfiguration;
use crate::tls::identity::{Identity, provider};
use crate::tls::names::names;
use crate::tls::tickets::{KEY_LIFETIME_S, TicketKey};
use crate::tls::validity::Validity;

/// Longest file of certificates or of a key, in bytes.
const MAX_FILE_BYTES: u64 = 128 * 1024;

/// The files of certificate and key.
#[derive(Clone, Debug)]
pub struct IdentityFiles {
    /// PEM file with the server's certificate, followed by the intermediate certificates.
    pub certificate: PathBuf,
    /// PEM file with the key, not encrypted.
    pub key: PathBuf,
}

impl IdentityFiles {
    /// Fails if the files cannot be read, or do not match.
    pub fn check(&self) -> anyhow::Result<()> {
        self.read().map(|_| ())
    }

    /// Reads both files, and checks that they match.
    fn read(&self) -> anyhow::Result<Identity> {
        let identity = Identity {
            certificates_pem: read(&self.certificate, "certificate")?.to_vec(),
            key_pem: read(&self.key, "key")?,
        };
        identity.certified_key(&provider()).with_context(|| {
            let certificate = self.certificate.display();
            let key = self.key.display();
            format!("cannot use the certificate {certificate} with the key {key}")
        })?;
        Ok(identity)
    }

    /// Logs the names of the certificate and its problems. In the returned result, a certificate that no client accepts
    /// is an error.
    fn report(&self, identity: &Identity) -> ReloadResult {
        let path = self.certificate.display();
        let chain = identity.chain(&provider());
        let chain = chain.map_err(|error| format!("the certificate {path}: {error}"))?;
        let own = &chain.certificates[0];
        let names = names(own);
        let validity = Validity::of(own);
        let until = validity.map_or(String::new(), |v| format!(", valid until {}", v.not_after));
        let mut summary = format!(
            "the certificate {path} is for [{}]{until}",
            names.join(", ")
        );
        log::info!("{summary}");
        if chain.was_reordered {
            log::warn!(
                "the certificates in {path} are in the wrong order; clients receive them in the right order"
            );
        }
        if names.is_empty() {
            log::warn!(
                "the certificate {path} names no host and no address, so no client accepts it"
            );
        }
        if let ([_], Some(issuer)) = (&chain.certificates[..], chain::issuer(own)) {
            let hint = format!(
                "the certificate of its issuer {issuer} does not follow: clients that do not know {issuer} refuse it"
            );
            log::warn!("the certificate {path}: {hint}");
            summary = format!("{summary}; {hint}");
        }
        self.warn_of_open_key();
        let now = wall_clock::now();
        if let Some(warning) = validity.and_then(|v| v.warning(now)) {
            let warning =
                format!("the certificate {path} {warning}: replace it, then run scripts/reload");
            log::warn!("{warning}");
            if validity.is_some_and(|v| v.fault(now).is_some()) {
                return Err(warning);
            }
        }
        Ok(summary)
    }

    fn warn_of_open_key(&self) {
        let key = self.key.display();
        match self
            .key
            .metadata()
            .map(|metadata| metadata.permissions().mode())
        {
            Ok(mode) if mode & 0o007 != 0 => {
                let mode = mode & 0o777;
                log::warn!(
                    "all users of this host can read the key {key} (mode {mode:o}): chmod 600 {key}"
                );
            }
            _ => {}
        }
    }
}

/// Why no client accepts the certificate now, if there is a known reason.
fn fault(identity: &Identity) -> Option<String> {
    validity_of(identity)?.fault(wall_clock::now())
}

/// The validity period of the server's own certificate.
fn validity_of(identity: &Identity) -> Option<Validity> {
    let chain = identity.chain(&provider()).ok()?;
    Validity::of(chain.certificates.first()?)
}

fn read(path: &Path, what: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let shown = path.display();
    let error = || format!("cannot read the {what} {shown}");
    let file = regular_file::open(path).with_context(error)?;
    // Allocated at full size: a growing buffer would leave copies that are not wiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES as usize + 1));
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(error)?;
    ensure!(
        bytes.len() as u64 <= MAX_FILE_BYTES,
        "the {what} {shown} has more than {MAX_FILE_BYTES} bytes"
    );
    Ok(bytes)
}

/// The source of the TLS configuration.
pub struct TlsConfigurationSource {
    files: Option<IdentityFiles>,
    configuration: TlsConfiguration,
    /// Of the certificate in use.
    validity: Option<Validity>,
    /// The result of the last reload.
    reload_result: ReloadResult,
    /// When the ticket keys are replaced; set at the first call of `at`.
    next_key_ms: Option<u64>,
}

impl TlsConfigurationSource {
    /// Reads the files, if TLS is used. The listening sockets from `first_tls_listener` on are for TLS.
    pub fn new(first_tls_listener: u32, files: Option<IdentityFiles>) -> anyhow::Result<Self> {
        let (identity, reload_result) = match &files {
            Some(files) => {
                let identity = files.read()?;
                let result = files.report(&identity);
                (Some(identity), result)
            }
            None => (
                None,
                Ok("TLS is off, so there are no files to read".to_owned()),
            ),
        };
        let ticket_keys = match &files {
            Some(_) => vec![new_key()?],
            None => Vec::new(),
        };
        Ok(Self {
            files,
            validity: identity.as_ref().and_then(validity_of),
            configuration: TlsConfiguration {
                first_tls_listener,
                identity,
                ticket_keys,
            },
            reload_result,
            next_key_ms: None,
        })
    }
}

impl TlsConfigurationSource {
    /// Refuses to replace a certificate that clients accept by one that they do not accept.
    fn refuse_worse(&self, files: &IdentityFiles, new: Identity) -> Result<Identity, String> {
        let current = self.configuration.identity.as_ref();
        let is_current_fine = current.is_some_and(|current| fault(current).is_none());
        match fault(&new) {
            Some(fault) if is_current_fine => {
                let path = files.certificate.display();
                Err(format!("the certificate {path} {fault}"))
            }
            _ => Ok(new),
        }
    }
}

fn new_key() -> anyhow::Result<TicketKey> {
    TicketKey::random()
        .map_err(|_| anyhow!("cannot create a key: the system provides no random numbers"))
}

impl ChildConfiguration for TlsConfigurationSource {
    fn current(&self) -> Zeroizing<Vec<u8>> {
        self.configuration.encode()
    }

    fn reload(&mut self) -> bool {
        let Some(files) = &self.files else {
            return false;
        };
        let read = files.read().map_err(|error| format!("{error:#}"));
        match read.and_then(|identity| self.refuse_worse(files, identity)) {
            Ok(identity) => {
                self.reload_result = files.report(&identity);
                self.validity = validity_of(&identity);
                self.configuration.identity = Some(identity);
                true
            }
            Err(error) => {
                let failure = format!("{error}; the old certificate and key stay in use");
                log::error!("{failure}");
                self.reload_result = Err(failure);
                false
            }
        }
    }

    fn reload_result(&self) -> &ReloadResult {
        &self.reload_result
    }

    fn certificate_end(&self) -> Option<Timestamp> {
        Some(self.validity?.not_after)
    }

    fn warning(&self, now: Timestamp) -> Option<String> {
        let path = self.files.as_ref()?.certificate.display();
        let warning = self.validity?.warning(now)?;
        Some(format!(
            "the certificate {path} {warning}: replace it, then run scripts/reload"
        ))
    }

    fn at(&mut self, clock_ms: u64) -> bool {
        const LIFETIME_MS: u64 = KEY_LIFETIME_S as u64 * 1_000;
        if self.files.is_none() {
            return false;
        }
        let due_ms = *self.next_key_ms.get_or_insert(clock_ms + LIFETIME_MS);
        if clock_ms < due_ms {
            return false;
        }
        self.next_key_ms = Some(clock_ms + LIFETIME_MS);
        match new_key() {
            Ok(key) => {
                let keys = &mut self.configuration.ticket_keys;
                keys.truncate(1);
                keys.insert(0, key);
                true
            }
            Err(error) => {
                log::error!("{error:#}; the old key for session tickets stays in use");
                false
            }
        }
    }

    fn next_due_ms(&self) -> Option<u64> {
        self.next_key_ms
    }
}

impl fmt::Debug for TlsConfigurationSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsConfigurationSource({:?})", self.files)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;
    use crate::tls::chain::testing::{Made, issued, valid_in};
    use crate::tls::identity::testing::identity;

    fn write(files: &IdentityFiles, identity: &Identity) {
        fs::write(&files.certificate, &identity.certificates_pem).unwrap();
        fs::write(&files.key, &identity.key_pem).unwrap();
    }

    #[test]
    fn previous_ticket_key_stays_valid() {
        let dir = tempfile::tempdir().unwrap();
        let files = IdentityFiles {
            certificate: dir.path().join("cert.pem"),
            key: dir.path().join("key.pem"),
        };
        write(&files, &identity("a.example"));
        let mut tls_configuration = TlsConfigurationSource::new(0, Some(files)).unwrap();
        let lifetime_ms = u64::from(KEY_LIFETIME_S) * 1_000;
        let keys = |tls_configuration: &TlsConfigurationSource| {
            tls_configuration.configuration.ticket_keys.clone()
        };
        let first = keys(&tls_configuration);
        assert!(!tls_configuration.at(7) && keys(&tls_configuration) == first);
        assert_eq!(tls_configuration.next_due_ms(), Some(7 + lifetime_ms));
        assert!(tls_configuration.at(7 + lifetime_ms));
        let second = keys(&tls_configuration);
        assert!(second.len() == 2 && second[1] == first[0] && second[0] != first[0]);
        assert!(tls_configuration.at(7 + 2 * lifetime_ms));
        let third = keys(&tls_configuration);
        assert!(third.len() == 2 && third[1] == second[0]);
    }

    #[test]
    fn unusable_pair_is_named_and_not_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let files = IdentityFiles {
            certificate: dir.path().join("cert.pem"),
            key: dir.path().join("key.pem"),
        };
        let new = || TlsConfigurationSource::new(0, Some(files.clone()));
        let error = format!("{:#}", new().unwrap_err());
        assert!(error.starts_with("cannot read the certificate "), "{error}");
        let one = identity("one.example");
        write(&files, &one);
        let mut tls_configuration = new().unwrap();
        let two = identity("two.example");
        fs::write(&files.certificate, &two.certificates_pem).unwrap();
        assert!(!tls_configuration.reload());
        let failure = tls_configuration.reload_result().clone().unwrap_err();
        assert!(failure.contains("stay in use"), "{failure}");
        assert!(tls_configuration.configuration.identity.as_ref() == Some(&one));
        let error = format!("{:#}", new().unwrap_err());
        assert!(
            error.ends_with("the key does not match the certificate"),
            "{error}"
        );
        fs::write(&files.key, &two.key_pem).unwrap();
        assert!(tls_configuration.reload());
        let said = tls_configuration.reload_result().clone().unwrap();
        assert!(said.contains("is for [two.example]"), "{said}");
        assert!(tls_configuration.configuration.identity.as_ref() == Some(&two));
        fs::write(&files.key, vec![b'x'; MAX_FILE_BYTES as usize + 1]).unwrap();
        assert!(!tls_configuration.reload());
        assert!(tls_configuration.configuration.identity.as_ref() == Some(&two));
        // Opening it would wait for a writer.
        fs::remove_file(&files.key).unwrap();
        mkfifo(&files.key, Mode::S_IRWXU).unwrap();
        assert!(!tls_configuration.reload());
        let error = format!("{:#}", new().unwrap_err());
        assert!(error.ends_with("it is not a regular file"), "{error}");
    }

    #[test]
    fn expired_certificate_replaces_no_valid_one() {
        let dir = tempfile::tempdir().unwrap();
        let files = IdentityFiles {
            certificate: dir.path().join("cert.pem"),
            key: dir.path().join("key.pem"),
        };
        let put = |made: &Made| {
            fs::write(&files.certificate, &made.pem).unwrap();
            fs::write(&files.key, &made.key_pem).unwrap();
        };
        put(&valid_in(2020, 2021));
        let mut tls_configuration = TlsConfigurationSource::new(0, Some(files.clone())).unwrap();
        let failure = tls_configuration.reload_result().clone().unwrap_err();
        assert!(failure.contains("expired at 2021-01-01"), "{failure}");
        // Any certificate may replace an expired one.
        put(&valid_in(2019, 2020));
        assert!(tls_configuration.reload() && tls_configuration.reload_result().is_err());
        put(&valid_in(2020, 4000));
        assert!(tls_configuration.reload() && tls_configuration.reload_result().is_ok());
        for (from, until) in [(2020, 2021), (3000, 4000)] {
            put(&valid_in(from, until));
            assert!(!tls_configuration.reload(), "{from}");
            let failure = tls_configuration.reload_result().clone().unwrap_err();
            assert!(failure.ends_with("the old certificate and key stay in use"));
        }
    }

    #[test]
    fn end_of_certificate_is_warned_of() {
        let dir = tempfile::tempdir().unwrap();
        let files = IdentityFiles {
            certificate: dir.path().join("cert.pem"),
            key: dir.path().join("key.pem"),
        };
        let made = valid_in(2020, 4000);
        fs::write(&files.certificate, &made.pem).unwrap();
        fs::write(&files.key, &made.key_pem).unwrap();
        let tls_configuration = TlsConfigurationSource::new(0, Some(files)).unwrap();
        let end: Timestamp = "4000-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(tls_configuration.certificate_end(), Some(end));
        let warning = |now: &str| tls_configuration.warning(now.parse().unwrap());
        assert_eq!(warning("3999-12-17T00:00:00Z"), None);
        let soon = warning("3999-12-19T00:00:00Z").unwrap();
        assert!(soon.contains(" expires at 4000-01-01"), "{soon}");
        let over = warning("4000-01-02T00:00:00Z").unwrap();
        assert!(over.contains(" expired at 4000-01-01"), "{over}");
    }

    #[test]
    fn missing_issuer_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let files = IdentityFiles {
            certificate: dir.path().join("cert.pem"),
            key: dir.path().join("key.pem"),
        };
        write(&files, &identity("203.0.113.10"));
        let mut tls_configuration = TlsConfigurationSource::new(0, Some(files.clone())).unwrap();
        let said = tls_configuration.reload_result().clone().unwrap();
        assert!(said.contains("is for [203.0.113.10]"), "{said}");
        let leaf = issued("a.example", Some(&issued("Middle", None)));
        fs::write(&files.certificate, &leaf.pem).unwrap();
        fs::write(&files.key, &leaf.key_pem).unwrap();
        assert!(tls_configuration.reload());
        let said = tls_configuration.reload_result().clone().unwrap();
        assert!(
            said.contains("the certificate of its issuer Middle does not follow"),
            "{said}"
        );
    }

    #[test]
    fn configuration_without_tls_never_changes() {
        let mut tls_configuration = TlsConfigurationSource::new(2, None).unwrap();
        assert!(!tls_configuration.at(0) && tls_configuration.next_due_ms().is_none());
        let configuration = TlsConfiguration::decode(&tls_configuration.current()).unwrap();
        assert_eq!(configuration.first_tls_listener, 2);
        assert!(configuration.identity.is_none() && configuration.ticket_keys.is_empty());
    }
}

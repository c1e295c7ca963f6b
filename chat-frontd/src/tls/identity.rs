//! The server's certificate and its private key, as PEM texts.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, InconsistentKeys};
use thiserror::Error;
use webpki::EndEntityCert;
use zeroize::Zeroizing;

use super::chain::{self, Chain, Gap};
use super::key_kind::unsupported_kind;
use super::pem_file::{PemFileError, blocks};

/// Certificate and key, as the content of their files.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, followed by the intermediate certificates.
    pub certificates_pem: Vec<u8>,
    /// The private key.
    pub key_pem: Zeroizing<Vec<u8>>,
}

/// Why an [`Identity`] cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// The certificate file has no certificate.
    #[error("the certificate file has no certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// The certificate file is malformed.
    #[error("the certificate file cannot be read: {0}")]
    CertificateFile(PemFileError),
    /// A certificate is malformed.
    #[error("the certificate in line {line} cannot be read: {reason}")]
    BadCertificate {
        /// The line where it begins, from 1.
        line: usize,
        /// The reason.
        reason: String,
    },
    /// An intermediate certificate is missing.
    #[error("{0}")]
    Chain(#[from] Gap),
    /// The key file has no key.
    #[error(
        "the key file has no private key in PEM form (-----BEGIN PRIVATE KEY-----, not encrypted)"
    )]
    NoKey,
    /// The key file is malformed.
    #[error("the key file cannot be read: {0}")]
    KeyFile(PemFileError),
    /// The key file has several keys.
    #[error("the key file has more than one private key, in lines {0} and {1}: keep only one")]
    SeveralKeys(usize, usize),
    /// The key is encrypted.
    #[error("the key is encrypted; decrypt it with openssl pkey -in FILE -out PLAIN-FILE")]
    EncryptedKey,
    /// The kind of key is not supported.
    #[error("a key of this kind is not supported: {0}. {SUPPORTED}")]
    UnsupportedKey(&'static str),
    /// The key is malformed.
    #[error("the key cannot be used: {0}. {SUPPORTED}")]
    BadKey(String),
    /// Key and certificate are valid, but do not match.
    #[error("the key does not match the certificate")]
    Mismatch,
}

const SUPPORTED: &str =
    "Supported are ECDSA on P-256 and P-384, Ed25519, and RSA with 2048 to 8192 bits";

impl Identity {
    /// Certificate chain and key for the TLS library.
    pub fn certified_key(&self, provider: &CryptoProvider) -> Result<CertifiedKey, IdentityError> {
        let key = self.signing_key(provider)?;
        let chain = self.chain_of(&key)?;
        Ok(CertifiedKey::new(chain.certificates, key))
    }

    /// The sorted certificates, the server's own first.
    pub fn chain(&self, provider: &CryptoProvider) -> Result<Chain, IdentityError> {
        self.chain_of(&self.signing_key(provider)?)
    }

    fn chain_of(&self, key: &Arc<dyn SigningKey>) -> Result<Chain, IdentityError> {
        let blocks = blocks(&self.certificates_pem).map_err(IdentityError::CertificateFile)?;
        let mut certificates: Vec<CertificateDer<'static>> = Vec::new();
        let mut own = None;
        for block in blocks.iter().filter(|block| block.label == "CERTIFICATE") {
            let certificate: CertificateDer<'static> =
                block.decode().map_err(IdentityError::CertificateFile)?;
            if is_of(key, &certificate).map_err(|reason| IdentityError::BadCertificate {
                line: block.line,
                reason,
            })? {
                own = own.or(Some(certificates.len()));
            }
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err(IdentityError::NoCertificate);
        }
        Ok(chain::order(
            certificates,
            own.ok_or(IdentityError::Mismatch)?,
        )?)
    }

    fn signing_key(&self, provider: &CryptoProvider) -> Result<Arc<dyn SigningKey>, IdentityError> {
        let blocks = blocks(&self.key_pem).map_err(IdentityError::KeyFile)?;
        let mut keys = blocks
            .iter()
            .filter(|block| block.label.ends_with("PRIVATE KEY"));
        let block = keys.next().ok_or(IdentityError::NoKey)?;
        if let Some(other) = keys.next() {
            return Err(IdentityError::SeveralKeys(block.line, other.line));
        }
        if block.label == "ENCRYPTED PRIVATE KEY" || block.is_encrypted() {
            return Err(IdentityError::EncryptedKey);
        }
        let unsupported = |der: &[u8]| unsupported_kind(&block.label, der);
        if let Some(kind) = unsupported(&[]).filter(|_| block.label != "RSA PRIVATE KEY") {
            return Err(IdentityError::UnsupportedKey(kind));
        }
        let der: PrivateKeyDer<'static> = block.decode().map_err(IdentityError::KeyFile)?;
        let kind = unsupported(der.secret_der());
        provider
            .key_provider
            .load_private_key(der)
            .map_err(|error| match kind {
                Some(kind) => IdentityError::UnsupportedKey(kind),
                None => IdentityError::BadKey(error.to_string()),
            })
    }
}

/// Whether the certificate matches the key. Fails if it is malformed.
fn is_of(key: &Arc<dyn SigningKey>, certificate: &CertificateDer<'static>) -> Result<bool, String> {
    EndEntityCert::try_from(certificate).map_err(|error| error.to_string())?;
    let pair = CertifiedKey::new(vec![certificate.clone()], Arc::clone(key));
    match pair.keys_match() {
        // If this is unknown, the handshake decides.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(true),
        Err(Error::InconsistentKeys(_)) => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

/// The cryptography of the TLS library: ring.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Creates a self-signed certificate for `name`.
    pub(crate) fn identity(name: &str) -> Identity {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Identity {
            certificates_pem: made.cert.pem().into_bytes(),
            key_pem: Zeroizing::new(made.signing_key.serialize_pem().into_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::identity;
    use super::*;
    use crate::tls::chain::testing::{Made, issued};

    fn error(identity: &Identity) -> IdentityError {
        identity.certified_key(&provider()).unwrap_err()
    }

    #[test]
    fn key_must_match_certificate() {
        let mut one = identity("one.example");
        one.certified_key(&provider()).unwrap();
        one.key_pem = identity("two.example").key_pem;
        assert_eq!(error(&one), IdentityError::Mismatch);
    }

    #[test]
    fn unusable_files_have_own_errors() {
        let good = identity("one.example");
        let without_certificate = Identity {
            certificates_pem: good.key_pem.to_vec(),
            ..good.clone()
        };
        assert_eq!(error(&without_certificate), IdentityError::NoCertificate);
        let without_key = Identity {
            key_pem: Zeroizing::new(good.certificates_pem.clone()),
            ..good.clone()
        };
        assert_eq!(error(&without_key), IdentityError::NoKey);
        let pem = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        let bad_certificate = Identity {
            certificates_pem: [&good.certificates_pem, pem("CERTIFICATE").as_bytes()].concat(),
            ..good.clone()
        };
        let line = good.certificates_pem.split(|byte| *byte == b'\n').count();
        assert!(matches!(
            error(&bad_certificate),
            IdentityError::BadCertificate { line: at, .. } if at == line
        ));
        assert!(matches!(
            error(&with_key(&pem("PRIVATE KEY"))),
            IdentityError::BadKey(_)
        ));
    }

    fn with_key(key_pem: &str) -> Identity {
        Identity {
            key_pem: Zeroizing::new(key_pem.as_bytes().to_vec()),
            ..identity("one.example")
        }
    }

    #[test]
    fn keys_that_cannot_be_used_are_named() {
        let block = |label: &str, body: &str| {
            format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
        };
        let ed448 = "MEcCAQAwBQYDK2VxBDsEOdaCPeWeixn3HxgosK/jxirblzJzUgPdGSWjLpIbH6G+\n\
             QN1Qqn6V5Fqu9MqadmXY7db+mIX3Zg3R/w==";
        let secp256k1 = "MHQCAQEEIBiXRLrPixMvRi7g3B8J9SOpcZbRIUWPFAYOopLHAiEyoAcGBSuBBAAK\n\
             oUQDQgAEVr7EyMolPUIFlbqSU4aFCZyVBWasrkN7lSMznMxxrzhmc+VZrwzratgy\n\
             5GVXQQQSQMBfphhBklB7OJqV1DXQkQ==";
        let encrypted = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,5262E54D0567BF1DCA8002BB5B0CC89B\n\nAAAA";
        for (label, body, expected) in [
            ("PRIVATE KEY", ed448, "not supported: Ed448. Supported are"),
            (
                "EC PRIVATE KEY",
                secp256k1,
                "not supported: ECDSA on secp256k1. ",
            ),
            ("DSA PRIVATE KEY", "AAAA", "not supported: DSA. "),
            ("OPENSSH PRIVATE KEY", "AAAA", "not supported: one of SSH. "),
            (
                "RSA PRIVATE KEY",
                "AAAA",
                "RSA with too few or too many bits. ",
            ),
            ("ENCRYPTED PRIVATE KEY", "AAAA", "the key is encrypted"),
            ("RSA PRIVATE KEY", encrypted, "the key is encrypted"),
        ] {
            let said = error(&with_key(&block(label, body))).to_string();
            assert!(said.contains(expected), "{said}, not {expected}");
        }
        let good = identity("one.example").key_pem;
        let twice = [&good[..], &good[..]].concat();
        let twice = with_key(&String::from_utf8(twice).unwrap());
        assert!(matches!(error(&twice), IdentityError::SeveralKeys(1, _)));
    }

    #[test]
    fn files_may_have_any_line_ends() {
        let good = identity("one.example");
        for end in ["\r\n", "\r", " \n"] {
            let saved = |bytes: &[u8]| {
                let text = std::str::from_utf8(bytes).unwrap().replace("\r\n", "\n");
                format!("\u{feff}{}", text.replace('\n', end)).into_bytes()
            };
            let other = Identity {
                certificates_pem: saved(&good.certificates_pem),
                key_pem: Zeroizing::new(saved(&good.key_pem)),
            };
            assert_eq!(other.chain(&provider()), good.chain(&provider()), "{end:?}");
        }
    }

    #[test]
    fn chain_is_sorted_and_gap_is_named() {
        let root = issued("Root", None);
        let middle = issued("Middle", Some(&root));
        let leaf = issued("one.example", Some(&middle));
        let chain = |files: &[&Made]| {
            let pem: String = files.iter().map(|made| made.pem.as_str()).collect();
            let identity = Identity {
                certificates_pem: format!("\u{feff}{pem}").into_bytes(),
                key_pem: Zeroizing::new(leaf.key_pem.clone().into_bytes()),
            };
            identity.chain(&provider())
        };
        let ordered = chain(&[&leaf, &middle, &root]).unwrap();
        assert!(!ordered.was_reordered);
        assert_eq!(ordered.certificates.len(), 3);
        for other in [
            [&root, &middle, &leaf],
            [&leaf, &root, &middle],
            [&middle, &leaf, &root],
        ] {
            let other = chain(&other).unwrap();
            assert!(other.was_reordered);
            assert_eq!(other.certificates, ordered.certificates);
        }
        let gap = chain(&[&leaf, &root]).unwrap_err().to_string();
        assert!(gap.contains("was issued by Middle, whose"), "{gap}");
        assert_eq!(chain(&[&middle, &root]), Err(IdentityError::Mismatch));
        assert_eq!(chain(&[&leaf]).unwrap().certificates.len(), 1);
    }
}

//! The server's certificate and its private key, as PEM texts.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use thiserror::Error;
use zeroize::Zeroizing;

/// Certificate and key, as they stand in their files.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and those between it and its CA behind it.
    pub certificates_pem: Vec<u8>,
    /// The private key.
    pub key_pem: Zeroizing<Vec<u8>>,
}

/// Why an [`Identity`] cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// The first file.
    #[error("the certificate file has no certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// The first file.
    #[error("the certificate cannot be read: {0}")]
    BadCertificate(String),
    /// The second file.
    #[error(
        "the key file has no private key in PEM form (-----BEGIN PRIVATE KEY-----, not encrypted)"
    )]
    NoKey,
    /// The second file.
    #[error("the key cannot be used: {0}")]
    BadKey(String),
    /// Both are fine.
    #[error("the key is not that of the certificate")]
    Mismatch,
}

impl Identity {
    /// What TLS works with.
    pub fn certified_key(&self, provider: &CryptoProvider) -> Result<CertifiedKey, IdentityError> {
        let certificates = self.certificates()?;
        let key = PrivateKeyDer::from_pem_slice(&self.key_pem).map_err(|_| IdentityError::NoKey)?;
        CertifiedKey::from_der(certificates, key, provider).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => IdentityError::Mismatch,
            Error::InvalidCertificate(error) => IdentityError::BadCertificate(error.to_string()),
            error => IdentityError::BadKey(error.to_string()),
        })
    }

    /// The server's certificate first; at least that.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&self.certificates_pem)
            .collect::<Result<_, _>>()
            .map_err(|error| IdentityError::BadCertificate(error.to_string()))?;
        match certificates.is_empty() {
            true => Err(IdentityError::NoCertificate),
            false => Ok(certificates),
        }
    }
}

/// The cryptography: ring.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A certificate of its own for `name`.
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

    fn error(identity: &Identity) -> IdentityError {
        identity.certified_key(&provider()).unwrap_err()
    }

    #[test]
    fn a_certificate_with_its_key_is_taken_and_another_key_is_not() {
        let mut one = identity("one.example");
        one.certified_key(&provider()).unwrap();
        one.key_pem = identity("two.example").key_pem;
        assert_eq!(error(&one), IdentityError::Mismatch);
    }

    #[test]
    fn each_file_that_cannot_be_used_is_told_apart() {
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
            certificates_pem: pem("CERTIFICATE").into_bytes(),
            ..good.clone()
        };
        assert!(matches!(
            error(&bad_certificate),
            IdentityError::BadCertificate(_)
        ));
        let bad_key = Identity {
            key_pem: Zeroizing::new(pem("PRIVATE KEY").into_bytes()),
            ..good
        };
        assert!(matches!(error(&bad_key), IdentityError::BadKey(_)));
    }
}

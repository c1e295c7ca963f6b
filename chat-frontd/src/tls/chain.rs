//! The order of certificates: the server's own first, then the issuer of each.

use rustls::pki_types::CertificateDer;
use thiserror::Error;
use webpki::EndEntityCert;

use super::names::common_name;

/// The chain has a gap after the server's own certificate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "the server's certificate was issued by {issuer}, whose certificate is not in the file; the other \
     certificates do not help clients (add the intermediate certificate of the CA after the server's own)"
)]
pub struct Gap {
    issuer: String,
}

/// Certificates in the order in which clients need them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The server's own first.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Whether the file had another order.
    pub was_reordered: bool,
}

/// Sorts certificates; `own` is the index of the server's own.
pub fn order(certificates: Vec<CertificateDer<'static>>, own: usize) -> Result<Chain, Gap> {
    let names: Vec<_> = certificates.iter().map(Names::of).collect();
    let mut places = vec![own];
    let mut last = own;
    while !names[last].is_self_issued()
        && let Some(issuer) = (0..names.len())
            .find(|at| !places.contains(at) && names[*at].subject == names[last].issuer)
    {
        places.push(issuer);
        last = issuer;
    }
    if last == own && places.len() < names.len() && !names[own].is_self_issued() {
        return Err(Gap {
            issuer: common_name(&names[own].issuer),
        });
    }
    // The others may belong to a second path to a CA.
    places.extend(
        (0..names.len())
            .filter(|at| !places.contains(at))
            .collect::<Vec<_>>(),
    );
    let was_reordered = !places.is_sorted();
    let certificates = places.iter().map(|at| certificates[*at].clone()).collect();
    Ok(Chain {
        certificates,
        was_reordered,
    })
}

/// The issuer of the certificate, unless it is self-issued.
pub fn issuer(certificate: &CertificateDer<'_>) -> Option<String> {
    let names = Names::of(certificate);
    (!names.is_self_issued()).then(|| common_name(&names.issuer))
}

#[derive(Debug, Default)]
struct Names {
    subject: Vec<u8>,
    issuer: Vec<u8>,
}

impl Names {
    /// The names in a valid certificate.
    fn of(certificate: &CertificateDer<'_>) -> Self {
        EndEntityCert::try_from(certificate).map_or_else(
            |_| Self::default(),
            |parsed| Self {
                subject: parsed.subject().to_vec(),
                issuer: parsed.issuer().to_vec(),
            },
        )
    }

    fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
    };

    /// A certificate and its key, which can issue others.
    pub(crate) struct Made {
        pub(crate) pem: String,
        pub(crate) key_pem: String,
        issuer: Issuer<'static, KeyPair>,
    }

    /// Creates a CA certificate with the common name and host `name`.
    pub(crate) fn issued(name: &str, by: Option<&Made>) -> Made {
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        make(parameters, by)
    }

    /// Creates a self-signed certificate that is valid in these years.
    pub(crate) fn valid_in(from_year: i32, until_year: i32) -> Made {
        let mut parameters = CertificateParams::new(["a.example".to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(from_year, 1, 1);
        parameters.not_after = date_time_ymd(until_year, 1, 1);
        make(parameters, None)
    }

    fn make(parameters: CertificateParams, by: Option<&Made>) -> Made {
        let key = KeyPair::generate().unwrap();
        let certificate = match by {
            Some(by) => parameters.signed_by(&key, &by.issuer).unwrap(),
            None => parameters.self_signed(&key).unwrap(),
        };
        Made {
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            issuer: Issuer::new(parameters, key),
        }
    }
}

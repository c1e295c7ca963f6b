//! The validity period of a certificate.

use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

/// A validity period, inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first valid second.
    pub not_before: Timestamp,
    /// The last valid second.
    pub not_after: Timestamp,
}

/// A certificate that expires within this time causes a warning.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

impl Validity {
    /// The period of a certificate; `None` if the certificate is malformed.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = EndEntityCert::try_from(certificate).ok()?;
        // The library reports the times only in errors.
        let error_at = |seconds| {
            let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            let algorithms = webpki::ALL_VERIFICATION_ALGS;
            let usage = KeyUsage::server_auth();
            certificate
                .verify_for_usage(algorithms, &[], &[], time, usage, None, None)
                .err()
        };
        let Some(Error::CertNotValidYet { not_before, .. }) = error_at(0) else {
            return None;
        };
        let Some(Error::CertExpired { not_after, .. }) = error_at(u64::MAX >> 8) else {
            return None;
        };
        Some(Self {
            not_before: timestamp(not_before),
            not_after: timestamp(not_after),
        })
    }

    /// Why no client accepts it now, if so. The text continues "the certificate".
    pub fn fault(&self, now: Timestamp) -> Option<String> {
        let Self {
            not_before,
            not_after,
        } = self;
        if now < *not_before {
            Some(format!("is not valid before {not_before}"))
        } else if now > *not_after {
            Some(format!("expired at {not_after}"))
        } else {
            None
        }
    }

    /// A warning, if there is a reason. The text continues "the certificate".
    pub fn warning(&self, now: Timestamp) -> Option<String> {
        let not_after = self.not_after;
        let ends_soon = not_after.duration_since(now).unsigned_abs() < SOON;
        let end = ends_soon.then(|| format!("expires at {not_after}"));
        self.fault(now).or(end)
    }
}

fn timestamp(time: UnixTime) -> Timestamp {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_warned_of_in_time() {
        let mut parameters = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 2);
        parameters.not_after = rcgen::date_time_ymd(2026, 3, 4);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let validity = Validity::of(certificate.der()).unwrap();
        assert_eq!(validity.not_before.to_string(), "2026-01-02T00:00:00Z");
        assert_eq!(validity.not_after.to_string(), "2026-03-04T00:00:00Z");
        let warning = |text: &str| validity.warning(text.parse().unwrap());
        assert_eq!(
            warning("2026-01-01T23:59:59Z").unwrap(),
            "is not valid before 2026-01-02T00:00:00Z"
        );
        assert_eq!(warning("2026-02-01T00:00:00Z"), None);
        assert_eq!(
            warning("2026-02-20T00:00:00Z").unwrap(),
            "expires at 2026-03-04T00:00:00Z"
        );
        assert_eq!(
            warning("2026-03-04T00:00:01Z").unwrap(),
            "expired at 2026-03-04T00:00:00Z"
        );
    }

    #[test]
    fn what_is_no_certificate_has_no_times() {
        assert_eq!(
            Validity::of(&CertificateDer::from(vec![48, 3, 1, 2, 3])),
            None
        );
    }
}

//! What the front end does with its settings.

use anyhow::bail;
use chat_node::limits::memory::AvailableMemory;
pub use chat_settings::front_end::FrontEndSettings as Settings;
use chat_settings::front_end::MIN_BUFFER_BYTES;
use chat_settings::listen_address::{ListenAddress, PlainListen};

use crate::master::tls_configuration::IdentityFiles;

/// Default limit of the buffers of a worker, in bytes.
const MAX_BUFFER_BYTES: usize = 512 << 20;

/// Descriptors of a worker that belong to no client: log, sockets, event queue, and a reserve.
pub(crate) const DESCRIPTORS_BESIDE_CLIENTS: u64 = 128;

/// Maximum bytes buffered for all clients of a worker.
pub fn max_buffer_bytes(settings: &Settings, available: AvailableMemory) -> usize {
    settings.max_buffer_bytes.unwrap_or_else(|| {
        let bytes = available.bytes / 8 / u64::from(settings.workers);
        usize::try_from(bytes).map_or(MAX_BUFFER_BYTES, |bytes| {
            bytes.clamp(MIN_BUFFER_BYTES, MAX_BUFFER_BYTES)
        })
    })
}

/// The addresses for clients without TLS.
pub fn plain_addresses(settings: &Settings) -> anyhow::Result<Vec<ListenAddress>> {
    let addresses = settings.listen.iter().filter_map(|listen| match listen {
        PlainListen::At(address) => Some(address.clone()),
        PlainListen::Nowhere => None,
    });
    let addresses: Vec<ListenAddress> = addresses.collect();
    match (addresses.len(), settings.listen.len()) {
        (0, _) if settings.listen_tls.is_empty() => {
            bail!("no address to listen on: set --listen-tls, CHAT_LISTEN_TLS")
        }
        (0, _) => Ok(addresses),
        (count, all) if count == all => Ok(addresses),
        _ => bail!("--listen, CHAT_LISTEN: `none` cannot be combined with addresses"),
    }
}

/// Fails if an address is repeated. The system would only report it as in use.
pub fn refuse_repeated_addresses(settings: &Settings) -> anyhow::Result<()> {
    let plain = plain_addresses(settings)?;
    let all: Vec<&ListenAddress> = plain.iter().chain(&settings.listen_tls).collect();
    let repeated = (1..all.len()).find(|at| all[*at].port != 0 && all[..*at].contains(&all[*at]));
    match repeated {
        Some(at) => bail!(
            "the address {} is given twice (--listen, CHAT_LISTEN; --listen-tls, CHAT_LISTEN_TLS)",
            all[at]
        ),
        None => Ok(()),
    }
}

/// The files of certificate and key, if there are addresses for TLS.
pub fn identity_files(settings: &Settings) -> anyhow::Result<Option<IdentityFiles>> {
    if settings.listen_tls.is_empty() {
        return Ok(None);
    }
    match (&settings.tls_cert, &settings.tls_key) {
        (Some(certificate), Some(key)) => Ok(Some(IdentityFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        })),
        (None, _) => bail!(
            "TLS needs a certificate: set --tls-cert, CHAT_TLS_CERT (scripts/make-cert makes a first one)"
        ),
        (_, None) => bail!("TLS needs the certificate's key: set --tls-key, CHAT_TLS_KEY"),
    }
}

/// Lowers the number of clients to what `descriptor_limit` allows.
pub fn within_descriptor_limit(settings: Settings, descriptor_limit: u64) -> Settings {
    // With few descriptors, a smaller reserve suffices, because fewer clients join at a time.
    let beside = DESCRIPTORS_BESIDE_CLIENTS.min(descriptor_limit / 2);
    let free = descriptor_limit - beside;
    let free = usize::try_from(free).unwrap_or(usize::MAX).max(1);
    Settings {
        max_clients: settings.max_clients.min(free),
        ..settings
    }
}

#[cfg(test)]
mod tests {
    use chat_node::limits::memory::MemorySource;

    use clap::Parser;

    use super::*;

    fn parse(flags: &[&str]) -> Result<Settings, clap::Error> {
        Settings::try_parse_from(["chat-frontd"].iter().chain(flags))
    }

    #[test]
    fn buffers_follow_memory() {
        let by = MemorySource::ControlGroup;
        let of = |settings: &Settings, bytes| {
            max_buffer_bytes(settings, AvailableMemory { bytes, by }) >> 20
        };
        let settings = parse(&["--workers=2"]).unwrap();
        assert_eq!(of(&settings, 1 << 30), 64);
        assert_eq!(of(&settings, 1 << 40), 512);
        let settings = parse(&["--max-buffer-bytes=33554432"]).unwrap();
        assert_eq!(of(&settings, 1 << 20), 32);
    }

    #[test]
    fn addresses_may_be_repeated_or_joined() {
        let settings = parse(&["--listen=a:1,[::1]:2", "--listen", "10.0.0.1:3"]).unwrap();
        let addresses = plain_addresses(&settings).unwrap();
        let shown: Vec<String> = addresses.iter().map(|a| a.to_string()).collect();
        assert_eq!(shown, ["a:1", "[::1]:2", "10.0.0.1:3"]);
    }

    #[test]
    fn tls_alone_needs_certificate_and_key() {
        let tls = ["--listen=none", "--listen-tls=a:1,[::1]:2"];
        let settings = parse(&tls).unwrap();
        assert_eq!(plain_addresses(&settings).unwrap(), []);
        assert_eq!(settings.listen_tls.len(), 2);
        let error = identity_files(&settings).unwrap_err().to_string();
        assert!(error.starts_with("TLS needs a certificate"), "{error}");
        let settings = parse(&[&tls[..], &["--tls-cert=c"]].concat()).unwrap();
        let error = identity_files(&settings).unwrap_err().to_string();
        assert!(
            error.starts_with("TLS needs the certificate's key"),
            "{error}"
        );
        let settings = parse(&[&tls[..], &["--tls-cert=c", "--tls-key=k"]].concat()).unwrap();
        assert!(identity_files(&settings).unwrap().is_some());

        let plain = parse(&["--tls-cert=c"]).unwrap();
        assert!(identity_files(&plain).unwrap().is_none());
        for flags in [&["--listen=none"][..], &["--listen=none,a:1"]] {
            assert!(
                plain_addresses(&parse(flags).unwrap()).is_err(),
                "{flags:?}"
            );
        }
    }

    #[test]
    fn repeated_address_is_named() {
        let check = |flags: &[&str]| refuse_repeated_addresses(&parse(flags).unwrap());
        for flags in [
            &["--listen=a:1,b:1,a:1"][..],
            &["--listen=a:1", "--listen-tls=a:1"],
            &["--listen=none", "--listen-tls=[::1]:1,[::1]:1"],
        ] {
            let error = check(flags).unwrap_err().to_string();
            assert!(error.contains(":1 is given twice ("), "{error}");
        }
        check(&["--listen=a:1,b:1,a:2,a:0", "--listen-tls=a:0,a:3"]).unwrap();
    }

    #[test]
    fn senseless_values_are_refused() {
        for flag in [
            "--workers=0",
            "--workers=65",
            "--time-out=0",
            "--listen=",
            "--listen=localhost",
            "--listen-tls=none",
            "--max-clients=0",
            "--trusted=10.0.0.1/8",
            "--proxy-from=x",
            "--lines-per-second=0",
            "--connections-per-second=0",
            "--connection-burst=0",
            "--source-connections-per-second=0",
            "--source-connection-burst=0",
        ] {
            assert!(parse(&[flag]).is_err(), "{flag}");
        }
    }

    #[test]
    fn clients_are_bounded_by_descriptors() {
        let settings = parse(&["--max-clients=18000"]).unwrap();
        let of = |limit| within_descriptor_limit(settings.clone(), limit).max_clients;
        assert_eq!(of(20_000), 18_000);
        assert_eq!(of(1024), 1024 - 128);
        assert_eq!(of(64), 32);
        assert_eq!(of(0), 1);
    }
}

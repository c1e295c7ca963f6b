//! The flags of the front end.

use std::path::PathBuf;
use std::thread::available_parallelism;

use anyhow::bail;
use chat_line_protocol::DEFAULT_MAX_LINE_BYTES;
use chat_node::limits::memory::AvailableMemory;
use chat_node::limits::network::Networks;
use chat_node::settings::process_options::ProcessOptions;
use clap::Parser;
use clap::builder::RangedU64ValueParser;

use crate::master::address::{ListenAddress, PlainListen};
use crate::master::tls_configuration::IdentityFiles;

/// Default limit of the buffers of a worker, in bytes.
const MAX_BUFFER_BYTES: usize = 512 << 20;
/// Smallest limit of the buffers that can be set, in bytes.
const MIN_BUFFER_BYTES: usize = 65_536;
/// Largest number of workers.
const MAX_WORKERS: u32 = 64;

/// Descriptors of a worker that belong to no client: log, sockets, event queue, and a reserve.
pub(crate) const DESCRIPTORS_BESIDE_CLIENTS: u64 = 128;

/// The front end of chatserv: serves TCP clients and forwards their requests to chat-stated
///
/// Runs in the foreground by default. On SIGTERM the workers answer pending requests and stop. On SIGHUP they re-read
/// their files.
#[derive(Parser, Clone, Debug)]
#[command(name = "chat-frontd", version = chat_node::VERSION)]
pub struct Settings {
    /// Flags of the process.
    #[command(flatten)]
    pub process: ProcessOptions,

    /// Addresses for clients without TLS: HOST:PORT or [IPV6]:PORT, repeated or separated by commas; or `none`
    #[arg(
        long,
        value_name = "ADDR",
        env = "CHAT_LISTEN",
        default_value = "127.0.0.1:4119",
        value_delimiter = ','
    )]
    pub listen: Vec<PlainListen>,

    /// Addresses for clients with TLS, in the same form; requires --tls-cert and --tls-key
    #[arg(
        long,
        value_name = "ADDR",
        env = "CHAT_LISTEN_TLS",
        value_delimiter = ','
    )]
    pub listen_tls: Vec<ListenAddress>,

    /// PEM file with the server's certificate, followed by the intermediate certificates; re-read on SIGHUP
    #[arg(long, value_name = "FILE", env = "CHAT_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,

    /// PEM file with the private key of the certificate; re-read on SIGHUP
    #[arg(long, value_name = "FILE", env = "CHAT_TLS_KEY")]
    pub tls_key: Option<PathBuf>,

    /// Maximum concurrent TLS handshakes per worker
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_MAX_HANDSHAKES",
        default_value_t = 256,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=65_536)
    )]
    pub max_handshakes: usize,

    /// Maximum duration of a TLS handshake, in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        env = "CHAT_HANDSHAKE_TIME_OUT",
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    pub handshake_time_out: u64,

    /// Number of worker processes, 1 to 64
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_WORKERS",
        default_value_t = cores(),
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(MAX_WORKERS))
    )]
    pub workers: u32,

    /// Seconds without a line from a client after which it is disconnected
    #[arg(
        long,
        value_name = "SECONDS",
        env = "TIME_OUT",
        default_value_t = 1800,
        value_parser = clap::value_parser!(u64).range(1..=MAX_TIME_OUT_S)
    )]
    pub time_out: u64,

    /// Maximum length of a client's line in bytes, including the line end
    #[arg(
        long,
        value_name = "BYTES",
        env = "CHAT_MAX_LINE_BYTES",
        default_value_t = DEFAULT_MAX_LINE_BYTES,
        value_parser = RangedU64ValueParser::<usize>::new().range(64..=65_536)
    )]
    pub max_line_bytes: usize,

    /// Maximum concurrent clients per worker; lower if the limit of descriptors is too low
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_MAX_CLIENTS",
        default_value_t = 18_000,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000)
    )]
    pub max_clients: usize,

    /// Maximum unread output of a client in bytes; above it, no further lines of the client are read
    #[arg(
        long,
        value_name = "BYTES",
        env = "CHAT_MAX_UNREAD_BYTES",
        default_value_t = 262_144,
        value_parser = RangedU64ValueParser::<usize>::new().range(4096..=1 << 30)
    )]
    pub max_unread_bytes: usize,

    /// Maximum bytes buffered for all clients of a worker; above it, the client with the largest buffer is disconnected
    /// [default: 512 MiB, but at most an eighth of the available memory for all workers together]
    #[arg(
        long,
        value_name = "BYTES",
        env = "CHAT_MAX_BUFFER_BYTES",
        value_parser = RangedU64ValueParser::<usize>::new().range(MIN_BUFFER_BYTES as u64..=1 << 40)
    )]
    pub max_buffer_bytes: Option<usize>,

    /// Maximum number of recipients of one message
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_MAX_RECIPIENTS",
        default_value_t = 4_096,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=65_536)
    )]
    pub max_recipients: usize,

    /// Addresses and networks, separated by commas, that are exempt from limits by source and time; or `none`
    #[arg(long, value_name = "NETWORKS", env = "CHAT_TRUSTED", default_value = Networks::LOOPBACK)]
    pub trusted: Networks,

    /// Maximum duration of a login in seconds, from the connection to `welcome`
    #[arg(
        long,
        value_name = "SECONDS",
        env = "CHAT_LOGIN_TIME_OUT",
        default_value_t = 120,
        value_parser = clap::value_parser!(u64).range(1..=MAX_TIME_OUT_S)
    )]
    pub login_time_out: u64,

    /// Maximum lines per second and client; excess lines are delayed
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_LINES_PER_SECOND",
        default_value_t = 100,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub lines_per_second: u32,

    /// Lines a client may send in a burst before --lines-per-second applies
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_LINE_BURST",
        default_value_t = 500,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub line_burst: u32,

    /// Maximum connections accepted per second, per worker and listener; excess connections stay in the kernel's
    /// backlog
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_CONNECTIONS_PER_SECOND",
        default_value_t = 5_000,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub connections_per_second: u32,

    /// Connections accepted in a burst, per worker and listener, before --connections-per-second applies
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_CONNECTION_BURST",
        default_value_t = 20_000,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub connection_burst: u32,

    /// Maximum connections per second, per worker and source; excess connections are refused
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_SOURCE_CONNECTIONS_PER_SECOND",
        default_value_t = 100,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub source_connections_per_second: u32,

    /// Connections from a source in a burst, per worker, before --source-connections-per-second applies
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_SOURCE_CONNECTION_BURST",
        default_value_t = 1_000,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub source_connection_burst: u32,

    /// Load balancers, as addresses and networks separated by commas, that send a PROXY header (version 2)
    #[arg(
        long,
        value_name = "NETWORKS",
        env = "CHAT_PROXY_FROM",
        default_value = "none"
    )]
    pub proxy_from: Networks,

    /// Seconds within which the PROXY header must arrive
    #[arg(
        long,
        value_name = "SECONDS",
        env = "CHAT_PROXY_TIME_OUT",
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    pub proxy_time_out: u64,
}

/// Ten years: far below what milliseconds in 64 bits can hold.
const MAX_TIME_OUT_S: u64 = 10 * 365 * 24 * 60 * 60;

impl Settings {
    /// The socket of the state daemon.
    pub fn state_socket_path(&self) -> PathBuf {
        self.process.run_dir.join("chat-stated.sock")
    }

    /// Maximum bytes buffered for all clients of a worker.
    pub fn max_buffer_bytes(&self, available: AvailableMemory) -> usize {
        self.max_buffer_bytes.unwrap_or_else(|| {
            let bytes = available.bytes / 8 / u64::from(self.workers);
            usize::try_from(bytes).map_or(MAX_BUFFER_BYTES, |bytes| {
                bytes.clamp(MIN_BUFFER_BYTES, MAX_BUFFER_BYTES)
            })
        })
    }

    /// The addresses for clients without TLS.
    pub fn plain_addresses(&self) -> anyhow::Result<Vec<ListenAddress>> {
        let addresses = self.listen.iter().filter_map(|listen| match listen {
            PlainListen::At(address) => Some(address.clone()),
            PlainListen::Nowhere => None,
        });
        let addresses: Vec<ListenAddress> = addresses.collect();
        match (addresses.len(), self.listen.len()) {
            (0, _) if self.listen_tls.is_empty() => {
                bail!("no address to listen on: set --listen-tls, CHAT_LISTEN_TLS")
            }
            (0, _) => Ok(addresses),
            (count, all) if count == all => Ok(addresses),
            _ => bail!("--listen, CHAT_LISTEN: `none` cannot be combined with addresses"),
        }
    }

    /// Fails if an address is repeated. The system would only report it as in use.
    pub fn refuse_repeated_addresses(&self) -> anyhow::Result<()> {
        let plain = self.plain_addresses()?;
        let all: Vec<&ListenAddress> = plain.iter().chain(&self.listen_tls).collect();
        let repeated =
            (1..all.len()).find(|at| all[*at].port != 0 && all[..*at].contains(&all[*at]));
        match repeated {
            Some(at) => bail!(
                "the address {} is given twice (--listen, CHAT_LISTEN; --listen-tls, CHAT_LISTEN_TLS)",
                all[at]
            ),
            None => Ok(()),
        }
    }

    /// The files of certificate and key, if there are addresses for TLS.
    pub fn identity_files(&self) -> anyhow::Result<Option<IdentityFiles>> {
        if self.listen_tls.is_empty() {
            return Ok(None);
        }
        match (&self.tls_cert, &self.tls_key) {
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
    pub fn within_descriptor_limit(self, descriptor_limit: u64) -> Self {
        // With few descriptors, a smaller reserve suffices, because fewer clients join at a time.
        let beside = DESCRIPTORS_BESIDE_CLIENTS.min(descriptor_limit / 2);
        let free = descriptor_limit - beside;
        let free = usize::try_from(free).unwrap_or(usize::MAX).max(1);
        Self {
            max_clients: self.max_clients.min(free),
            ..self
        }
    }
}

fn cores() -> u32 {
    let cores = available_parallelism().map_or(1, |count| count.get());
    u32::try_from(cores).map_or(MAX_WORKERS, |cores| cores.min(MAX_WORKERS))
}

#[cfg(test)]
mod tests {
    use chat_node::limits::memory::MemorySource;

    use super::*;

    fn parse(flags: &[&str]) -> Result<Settings, clap::Error> {
        Settings::try_parse_from(["chat-frontd"].iter().chain(flags))
    }

    #[test]
    fn buffers_follow_memory() {
        let by = MemorySource::ControlGroup;
        let of = |settings: &Settings, bytes| {
            settings.max_buffer_bytes(AvailableMemory { bytes, by }) >> 20
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
        let addresses = settings.plain_addresses().unwrap();
        let shown: Vec<String> = addresses.iter().map(|a| a.to_string()).collect();
        assert_eq!(shown, ["a:1", "[::1]:2", "10.0.0.1:3"]);
    }

    #[test]
    fn tls_alone_needs_certificate_and_key() {
        let tls = ["--listen=none", "--listen-tls=a:1,[::1]:2"];
        let settings = parse(&tls).unwrap();
        assert_eq!(settings.plain_addresses().unwrap(), []);
        assert_eq!(settings.listen_tls.len(), 2);
        let error = settings.identity_files().unwrap_err().to_string();
        assert!(error.starts_with("TLS needs a certificate"), "{error}");
        let settings = parse(&[&tls[..], &["--tls-cert=c"]].concat()).unwrap();
        let error = settings.identity_files().unwrap_err().to_string();
        assert!(
            error.starts_with("TLS needs the certificate's key"),
            "{error}"
        );
        let settings = parse(&[&tls[..], &["--tls-cert=c", "--tls-key=k"]].concat()).unwrap();
        assert!(settings.identity_files().unwrap().is_some());

        let plain = parse(&["--tls-cert=c"]).unwrap();
        assert!(plain.identity_files().unwrap().is_none());
        for flags in [&["--listen=none"][..], &["--listen=none,a:1"]] {
            assert!(
                parse(flags).unwrap().plain_addresses().is_err(),
                "{flags:?}"
            );
        }
    }

    #[test]
    fn repeated_address_is_named() {
        let check = |flags: &[&str]| parse(flags).unwrap().refuse_repeated_addresses();
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
        let of = |limit| settings.clone().within_descriptor_limit(limit).max_clients;
        assert_eq!(of(20_000), 18_000);
        assert_eq!(of(1024), 1024 - 128);
        assert_eq!(of(64), 32);
        assert_eq!(of(0), 1);
    }
}

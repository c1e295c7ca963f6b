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

/// What a worker holds for all its clients at the most, unless told otherwise.
const MAX_BUFFER_BYTES: usize = 512 << 20;
/// The least that it may be told to hold.
const MIN_BUFFER_BYTES: usize = 65_536;
/// Most workers there may be.
const MAX_WORKERS: u32 = 64;

/// Descriptors of a worker that are no client's: log, sockets, event queue, and some to spare.
pub(crate) const DESCRIPTORS_BESIDE_CLIENTS: u64 = 128;

/// The front end of chatserv: serves TCP clients and asks chat-stated
///
/// Runs in the foreground unless told otherwise. SIGTERM has the workers finish what was asked and stop; SIGHUP has
/// them read their files again.
#[derive(Parser, Clone, Debug)]
#[command(name = "chat-frontd", version)]
pub struct Settings {
    /// Where and how the process runs.
    #[command(flatten)]
    pub process: ProcessOptions,

    /// Where clients connect without TLS: HOST:PORT, [IPV6]:PORT; several times, or with commas between; or `none`
    #[arg(
        long,
        value_name = "ADDR",
        env = "CHAT_LISTEN",
        default_value = "127.0.0.1:4119",
        value_delimiter = ','
    )]
    pub listen: Vec<PlainListen>,

    /// Where clients connect with TLS, written in the same way; needs --tls-cert and --tls-key
    #[arg(
        long,
        value_name = "ADDR",
        env = "CHAT_LISTEN_TLS",
        value_delimiter = ','
    )]
    pub listen_tls: Vec<ListenAddress>,

    /// The server's certificate, and those between it and its CA behind it, in PEM form; read again on SIGHUP
    #[arg(long, value_name = "FILE", env = "CHAT_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key, in PEM form; read again on SIGHUP
    #[arg(long, value_name = "FILE", env = "CHAT_TLS_KEY")]
    pub tls_key: Option<PathBuf>,

    /// TLS handshakes that a worker has under way at a time
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_MAX_HANDSHAKES",
        default_value_t = 256,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=65_536)
    )]
    pub max_handshakes: usize,

    /// Seconds that a TLS handshake may take
    #[arg(
        long,
        value_name = "SECONDS",
        env = "CHAT_HANDSHAKE_TIME_OUT",
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    pub handshake_time_out: u64,

    /// Worker processes, 1 to 64
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_WORKERS",
        default_value_t = cores(),
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(MAX_WORKERS))
    )]
    pub workers: u32,

    /// Seconds without a line from a client after which it is sent away
    #[arg(
        long,
        value_name = "SECONDS",
        env = "TIME_OUT",
        default_value_t = 1800,
        value_parser = clap::value_parser!(u64).range(1..=MAX_TIME_OUT_S)
    )]
    pub time_out: u64,

    /// Longest line of a client, its line end included
    #[arg(
        long,
        value_name = "BYTES",
        env = "CHAT_MAX_LINE_BYTES",
        default_value_t = DEFAULT_MAX_LINE_BYTES,
        value_parser = RangedU64ValueParser::<usize>::new().range(64..=65_536)
    )]
    pub max_line_bytes: usize,

    /// Clients that one worker serves at a time; fewer if it may not have as many descriptors
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_MAX_CLIENTS",
        default_value_t = 18_000,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000)
    )]
    pub max_clients: usize,

    /// What a client may leave unread before no more of its lines are read
    #[arg(
        long,
        value_name = "BYTES",
        env = "CHAT_MAX_UNREAD_BYTES",
        default_value_t = 262_144,
        value_parser = RangedU64ValueParser::<usize>::new().range(4096..=1 << 30)
    )]
    pub max_unread_bytes: usize,

    /// What a worker may hold for all its clients together; who holds the most is let go of when it is more [default:
    /// 512 MiB, or less: all workers together an eighth of the memory that the process may have]
    #[arg(
        long,
        value_name = "BYTES",
        env = "CHAT_MAX_BUFFER_BYTES",
        value_parser = RangedU64ValueParser::<usize>::new().range(MIN_BUFFER_BYTES as u64..=1 << 40)
    )]
    pub max_buffer_bytes: Option<usize>,

    /// Names that a message may be sent to at once
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_MAX_RECIPIENTS",
        default_value_t = 4_096,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=65_536)
    )]
    pub max_recipients: usize,

    /// Addresses and networks, with commas between, that are spared what is counted by source or time; or `none`
    #[arg(long, value_name = "NETWORKS", env = "CHAT_TRUSTED", default_value = Networks::LOOPBACK)]
    pub trusted: Networks,

    /// Seconds that a login may take in all, from the connection to `welcome`
    #[arg(
        long,
        value_name = "SECONDS",
        env = "CHAT_LOGIN_TIME_OUT",
        default_value_t = 120,
        value_parser = clap::value_parser!(u64).range(1..=MAX_TIME_OUT_S)
    )]
    pub login_time_out: u64,

    /// Lines in a second that are taken from a client; what comes faster has to wait
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_LINES_PER_SECOND",
        default_value_t = 100,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub lines_per_second: u32,

    /// Lines that are taken from a client at once after a pause, before that rate holds
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_LINE_BURST",
        default_value_t = 500,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub line_burst: u32,

    /// Connections in a second that a worker takes at a listener; of what comes faster the others have to wait
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_CONNECTIONS_PER_SECOND",
        default_value_t = 5_000,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub connections_per_second: u32,

    /// Connections that a worker takes at a listener at once after a pause, before that rate holds
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_CONNECTION_BURST",
        default_value_t = 20_000,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub connection_burst: u32,

    /// Connections in a second that a worker takes from a source; of what comes faster each is refused
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_SOURCE_CONNECTIONS_PER_SECOND",
        default_value_t = 100,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub source_connections_per_second: u32,

    /// Connections that a worker takes from a source at once after a pause, before that rate holds
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_SOURCE_CONNECTION_BURST",
        default_value_t = 1_000,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub source_connection_burst: u32,

    /// Balancers, as addresses and networks with commas between, whose connections begin with a PROXY header, version 2
    #[arg(
        long,
        value_name = "NETWORKS",
        env = "CHAT_PROXY_FROM",
        default_value = "none"
    )]
    pub proxy_from: Networks,

    /// Seconds within which the PROXY header must be there
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

    /// What a worker may hold for all its clients.
    pub fn max_buffer_bytes(&self, available: AvailableMemory) -> usize {
        self.max_buffer_bytes.unwrap_or_else(|| {
            let bytes = available.bytes / 8 / u64::from(self.workers);
            usize::try_from(bytes).map_or(MAX_BUFFER_BYTES, |bytes| {
                bytes.clamp(MIN_BUFFER_BYTES, MAX_BUFFER_BYTES)
            })
        })
    }

    /// Where clients connect without TLS.
    pub fn plain_addresses(&self) -> anyhow::Result<Vec<ListenAddress>> {
        let addresses = self.listen.iter().filter_map(|listen| match listen {
            PlainListen::At(address) => Some(address.clone()),
            PlainListen::Nowhere => None,
        });
        let addresses: Vec<ListenAddress> = addresses.collect();
        match (addresses.len(), self.listen.len()) {
            (0, _) if self.listen_tls.is_empty() => {
                bail!("there is no address to listen on: set --listen-tls, CHAT_LISTEN_TLS")
            }
            (0, _) => Ok(addresses),
            (count, all) if count == all => Ok(addresses),
            _ => bail!("--listen, CHAT_LISTEN: `none` stands alone"),
        }
    }

    /// Fails if an address stands twice in the settings, which the system would call in use.
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

    /// Certificate and key, if TLS is spoken.
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

    /// The same, with no more clients than `descriptor_limit` allows.
    pub fn within_descriptor_limit(self, descriptor_limit: u64) -> Self {
        // Few take less beside them: fewer join at a time.
        let beside = DESCRIPTORS_BESIDE_CLIENTS.min(descriptor_limit / 2);
        let room = descriptor_limit - beside;
        let room = usize::try_from(room).unwrap_or(usize::MAX).max(1);
        Self {
            max_clients: self.max_clients.min(room),
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
    fn buffers_follow_the_memory() {
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
    fn addresses_may_be_repeated_and_separated_by_commas() {
        let settings = parse(&["--listen=a:1,[::1]:2", "--listen", "10.0.0.1:3"]).unwrap();
        let addresses = settings.plain_addresses().unwrap();
        let shown: Vec<String> = addresses.iter().map(|a| a.to_string()).collect();
        assert_eq!(shown, ["a:1", "[::1]:2", "10.0.0.1:3"]);
    }

    #[test]
    fn tls_may_be_all_there_is_and_needs_certificate_and_key() {
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
    fn an_address_given_twice_is_named() {
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

//! The settings of the front end.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread::available_parallelism;

use chat_line_protocol::DEFAULT_MAX_LINE_BYTES;
use chat_node::limits::network::Networks;
use chat_node::settings::process_options::ProcessOptions;
use clap::Parser;
use clap::builder::RangedU64ValueParser;

use crate::listen_address::{ListenAddress, PlainListen};

/// Smallest limit of a worker's buffers, in bytes.
pub const MIN_BUFFER_BYTES: usize = 65_536;
/// Maximum number of workers.
const MAX_WORKERS: u32 = 64;
/// Ten years: far below what milliseconds in 64 bits can hold.
const MAX_TIME_OUT_S: u64 = 10 * 365 * 24 * 60 * 60;

/// The front end of chatserv: serves TCP clients and forwards their requests to chat-stated
///
/// Runs in the foreground by default. On SIGTERM the workers answer pending requests and stop. On SIGHUP they re-read
/// their files.
#[derive(Parser, Clone, Debug)]
#[command(name = "chat-frontd", version = chat_node::VERSION)]
pub struct FrontEndSettings {
    /// Flags of the process.
    #[command(flatten)]
    pub process: ProcessOptions,

    /// Addresses for clients without TLS: HOST:PORT or [IPV6]:PORT, repeated or separated by commas; or `none`
    ///
    /// `0.0.0.0:4119,[::]:4119` listens everywhere. Without TLS, on anything but loopback, the status warns.
    #[arg(
        long,
        help_heading = "[network]",
        value_name = "ADDR",
        env = "CHAT_LISTEN",
        default_value = "127.0.0.1:4119",
        value_delimiter = ','
    )]
    pub listen: Vec<PlainListen>,

    /// Addresses for clients with TLS, in the same form; requires --tls-cert and --tls-key
    #[arg(
        long,
        help_heading = "[network]",
        value_name = "ADDR",
        env = "CHAT_LISTEN_TLS",
        value_delimiter = ','
    )]
    pub listen_tls: Vec<ListenAddress>,

    /// PEM file with the server's certificate, followed by the intermediate certificates; re-read on SIGHUP
    #[arg(
        long,
        help_heading = "[tls]",
        value_name = "FILE",
        env = "CHAT_TLS_CERT"
    )]
    pub tls_cert: Option<PathBuf>,

    /// PEM file with the private key of the certificate; re-read on SIGHUP
    ///
    /// If the master is root, the file may belong to root with mode 0600.
    #[arg(
        long,
        help_heading = "[tls]",
        value_name = "FILE",
        env = "CHAT_TLS_KEY"
    )]
    pub tls_key: Option<PathBuf>,

    /// Maximum concurrent TLS handshakes per worker
    ///
    /// If there are more, the oldest is closed after a second.
    #[arg(
        long,
        help_heading = "[tls]",
        value_name = "COUNT",
        env = "CHAT_MAX_HANDSHAKES",
        default_value_t = 256,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=65_536)
    )]
    pub max_handshakes: usize,

    /// Maximum duration of a TLS handshake, in seconds
    #[arg(
        long,
        help_heading = "[tls]",
        value_name = "SECONDS",
        env = "CHAT_HANDSHAKE_TIME_OUT",
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    pub handshake_time_out: u64,

    /// Number of worker processes, 1 to 64 [default: the number of cores]
    #[arg(
        long,
        help_heading = "[process]",
        value_name = "COUNT",
        env = "CHAT_WORKERS",
        default_value_t = cores(),
        hide_default_value = true,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(MAX_WORKERS))
    )]
    pub workers: u32,

    /// Seconds without a line from a client after which it is disconnected
    #[arg(
        long,
        help_heading = "[clients]",
        value_name = "SECONDS",
        env = "TIME_OUT",
        default_value_t = 1800,
        value_parser = clap::value_parser!(u64).range(1..=MAX_TIME_OUT_S)
    )]
    pub time_out: u64,

    /// Maximum length of a client's line in bytes, including the line end
    ///
    /// 64 to 65,536.
    #[arg(
        long,
        help_heading = "[clients]",
        value_name = "BYTES",
        env = "CHAT_MAX_LINE_BYTES",
        default_value_t = DEFAULT_MAX_LINE_BYTES,
        value_parser = RangedU64ValueParser::<usize>::new().range(64..=65_536)
    )]
    pub max_line_bytes: usize,

    /// Maximum concurrent clients per worker; lower if the limit of descriptors is too low
    ///
    /// A full worker leaves a client to the others for 200 ms, then answers `error:busy:`.
    #[arg(
        long,
        help_heading = "[connections]",
        value_name = "COUNT",
        env = "CHAT_MAX_CLIENTS",
        default_value_t = 18_000,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000)
    )]
    pub max_clients: usize,

    /// Maximum unread output of a client in bytes; above it, no further lines of the client are read
    #[arg(
        long,
        help_heading = "[clients]",
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
        help_heading = "[clients]",
        value_name = "BYTES",
        env = "CHAT_MAX_BUFFER_BYTES",
        value_parser = RangedU64ValueParser::<usize>::new().range(MIN_BUFFER_BYTES as u64..=1 << 40)
    )]
    pub max_buffer_bytes: Option<usize>,

    /// Maximum number of recipients of one message
    ///
    /// More than a line of 8,192 bytes holds.
    #[arg(
        long,
        help_heading = "[clients]",
        value_name = "COUNT",
        env = "CHAT_MAX_RECIPIENTS",
        default_value_t = 4_096,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=65_536)
    )]
    pub max_recipients: usize,

    /// Addresses and networks, separated by commas, that are exempt from limits by source and time; or `none`
    ///
    /// Empty, or `none`: nobody.
    #[arg(
        long,
        help_heading = "[network]",
        value_name = "NETWORKS",
        env = "CHAT_TRUSTED",
        default_value = Networks::LOOPBACK
    )]
    pub trusted: Networks,

    /// Maximum duration of a login in seconds, from the connection to `welcome`
    ///
    /// With TLS the time begins at the end of the handshake. Registration is included. Trusted sources are exempt.
    #[arg(
        long,
        help_heading = "[logins]",
        value_name = "SECONDS",
        env = "CHAT_LOGIN_TIME_OUT",
        default_value_t = 120,
        value_parser = clap::value_parser!(u64).range(1..=MAX_TIME_OUT_S)
    )]
    pub login_time_out: u64,

    /// Maximum lines per second and client; excess lines are delayed
    ///
    /// Trusted sources are exempt.
    #[arg(
        long,
        help_heading = "[clients]",
        value_name = "COUNT",
        env = "CHAT_LINES_PER_SECOND",
        default_value_t = 100,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub lines_per_second: u32,

    /// Lines a client may send in a burst before --lines-per-second applies
    ///
    /// Bytes are limited too: as many as so many lines of --max-line-bytes. What comes faster stays unread for a while.
    /// Trusted sources are exempt.
    #[arg(
        long,
        help_heading = "[clients]",
        value_name = "COUNT",
        env = "CHAT_LINE_BURST",
        default_value_t = 500,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub line_burst: u32,

    /// Maximum connections accepted per second, per worker and listener; excess connections stay in the kernel's
    /// backlog
    ///
    /// Trusted sources do not count, but wait behind the others at the same listener.
    #[arg(
        long,
        help_heading = "[connections]",
        value_name = "COUNT",
        env = "CHAT_CONNECTIONS_PER_SECOND",
        default_value_t = 5_000,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub connections_per_second: u32,

    /// Connections accepted in a burst, per worker and listener, before --connections-per-second applies
    #[arg(
        long,
        help_heading = "[connections]",
        value_name = "COUNT",
        env = "CHAT_CONNECTION_BURST",
        default_value_t = 20_000,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub connection_burst: u32,

    /// Maximum connections per second, per worker and source; excess connections are refused
    ///
    /// Balancers are exempt, their clients are not. Trusted sources are exempt.
    #[arg(
        long,
        help_heading = "[connections]",
        value_name = "COUNT",
        env = "CHAT_SOURCE_CONNECTIONS_PER_SECOND",
        default_value_t = 100,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub source_connections_per_second: u32,

    /// Connections from a source in a burst, per worker, before --source-connections-per-second applies
    ///
    /// Refused connections get `error:busy:` and are closed (with TLS: closed). Four refused ones count as one at the
    /// listener. A worker remembers 16,384 sources, and does not limit others. Trusted sources are exempt.
    #[arg(
        long,
        help_heading = "[connections]",
        value_name = "COUNT",
        env = "CHAT_SOURCE_CONNECTION_BURST",
        default_value_t = 1_000,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000)
    )]
    pub source_connection_burst: u32,

    /// Load balancers, as addresses and networks separated by commas, that send a PROXY header (version 2)
    #[arg(
        long,
        help_heading = "[network]",
        value_name = "NETWORKS",
        env = "CHAT_PROXY_FROM",
        default_value = "none"
    )]
    pub proxy_from: Networks,

    /// Seconds within which the PROXY header must arrive
    #[arg(
        long,
        help_heading = "[network]",
        value_name = "SECONDS",
        env = "CHAT_PROXY_TIME_OUT",
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    pub proxy_time_out: u64,
}

impl FrontEndSettings {
    /// The socket of the state daemon.
    pub fn state_socket_path(&self) -> PathBuf {
        self.process.run_dir.join("chat-stated.sock")
    }
}

/// Asks the system once: a worker must not ask later, when its system calls are restricted.
fn cores() -> u32 {
    static CORES: OnceLock<u32> = OnceLock::new();
    *CORES.get_or_init(|| {
        let cores = available_parallelism().map_or(1, |count| count.get());
        u32::try_from(cores).map_or(MAX_WORKERS, |cores| cores.min(MAX_WORKERS))
    })
}

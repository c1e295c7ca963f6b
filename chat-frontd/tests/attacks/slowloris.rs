//! Slow clients: a byte now and then, so that they are neither silent nor done.

use std::thread;
use std::time::{Duration, Instant};

use rustls::ALL_VERSIONS;

use crate::certificate::{Certificate, SERVER_NAME};
use crate::connection::{Connection, Received};
use crate::installation::{FRONTD, PATIENCE};
use crate::server::{Server, expect, says, source};

/// Number of clients in each phase.
const EACH: usize = 8;
/// Interval between two bytes of a client.
const DRIP_EVERY: Duration = Duration::from_millis(100);

/// A client that sends one byte at a time.
struct Dripper {
    phase: &'static str,
    connection: Connection,
    bytes: Box<dyn Iterator<Item = u8>>,
}

impl Dripper {
    /// Sends a line that never ends.
    fn of_line(phase: &'static str, connection: Connection) -> Self {
        let bytes = Box::new(std::iter::repeat(b'x'));
        Self {
            phase,
            connection,
            bytes,
        }
    }

    /// Sends one more byte. Returns whether the server still reads.
    fn drip(&mut self) -> bool {
        let Some(byte) = self.bytes.next() else {
            panic!("{}: it was given the time to say all", self.phase);
        };
        if self.connection.send(&[byte]).is_err() {
            return false;
        }
        match self.connection.receive_within(Duration::from_millis(1)) {
            Received::Nothing(_) => true,
            Received::Line(line) => {
                assert_eq!(line, b"timeout", "{}", self.phase);
                true
            }
            Received::Closed(_) | Received::Broken(_) => false,
        }
    }
}

#[test]
fn slow_senders_are_disconnected_in_every_phase() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = Certificate::make(dir.path());
    let server = Server::start(&[
        ("CHAT_LISTEN_TLS", "127.0.0.1:0"),
        (
            "CHAT_TLS_CERT",
            certificate.certificate_file.to_str().unwrap(),
        ),
        ("CHAT_TLS_KEY", certificate.key_file.to_str().unwrap()),
        ("CHAT_PROXY_FROM", "127.0.0.9"),
        ("CHAT_PROXY_TIME_OUT", "2"),
        ("CHAT_HANDSHAKE_TIME_OUT", "2"),
        ("CHAT_LOGIN_TIME_OUT", "4"),
        ("TIME_OUT", "6"),
    ]);
    let mut good = server.log_in(source(2), "foobar", "passpass");
    let mut drippers = drippers(&server, &certificate);
    let deadline = Instant::now() + PATIENCE;
    while !drippers.is_empty() {
        let left: Vec<_> = drippers.iter().map(|dripper| dripper.phase).collect();
        assert!(Instant::now() < deadline, "still listened to: {left:?}");
        drippers.retain_mut(Dripper::drip);
        says(&mut good, "fetch", "fetching");
        expect(&mut good, "DONE");
        drop(server.served(source(3)));
        thread::sleep(DRIP_EVERY);
    }
    for event in ["login-time-out", "proxy-header", "tls-handshake"] {
        let lines = server.security_lines(FRONTD);
        let event = format!("event={event} ");
        assert!(lines.iter().any(|line| line.contains(&event)), "{event}");
    }
}

fn drippers(server: &Server, certificate: &Certificate) -> Vec<Dripper> {
    let mut drippers = Vec::new();
    let chat = server.log_in(source(10), "windows", "withglass");
    drippers.push(Dripper::of_line("chat", chat));
    for _ in 0..EACH {
        drippers.push(Dripper::of_line("name", server.connect(source(11))));
        let mut client = server.connect(source(12));
        says(&mut client, "windows", "connected");
        says(&mut client, "nobody-yet", "register");
        says(&mut client, "y", "password");
        drippers.push(Dripper::of_line("password", client));
        drippers.push(Dripper {
            phase: "TLS handshake",
            connection: Connection::open(tls_address(server), Some(source(13))).unwrap(),
            bytes: Box::new(client_hello(certificate).into_iter()),
        });
        drippers.push(Dripper {
            phase: "PROXY header",
            connection: server.connect(source(9)),
            bytes: Box::new(long_proxy_header().into_iter()),
        });
    }
    drippers
}

fn tls_address(server: &Server) -> std::net::SocketAddr {
    let status = server.installation.status(FRONTD).unwrap();
    let mut addresses = status.addresses.iter();
    let address = addresses.find_map(|address| address.strip_suffix(" tls"));
    address.unwrap().parse().unwrap()
}

/// The first bytes of a client.
fn client_hello(certificate: &Certificate) -> Vec<u8> {
    let config = certificate.client(ALL_VERSIONS);
    let name = SERVER_NAME.try_into().unwrap();
    let mut client = rustls::ClientConnection::new(config, name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// A header with 1,000 bytes of addresses and extensions.
fn long_proxy_header() -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
    bytes.extend(1_000_u16.to_be_bytes());
    bytes.extend([0; 1_000]);
    bytes
}

#[test]
fn endless_name_is_refused_once() {
    let server = Server::start(&[]);
    let mut good = server.log_in(source(2), "foobar", "passpass");
    let mut endless = server.connect(source(3));
    let piece = [b'x'; 16 * 1024];
    endless.send(&piece).unwrap();
    expect(&mut endless, "error:length:");
    let deadline = Instant::now() + PATIENCE;
    while endless.send(&piece).is_ok() {
        assert!(Instant::now() < deadline, "it is listened to for ever");
        says(&mut good, "fetch", "fetching");
        expect(&mut good, "DONE");
        // The rate of a good client is limited, too.
        thread::sleep(Duration::from_millis(20));
    }
}

//! Limits with TLS: what is counted before the handshake.

use std::thread;
use std::time::{Duration, Instant};

use rustls::ALL_VERSIONS;

use crate::balancers::header;
use crate::certificate::{Certificate, SERVER_NAME};
use crate::connection::Connection;
use crate::installation::{FRONTD, PATIENCE, STATED};
use crate::server::{Server, says, source};

/// A server with TLS only.
fn start(settings: &[(&str, &str)]) -> (Server, Certificate) {
    let dir = tempfile::tempdir().unwrap();
    let certificate = Certificate::make(dir.path());
    let tls = [
        ("CHAT_LISTEN_TLS", "127.0.0.1:0"),
        (
            "CHAT_TLS_CERT",
            certificate.certificate_file.to_str().unwrap(),
        ),
        ("CHAT_TLS_KEY", certificate.key_file.to_str().unwrap()),
    ];
    let server = Server::start_listening("none", &[&tls[..], settings].concat());
    (server, certificate)
}

fn shake_hands(connection: Connection, certificate: &Certificate) -> Result<Connection, String> {
    connection.with_tls(&certificate.client(ALL_VERSIONS), SERVER_NAME)
}

#[test]
fn proxy_header_precedes_handshake() {
    let (server, certificate) = start(&[("CHAT_PROXY_FROM", "127.0.0.9")]);
    let mut connection = server.connect(source(9));
    connection.send(&header([192, 0, 2, 7])).unwrap();
    let mut client = shake_hands(connection, &certificate).unwrap();
    says(&mut client, "foobar", "password");
    says(&mut client, "wrong", "password");
    server.expect_security_line(STATED, "event=login-failed source=192.0.2.7 user=foobar");
}

#[test]
fn unfinished_handshakes_count_as_connections() {
    let (server, certificate) = start(&[
        // Two workers could count the silent ones after the one that comes last.
        ("CHAT_WORKERS", "1"),
        ("CHAT_MAX_ADDRESS_CONNECTIONS", "2"),
        ("CHAT_HANDSHAKE_TIME_OUT", "600"),
    ]);
    let silent: Vec<_> = (0..2).map(|_| server.connect(source(2))).collect();
    let try_to_name = || {
        let mut client = shake_hands(server.connect(source(2)), &certificate).ok()?;
        client.send(b"nobody-yet\n").ok()?;
        Some(client.receive().to_string() == "register")
    };
    let until = |is_served: bool| {
        let deadline = Instant::now() + PATIENCE;
        while (try_to_name() == Some(true)) != is_served {
            assert!(Instant::now() < deadline);
            thread::sleep(Duration::from_millis(10));
        }
    };
    until(false);
    server.expect_security_line(STATED, "event=address-connections source=127.0.0.2");
    drop(silent);
    until(true);
    server.expect_security_line(FRONTD, "event=tls-handshake source=127.0.0.2");
}

#[test]
fn silent_connections_delay_nobody() {
    const SOURCES: u8 = 20;
    const OF_A_SOURCE: usize = 20;
    let (server, certificate) = start(&[
        ("CHAT_WORKERS", "1"),
        ("CHAT_MAX_HANDSHAKES", "8"),
        ("CHAT_HANDSHAKE_TIME_OUT", "600"),
    ]);
    let mut silent = Vec::new();
    for _ in 0..OF_A_SOURCE {
        // One after the other, they would occupy the places for 50 seconds.
        silent.extend((1..=SOURCES).map(|number| server.connect(source(100 + number))));
        let began_at = Instant::now();
        let unauthenticated = server.connect(source(7));
        let mut client = shake_hands(unauthenticated, &certificate).unwrap();
        says(&mut client, "foobar", "password");
        assert!(began_at.elapsed() < PATIENCE / 2);
    }
    drop(silent);
}

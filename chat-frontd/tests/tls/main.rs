//! TLS with real processes: certificates, handshakes, resumption, and truncated connections.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod long_handshake;
#[path = "../support/process_memory.rs"]
mod process_memory;
mod secrets;
mod server;
#[path = "../support/real_processes.rs"]
mod support;

use std::fs;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use support::{certificate, connection, installation, processes};

use certificate::{Certificate, SERVER_NAME};
use connection::{Connection, Received};
use installation::{FRONTD, Installation, kill, repository, wait_until};
use nix::sys::signal::Signal;
use rustls::{ALL_VERSIONS, HandshakeKind};
use server::{Server, ask, expect, expect_message, files, is_hung_up_on};

#[test]
fn new_certificate_drops_nobody() {
    let server = Server::start(&[]);
    let old = server.certificate.client(ALL_VERSIONS);
    let mut early = server.connect_with(&old).unwrap();
    ask(&mut early);
    let workers = server.installation.children(FRONTD);
    let certificate = Certificate::make(&server.installation.run_dir);
    let new = certificate.client(ALL_VERSIONS);
    assert!(
        server.connect_with(&new).is_err(),
        "it was not reloaded yet"
    );
    server
        .installation
        .script("reload")
        .expect_status(0)
        .expect_out("cert.pem is for [");
    // Either of two workers may accept a connection.
    for _ in 0..20 {
        wait_until("the new one is in use", || {
            server.connect_with(&new).is_ok()
        });
    }
    wait_until("the old one is out of use", || {
        (0..10).all(|_| {
            server
                .connect_with(&server.certificate.client(ALL_VERSIONS))
                .is_err()
        })
    });
    ask(&mut early);

    // An unusable certificate changes nothing.
    fs::write(&certificate.key_file, "no key").unwrap();
    server
        .installation
        .script("reload")
        .expect_status(1)
        .expect_err("the old certificate and key stay in use");
    server.wait_for_log("the old certificate and key stay in use");
    wait_until("the status warns of it", || {
        let said = server.installation.script("status");
        said.out.contains("  warning: ") && said.out.contains("stay in use")
    });
    ask(&mut early);
    assert_eq!(server.installation.children(FRONTD), workers);
    // Workers that start later receive the current certificate.
    for worker in workers {
        kill(worker, Signal::SIGKILL);
    }
    for _ in 0..10 {
        wait_until("it is in use still", || server.connect_with(&new).is_ok());
    }
}

#[test]
fn unusable_identity_fails_the_start() {
    let installation = Installation::new();
    fs::create_dir(&installation.run_dir).unwrap();
    let certificate = Certificate::make(&installation.run_dir);
    let other_dir = tempfile::tempdir().unwrap();
    let other = Certificate::make(other_dir.path());
    let [cert, key] = files(&certificate);
    let [_, other_key] = files(&other);
    let start = |flags: &[&str]| {
        let flags = [&["--detach", "--listen-tls=127.0.0.1:0"], flags].concat();
        let said = installation.program(FRONTD, &flags);
        said.expect_status(1);
        said
    };
    start(&[]).expect_err("TLS needs a certificate: set --tls-cert, CHAT_TLS_CERT");
    start(&[&cert]).expect_err("set --tls-key, CHAT_TLS_KEY");
    start(&[&cert, &other_key]).expect_err("the key does not match the certificate");
    let missing = start(&["--tls-cert=/nowhere/cert.pem", &key]);
    missing.expect_err("cannot read the certificate /nowhere/cert.pem: No such file");
    let swapped = key.replace("--tls-key", "--tls-cert");
    start(&[&swapped, &key]).expect_err("the certificate file has no certificate in PEM form");
    let said = installation.program(FRONTD, &["--detach", "--listen=none"]);
    said.expect_status(1).expect_err("no address to listen on");
}

#[test]
fn bad_handshakes_are_closed() {
    let server = Server::start(&["--workers=1", "--handshake-time-out=1"]);
    let worker = server.installation.children(FRONTD);
    let mut early = server.connect();
    for bytes in [
        &b"foobar\npasspass\nwho\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0; 100],
        &[255; 40_000],
        b"\x16\x03\x01\xff\xff",
    ] {
        assert!(is_hung_up_on(server.address, bytes), "{bytes:.20?}");
    }
    let hello = client_hello(&server);
    // Each of these handshakes is incomplete, and times out.
    for end in [0, 1, 4, 5, 6, hello.len() / 2, hello.len() - 1, hello.len()] {
        assert!(is_hung_up_on(server.address, &hello[..end]), "{end} bytes");
    }
    // A client that closes in the middle.
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(&hello[..hello.len() / 2]).unwrap();
    drop(stream);
    // Each byte is flipped in turn. Few of the results are valid handshakes.
    for at in (0..hello.len()).step_by(7) {
        let mut bytes = hello.clone();
        bytes[at] ^= 0x55;
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(&bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    }
    ask(&mut early);
    server.serves();
    assert_eq!(server.installation.children(FRONTD), worker);
    server.wait_for_log("a TLS handshake failed, of 127.0.0.1: received corrupt message");
    let lines = server.log().matches("failed, ").count();
    assert!(lines < 20, "{lines} lines of failures");
}

/// The first bytes of a client.
fn client_hello(server: &Server) -> Vec<u8> {
    let config = server.certificate.client(ALL_VERSIONS);
    let name = SERVER_NAME.try_into().unwrap();
    let mut client = rustls::ClientConnection::new(config, name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn stalled_handshakes_block_nobody() {
    let server = Server::start(&["--workers=1", "--max-handshakes=4"]);
    let idle: Vec<TcpStream> = (0..40)
        .map(|_| TcpStream::connect(server.address).unwrap())
        .collect();
    // Each has ten seconds, and there are more than the limit for silent ones.
    server.serves();
    drop(idle);
    server.wait_for_log("others wanted its place");
}

#[test]
fn any_worker_resumes_tls_sessions() {
    let server = Server::start(&[]);
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let config = server.certificate.client(&[version]);
        let kind = || {
            let mut client = server.connect_with(&config).unwrap();
            // Tickets arrive with the first data after the handshake.
            ask(&mut client);
            let tls = client.tls().unwrap();
            assert_eq!(tls.protocol_version(), Some(version.version));
            let kind = tls.handshake_kind().unwrap();
            client.finish().unwrap();
            kind
        };
        assert_eq!(kind(), HandshakeKind::Full);
        for _ in 0..8 {
            assert_eq!(kind(), HandshakeKind::Resumed);
        }
        for worker in server.installation.children(FRONTD) {
            kill(worker, Signal::SIGKILL);
        }
        wait_until("new workers serve", || {
            let status = server.installation.status(FRONTD).unwrap();
            let mut children = status.children.iter();
            children.all(|c| c.phase.word() == "serving" && c.process.is_some_and(|p| p.is_alive()))
        });
        assert_eq!(kind(), HandshakeKind::Resumed);
    }
}

#[test]
fn only_lines_confirm_over_tls() {
    let server = Server::start(&[]);
    let mut sender = server.log_in("windows", "withglass");
    expect(&mut sender, "DONE");
    sender.send(b"send foobar hello\n").unwrap();
    for line in ["sent:", "DONE"] {
        expect(&mut sender, line);
    }
    let mut reader = server.log_in("foobar", "passpass");
    expect_message(&mut reader, "windows: hello");
    expect(&mut reader, "DONE");
    // The first line shows that the message has arrived; the second line confirms it.
    reader.send(b"fetch\n").unwrap();
    for line in ["fetching", "DONE"] {
        expect(&mut reader, line);
    }
    // The FIN may be forged; the line before it is authentic, and is carried out.
    reader.send(b"send windows seen\n").unwrap();
    reader.into_stream().shutdown(Shutdown::Write).unwrap();
    let mut reader = server.log_in_again("foobar", "passpass");
    expect(&mut reader, "DONE");
    sender.send(b"fetch\n").unwrap();
    expect(&mut sender, "fetching");
    expect_message(&mut sender, "foobar: seen");
    expect(&mut sender, "DONE");
    reader.finish().unwrap();
    sender.send(b"send foobar again\n").unwrap();
    for line in ["sent:", "DONE"] {
        expect(&mut sender, line);
    }
    let mut reader = server.log_in_again("foobar", "passpass");
    expect_message(&mut reader, "windows: again");
    expect(&mut reader, "DONE");
    reader.into_stream().shutdown(Shutdown::Write).unwrap();
    let mut reader = server.log_in_again("foobar", "passpass");
    expect_message(&mut reader, "windows: again");
    expect(&mut reader, "DONE");
    // As a crashed program whose library closes the connection.
    reader.finish().unwrap();
    assert_eq!(reader.receive(), Received::Closed(Vec::new()));
    let mut reader = server.log_in("foobar", "passpass");
    expect_message(&mut reader, "windows: again");
    expect(&mut reader, "DONE");
    reader.send(b"logout\n").unwrap();
    expect(&mut reader, "goodbye");
    assert_eq!(reader.receive(), Received::Closed(Vec::new()));
    let mut reader = server.log_in("foobar", "passpass");
    expect(&mut reader, "DONE");
}

#[test]
fn reset_during_delivery_loses_nothing() {
    const MESSAGES: usize = 60;
    let server = Server::start(&[]);
    let mut sender = server.log_in("windows", "withglass");
    expect(&mut sender, "DONE");
    let text = "x".repeat(8_000);
    for number in 0..MESSAGES {
        let line = format!("send foobar {number} {text}\n");
        sender.send(line.as_bytes()).unwrap();
        expect(&mut sender, "sent:");
        expect(&mut sender, "DONE");
    }
    let mut reader = server.log_in("foobar", "passpass");
    for _ in 0..MESSAGES / 3 {
        assert!(matches!(reader.receive(), Received::Line(_)));
    }
    reader.reset().unwrap();
    let mut reader = server.log_in_again("foobar", "passpass");
    for number in 0..MESSAGES {
        expect_message(&mut reader, &format!("windows: {number} {text}"));
    }
    expect(&mut reader, "DONE");
}

#[test]
fn status_lists_all_kinds_of_addresses() {
    let mut installation = Installation::new();
    installation.listen = "127.0.0.1:0,0.0.0.0:0,[::]:0".to_owned();
    fs::create_dir(&installation.run_dir).unwrap();
    let certificate = Certificate::make(&installation.run_dir);
    let start = || {
        let mut command = installation.command(repository().join("scripts/start"));
        command
            .env("CHAT_LISTEN_TLS", "127.0.0.1:0,[::1]:0")
            .env("CHAT_TLS_CERT", &certificate.certificate_file)
            .env("CHAT_TLS_KEY", &certificate.key_file);
        installation.run(command)
    };
    let said = start();
    said.expect_status(0).expect_out("chat-client --tls ::1 ");
    let addresses = installation.status(FRONTD).unwrap().addresses;
    assert_eq!(addresses.len(), 5, "{addresses:?}");
    let status = installation.script("status");
    status.expect_status(0);
    let log = fs::read_to_string(installation.file("chat-frontd.log")).unwrap();
    for (index, address) in addresses.iter().enumerate() {
        status.expect_out(&format!("listens on {address}, a client was served"));
        let warning = format!("{address} is open to other hosts without TLS");
        let is_open = index == 1 || index == 2;
        assert_eq!(said.err.contains(&warning), is_open, "{said:?}");
        assert_eq!(status.out.contains(&format!("warning: {warning}")), is_open);
        assert_eq!(log.contains(&warning), is_open, "{log}");
    }
    let config = certificate.client(ALL_VERSIONS);
    let address: SocketAddr = addresses[4].strip_suffix(" tls").unwrap().parse().unwrap();
    assert!(address.is_ipv6());
    let mut client = Connection::open(address, None).unwrap();
    client = client.with_tls(&config, SERVER_NAME).unwrap();
    ask(&mut client);
}

#[test]
fn make_cert_creates_usable_certificate() {
    let mut installation = Installation::new();
    installation.listen = "none".to_owned();
    let make = |names: &[&str]| {
        let mut command = installation.command(repository().join("scripts/make-cert"));
        command.args(names);
        installation.run(command)
    };
    make(&[])
        .expect_status(2)
        .expect_err("names or addresses are missing");
    make(&["a", "--days=3"])
        .expect_status(2)
        .expect_err("Usage: scripts/make-cert NAME...");
    make(&["a,DNS:b"])
        .expect_status(1)
        .expect_err("neither a name nor an address");
    let said = make(&["chat.example.org.", "127.0.0.1", "::1"]);
    said.expect_status(0).expect_out("CHAT_TLS_KEY=");
    said.expect_out("--ca cert.pem chat.example.org 4120");
    let key = installation.file("key.pem");
    let mode = fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = fs::read(&key).unwrap();
    make(&["chat.example.org"])
        .expect_status(1)
        .expect_err("exists already");
    assert_eq!(fs::read(&key).unwrap(), before);
    let left = fs::read_dir(&installation.run_dir).unwrap().count();
    assert_eq!(left, 2, "nothing but certificate and key");

    let mut command = installation.command(repository().join("scripts/start"));
    command
        .env("CHAT_LISTEN_TLS", "127.0.0.1:0")
        .env("CHAT_TLS_CERT", installation.file("cert.pem"))
        .env("CHAT_TLS_KEY", &key);
    installation.run(command).expect_status(0);
    let log = fs::read_to_string(installation.file("chat-frontd.log")).unwrap();
    assert!(
        log.contains("cert.pem is for [chat.example.org, 127.0.0.1, ::1], valid until"),
        "{log}"
    );
    installation.script("status").expect_status(0);
}

#[test]
fn idle_tls_clients_take_little_memory() {
    const CLIENTS: usize = 500;
    chat_node::limits::descriptor_limit::raise().unwrap();
    let server = Server::start(&["--workers=1"]);
    let worker = server.installation.children(FRONTD)[0];
    let resident_bytes = || {
        let pages = fs::read_to_string(format!("/proc/{}/statm", worker.pid)).unwrap();
        pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    };
    server.serves();
    let before = resident_bytes();
    let clients: Vec<Connection> = (0..CLIENTS)
        .map(|_| {
            let mut client = server.connect();
            ask(&mut client);
            client
        })
        .collect();
    let each = resident_bytes().saturating_sub(before) / clients.len();
    eprintln!("{each} bytes for an idle TLS client");
    assert!(each < 12_000, "{each} bytes for each");
    let mut last = clients.into_iter().next_back().unwrap();
    assert_eq!(
        last.receive_within(Duration::from_millis(1)),
        Received::Nothing(Vec::new())
    );
}

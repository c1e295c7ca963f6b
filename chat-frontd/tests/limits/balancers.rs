//! Clients behind a balancer that speaks the PROXY protocol.

use crate::connection::{Connection, Received};
use crate::installation::{FRONTD, STATED};
use crate::server::{Server, expect, says, source};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header for a client with this address.
pub(crate) fn header(client: [u8; 4]) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([0x21, 0x11, 0, 16]);
    bytes.extend(client);
    bytes.extend([10, 0, 0, 1, 0x30, 0x39, 0x10, 0x17]);
    // An extension (type, length, value), which is skipped.
    bytes.extend([4, 0, 1, 0]);
    bytes
}

/// A header without a client: the balancer checks whether clients are served.
pub(crate) fn local_header() -> Vec<u8> {
    [SIGNATURE, &[0x20, 0, 0, 0]].concat()
}

fn behind_balancer(server: &Server, client: [u8; 4]) -> Connection {
    let mut connection = server.connect(source(9));
    connection.send(&header(client)).unwrap();
    connection
}

fn expect_closed(mut connection: Connection) {
    match connection.receive() {
        Received::Closed(_) | Received::Broken(_) => {}
        other => panic!("{other}"),
    }
}

#[test]
fn limits_apply_to_client_behind_balancer() {
    let server = Server::start(&[
        ("CHAT_PROXY_FROM", "127.0.0.9,127.0.0.64/26"),
        ("CHAT_TRUSTED", "127.0.0.9"),
        ("CHAT_MAX_ADDRESS_CONNECTIONS", "2"),
    ]);
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = behind_balancer(&server, [192, 0, 2, 7]);
        says(&mut client, "nobody-yet", "register");
        clients.push(client);
    }
    let mut third = behind_balancer(&server, [192, 0, 2, 7]);
    expect(&mut third, "error:busy:");
    server.expect_security_line(STATED, "event=address-connections source=192.0.2.7");
    // Header and first line in one piece, and byte by byte.
    let mut other = server.connect(source(9));
    let bytes = [&header([192, 0, 2, 8])[..], b"foobar\nwrong\n"].concat();
    other.send(&bytes).unwrap();
    for _ in 0..2 {
        expect(&mut other, "password");
    }
    server.expect_security_line(STATED, "event=login-failed source=192.0.2.8 user=foobar");
    says(&mut other, "wrong", "password");
    other.send(b"wrong\n").unwrap();
    assert!(matches!(other.receive(), Received::Line(seconds) if seconds == b"60"));
    let mut slow = server.connect(source(100));
    slow.send_byte_by_byte(&header([192, 0, 2, 8])).unwrap();
    slow.send(b"foobar\n").unwrap();
    assert!(matches!(slow.receive(), Received::Line(line) if line.starts_with(b"blocked:")));
    let mut elsewhere = behind_balancer(&server, [192, 0, 2, 9]);
    says(&mut elsewhere, "foobar", "password");
}

#[test]
fn balancer_may_probe() {
    let server = Server::start(&[("CHAT_PROXY_FROM", "127.0.0.9")]);
    let mut local = server.connect(source(9));
    local.send(&local_header()).unwrap();
    says(&mut local, "foobar", "password");
    says(&mut local, "wrong", "password");
    server.expect_security_line(STATED, "event=login-failed source=127.0.0.9 user=foobar");
}

#[test]
fn balancer_may_run_on_same_host() {
    let server = Server::start(&[("CHAT_PROXY_FROM", "127.0.0.0/8")]);
    let status = server.installation.program(FRONTD, &["--status"]);
    status.expect_status(0).expect_out("a client was served");
    let mut client = behind_balancer(&server, [192, 0, 2, 7]);
    says(&mut client, "foobar", "password");
}

#[test]
fn balancer_without_header_is_refused() {
    let server = Server::start(&[
        ("CHAT_PROXY_FROM", "127.0.0.9"),
        ("CHAT_PROXY_TIME_OUT", "1"),
    ]);
    for bytes in [
        &b"foobar\n"[..],
        b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\nfoobar\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\0",
        // Neither the rest nor anything else arrives in time.
        b"\r\n\r\n\0\r\nQUI",
        b"",
    ] {
        let mut connection = server.connect(source(9));
        connection.send(bytes).unwrap();
        expect_closed(connection);
    }
    server.expect_refused(FRONTD, "proxy-header", 5);
    server.expect_security_line(FRONTD, "event=proxy-header source=127.0.0.9");
}

#[test]
fn header_from_others_is_a_name() {
    let server = Server::start(&[("CHAT_PROXY_FROM", "127.0.0.9")]);
    let mut client = server.connect(source(8));
    client.send(&header([192, 0, 2, 7])).unwrap();
    expect(&mut client, "username");
    says(&mut client, "", "username");
}

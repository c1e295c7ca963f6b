//! Limits on the number, duration and buffers of connections.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::connection::Received;
use crate::installation::{FRONTD, PATIENCE, STATED, kill, wait_until};
use crate::server::{Server, expect, expect_rejected, says, source};

#[test]
fn source_limit_spans_all_workers() {
    let server = Server::start(&[("CHAT_MAX_ADDRESS_CONNECTIONS", "4")]);
    let mut clients: Vec<_> = (0..4).map(|_| server.served(source(2))).collect();
    server.is_rejected(source(2));
    drop(server.served(source(3)));
    drop(clients.pop());
    // The server may notice that it left after the next has connected.
    let served = wait_for_room(&server);
    server.expect_security_line(
        STATED,
        " security: event=address-connections source=127.0.0.2",
    );
    // Workers report all connections to a new daemon.
    let old = server.installation.children(STATED)[0];
    kill(old, Signal::SIGKILL);
    wait_until("another state process", || {
        let children = server.installation.children(STATED);
        children.first().is_some_and(|new| *new != old)
    });
    wait_for_rejection(&server);
    drop(served);
    // The connections of a dead worker are removed.
    drop(clients);
    wait_for_room(&server);
}

/// A worker that has not reported its connections yet does not count.
fn wait_for_rejection(server: &Server) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut client = server.connect(source(2));
        client.send(b"nobody-yet\n").unwrap();
        match client.receive() {
            Received::Line(line) if line == b"error:busy:" => {
                return assert_eq!(client.receive(), Received::Closed(Vec::new()));
            }
            Received::Line(line) if line == b"register" => {}
            other => panic!("{other}"),
        }
        assert!(Instant::now() < deadline);
    }
}

fn wait_for_room(server: &Server) -> crate::connection::Connection {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut client = server.connect(source(2));
        client.send(b"nobody-yet\n").unwrap();
        match client.receive() {
            Received::Line(line) if line == b"register" => return client,
            Received::Line(line) if line == b"error:busy:" => {}
            other => panic!("{other}"),
        }
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn trusted_sources_obey_only_totals() {
    let server = Server::start(&[
        ("CHAT_TRUSTED", "127.0.0.5"),
        ("CHAT_MAX_ADDRESS_CONNECTIONS", "1"),
        ("CHAT_MAX_CONNECTIONS", "4"),
    ]);
    let _trusted: Vec<_> = (0..3).map(|_| server.served(source(5))).collect();
    let _other = server.served(source(6));
    server.is_rejected(source(5));
    server.is_rejected(source(7));
    server.expect_refused(STATED, "connections", 2);
}

#[test]
fn unauthenticated_connections_have_own_limits() {
    let server = Server::start(&[
        ("CHAT_MAX_SOURCE_UNAUTHENTICATED", "2"),
        ("CHAT_MAX_UNAUTHENTICATED", "3"),
        ("CHAT_LOGIN_TIME_OUT", "4"),
    ]);
    let mut ann = server.log_in(source(2), "foobar", "passpass");
    let mut slow = server.served(source(2));
    let silent = server.served(source(2));
    server.is_rejected(source(2));
    let _third = server.served(source(3));
    server.is_rejected(source(4));
    server.expect_refused(STATED, "source-unauthenticated", 1);
    server.expect_refused(STATED, "unauthenticated", 1);
    // Sending bytes all the time does not help; logging in does.
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "it has all the time it wants");
        if slow.send(b"nobody-yet\nn\n").is_err() {
            break;
        }
        match slow.receive() {
            Received::Line(line) if line == b"timeout" => break,
            Received::Line(_) => thread::sleep(Duration::from_millis(50)),
            other => panic!("{other}"),
        }
    }
    drop(silent);
    says(&mut ann, "fetch", "fetching");
    expect(&mut ann, "DONE");
    wait_until("the time in the log", || {
        let lines = server.security_lines(FRONTD);
        let end = "event=login-time-out source=127.0.0.2";
        lines.iter().any(|line| line.contains(end))
    });
}

#[test]
fn a_64_of_ipv6_is_one_source() {
    if TcpListener::bind("[::1]:0").is_err() {
        return eprintln!(
            "this host has no IPv6: not tested here, but in the state daemon's sources"
        );
    }
    let server = Server::start_listening("[::1]:0", &[("CHAT_MAX_NETWORK_CONNECTIONS", "1")]);
    let talk = |line: &str| {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"nobody-yet\n").unwrap();
        let mut answer = vec![0; line.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(String::from_utf8(answer).unwrap(), line);
        stream
    };
    let _first = talk("register\n");
    talk("error:busy:\n");
    server.expect_security_line(STATED, "event=network-connections source=::1");
}

#[test]
fn full_server_answers_busy() {
    let server = Server::start(&[("CHAT_WORKERS", "1"), ("CHAT_MAX_CLIENTS", "2")]);
    let one = server.served(source(2));
    let _two = server.served(source(3));
    for _ in 0..3 {
        server.is_rejected(source(4));
    }
    drop(one);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut client = server.connect(source(5));
        if client.send(b"nobody-yet\n").is_ok()
            && matches!(client.receive(), Received::Line(line) if line == b"register")
        {
            break;
        }
        assert!(Instant::now() < deadline);
    }
    server.expect_security_line(FRONTD, "event=worker-full source=127.0.0.4");
}

#[test]
fn largest_buffer_is_disconnected() {
    let server = Server::start(&[
        ("CHAT_WORKERS", "1"),
        ("CHAT_MAX_BUFFER_BYTES", "65536"),
        ("CHAT_LINES_PER_SECOND", "100000"),
        ("CHAT_LINE_BURST", "100000"),
    ]);
    let mut other = server.log_in(source(2), "windows", "withglass");
    let mut greedy = server.log_in(source(3), "foobar", "passpass");
    let line = format!("{}\n", "x".repeat(4_000)).repeat(16);
    // It never reads. The answers, which repeat its lines, first fill the kernel's buffers.
    let mut is_closed = false;
    for _ in 0..10_000 {
        if greedy.send(line.as_bytes()).is_err() {
            is_closed = true;
            break;
        }
    }
    assert!(is_closed, "it may have all the memory it wants");
    says(&mut other, "fetch", "fetching");
    expect(&mut other, "DONE");
    server.expect_security_line(FRONTD, "event=memory source=127.0.0.3");
}

#[test]
fn silent_connections_count_and_are_rejected() {
    // One worker takes connections in the order in which they come.
    let server = Server::start(&[("CHAT_WORKERS", "1"), ("CHAT_MAX_CONNECTIONS", "1")]);
    let first = server.connect(source(2));
    expect_rejected(server.connect(source(3)));
    drop(first);
    let _next = wait_for_room(&server);
    expect_rejected(server.connect(source(3)));
}

//! What a worker does with clients that misbehave or are many: its memory and its time, which dialogues cannot show.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod killed_readers;
mod sample_client;
mod server;
#[path = "../support/real_processes.rs"]
mod support;

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::Duration;
use support::{connection, installation, processes};

use connection::{Connection, Received};
use server::{Server, expect, expect_message};

/// Sends a line again and again and reads none of the answers, until the server takes no more for a while.
fn flood(mut stream: &TcpStream, line: &[u8], most_bytes: usize) {
    stream
        .set_write_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let lines = line.repeat(64 * 1024 / line.len());
    let mut sent = 0;
    while sent < most_bytes {
        match stream.write(&lines[sent % line.len()..]) {
            Ok(bytes) => sent += bytes,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn waiting_lines_take_little_memory() {
    let server = Server::start(&[]);
    server.serves();
    let before = server.memory_bytes();
    let clients: Vec<TcpStream> = (0..10)
        .map(|_| TcpStream::connect(server.address).unwrap())
        .collect();
    std::thread::scope(|scope| {
        for client in &clients {
            // One is asked of the daemon after the other.
            scope.spawn(|| flood(client, b"WHO\n", 4 << 20));
        }
    });
    server.serves();
    let grown = server.memory_bytes().saturating_sub(before);
    assert!(grown < 6 << 20, "{grown} bytes for {}", clients.len());
}

#[test]
fn silent_readers_take_few_resources() {
    let server = Server::start(&[]);
    let clients = [("foobar", "passpass"), ("windows", "withglass")].map(|(name, password)| {
        let mut client = server.log_in(name, password);
        expect(&mut client, "DONE");
        client.into_stream()
    });
    let before = server.memory_bytes();
    let mut line = vec![b'x'; 8_000];
    line.push(b'\n');
    for client in &clients {
        flood(client, &line, 1 << 30);
    }
    server.serves();
    let grown = server.memory_bytes().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes for two clients");
    server.expect_rest();
    for client in &clients {
        client.shutdown(std::net::Shutdown::Write).unwrap();
    }
    server.expect_rest();
    server.serves();
}

#[test]
fn line_without_end_takes_no_memory() {
    let server = Server::start(&[]);
    let mut client = server.log_in("foobar", "passpass");
    expect(&mut client, "DONE");
    let before = server.memory_bytes();
    let piece = [b'x'; 64 * 1024];
    for _ in 0..512 {
        client.send(&piece).unwrap();
    }
    server.serves();
    let grown = server.memory_bytes().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes");
    client.send(b"\nwho\n").unwrap();
    let Received::Line(refusal) = client.receive() else {
        panic!("no answer");
    };
    assert!(refusal.starts_with(b"error:length:xxx"));
    for line in ["DONE", "foobar", "DONE"] {
        expect(&mut client, line);
    }
}

#[test]
fn idle_clients_take_few_resources() {
    chat_node::limits::descriptor_limit::raise().unwrap();
    let server = Server::start(&[]);
    server.serves();
    let before = server.memory_bytes();
    let clients: Vec<Connection> = (0..1_000).map(|_| server.connect()).collect();
    server.serves();
    let grown = server.memory_bytes().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes for {}", clients.len());
    server.expect_rest();
}

#[test]
fn half_closed_clients_take_no_time() {
    let server = Server::start(&[]);
    let clients: Vec<Connection> = (0..200)
        .map(|number: usize| {
            let mut client = server.connect();
            client.send(&b"WHO\nfoobar\nhalf"[..number % 15]).unwrap();
            client.finish().unwrap();
            client
        })
        .collect();
    server.serves();
    server.expect_rest();
    drop(clients);
    server.serves();
}

#[test]
fn full_worker_recovers_when_client_leaves() {
    let server = Server::start(&["--max-clients=2"]);
    let mut first = server.connect();
    let mut second = server.connect();
    for client in [&mut first, &mut second] {
        client.send(b"WHO\n").unwrap();
        expect(client, "username");
    }
    let mut third = server.connect();
    third.send(b"WHO\n").unwrap();
    expect(&mut third, "error:busy:");
    server.expect_rest();
    drop(first);
    // Who comes before the worker has seen the first one leave may be told the same.
    let served = std::iter::repeat_with(|| {
        let mut next = server.connect();
        next.send(b"WHO\n").unwrap();
        next.receive_within(Duration::from_secs(30))
    });
    let mut served = served.take(20);
    assert!(served.any(|said| said == Received::Line(b"username".to_vec())));
    second.reset().unwrap();
}

#[test]
fn reset_during_delivery_loses_nothing() {
    const MESSAGES: usize = 60;
    let server = Server::start(&[]);
    let mut sender = server.log_in("windows", "withglass");
    expect(&mut sender, "DONE");
    let text = "x".repeat(8_000);
    for number in 0..MESSAGES {
        sender
            .send(format!("send foobar {number} {text}\n").as_bytes())
            .unwrap();
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
fn goodbye_closes_idle_connection() {
    let server = Server::start(&[]);
    let descriptors = || {
        fs::read_dir(format!("/proc/{}/fd", server.worker.pid))
            .unwrap()
            .count()
    };
    let mut client = server.log_in("foobar", "passpass");
    expect(&mut client, "DONE");
    let with_client = descriptors();
    client.send(b"logout\n").unwrap();
    expect(&mut client, "goodbye");
    assert_eq!(client.receive(), Received::Closed(Vec::new()));
    installation::wait_until("the worker lets go of it", || descriptors() < with_client);
}

//! A reader that dies with nothing unread: its kernel closes the connection as a program does that has left.

use std::time::{Duration, Instant};

use crate::connection::{Connection, Received};
use crate::server::{Server, expect, expect_message};

/// Less than the second after which silence confirms, while `push on` holds.
const WITHIN: Duration = Duration::from_millis(900);
const MOST_TRIES: usize = 50;

struct World {
    server: Server,
    sender: Connection,
}

impl World {
    fn new() -> Self {
        let server = Server::start(&[]);
        let mut sender = server.log_in("windows", "withglass");
        expect(&mut sender, "DONE");
        Self { server, sender }
    }

    fn send(&mut self) {
        self.sender.send(b"send foobar hello\n").unwrap();
        expect(&mut self.sender, "sent:");
        expect(&mut self.sender, "DONE");
    }

    /// Logged in, with nothing waiting, and having said this.
    fn reader(&self, said: &str, answer: &str) -> Connection {
        let mut reader = self.server.log_in_again("foobar", "passpass");
        expect(&mut reader, "DONE");
        if !said.is_empty() {
            reader.send(format!("{said}\n").as_bytes()).unwrap();
            expect(&mut reader, answer);
            expect(&mut reader, "DONE");
        }
        reader
    }

    /// The message comes at the next login, and a logout confirms it.
    fn expect_again(&self) {
        let mut reader = self.server.log_in_again("foobar", "passpass");
        expect_message(&mut reader, "windows: hello");
        expect(&mut reader, "DONE");
        log_out(reader);
    }
}

fn log_out(mut reader: Connection) {
    reader.send(b"logout\n").unwrap();
    expect(&mut reader, "goodbye");
}

#[test]
fn killed_reader_confirms_nothing() {
    let mut world = World::new();
    // What came behind `welcome`.
    world.send();
    let mut reader = world.server.log_in("foobar", "passpass");
    expect_message(&mut reader, "windows: hello");
    expect(&mut reader, "DONE");
    drop(reader);
    world.expect_again();
    // What came with an answer.
    let mut reader = world.reader("", "");
    world.send();
    reader.send(b"fetch\n").unwrap();
    expect(&mut reader, "fetching");
    expect_message(&mut reader, "windows: hello");
    expect(&mut reader, "DONE");
    drop(reader);
    world.expect_again();
    // What was pushed.
    let mut reader = world.reader("push ack", "push:ack");
    world.send();
    expect_message(&mut reader, "windows: hello");
    drop(reader);
    world.expect_again();
}

#[test]
fn killed_push_reader_confirms_nothing() {
    let mut world = World::new();
    for _ in 0..MOST_TRIES {
        let mut reader = world.reader("push on", "push:on");
        let began_at = Instant::now();
        world.send();
        expect_message(&mut reader, "windows: hello");
        drop(reader);
        if began_at.elapsed() < WITHIN {
            return world.expect_again();
        }
        // This machine was too slow: the second may have been over.
        let reader = world.server.log_in_again("foobar", "passpass");
        log_out_with_what_waits(reader);
    }
    panic!("this machine never does it within {WITHIN:?}");
}

fn log_out_with_what_waits(mut reader: Connection) {
    reader.send(b"logout\n").unwrap();
    loop {
        match reader.receive() {
            Received::Line(line) if line == b"goodbye" => return,
            Received::Line(_) => {}
            other => panic!("{other} came, and no goodbye"),
        }
    }
}

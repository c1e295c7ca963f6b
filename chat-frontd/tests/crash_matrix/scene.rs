//! Alice sends to Bob, whose client dies; checks which messages then wait for Bob.

use crate::connection::{Connection, Received};
use crate::installation::wait_until;
use crate::server::Server;

/// A server, and Alice's connection.
pub(crate) struct Scene {
    pub(crate) server: Server,
    alice: Connection,
}

impl Scene {
    pub(crate) fn open(server: Server) -> Self {
        let mut alice = log_in(&server, "alice");
        expect(&mut alice, "DONE");
        Self { server, alice }
    }

    /// Alice sends these texts to Bob, and waits for each answer.
    pub(crate) fn send(&mut self, texts: &[String]) {
        for text in texts {
            let line = format!("send bob {text}\n");
            self.alice.send(line.as_bytes()).unwrap();
            expect(&mut self.alice, "sent:");
            expect(&mut self.alice, "DONE");
        }
    }

    /// Bob logs in again, confirms the waiting messages, and leaves. Returns their texts.
    pub(crate) fn drain_queue(&self) -> Vec<String> {
        let mut bob = log_in(&self.server, "bob");
        let mut waiting = Vec::new();
        loop {
            match bob.receive() {
                Received::Line(line) if line == b"DONE" => break,
                Received::Line(line) => waiting.push(text_of(&line)),
                other => panic!("{other}"),
            }
        }
        bob.send(b"logout\n").unwrap();
        expect(&mut bob, "goodbye");
        assert_eq!(bob.receive(), Received::Closed(Vec::new()));
        waiting
    }
}

/// Logs in up to `welcome`. The server may not have noticed the end of the last connection yet.
fn log_in(server: &Server, name: &str) -> Connection {
    let mut connection = server.connect();
    wait_until("the user is offline", || {
        connection.send(format!("{name}\n").as_bytes()).unwrap();
        match connection.receive() {
            Received::Line(line) if line == b"password" => true,
            Received::Line(line) if line == b"connected" => false,
            other => panic!("{other}"),
        }
    });
    connection.send(b"secret\n").unwrap();
    expect(&mut connection, "welcome");
    connection
}

#[track_caller]
fn expect(connection: &mut Connection, line: &str) {
    assert_eq!(connection.receive(), Received::Line(line.into()));
}

/// The text of a message line from Alice.
pub(crate) fn text_of(line: &[u8]) -> String {
    let line = std::str::from_utf8(line).unwrap();
    let text = line.split_once(" alice: ");
    let (_, text) = text.unwrap_or_else(|| panic!("{line:?} is no message"));
    text.to_owned()
}

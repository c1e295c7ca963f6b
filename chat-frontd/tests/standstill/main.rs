//! A state daemon that is stopped for half a minute while clients continue to send. This is a test program of its own,
//! so that scripts/test can run it beside the others: it mostly waits.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

#[path = "../worker/server.rs"]
// Shared with another test, and only partly used.
#[allow(dead_code)]
mod server;
#[path = "../support/real_processes.rs"]
mod support;

use std::fs;
use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};
use support::{connection, installation, processes};

use connection::{Connection, Received};
use nix::sys::signal::Signal;
use server::{ACCOUNTS, Server, expect};

/// Longer than the time after which clients of a lost daemon are refused. This daemon may have received the lines.
const STANDSTILL: Duration = Duration::from_secs(30);
/// The limit for the growth of the worker.
const MOST_GROWTH_BYTES: u64 = 8 << 20;
const FLOODERS: usize = 8;
const FLOOD_TEXT_BYTES: usize = 3_000;
const LINES: usize = 300;

/// A client that sends as long as it can, without reading.
struct Flooder {
    connection: Connection,
    line: Vec<u8>,
    sent: usize,
}

impl Flooder {
    fn log_in(server: &Server, number: usize) -> Self {
        let mut connection = server.log_in(&format!("flooder{number}"), "passpass");
        expect(&mut connection, "DONE");
        let line = format!("send nemo {}\n", "x".repeat(FLOOD_TEXT_BYTES));
        Self {
            connection,
            line: line.into_bytes(),
            sent: 0,
        }
    }

    /// Sends until the connection blocks for a moment.
    fn flood(&mut self) {
        let mut stream = self.connection.stream();
        let moment = Duration::from_millis(20);
        stream.set_write_timeout(Some(moment)).unwrap();
        loop {
            match stream.write(&self.line[self.sent % self.line.len()..]) {
                Ok(bytes) => self.sent += bytes,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return;
                }
                Err(error) => panic!("a client was cut off: {error}"),
            }
        }
    }

    /// Expects one answer to each line.
    fn expect_answers(mut self) {
        // Completes the last line while reading, because the answers need buffer space, too.
        let rest = self.line[self.sent % self.line.len()..].to_vec();
        let whole = self.sent / self.line.len();
        let stream = self.connection.stream().try_clone().unwrap();
        stream.set_write_timeout(None).unwrap();
        let writer = std::thread::spawn(move || (&stream).write_all(&rest).unwrap());
        for _ in 0..=whole {
            expect(&mut self.connection, "send:nemo");
            expect(&mut self.connection, "DONE");
        }
        writer.join().unwrap();
    }
}

/// Stops a process. Returns when all its threads are stopped, which takes a moment for busy ones.
fn stop(pid: i32) {
    processes::signal(pid, Signal::SIGSTOP);
    let stands_still = |thread: fs::DirEntry| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, fields)| fields);
        state.is_none_or(|fields| fields.starts_with('T'))
    };
    installation::wait_until("the state daemon stands still", || {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        threads.flatten().all(stands_still)
    });
}

#[test]
fn stopped_state_daemon_causes_no_false_answer() {
    let hash = ACCOUNTS.split([',', '\n']).nth(1).unwrap();
    let flooders = (0..FLOODERS).map(|number| format!("flooder{number},{hash}\n"));
    let accounts: String = std::iter::once(ACCOUNTS.to_owned())
        .chain(flooders)
        .collect();
    let server = Server::start_with_accounts(&accounts, &[]);
    let mut sender = server.log_in("foobar", "passpass");
    expect(&mut sender, "DONE");
    let mut flooders: Vec<Flooder> = (0..FLOODERS)
        .map(|number| Flooder::log_in(&server, number))
        .collect();

    stop(server.state().pid);
    let stopped_at = Instant::now();
    let lines: String = (0..LINES).map(|n| format!("send windows m{n}\n")).collect();
    sender.send(lines.as_bytes()).unwrap();
    let mut unauthenticated = server.connect();
    unauthenticated.send(b"nobody-yet\n").unwrap();
    let before = server.memory_bytes();
    let others: Vec<Connection> = (0..50).map(|_| server.connect()).collect();
    let mut most_grown = 0;
    while stopped_at.elapsed() < STANDSTILL {
        for flooder in &mut flooders {
            flooder.flood();
        }
        most_grown = server.memory_bytes().saturating_sub(before).max(most_grown);
        let moment = Duration::from_millis(200);
        for waiting in [&mut sender, &mut unauthenticated] {
            let heard = waiting.receive_within(moment);
            let after = stopped_at.elapsed();
            assert_eq!(heard, Received::Nothing(Vec::new()), "after {after:?}");
        }
    }
    let flooded: usize = flooders.iter().map(|flooder| flooder.sent).sum();
    println!("the worker grew by {most_grown} bytes while {flooded} bytes were sent into it");
    assert!(
        flooded > 2 * MOST_GROWTH_BYTES as usize,
        "{flooded} bytes prove nothing"
    );
    assert!(
        most_grown < MOST_GROWTH_BYTES,
        "the worker grew by {most_grown} bytes"
    );
    processes::signal(server.state().pid, Signal::SIGCONT);

    expect(&mut unauthenticated, "register");
    for _ in 0..LINES {
        expect(&mut sender, "sent:");
        expect(&mut sender, "DONE");
    }
    flooders.into_iter().for_each(Flooder::expect_answers);
    for mut other in others {
        other.send(b"nobody-yet\n").unwrap();
        expect(&mut other, "register");
    }
    let mut reader = server.log_in("windows", "withglass");
    for n in 0..LINES {
        match reader.receive() {
            Received::Line(line) => {
                let line = String::from_utf8(line).unwrap();
                assert!(line.ends_with(&format!("foobar: m{n}")), "{line}");
            }
            other => panic!("{other:?} in the place of m{n}"),
        }
    }
    expect(&mut reader, "DONE");
}

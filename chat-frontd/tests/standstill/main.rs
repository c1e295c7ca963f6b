//! A state daemon that stands still for half a minute, while clients go on sending. A test program of its own, so that
//! scripts/test can run it beside the others: it does little but wait.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

#[path = "../worker/server.rs"]
// Made for another test, and used in part.
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

/// Longer than a daemon that is away may be before clients are refused: this one may have had the lines.
const STANDSTILL: Duration = Duration::from_secs(30);
/// What the worker may take more than before, whatever is sent into it.
const MOST_GROWTH_BYTES: u64 = 8 << 20;
const FLOODERS: usize = 8;
const FLOOD_TEXT_BYTES: usize = 3_000;
const LINES: usize = 300;

/// A client who sends as long as anybody takes it, and hears nothing meanwhile.
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

    /// Sends until no more is taken for a moment.
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

    /// All that was sent is answered, each line once.
    fn expect_answers(mut self) {
        // The last line is made whole, beside the reading: the answers need room, too.
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

/// Stops a process; returns when each of its threads stands still. One that is busy does not do so at once.
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

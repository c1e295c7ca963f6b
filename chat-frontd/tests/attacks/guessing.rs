//! Hundreds of wrong passwords, and their effect on other users.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::{Connection, Received};
use crate::installation::PATIENCE;
use crate::server::{Server, expect, says, source};

/// A hash that takes time, unlike those of the account file.
fn register(server: &Server, name: &str) {
    let mut client = server.connect(source(2));
    says(&mut client, name, "register");
    says(&mut client, "y", "password");
    client.send(b"secret\n").unwrap();
    says(&mut client, "secret", "registered");
}

/// Guesses until the end, on one connection after the other. Returns the number of guesses.
fn guess(server: &Server, from: IpAddr, name: &str, is_over: &AtomicBool) -> usize {
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        let mut client = Connection::open(server.address(), Some(from)).unwrap();
        let _ = client.send(format!("{name}\nguess\nguess\nguess\n").as_bytes());
        while let Received::Line(line) = client.receive() {
            count += usize::from(line == b"password");
            if line.starts_with(b"blocked") || line == b"error:busy:" {
                // Trying again at once would not test more passwords.
                thread::sleep(Duration::from_millis(20));
                break;
            }
        }
    }
    count
}

/// Tries again after a refusal because of too many tries.
fn log_in(server: &Server, from: IpAddr, name: &str) -> Connection {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut client = server.connect(from);
        says(&mut client, name, "password");
        client.send(b"secret\n").unwrap();
        match client.receive() {
            Received::Line(line) if line == b"welcome" => {
                expect(&mut client, "DONE");
                return client;
            }
            Received::Line(line) if line == b"error:busy:" => {}
            other => panic!("{other}"),
        }
        assert!(Instant::now() < deadline, "{name} does not get in");
    }
}

fn others_get_in_while_these_guess(sources: &[IpAddr]) {
    // Enough guesses that they have to wait for each other, but not so many that the test takes long.
    let server = Server::start(&[("CHAT_ARGON2_MEMORY_KIB", "2048")]);
    for name in ["victim", "other"] {
        register(&server, name);
    }
    let (is_over, guesses) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for from in sources {
            scope.spawn(|| {
                let count = guess(&server, *from, "victim", &is_over);
                guesses.fetch_add(count, Ordering::Relaxed);
            });
        }
        for _ in 0..3 {
            for name in ["other", "victim"] {
                let mut client = log_in(&server, source(200), name);
                says(&mut client, "fetch", "fetching");
                expect(&mut client, "DONE");
                says(&mut client, "logout", "goodbye");
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(guesses.into_inner() >= sources.len(), "they hardly guessed");
}

#[test]
fn logins_work_while_one_source_guesses() {
    let from = IpAddr::from([127, 0, 0, 7]);
    others_get_in_while_these_guess(&[from; 10]);
}

#[test]
fn logins_work_while_many_sources_guess() {
    let sources: Vec<IpAddr> = (1..=30)
        .map(|host| Ipv4Addr::new(127, 0, 3, host).into())
        .collect();
    others_get_in_while_these_guess(&sources);
}

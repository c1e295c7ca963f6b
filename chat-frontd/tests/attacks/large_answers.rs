//! Clients that request as many long lists of users as possible.

use std::time::{Duration, Instant};

use crate::connection::{Connection, Received};
use crate::one_worker::{Server, expect};

const ATTACKERS: usize = 20;
/// A name in the account file may be about as long as a line of it; with these few a list is as long as with thousands
/// of usual ones.
const NAME_BYTES: usize = 3_900;
/// Maximum number of lines in flight.
const LINES: usize = 512;
/// The lists that reading clients request.
const LISTS_READ: usize = 50;
/// The limit for the growth of either process, which is less than the answers to one client.
const MAX_GROWTH_BYTES: u64 = 100 << 20;
/// Far longer than any wait, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

fn name(number: usize) -> String {
    format!("{number:02}{}", "n".repeat(NAME_BYTES - 2))
}

/// An installation with a logged-in user with a long name for each attacker.
fn attacked(flags: &[&str]) -> (Server, Vec<Connection>) {
    let password = "53649f6e45138ef119c955d04bf042562f6e2946";
    let accounts: String = (0..ATTACKERS)
        .map(|number| format!("{},{password}\n", name(number)))
        .collect();
    let flags = [&["--max-line-bytes=16384"], flags].concat();
    let server = Server::start_with_accounts(&accounts, &flags);
    let attackers = (0..ATTACKERS).map(|number| {
        let mut attacker = server.log_in(&name(number), "passpass");
        expect(&mut attacker, "DONE");
        attacker
    });
    let attackers = attackers.collect();
    (server, attackers)
}

/// A new client is answered soon, which needs the state daemon.
fn serves_soon(server: &Server) {
    let began_at = Instant::now();
    server.serves();
    let took = began_at.elapsed();
    assert!(took < PATIENCE, "somebody else waited for {took:?}");
}

fn flood(round: usize, lines: usize) -> Vec<u8> {
    let line = |number: usize| format!("last {}\n", 9_999_999 + number + round);
    let lines: String = (0..lines).map(line).collect();
    lines.into_bytes()
}

#[test]
fn unread_lists_cost_others_nothing() {
    let (server, mut attackers) = attacked(&[]);
    let (worker, state) = (server.worker, server.state());
    let before = [worker, state].map(|process| server.memory_of(process));
    for (round, attacker) in attackers.iter_mut().enumerate() {
        attacker.send(&flood(round, LINES)).unwrap();
        serves_soon(&server);
    }
    server.expect_rest();
    serves_soon(&server);
    assert_eq!(server.state(), state, "nobody was ended");
    for (process, before) in [worker, state].into_iter().zip(before) {
        let grown = server.memory_of(process).saturating_sub(before);
        assert!(
            grown < MAX_GROWTH_BYTES,
            "{process:?} grew by {grown} bytes"
        );
    }
    // Requests are answered once the answers are read.
    let names: Vec<String> = (0..ATTACKERS).map(name).collect();
    let names = names.join(" ");
    for _ in 0..LINES {
        let Received::Line(line) = attackers[0].receive() else {
            panic!("a list is missing");
        };
        assert!(line == names.as_bytes(), "a list is damaged");
        expect(&mut attackers[0], "DONE");
    }
}

#[test]
fn many_lists_delay_nobody() {
    let (server, attackers) = attacked(&[]);
    let state = server.state();
    let readers: Vec<_> = attackers
        .into_iter()
        .enumerate()
        .map(|(round, mut attacker)| {
            std::thread::spawn(move || {
                attacker.send(&flood(round, LISTS_READ)).unwrap();
                let mut answers = 0;
                while answers < LISTS_READ {
                    match attacker.receive() {
                        Received::Line(line) => answers += usize::from(line == b"DONE"),
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    while !readers.iter().all(|reader| reader.is_finished()) {
        serves_soon(&server);
    }
    for reader in readers {
        reader.join().unwrap();
    }
    assert_eq!(server.state(), state);
}

//! Passwords leave no trace: not in logs, not in what the system shows of a process, not in its memory.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use nix::unistd::geteuid;

use super::installation::{FRONTD, Installation, STATED, wait_until};
use super::process_memory::places_in_memory;

const PASSWORD: &str = "zebra-Quartz-48151623-unlikely";
const WRONG: &str = "walrus-Quartz-48151623-unlikely";

/// Registers bob, logs him in after a wrong password, and out again.
fn talk(installation: &Installation) {
    let address = installation.status(FRONTD).unwrap().addresses[0].clone();
    let stream = TcpStream::connect(address).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut ask = |line: &str, answer: &str| {
        // In two pieces, so that a line is put together.
        let (head, tail) = line.split_at(line.len() / 2);
        (&stream).write_all(head.as_bytes()).unwrap();
        (&stream).write_all(format!("{tail}\n").as_bytes()).unwrap();
        if !answer.is_empty() {
            assert_eq!(answers.next().unwrap().unwrap(), answer);
        }
    };
    ask("bob", "register");
    ask("y", "password");
    ask(PASSWORD, "");
    ask(PASSWORD, "registered");
    ask("bob", "password");
    ask(WRONG, "password");
    ask(PASSWORD, "welcome");
    ask("logout", "DONE");
}

#[test]
fn password_appears_nowhere() {
    let installation = Installation::new().with("CHAT_LOG", "trace");
    installation.script("start").expect_status(0);
    talk(&installation);
    let status = installation.script("status");
    for secret in [PASSWORD, WRONG] {
        for daemon in [STATED, FRONTD] {
            assert!(!installation.log(daemon).contains(secret));
        }
        assert!(!status.out.contains(secret) && !status.err.contains(secret));
        for process in installation.all_processes() {
            let line = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap();
            assert!(!String::from_utf8_lossy(&line).contains(secret));
        }
        let accounts = fs::read_to_string(installation.file("user_pass.txt")).unwrap();
        assert!(accounts.contains("bob,$argon2id$") && !accounts.contains(secret));
    }
}

#[test]
fn password_stays_in_no_memory() {
    // Only root can look.
    if !geteuid().is_root() {
        return;
    }
    let installation = Installation::started();
    talk(&installation);
    for daemon in [STATED, FRONTD] {
        for process in installation.children(daemon) {
            for secret in [PASSWORD, WRONG] {
                let places = || places_in_memory(&process, secret.as_bytes());
                wait_until(&format!("{daemon} has wiped {secret}"), || {
                    places().is_empty()
                });
            }
        }
    }
    // That the look would find something: the name stays.
    let state = installation.children(STATED)[0];
    assert!(!places_in_memory(&state, b"chat-stated").is_empty());
}

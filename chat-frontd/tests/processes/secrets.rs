//! Passwords leave no trace: not in logs, not in what the system shows of a process, not in its memory.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;

use chat_shared::process_identity::ProcessIdentity;
use nix::unistd::geteuid;

use super::installation::{FRONTD, Installation, STATED, wait_until};

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

/// Where in what a process can write to these bytes stand.
fn places_in_memory(process: &ProcessIdentity, bytes: &[u8]) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", process.pid)).unwrap();
    let memory = File::open(format!("/proc/{}/mem", process.pid)).unwrap();
    let mut places = Vec::new();
    for map in maps.lines().filter(|map| map.contains(" rw")) {
        let (range, _) = map.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let start = u64::from_str_radix(start, 16).unwrap();
        let end = u64::from_str_radix(end, 16).unwrap();
        let mut content = vec![0; usize::try_from(end - start).unwrap()];
        // Some of it is the kernel's own and cannot be read.
        if memory.read_exact_at(&mut content, start).is_err() {
            continue;
        }
        let found = content.windows(bytes.len()).position(|part| part == bytes);
        places.extend(found.map(|at| format!("{map} at {at}")));
    }
    places
}

#[test]
fn a_password_is_in_no_log_and_in_nothing_the_system_shows() {
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
fn a_password_stays_in_no_memory() {
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

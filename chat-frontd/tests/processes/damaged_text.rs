//! A text that is damaged on the disk, from the view of clients.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use super::installation::{FRONTD, Installation, PATIENCE, STATED, wait_until};

/// Texts move to a checkpoint soon, and are no longer in memory.
const FLAGS: [&str; 3] = [
    "--detach",
    "--resident-text-bytes=100",
    "--checkpoint-every-entries=50",
];
const DAMAGED: &[u8] = b"the damaged";

fn place_of_damage(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(DAMAGED.len())
        .position(|window| window == DAMAGED)
}

/// Sends all lines at once and closes. Returns the answers until the server closes normally.
fn dialogue(installation: &Installation, said: &str) -> String {
    let mut stream = TcpStream::connect(installation.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(said.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answered = String::new();
    stream.read_to_string(&mut answered).unwrap();
    answered
}

#[test]
fn damaged_text_affects_only_its_reader() {
    let installation = Installation::of_ann_and_bob();
    installation.program(STATED, &FLAGS).expect_status(0);
    let frontd = ["--detach", "--workers=1"];
    installation.program(FRONTD, &frontd).expect_status(0);
    let more = "send bob more\n".repeat(200);
    let said = format!("ann\npassword\nsend bob the damaged text\n{more}logout\n");
    assert!(dialogue(&installation, &said).ends_with("DONE\ngoodbye\n"));
    let read = |name| fs::read(installation.file(name)).unwrap_or_default();
    wait_until("a checkpoint", || {
        let files = ["state/checkpoint.db", "state/checkpoint.db-wal"];
        files
            .iter()
            .any(|name| place_of_damage(&read(name)).is_some())
    });
    installation.program(STATED, &["--stop"]).expect_status(0);
    // A start writes the content of the log back.
    installation.program(STATED, &FLAGS).expect_status(0);
    installation.program(STATED, &["--stop"]).expect_status(0);
    let mut bytes = read("state/checkpoint.db");
    let place = place_of_damage(&bytes).expect("it is in the checkpoint");
    bytes[place] ^= 1;
    fs::write(installation.file("state/checkpoint.db"), bytes).unwrap();

    installation.program(STATED, &FLAGS).expect_status(0);
    let state = installation.children(STATED);
    let log_in = "bob\npassword\n";
    let first = dialogue(&installation, &format!("{log_in}who\nlogout\n"));
    assert_eq!(first, "password\nwelcome\n");
    for _ in 0..2 {
        let again = dialogue(&installation, log_in);
        assert_eq!(again, "password\nerror:busy:\n");
        let others = "ann\npassword\nsend bob are you there?\nwho\nlogout\n";
        assert_eq!(
            dialogue(&installation, others),
            "password\nwelcome\nDONE\nsent:\nDONE\nann\nDONE\ngoodbye\n"
        );
    }
    assert_eq!(installation.children(STATED), state, "nothing has ended");
    let log = installation.log(STATED);
    assert!(log.contains("bob cannot get message "), "{log}");

    installation
        .chatctl(&["status", "--summary"])
        .expect_status(1)
        .expect_out(" texts of messages are damaged: bob cannot get their messages (see the runbook, Damage)\n");
    let figures = installation.chatctl(&["metrics"]);
    let damaged = figures
        .out
        .lines()
        .find(|line| line.starts_with("chatserv_damaged_texts "));
    assert!(
        damaged.is_some_and(|line| !line.ends_with(" 0")),
        "{damaged:?}"
    );
    // The smaller loss of the runbook.
    installation
        .chatctl(&["accounts", "forget", "bob", "--yes"])
        .expect_status(0);
    installation.chatctl(&["checkpoint"]).expect_status(0);
    wait_until("the damage is gone", || {
        installation.chatctl(&["status", "--summary"]).out == "healthy\n"
    });
}

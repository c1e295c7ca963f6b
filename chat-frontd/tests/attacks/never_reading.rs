//! Clients that never read what others send them.

use crate::connection::{Connection, Received};
use crate::one_worker::{Server, expect};

const MESSAGES: usize = 1_500;
const TEXT_BYTES: usize = 8_000;
/// Number of lines that are sent before waiting for answers.
const AT_ONCE: usize = 50;

fn text(number: usize) -> String {
    format!("{number} {}", "x".repeat(TEXT_BYTES))
}

fn send_all(sender: &mut Connection, others: &Server) {
    for first in (0..MESSAGES).step_by(AT_ONCE) {
        let lines: String = (first..first + AT_ONCE)
            .map(|number| format!("send foobar {}\n", text(number)))
            .collect();
        sender.send(lines.as_bytes()).unwrap();
        for _ in 0..AT_ONCE {
            expect(sender, "sent:");
            expect(sender, "DONE");
        }
        others.serves();
    }
}

/// Twelve megabytes are pushed to the client, which is more than the kernel's buffers hold.
#[test]
fn unread_pushes_cost_others_nothing() {
    let server = Server::start(&[]);
    let mut sender = server.log_in("windows", "withglass");
    expect(&mut sender, "DONE");
    let mut reader = server.log_in("foobar", "passpass");
    expect(&mut reader, "DONE");
    reader.send(b"push ack\n").unwrap();
    expect(&mut reader, "push:ack");
    expect(&mut reader, "DONE");
    let before = server.memory_bytes();
    send_all(&mut sender, &server);
    let grown = server.memory_bytes().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes for one who does not read");
    server.expect_rest();
    for number in 0..MESSAGES {
        let Received::Line(line) = reader.receive() else {
            panic!("message {number} is lost");
        };
        let line = String::from_utf8(line).unwrap();
        assert!(line.ends_with(&format!("windows: {}", text(number))));
    }
}

//! Limits on rooms, sessions, tokens and the history: each refusal is one line for the client, and is counted.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::connection::{Connection, Received};
use crate::installation::{STATED, kill};
use crate::server::{Server, expect, says, source};

/// A limit, and who runs into it.
struct Case {
    flags: &'static [&'static str],
    /// Lines of `foobar`, and then of `windows`, with their answers. The last line of all is refused.
    lines: &'static [(&'static str, &'static str)],
    others_lines: &'static [(&'static str, &'static str)],
    /// As the log names it.
    limit: &'static str,
}

const CASES: [Case; 5] = [
    Case {
        flags: &["--max-rooms=1"],
        lines: &[
            ("join #one", "join:#one"),
            ("join #two", "error:quota:join"),
        ],
        others_lines: &[],
        limit: "user=foobar limit=max-rooms",
    },
    Case {
        flags: &["--max-user-rooms=1"],
        lines: &[
            ("join #one", "join:#one"),
            ("join #two", "error:quota:join"),
        ],
        others_lines: &[],
        limit: "user=foobar limit=max-user-rooms",
    },
    Case {
        flags: &["--max-room-members=1"],
        lines: &[("join #one", "join:#one")],
        others_lines: &[("join #one", "error:quota:join")],
        limit: "user=windows limit=max-room-members",
    },
    Case {
        flags: &["--max-room-entries=0"],
        lines: &[
            ("join #one", "join:#one"),
            ("invite #one windows", "error:quota:invite"),
        ],
        others_lines: &[],
        limit: "user=foobar limit=max-room-entries",
    },
    Case {
        flags: &["--room-messages-per-minute=1"],
        lines: &[
            ("join #one", "join:#one"),
            ("send #one first", "sent:"),
            ("send #one second", "error:quota:send"),
        ],
        others_lines: &[],
        limit: "user=foobar limit=room-messages-per-minute",
    },
];

fn talk(server: &Server, (user, password): (&str, &str), lines: &[(&str, &str)]) -> Connection {
    let mut client = server.log_in(source(2), user, password);
    for (line, answer) in lines {
        says(&mut client, line, answer);
        expect(&mut client, "DONE");
    }
    client
}

#[test]
fn rooms_are_limited() {
    for case in &CASES {
        let server = Server::start_with(case.flags, &[]);
        let _first = talk(&server, ("foobar", "passpass"), case.lines);
        let _other = talk(&server, ("windows", "withglass"), case.others_lines);
        server.expect_security_line(STATED, &format!("event=quota {}", case.limit));
        server.expect_refused(STATED, "quota", 1);
    }
}

#[test]
fn tokens_and_named_sessions_are_limited() {
    let server = Server::start(&[]);
    let mut client = server.log_in(source(2), "foobar", "passpass");
    for number in 0..16 {
        client
            .send(format!("token new t{number}\n").as_bytes())
            .unwrap();
        let Received::Line(line) = client.receive() else {
            panic!("no token {number}");
        };
        assert!(line.starts_with(b"token:"));
        expect(&mut client, "DONE");
    }
    says(&mut client, "token new more", "error:quota:token");
    expect(&mut client, "DONE");
    server.expect_security_line(STATED, "event=quota user=foobar limit=tokens");
    server.expect_refused(STATED, "quota", 1);
    for number in 0..16 {
        let name = format!("foobar/s{number}");
        let mut other = server.log_in(source(2), &name, "passpass");
        says(&mut other, "logout", "goodbye");
    }
    let mut other = server.connect(source(2));
    says(&mut other, "foobar/more", "username");
}

#[test]
fn queue_of_room_is_limited() {
    let server = Server::start_with(&["--room-queue-messages=2"], &[]);
    let mut reader = talk(
        &server,
        ("windows", "withglass"),
        &[("join #one", "join:#one")],
    );
    says(&mut reader, "logout", "goodbye");
    let lines = [
        ("join #one", "join:#one"),
        ("send #one 1", "sent:"),
        ("send #one 2", "sent:"),
        ("send #one 3", "sent:"),
        ("send #one 4", "sent:"),
    ];
    let _sender = talk(&server, ("foobar", "passpass"), &lines);
    let mut reader = server.connect(source(2));
    says(&mut reader, "windows", "password");
    says(&mut reader, "withglass", "welcome");
    for end in [
        "* #one: 2 earlier messages: history #one",
        "foobar #one: 3",
        "foobar #one: 4",
    ] {
        let Received::Line(line) = reader.receive() else {
            panic!("no line that ends with {end}");
        };
        let line = String::from_utf8(line).unwrap();
        assert!(line.ends_with(end), "{line}");
    }
    expect(&mut reader, "DONE");
}

/// More questions at once than may wait: each that is too many is refused at once.
#[test]
fn questions_to_history_are_limited() {
    const CLIENTS: usize = 150;
    let server = Server::start(&[("CHAT_TRUSTED", "127.0.0.0/8")]);
    let lines = [("join #one", "join:#one"), ("send #one tea", "sent:")];
    let _member = talk(&server, ("foobar", "passpass"), &lines);
    let log_in = |_| server.log_in(source(2), "foobar/-", "passpass");
    let mut clients: Vec<Connection> = (0..CLIENTS).map(log_in).collect();
    // What comes while it stands still, it finds at once.
    let state = server.installation.children(STATED)[0];
    kill(state, Signal::SIGSTOP);
    for client in &mut clients {
        client.send(b"search * tea\n").unwrap();
    }
    std::thread::sleep(Duration::from_millis(500));
    kill(state, Signal::SIGCONT);
    let mut refused = 0;
    for client in &mut clients {
        match client.receive() {
            Received::Line(line) if line == b"error:busy:search" => refused += 1,
            Received::Line(line) if line == b"search:1" => {
                let found = client.receive();
                assert!(
                    matches!(&found, Received::Line(line) if line.ends_with(b": tea")),
                    "{found}"
                );
            }
            other => panic!("{other}"),
        }
        expect(client, "DONE");
    }
    assert!(refused > 0);
    server.expect_refused(STATED, "history-busy", refused);
    server.expect_security_line(STATED, "event=history-busy user=foobar");
}

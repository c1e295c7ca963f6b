//! `chatctl drain`: no new connections, and clients that may stay for a while.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use nix::sys::signal::Signal;

use crate::control::HELLO;
use crate::installation::{CHATCTL, FRONTD, Installation, PATIENCE, STATED, kill, wait_until};

/// A running server on a port that it keeps while it is drained.
fn started() -> Installation {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let installation = Installation::of_ann_and_bob().with("CHAT_LISTEN", &address);
    installation.script("start").expect_status(0);
    installation
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn new(installation: &Installation, name: &str) -> Self {
        let (client, messages) = Self::with_messages(installation, name);
        assert_eq!(messages, [""; 0]);
        client
    }

    /// Also returns the messages that waited.
    fn with_messages(installation: &Installation, name: &str) -> (Self, Vec<String>) {
        let stream = TcpStream::connect(installation.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self(BufReader::new(stream));
        client.say(&format!("{name}\npassword"));
        client.expect(&["password", "welcome"]);
        let mut messages = Vec::new();
        loop {
            match client.line() {
                line if line == "DONE" => return (client, messages),
                message => messages.push(message),
            }
        }
    }

    fn say(&mut self, line: &str) {
        self.0
            .get_mut()
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    fn expect(&mut self, lines: &[&str]) {
        for expected in lines {
            assert_eq!(self.line(), *expected);
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(
            self.0.read_line(&mut line).unwrap() > 0,
            "the connection is closed"
        );
        line.trim_end_matches('\n').to_owned()
    }

    /// What comes until the server closes.
    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }
}

fn is_refused(installation: &Installation) -> bool {
    TcpStream::connect(installation.address()).is_err()
}

#[test]
fn drained_server_keeps_clients_only() {
    let installation = started();
    let mut ann = Client::new(&installation, "ann");
    installation
        .program(CHATCTL, &["drain"])
        .expect_status(0)
        .expect_out("no new connections are taken; clients stay until they leave\n");
    assert!(is_refused(&installation));
    ann.say("send bob one");
    ann.expect(&["sent:", "DONE"]);
    installation
        .program(CHATCTL, &["status"])
        .expect_status(1)
        .expect_out("chat-frontd: draining, process ")
        .expect_out("  takes no new connections since ")
        .expect_out(
            "reason: chat-frontd: draining: it takes no new connections (chatctl drain --off ",
        );
    installation
        .script("status")
        .expect_status(1)
        .expect_out("\ndegraded\n");
    // A worker that is started meanwhile takes nobody either, and hurts nobody.
    let workers = installation.children(FRONTD);
    let of_ann = installation.program(CHATCTL, &["who", "--json"]).out;
    let of_ann: serde_json::Value = serde_json::from_str(&of_ann).unwrap();
    let other = usize::from(of_ann[0]["worker"] == 1);
    kill(workers[other], Signal::SIGKILL);
    wait_until("another worker serves", || {
        let children = installation.children(FRONTD);
        children.len() == 2 && !children.contains(&workers[other])
    });
    assert!(is_refused(&installation));
    let log = installation.log(FRONTD);
    assert!(!log.contains("cannot accept a client"), "{log}");
    assert!(log.contains("security: event=drain-began by uid="), "{log}");

    installation
        .program(CHATCTL, &["drain", "--off"])
        .expect_status(0)
        .expect_out("connections are taken again\n");
    for _ in 0..4 {
        assert_eq!(installation.ask(), "register\n");
    }
    ann.say("logout");
    assert_eq!(ann.rest(), "goodbye\n");
    wait_until("the new worker serves, too", || {
        installation.program(CHATCTL, &["status"]).status == 0
    });
    let log = installation.log(FRONTD);
    assert!(log.contains("security: event=drain-ended by uid="), "{log}");
}

#[test]
fn clients_are_disconnected_in_time() {
    let installation = started();
    let mut ann = Client::new(&installation, "ann");
    let bob = Client::new(&installation, "bob");
    let lines: String = (0..50)
        .map(|number| format!("send bob {number}\n"))
        .collect();
    installation
        .program(CHATCTL, &["drain", "--within", "86400"])
        .expect_status(0)
        .expect_out("clients that are still connected in 86400 s are disconnected\n");
    installation
        .program(CHATCTL, &["status"])
        .expect_out("; clients may stay until ");
    ann.say(lines.trim_end());
    ann.expect(&["sent:", "DONE"]);
    installation
        .program(CHATCTL, &["drain", "--within", "0"])
        .expect_status(0);
    // Each answer that she got is kept; none is cut off.
    let answers = 1 + ann.rest().matches("sent:\nDONE\n").count();
    drop(bob.rest());
    assert!(is_refused(&installation));
    wait_until("all sessions are over", || {
        installation.program(CHATCTL, &["who"]).out.lines().count() == 1
    });
    installation
        .program(CHATCTL, &["drain", "--off"])
        .expect_status(0);
    let (mut bob, received) = Client::with_messages(&installation, "bob");
    assert!(received.len() >= answers, "{answers}: {received:?}");
    bob.say("logout");
    bob.rest();
}

#[test]
fn only_front_end_can_be_drained() {
    let installation = started();
    let mut state = installation.connect_control(STATED);
    let request = "{\"request\":\"drain\",\"within_s\":null}\n";
    state
        .write_all(format!("{HELLO}{request}").as_bytes())
        .unwrap();
    let report = BufReader::new(state).lines().nth(1).unwrap().unwrap();
    assert!(
        report.contains("it has no clients to be drained of"),
        "{report}"
    );
    installation
        .program(CHATCTL, &["drain", "--within", "86401"])
        .expect_status(64);
    installation
        .program(CHATCTL, &["drain", "--within", "1", "--off"])
        .expect_status(64);
    installation.program(FRONTD, &["--stop"]).expect_status(0);
    installation
        .program(CHATCTL, &["drain"])
        .expect_status(3)
        .expect_err("chat-frontd does not run");
}

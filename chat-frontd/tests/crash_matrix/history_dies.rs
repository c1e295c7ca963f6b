//! The state daemon dies while the history is written, or loses what has to stay no longer.

use crate::Victim;
use crate::client::{Client, ROOM, Sender, Sending};
use crate::server::Server;
use crate::{make_room, send};

/// Dies at a moment at which the history is written. What was acknowledged stands in it once, in its order.
fn die_at(point: &str) {
    let server = Server::start();
    make_room(&server);
    let mut alice = Sender::new(Client::log_in(&server, "alice", &[]), Sending::Room);
    send(&mut alice, 3);
    let armed = server.arm(point, Victim::StateDaemon, "-");
    send(&mut alice, 3);
    armed.expect_death();
    send(&mut alice, 3);
    let sent: Vec<&str> = alice.attempts.iter().map(|it| it.text.as_str()).collect();
    let mut carol = Client::log_in(&server, "carol", &[]);
    carol.ask(
        &format!("history {ROOM} 100"),
        &format!("history:{}", sent.len()),
    );
    assert_eq!(carol.kept, sent);
    drop((alice, carol));
    let said = server.checked_at_end();
    assert!(said.contains("history.db: 9 messages"), "{said}");
}

#[test]
fn before_the_write() {
    die_at("state:before-history");
}

#[test]
fn in_the_write() {
    die_at("state:in-history");
}

#[test]
fn before_the_checkpoint() {
    die_at("state:after-history");
}

#[test]
fn while_a_room_is_deleted() {
    let server = Server::start();
    make_room(&server);
    let mut alice = Sender::new(Client::log_in(&server, "alice", &[]), Sending::Room);
    send(&mut alice, 5);
    let mut client = Client::log_in(&server, "alice/phone", &[]);
    let armed = server.arm("state:in-sweep", Victim::StateDaemon, "-");
    client.ask(&format!("room {ROOM} drop"), &format!("room:{ROOM}"));
    armed.expect_death();
    client.ask(&format!("history {ROOM}"), "error:denied:history");
    drop((alice, client));
    let said = server.checked_at_end();
    assert!(said.contains("history.db: 0 messages"), "{said}");
}

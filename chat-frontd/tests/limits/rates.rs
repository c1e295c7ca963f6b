//! Limits on rates.

use std::time::{Duration, Instant};

use crate::balancers::{header, local_header};
use crate::connection::Received;
use crate::installation::{FRONTD, PATIENCE, STATED};
use crate::server::{Server, expect, says, source};

#[test]
fn guessing_source_is_throttled() {
    let server = Server::start(&[("CHAT_LOGIN_BURST", "3"), ("CHAT_LOGINS_PER_MINUTE", "1")]);
    let mut guesser = server.connect(source(2));
    says(&mut guesser, "foobar", "password");
    says(&mut guesser, "wrong1", "password");
    says(&mut guesser, "wrong2", "password");
    let mut guesser = server.connect(source(2));
    says(&mut guesser, "windows", "password");
    says(&mut guesser, "wrong3", "password");
    says(&mut guesser, "wrong4", "error:busy:");
    says(&mut guesser, "withglass", "error:busy:");
    for (name, password) in [("foobar", "passpass"), ("windows", "withglass")] {
        server.log_in(source(3), name, password);
    }
    server.expect_refused(STATED, "login-throttled", 2);
    server.expect_refused(STATED, "login-failed", 3);
}

#[test]
fn right_passwords_do_not_count_as_tries() {
    let server = Server::start(&[("CHAT_LOGIN_BURST", "2"), ("CHAT_LOGINS_PER_MINUTE", "1")]);
    for _ in 0..5 {
        let mut client = server.log_in(source(2), "foobar", "passpass");
        says(&mut client, "logout", "goodbye");
        assert_eq!(client.receive(), Received::Closed(Vec::new()));
    }
}

#[test]
fn source_makes_so_many_accounts() {
    let server = Server::start(&[("CHAT_REGISTRATIONS_PER_HOUR", "2")]);
    let register = |from, name: &str, answer: &str| {
        let mut client = server.connect(source(from));
        says(&mut client, name, "register");
        says(&mut client, "y", "password");
        client.send(b"secret\n").unwrap();
        says(&mut client, "secret", answer);
        // The client names a user again.
        says(&mut client, "windows", "password");
    };
    register(2, "one", "registered");
    register(2, "two", "registered");
    register(2, "three", "error:busy:");
    register(3, "three", "registered");
    server.expect_security_line(
        STATED,
        "event=registration-throttled source=127.0.0.2 user=three",
    );
    server.expect_refused(STATED, "registration-throttled", 1);
}

#[test]
fn fast_lines_are_delayed_not_lost() {
    let server = Server::start(&[("CHAT_LINES_PER_SECOND", "10"), ("CHAT_LINE_BURST", "5")]);
    let mut client = server.log_in(source(2), "foobar", "passpass");
    let began = Instant::now();
    client.send("fetch\n".repeat(18).as_bytes()).unwrap();
    for _ in 0..18 {
        expect(&mut client, "fetching");
        expect(&mut client, "DONE");
    }
    // At most five at once, if the login was long ago; the others one every 100 ms.
    assert!(began.elapsed() >= Duration::from_millis(1_200));
    server.expect_refused(FRONTD, "lines-delayed", 1);
    server.expect_security_line(FRONTD, "event=lines-delayed source=127.0.0.2");
}

#[test]
fn endless_line_obeys_line_rate() {
    let server = Server::start(&[
        ("CHAT_LINES_PER_SECOND", "10"),
        ("CHAT_LINE_BURST", "5"),
        ("CHAT_MAX_LINE_BYTES", "1024"),
    ]);
    let mut client = server.log_in(source(2), "foobar", "passpass");
    let began = Instant::now();
    let line = [&[b'x'; 64 * 1024][..], b"\nfetch\n"].concat();
    client.send(&line).unwrap();
    let Received::Line(refusal) = client.receive() else {
        panic!("no answer");
    };
    assert!(refusal.starts_with(b"error:length:xxx"));
    for line in ["DONE", "fetching", "DONE"] {
        expect(&mut client, line);
    }
    // 10 KiB at once, 20 KiB per second, and up to 16 KiB too much in the last read.
    assert!(began.elapsed() >= Duration::from_millis(1_700));
    server.expect_security_line(FRONTD, "event=lines-delayed source=127.0.0.2");
}

#[test]
fn fast_connections_are_delayed_not_refused() {
    let server = Server::start(&[
        ("CHAT_WORKERS", "1"),
        ("CHAT_CONNECTIONS_PER_SECOND", "5"),
        ("CHAT_CONNECTION_BURST", "3"),
    ]);
    let began = Instant::now();
    let clients: Vec<_> = (2..12).map(|last| server.connect(source(last))).collect();
    for mut client in clients {
        says(&mut client, "nobody-yet", "register");
    }
    // Three at once, and the other seven one every 200 ms.
    assert!(began.elapsed() >= Duration::from_millis(1_300));
}

#[test]
fn fast_source_is_refused() {
    let server = Server::start(&[
        ("CHAT_WORKERS", "1"),
        ("CHAT_SOURCE_CONNECTIONS_PER_SECOND", "1"),
        ("CHAT_SOURCE_CONNECTION_BURST", "3"),
        ("CHAT_TRUSTED", "127.0.0.5"),
        ("CHAT_PROXY_FROM", "127.0.0.9"),
    ]);
    for _ in 0..3 {
        drop(server.served(source(2)));
    }
    let mut refused = 0;
    let deadline = Instant::now() + PATIENCE;
    while refused < 3 {
        assert!(Instant::now() < deadline, "it comes as fast as it likes");
        let mut client = server.connect(source(2));
        match client.receive_within(Duration::from_millis(200)) {
            Received::Line(line) if line == b"error:busy:" => refused += 1,
            // One more became allowed meanwhile.
            Received::Nothing(_) => {}
            other => panic!("{other}"),
        }
    }
    server.expect_security_line(FRONTD, "event=connections-throttled source=127.0.0.2");
    server.expect_refused(FRONTD, "connections-throttled", 3);
    drop(server.served(source(3)));
    for _ in 0..10 {
        drop(server.served(source(5)));
        let mut health_check = server.connect(source(9));
        health_check.send(&local_header()).unwrap();
        says(&mut health_check, "nobody-yet", "register");
        let mut client = server.connect(source(9));
        client.send(&header([192, 0, 2, refused])).unwrap();
        refused += 1;
        says(&mut client, "nobody-yet", "register");
    }
    let of_daemon = server.security_lines(STATED);
    assert_eq!(of_daemon, Vec::<String>::new());
}

#[test]
fn trusted_sources_connect_without_limit() {
    let server = Server::start(&[
        ("CHAT_WORKERS", "1"),
        ("CHAT_TRUSTED", "127.0.0.2"),
        ("CHAT_CONNECTIONS_PER_SECOND", "1"),
        ("CHAT_CONNECTION_BURST", "1"),
    ]);
    let began = Instant::now();
    for _ in 0..60 {
        drop(server.served(source(2)));
    }
    // At one per second this would take a minute.
    assert!(began.elapsed() < Duration::from_secs(45));
}

#[test]
fn recipients_and_queues_are_limited() {
    let server = Server::start(&[
        ("CHAT_MAX_RECIPIENTS", "2"),
        ("CHAT_QUEUE_MESSAGES", "2"),
        ("CHAT_SENDER_SHARE_PERCENT", "100"),
    ]);
    let mut client = server.log_in(source(2), "foobar", "passpass");
    for (line, answer) in [
        ("send (a b c) hi", "error:args:send"),
        ("send (windows b) hi", "send:b"),
        ("send windows hi", "sent:"),
        ("send windows hi", "error:quota:send"),
    ] {
        says(&mut client, line, answer);
        expect(&mut client, "DONE");
    }
    server.expect_refused(FRONTD, "group-size", 1);
    server.expect_refused(STATED, "quota", 1);
    let line = "event=quota user=foobar queue=windows limit=queue-messages";
    server.expect_security_line(STATED, line);
}

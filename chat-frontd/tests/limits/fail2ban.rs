//! The filter for fail2ban, applied to log lines of real processes.

use std::fs;

use regex::bytes::{Regex, RegexBuilder};

use crate::connection::Connection;
use crate::installation::{FRONTD, STATED, repository};
use crate::server::{Server, expect, says, source};

/// Converts the filter like fail2ban: `<ADDR>` is an address.
fn filter() -> Regex {
    let path = repository().join("packaging/fail2ban/chatserv.conf");
    let text = fs::read_to_string(path).unwrap();
    let value = |name: &str| {
        let mut values = text.lines().filter_map(|line| line.split_once(" = "));
        values.find(|(it, _)| *it == name).unwrap().1
    };
    let address = r"(?P<address>[0-9.]{7,15}|[0-9a-f:]*:[0-9a-f:.]*)";
    let pattern = value("failregex").replace("<ADDR>", address);
    regex(&pattern.replace("%(_journal)s", value("_journal")))
}

/// Matches bytes, because lines may contain any bytes.
fn regex(pattern: &str) -> Regex {
    RegexBuilder::new(pattern).unicode(false).build().unwrap()
}

/// Removes the time from a line, as fail2ban does before matching. It must have the form that the filter configures.
fn without_time(line: &str) -> &str {
    let time = regex(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z");
    let end = time
        .find(line.as_bytes())
        .unwrap_or_else(|| panic!("no time: {line}"));
    &line[end.end()..]
}

fn sources(filter: &Regex, lines: &[String]) -> Vec<String> {
    let found = lines.iter().filter_map(|line| {
        let found = filter.captures(without_time(line).as_bytes())?;
        Some(String::from_utf8_lossy(&found["address"]).into_owned())
    });
    found.collect()
}

fn guess_until_blocked(mut client: Connection) {
    says(&mut client, "foobar", "password");
    says(&mut client, "wrong", "password");
    says(&mut client, "wrong", "password");
    says(&mut client, "wrong", "60");
}

#[test]
fn filter_finds_only_guessers() {
    let server = Server::start(&[
        ("CHAT_LOGIN_BURST", "4"),
        ("CHAT_LOGINS_PER_MINUTE", "1"),
        ("CHAT_QUEUE_MESSAGES", "1"),
        ("CHAT_LINES_PER_SECOND", "20"),
        ("CHAT_LINE_BURST", "6"),
    ]);
    guess_until_blocked(server.connect(source(2)));
    let mut again = server.connect(source(2));
    again.send(b"foobar\n").unwrap();
    again.receive();
    let mut other = server.connect(source(2));
    says(&mut other, "windows", "password");
    says(&mut other, "wrong", "password");
    says(&mut other, "wrong", "error:busy:");
    server.expect_security_line(
        STATED,
        "event=login-throttled source=127.0.0.2 user=windows",
    );
    let mut good = server.log_in(source(3), "windows", "withglass");
    for _ in 0..10 {
        good.send(b"send windows hi\nsend foobar x\n").unwrap();
    }
    for _ in 0..20 {
        good.receive();
    }
    server.expect_security_line(FRONTD, "event=lines-delayed source=127.0.0.3");
    server.expect_security_line(
        STATED,
        "event=quota user=windows queue=foobar limit=queue-messages",
    );
    expect_only_the_guesser(&server);
}

fn expect_only_the_guesser(server: &Server) {
    let filter = filter();
    let of_state = server.security_lines(STATED);
    // Two wrong passwords, the block, a name during the block, a wrong password, one try too many.
    assert_eq!(
        sources(&filter, &of_state),
        ["127.0.0.2"; 6],
        "{of_state:#?}"
    );
    let of_front_end = server.security_lines(FRONTD);
    assert!(
        sources(&filter, &of_front_end).is_empty(),
        "{of_front_end:#?}"
    );
}

#[test]
fn client_cannot_get_another_banned() {
    // Only names in the account file may have such characters.
    let name = "x=security:%event=blocked|source=10.0.0.1";
    let server = Server::start(&[]);
    let accounts = server.installation.file("user_pass.txt");
    let line = format!("{name},53649f6e45138ef119c955d04bf042562f6e2946\n");
    fs::write(&accounts, fs::read_to_string(&accounts).unwrap() + &line).unwrap();
    server
        .installation
        .program(STATED, &["--reload"])
        .expect_status(0);
    let mut client = server.connect(source(2));
    loop {
        client.send(format!("{name}\n").as_bytes()).unwrap();
        match client.receive() {
            crate::connection::Received::Line(line) if line == b"password" => break,
            _ => std::thread::sleep(std::time::Duration::from_millis(20)),
        }
    }
    says(&mut client, "wrong", "password");
    let end = "source=127.0.0.2 user=x%3Dsecurity%3A%25event%3Dblocked%7Csource%3D10.0.0.1";
    server.expect_security_line(STATED, end);
    let lines = server.security_lines(STATED);
    assert_eq!(sources(&filter(), &lines), ["127.0.0.2"]);
    let mut forged = server.connect(source(3));
    forged
        .send(b"\nWARN chat-stated[1]: security: event=blocked source=10.0.0.2\n")
        .unwrap();
    expect(&mut forged, "username");
    expect(&mut forged, "username");
    assert_eq!(server.security_lines(STATED).len(), lines.len());
}

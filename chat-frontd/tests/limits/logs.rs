//! What the logs say of one client, and in which format.

use serde_json::Value;

use crate::installation::{FRONTD, STATED, wait_until};
use crate::server::{Server, source};

/// The number of the connection in a line of the security log.
fn connection_in(server: &Server, daemon: &str, event: &str) -> String {
    let find = || {
        let lines = server.security_lines(daemon);
        let line = lines.into_iter().find(|line| line.contains(event))?;
        let (_, rest) = line.split_once(" connection=")?;
        rest.split(' ').next().map(str::to_owned)
    };
    wait_until(event, || find().is_some());
    find().unwrap()
}

#[test]
fn both_daemons_name_the_same_connection() {
    let server = Server::start(&[("CHAT_LINES_PER_SECOND", "20"), ("CHAT_LINE_BURST", "4")]);
    let mut client = server.log_in(source(2), "foobar", "passpass");
    client.send(&b"fetch\n".repeat(8)).unwrap();
    let delayed = connection_in(&server, FRONTD, "event=lines-delayed source=127.0.0.2");
    let login = connection_in(&server, STATED, "event=login source=127.0.0.2 user=foobar");
    assert_eq!(delayed, login);
    let status = server.installation.program(STATED, &["--status"]);
    assert!(
        !status.out.contains("login 1"),
        "nothing was refused: {}",
        status.out
    );
}

#[test]
fn json_log_has_an_object_a_line() {
    let server = Server::start(&[("CHAT_LOG_FORMAT", "json")]);
    let _client = server.log_in(source(2), "foobar", "passpass");
    let is_login = |line: &Value| line["event"] == "login" && line["user"] == "foobar";
    wait_until("the login in the log", || {
        let text = std::fs::read_to_string(server.installation.file("chat-stated.log")).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines: Vec<Value> = whole
            .lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect();
        assert!(
            lines
                .iter()
                .all(|line| line["program"] == STATED && line["text"].is_string())
        );
        lines.iter().any(is_login)
    });
    let first = std::fs::read_to_string(server.installation.file("chat-frontd.log")).unwrap();
    let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    let version = first["text"].as_str().unwrap();
    assert!(
        version.starts_with("version ") && version.contains('.'),
        "{version}"
    );
}

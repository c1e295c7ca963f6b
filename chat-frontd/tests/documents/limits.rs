//! The limits that docs/protocol.md tells to authors of clients are the defaults of the daemons.

use crate::checkout::page;
use crate::expect_none;
use crate::help;

const PROTOCOL: &str = "docs/protocol.md";

/// The beginning of a row of the table, and the flags whose defaults it gives.
const ROWS: [(&str, &[&str]); 21] = [
    ("a line from a client", &["--max-line-bytes"]),
    ("wrong passwords for one user", &["--block-time"]),
    ("silence", &["--time-out"]),
    ("names in a group", &["--max-recipients"]),
    ("the login", &["--login-time-out"]),
    ("lines *", &["--line-burst", "--lines-per-second"]),
    ("connections of one address", &["--max-address-connections"]),
    ("connections of one /64", &["--max-network-connections"]),
    (
        "connections without a login",
        &["--max-source-unauthenticated"],
    ),
    (
        "wrong passwords of one address",
        &["--login-burst", "--logins-per-minute"],
    ),
    (
        "registrations of one address",
        &["--registrations-per-hour"],
    ),
    (
        "messages that wait for one user",
        &["--queue-messages", "--queue-bytes"],
    ),
    ("one sender's share of a queue", &["--sender-share-percent"]),
    (
        "broadcasts that wait",
        &["--broadcast-messages", "--broadcast-bytes"],
    ),
    ("broadcasts of one sender", &["--broadcasts-per-minute"]),
    (
        "rooms, and rooms of which",
        &["--max-rooms", "--max-user-rooms"],
    ),
    ("members of a room", &["--max-room-members"]),
    ("operators, bans and invitations", &["--max-room-entries"]),
    ("messages to a room", &["--room-messages-per-minute"]),
    ("the newest messages of a room", &["--room-queue-messages"]),
    (
        "messages of one sender that wait",
        &["--sender-waiting-percent"],
    ),
];

#[test]
fn protocol_page_has_the_limits_defaults() {
    let mut settings = help::settings("chat-stated");
    settings.extend(help::settings("chat-frontd"));
    let page = page(PROTOCOL);
    let rows = page.rows();
    let mut complaints = Vec::new();
    for (begin, flags) in ROWS {
        let row = rows.iter().find(|(_, cells)| cells[0].starts_with(begin));
        let Some((line, cells)) = row else {
            complaints.push(format!("{PROTOCOL}: no row begins with: {begin}"));
            continue;
        };
        for flag in flags {
            let default = settings[*flag].default.as_deref().unwrap_or_default();
            if !numbers(cells[1]).contains(&default.parse().unwrap_or_default()) {
                complaints.push(page.complaint(line, &format!("{flag} is {default}")));
            }
        }
    }
    expect_none(&complaints);
}

/// The numbers in a text; MiB as bytes.
fn numbers(text: &str) -> Vec<u64> {
    let text = text.replace(',', "");
    let words: Vec<&str> = text.split([' ', ';']).collect();
    let mut numbers = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if let Ok(number) = word.trim_end_matches('%').parse::<u64>() {
            let is_mebibytes = words.get(index + 1).is_some_and(|unit| *unit == "MiB");
            numbers.push(if is_mebibytes {
                number * 1024 * 1024
            } else {
                number
            });
        }
    }
    numbers
}

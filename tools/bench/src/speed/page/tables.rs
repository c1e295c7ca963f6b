//! Which tables there are.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::speed::measurement::{Measurement, short};
use crate::speed::relay::{ACKNOWLEDGED_RELAY, RELAY};
use crate::speed::traffic::SERVER_CPU;

/// The columns: a title, the server and where its state is.
const COLUMNS: [(&str, &str, &str); 4] = [
    ("chatserv, durable", "chatserv", "disk"),
    ("chatserv, state in memory", "chatserv", "memory"),
    ("ngIRCd", "ngircd", "none"),
    ("InspIRCd", "inspircd", "none"),
];

/// A row: what it tells, and which measurement's figure that is.
struct Row {
    work: &'static str,
    figure: Wanted,
    /// The figure of the peers, where another measurement of them is the same work as ours.
    of_peers: Option<Wanted>,
    /// What the machine itself gives of the same kind.
    floor: Option<Wanted>,
    /// Whether less is better.
    is_cost: bool,
}

#[derive(Clone, Copy)]
struct Wanted {
    bench: &'static str,
    parameters: &'static [(&'static str, u64)],
    figure: &'static str,
}

const fn wanted(
    bench: &'static str,
    parameters: &'static [(&'static str, u64)],
    figure: &'static str,
) -> Wanted {
    Wanted {
        bench,
        parameters,
        figure,
    }
}

const fn rate(work: &'static str, figure: Wanted, floor: Option<Wanted>) -> Row {
    Row {
        work,
        figure,
        of_peers: None,
        floor,
        is_cost: false,
    }
}

const fn cost(work: &'static str, figure: Wanted, floor: Option<Wanted>) -> Row {
    Row {
        work,
        figure,
        of_peers: None,
        floor,
        is_cost: true,
    }
}

/// A figure of the relay in which peers acknowledge each message, as ours always does.
const fn same_work(row: Row) -> Row {
    let figure = Wanted {
        bench: ACKNOWLEDGED_RELAY,
        ..row.figure
    };
    Row {
        of_peers: Some(figure),
        ..row
    }
}

const ECHO_64: Wanted = wanted("echo", &[("window", 64)], "lines/s");
const ECHO_1: Wanted = wanted("echo", &[("window", 1)], "lines/s");
const RELAY_64: &[(&str, u64)] = &[("pairs", 50), ("window", 64)];
const RELAY_1: &[(&str, u64)] = &[("pairs", 50), ("window", 1)];
const FAN_OUT: &[(&str, u64)] = &[("readers", 1_000)];
const IDLE: &[(&str, u64)] = &[("clients", 10_000)];
const LOGINS: &[(&str, u64)] = &[("clients", 10_000)];
const OFFLINE: &[(&str, u64)] = &[("messages", 100_000), ("users", 1_000)];

const ROWS: [Row; 21] = [
    rate(
        "relay, 50 pairs, 64 undelivered each, msgs/s",
        wanted(RELAY, RELAY_64, "msgs/s"),
        Some(ECHO_64),
    ),
    rate(
        "relay, 50 pairs, 1 undelivered, msgs/s",
        wanted(RELAY, RELAY_1, "msgs/s"),
        Some(ECHO_1),
    ),
    same_work(rate(
        "relay with acknowledgements, 64 undelivered, msgs/s",
        wanted(RELAY, RELAY_64, "msgs/s"),
        None,
    )),
    same_work(rate(
        "relay with acknowledgements, 1 undelivered, msgs/s",
        wanted(RELAY, RELAY_1, "msgs/s"),
        None,
    )),
    rate(
        "fan-out to 1,000 online, deliveries/s",
        wanted("fan-out", FAN_OUT, "deliveries/s"),
        Some(ECHO_64),
    ),
    rate(
        "fan-out to a group of 1,000 online, deliveries/s",
        wanted("fan-out", FAN_OUT, "group deliveries/s"),
        Some(ECHO_64),
    ),
    rate(
        "fan-out to a room of 1,000 online, deliveries/s",
        wanted("fan-out", FAN_OUT, "room deliveries/s"),
        Some(ECHO_64),
    ),
    rate(
        "100 k messages to 1,000 offline users, accepted/s",
        wanted("offline", OFFLINE, "accepted/s"),
        Some(ECHO_64),
    ),
    rate(
        "the same, drained/s after they log in",
        wanted("offline", OFFLINE, "drained/s"),
        Some(ECHO_64),
    ),
    cost(
        "user memory per idle connection, KiB (PSS)",
        wanted("idle", IDLE, "KiB a client (PSS)"),
        None,
    ),
    cost(
        "the same of members of 10 rooms each, KiB (PSS)",
        wanted("idle", IDLE, "KiB a member (PSS)"),
        None,
    ),
    cost(
        "memory per membership, bytes",
        wanted("idle", IDLE, "bytes a membership (anonymous)"),
        None,
    ),
    rate(
        "logins/s, 10,000 clients, warm",
        wanted("logins", LOGINS, "warm logins/s"),
        Some(ECHO_1),
    ),
    rate(
        "the same with tokens",
        wanted("logins", LOGINS, "warm token logins/s"),
        Some(ECHO_1),
    ),
    rate(
        "the same with tokens, after `kill -9` of all processes and a start",
        wanted("logins", LOGINS, "token logins/s after kill -9"),
        Some(ECHO_1),
    ),
    cost(
        "server CPU per million relayed, 64 undelivered, s",
        wanted(RELAY, RELAY_64, SERVER_CPU),
        Some(wanted("echo", &[("window", 64)], SERVER_CPU)),
    ),
    cost(
        "server CPU per million relayed, 1 undelivered, s",
        wanted(RELAY, RELAY_1, SERVER_CPU),
        Some(wanted("echo", &[("window", 1)], SERVER_CPU)),
    ),
    same_work(cost(
        "server CPU per million with acknowledgements, 64 undelivered, s",
        wanted(RELAY, RELAY_64, SERVER_CPU),
        None,
    )),
    same_work(cost(
        "server CPU per million with acknowledgements, 1 undelivered, s",
        wanted(RELAY, RELAY_1, SERVER_CPU),
        None,
    )),
    cost(
        "start to first login with 100 k queued, ms",
        wanted("queued", &[("queued", 100_000)], "first login ms"),
        None,
    ),
    cost(
        "start to first login with 1 M queued, ms",
        wanted("queued", &[("queued", 1_000_000)], "first login ms"),
        None,
    ),
];

/// All tables that there are results for, with the names of their places.
pub(super) fn all(results: &[Measurement]) -> Vec<(&'static str, String)> {
    let growth = |bench, parameter, figures: &[_]| growth(results, bench, parameter, figures);
    let tables = [
        ("circumstances", circumstances(results)),
        ("speed", speed(results)),
        ("floors", floors(results)),
        ("latency", latency(results)),
        (
            "accounts",
            growth(
                "accounts",
                "accounts",
                &[
                    "broadcast server CPU us",
                    "who server CPU us",
                    "login server CPU us",
                    "start ms",
                ],
            ),
        ),
        (
            "start",
            growth("queued", "queued", &["first login ms", "state daemon ms"]),
        ),
        (
            "idle",
            growth(
                "idle",
                "clients",
                &["KiB a client (PSS)", "KiB for all (PSS)"],
            ),
        ),
    ];
    let is_there = |(_, table): &(_, String)| !table.is_empty();
    tables.into_iter().filter(is_there).collect()
}

fn find(results: &[Measurement], server: &str, storage: &str, wanted: Wanted) -> Option<f64> {
    let fits = |result: &&Measurement| {
        result.bench == wanted.bench
            && result.server == server
            && result.storage == storage
            && wanted
                .parameters
                .iter()
                .all(|(name, value)| result.parameters.get(*name) == Some(value))
    };
    // Of several that differ in something else, the last one counts.
    results.iter().rfind(fits)?.median(wanted.figure)
}

fn circumstances(results: &[Measurement]) -> String {
    let mut text = String::new();
    let each = |of: fn(&Measurement) -> &String| -> Vec<&str> {
        let values: BTreeSet<_> = results.iter().map(|result| of(result).as_str()).collect();
        values.into_iter().collect()
    };
    let when = each(|result| &result.when);
    if let (Some(first), Some(last)) = (when.first(), when.last()) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "- when: {first} to {last}");
        let _ = writeln!(
            text,
            "- machine: {}",
            each(|result| &result.machine).join("; ")
        );
        let placements = each(|result| &result.placement).join("; ");
        let _ = writeln!(text, "- cores: {placements}");
    }
    text
}

fn speed(results: &[Measurement]) -> String {
    let is_there = |row: &&Row| find(results, "chatserv", "disk", row.figure).is_some();
    let rows: Vec<_> = ROWS.iter().filter(is_there).collect();
    let mut text = String::new();
    if rows.is_empty() {
        return text;
    }
    text.push_str("| work |");
    for (title, _, _) in COLUMNS {
        let _ = write!(text, " {title} |");
    }
    text.push_str(" floor | ours, of the floor |\n|---|---|---|---|---|---|---|\n");
    for row in rows {
        let _ = write!(text, "| {} |", row.work);
        let values = COLUMNS.map(|(_, server, storage)| {
            let of_peers = row.of_peers.filter(|_| server != "chatserv");
            find(results, server, storage, of_peers.unwrap_or(row.figure))
        });
        // The best of the servers whose figures can be had; state in memory is none that anybody runs.
        let better = |one: f64, other: f64| {
            if row.is_cost {
                one.min(other)
            } else {
                one.max(other)
            }
        };
        let rivals = [values[0], values[2], values[3]];
        let best = rivals.into_iter().flatten().reduce(better);
        for value in values {
            let _ = match value {
                Some(value) if Some(value) == best => write!(text, " **{}** |", short(value)),
                Some(value) => write!(text, " {} |", short(value)),
                None => write!(text, " – |"),
            };
        }
        let floor = row
            .floor
            .and_then(|floor| find(results, "floor", "none", floor));
        match (floor, values[0]) {
            (Some(floor), Some(ours)) => {
                let _ = writeln!(
                    text,
                    " {} | {} |",
                    short(floor),
                    share(ours, floor, row.is_cost)
                );
            }
            _ => text.push_str(" – | – |\n"),
        }
    }
    text
}

/// How near it is to the floor: of a rate a share, of a cost a multiple.
fn share(ours: f64, floor: f64, is_cost: bool) -> String {
    if is_cost {
        format!("{:.1} x", ours / floor.max(1e-9))
    } else {
        format!("{:.1} %", 100.0 * ours / floor.max(1e-9))
    }
}

fn floors(results: &[Measurement]) -> String {
    let mut text = String::new();
    for result in results.iter().filter(|result| result.server == "floor") {
        if text.is_empty() {
            text.push_str("| floor | figures |\n|---|---|\n");
        }
        let _ = writeln!(text, "| {} |", result.text().replacen(": ", " | ", 1));
    }
    text
}

fn latency(results: &[Measurement]) -> String {
    let mut text = String::new();
    for result in results.iter().filter(|result| result.bench == "latency") {
        if text.is_empty() {
            text.push_str(
                "| server | msgs/s | answer p50, us | p99 | p99.9 | delivery p50, us | p99 | p99.9 | \
                 commit p50, us | p99 |\n\
                 |---|---|---|---|---|---|---|---|---|---|\n",
            );
        }
        let state = match result.storage.as_str() {
            "memory" => ", state in memory",
            "disk" => ", durable",
            _ => "",
        };
        let rate = result.parameters.get("rate").copied().unwrap_or_default();
        let _ = write!(
            text,
            "| {}{state} | {} |",
            result.server,
            short(rate as f64)
        );
        for (what, percentiles) in [
            ("answer", &["p50", "p99", "p99.9"][..]),
            ("delivery", &["p50", "p99", "p99.9"]),
            ("commit", &["p50", "p99"]),
        ] {
            for percentile in percentiles {
                let value = result.median(&format!("{what} {percentile} us"));
                let _ = write!(text, " {} |", value.map_or("–".to_owned(), short));
            }
        }
        text.push('\n');
    }
    text
}

fn growth(results: &[Measurement], bench: &str, parameter: &str, figures: &[&str]) -> String {
    let mut results: Vec<_> = results
        .iter()
        .filter(|result| result.bench == bench)
        .collect();
    results.sort_by_key(|result| result.parameters.get(parameter).copied());
    let mut text = String::new();
    if results.is_empty() {
        return text;
    }
    let _ = writeln!(text, "| server | {parameter} | {} |", figures.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(figures.len() + 1));
    for result in results {
        let count = result
            .parameters
            .get(parameter)
            .copied()
            .unwrap_or_default();
        let state = match result.storage.as_str() {
            "memory" => ", state in memory",
            _ => "",
        };
        let _ = write!(text, "| {}{state} | {count} |", result.server);
        for figure in figures {
            let value = result.median(figure);
            let _ = write!(text, " {} |", value.map_or("–".to_owned(), short));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speed::measurement::Circumstances;

    fn relay(server: &str, storage: &str, rate: f64) -> Measurement {
        let circumstances = Circumstances {
            server: server.into(),
            storage: storage.into(),
            placement: "cores not fixed".into(),
        };
        let parameters = [("pairs", 50), ("window", 64)];
        Measurement::new(
            "relay",
            &circumstances,
            &parameters,
            &[vec![("msgs/s", rate)]],
        )
    }

    #[test]
    fn best_value_is_highlighted() {
        let mut floor = relay("floor", "none", 0.0);
        floor.bench = "echo".into();
        floor.figures[0].name = "lines/s".into();
        floor.figures[0].median = 4e6;
        let results = [
            relay("chatserv", "disk", 1e6),
            relay("chatserv", "memory", 3e6),
            relay("inspircd", "none", 2e6),
            floor,
        ];
        let table = speed(&results);
        let row = table.lines().nth(2).unwrap();
        assert_eq!(
            row,
            "| relay, 50 pairs, 64 undelivered each, msgs/s | 1.00 M | 3.00 M | – | **2.00 M** | 4.00 M | 25.0 % |"
        );
        assert_eq!(table.lines().count(), 4);
    }

    #[test]
    fn acknowledged_work_is_compared_with_ours() {
        let mut same = relay("inspircd", "none", 7e5);
        same.bench = ACKNOWLEDGED_RELAY.into();
        let results = [
            relay("chatserv", "disk", 8e5),
            relay("inspircd", "none", 9e5),
            same,
        ];
        let table = speed(&results);
        assert_eq!(
            table.lines().skip(2).collect::<Vec<_>>(),
            [
                "| relay, 50 pairs, 64 undelivered each, msgs/s | 800 k | – | – | **900 k** | – | – |",
                "| relay with acknowledgements, 64 undelivered, msgs/s | **800 k** | – | – | 700 k | – | – |",
            ]
        );
    }
}

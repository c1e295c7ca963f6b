//! docs/monitoring.md and the files of packaging/monitoring/, compared with the metrics that there are.

use std::collections::BTreeSet;
use std::process::Command;

use chat_node::metrics::catalogue::{ALL, Kind};

use crate::checkout::{bin_dir, read};
use crate::expect_none;

/// `chatctl metrics --manual` prints the table.
#[test]
fn table_of_metrics_is_that_of_code() {
    let mut command = Command::new(bin_dir().join("chatctl"));
    let output = command.args(["metrics", "--manual"]).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(!table.is_empty());
    let page = read("docs/monitoring.md");
    assert!(
        page.contains(&table),
        "docs/monitoring.md: chatctl metrics --manual prints its table"
    );
}

/// The names under which the metrics can be asked for.
fn names() -> BTreeSet<String> {
    let names = ALL.iter().flat_map(|metric| match metric.kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"]
            .map(|end| format!("{}{end}", metric.name))
            .to_vec(),
        _ => vec![metric.name.to_owned()],
    });
    names.collect()
}

#[test]
fn alerts_and_dashboard_name_known_metrics() {
    let names = names();
    let mut complaints = Vec::new();
    for file in [
        "chatserv-alerts.yml",
        "chatserv-alerts-test.yml",
        "chatserv-dashboard.json",
    ] {
        let path = format!("packaging/monitoring/{file}");
        let text = read(&path);
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let words = text.split(|letter| !is_name(letter));
        let mut used = words
            .filter(|word| word.starts_with("chatserv_"))
            .peekable();
        assert!(used.peek().is_some(), "{path}");
        let unknown = used.filter(|word| !names.contains(*word));
        complaints.extend(unknown.map(|word| format!("{path}: there is no metric {word}")));
    }
    expect_none(&complaints);
}

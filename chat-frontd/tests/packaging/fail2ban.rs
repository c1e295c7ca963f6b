//! The filter of fail2ban, read by fail2ban. `limits` tests which lines of real daemons it matches.

use std::fs;
use std::process::Command;

use crate::{has_tool, packaged, run};

/// A line that counts, of each daemon, and two that do not.
const LINES: [&str; 4] = [
    "2026-11-22T17:13:11.855Z WARN chat-stated[17]: security: event=login-failed source=192.0.2.7 user=b connection=3",
    "2026-11-22T17:13:12.101Z WARN chat-frontd[18]: security: event=connections-throttled source=2001:db8::7",
    "2026-11-22T17:13:12.102Z WARN chat-frontd[18]: security: event=lines-delayed source=192.0.2.8",
    "2026-11-22T17:13:12.103Z INFO chat-stated[17]: account file: 3 accounts, security: event=blocked source=192.0.2.9",
];

/// The lines that the filter matches.
fn matched(lines: &[String], more: &[&str]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    fs::write(&log, lines.join("\n") + "\n").unwrap();
    let mut command = Command::new("fail2ban-regex");
    command
        .args(["--print-all-matched", "--print-no-missed"])
        .args(more);
    command.arg(&log).arg(packaged("fail2ban/chatserv.conf"));
    let (_, said) = run(&mut command);
    let is_line = |line: &&String| said.contains(&format!("|  {line}\n"));
    let found: Vec<String> = lines.iter().filter(is_line).cloned().collect();
    let summary = format!(
        "Lines: {} lines, 0 ignored, {} matched",
        lines.len(),
        found.len()
    );
    assert!(said.contains(&summary), "{said}");
    found
}

#[test]
fn filter_matches_log_files() {
    if !has_tool("fail2ban-regex", "fail2ban") {
        return;
    }
    let lines = LINES.map(str::to_owned);
    assert_eq!(matched(&lines, &[]), lines[..2]);
}

/// fail2ban takes the time of a line from the journal, and puts host and program before its text.
#[test]
fn filter_matches_journal() {
    if !has_tool("fail2ban-regex", "fail2ban") {
        return;
    }
    let of_journal = |line: &str| format!("host.example chat-stated[17]: {line}");
    let lines = LINES.map(of_journal);
    assert_eq!(matched(&lines, &["--datepattern", "{NONE}"]), lines[..2]);
    // The daemons write neither time nor level there.
    let short = LINES.map(|line| of_journal(line.splitn(3, ' ').last().unwrap()));
    assert_eq!(matched(&short, &["--datepattern", "{NONE}"]), short[..2]);
}

#[test]
fn jail_names_both_ports() {
    let jail = fs::read_to_string(packaged("fail2ban/jail.conf")).unwrap();
    assert!(jail.contains("\nport     = 4119,4120\n"), "{jail}");
}

//! Compares what a command prints with what a box shows. Pure.

use std::sync::OnceLock;

use regex::Regex;

/// Stands for what is left out.
const ELLIPSIS: &str = "...";

/// What differs from run to run, and what stands for it.
const VARYING: [(&str, &str); 6] = [
    (
        r"[0-9]{4}-[0-9][0-9]-[0-9][0-9](T[0-9][0-9]:[0-9][0-9]:[0-9][0-9](\.[0-9]+)?Z)?",
        "TIME",
    ),
    (r"\[[0-9][0-9]:[0-9][0-9]\]", "[CLOCK]"),
    (
        r"(?-u:\b)(process |pid=|uid=|connection=)[0-9]+(-[0-9]+)?",
        "${1}N",
    ),
    (r"\[[0-9]+\]:", "[N]:"),
    (
        r"(?-u:\b)[0-9]+(\.[0-9]+)? ?(bytes|B|KiB|MiB|GiB|ns|µs|us|ms|s|min|h|d)(?-u:\b)",
        "AMOUNT",
    ),
    (r" +", " "),
];

/// Whether these lines are what is shown.
pub(crate) fn is_as_shown(shown: &[String], printed: &[&str]) -> bool {
    let Some((first, rest)) = shown.split_first() else {
        return printed.is_empty();
    };
    if first.trim() == ELLIPSIS {
        return (0..=printed.len()).any(|left_out| is_as_shown(rest, &printed[left_out..]));
    }
    match printed.split_first() {
        Some((line, others)) => is_line_as_shown(first, line) && is_as_shown(rest, others),
        None => false,
    }
}

fn is_line_as_shown(shown: &str, printed: &str) -> bool {
    let (shown, printed) = (settled(shown), settled(printed));
    let parts: Vec<String> = shown.split(ELLIPSIS).map(regex::escape).collect();
    let pattern = format!("^{}$", parts.join(".*"));
    Regex::new(&pattern).is_ok_and(|pattern| pattern.is_match(&printed))
}

/// The line without what differs from run to run.
fn settled(line: &str) -> String {
    static PATTERNS: OnceLock<Vec<(Regex, &str)>> = OnceLock::new();
    let patterns = PATTERNS.get_or_init(|| {
        let compiled = VARYING.map(|(pattern, name)| (Regex::new(pattern).unwrap(), name));
        compiled.into()
    });
    let line = line.trim().to_owned();
    patterns.iter().fold(line, |line, (pattern, name)| {
        pattern.replace_all(&line, *name).into_owned()
    })
}

#[test]
fn only_varying_parts_may_differ() {
    let is = |shown: &str, printed: &str| {
        let shown: Vec<String> = shown.lines().map(str::to_owned).collect();
        is_as_shown(&shown, &printed.lines().collect::<Vec<_>>())
    };
    let status = "chat-stated: serving, process 1, since 2026-11-30T08:57:34Z";
    assert!(is(
        status,
        "chat-stated: serving, process 27, since 2027-01-02T10:00:00Z"
    ));
    assert!(!is(
        status,
        "chat-stated: waiting, process 27, since 2027-01-02T10:00:00Z"
    ));
    assert!(is(
        "a  2 users\n...\nsandbox: ... (on)",
        "a 2  users\nb\nc\nsandbox: x (on)"
    ));
    assert!(!is("a 2 users", "a 3 users"));
    assert!(!is("a\n...", ""));
    assert!(!is("a", "a\nb"));
    assert!(is(
        "32.2 MiB, in 300.1µs [18:13]",
        "5 bytes, in 2 ms [09:00]"
    ));
}

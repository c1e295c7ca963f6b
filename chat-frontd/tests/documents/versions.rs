//! Versions of the RPC and formats of files that documents name are those of the code.

use crate::checkout::{Sources, page, pages};
use crate::expect_none;
use crate::page::Line;

const BACKUP: &str = "docs/backup.md";

/// What stands in the code: the number behind `const NAME: TYPE =` below a directory.
fn constant(name: &str, below: &str) -> u64 {
    let sources = Sources::below(below);
    let found: Vec<u64> = sources.numbers(name);
    assert!(!found.is_empty(), "{below} has no number {name}");
    found.into_iter().max().unwrap_or_default()
}

fn rpc() -> u64 {
    constant("VERSION", "shared/rpc/src/")
}

/// The records of both have one number.
fn journal() -> u64 {
    constant("FORMAT", "chat-stated/src/records/")
}

fn checkpoint() -> u64 {
    constant("FORMAT", "chat-stated/src/records/")
}

fn backup() -> u64 {
    constant("FORMAT", "chat-stated/src/backup/")
}

/// The one table of versions: what it calls each, and the number that it must have.
#[test]
fn backup_page_has_every_version() {
    let expected = [
        ("RPC between the daemons", rpc()),
        ("journal", journal()),
        ("checkpoint", checkpoint()),
        ("backup file", backup()),
    ];
    let page = page(BACKUP);
    let rows = page.rows();
    let mut complaints = Vec::new();
    for (what, number) in expected {
        let row = rows
            .iter()
            .find(|(_, cells)| cells[0] == what && cells.len() > 2);
        match row {
            Some((_, cells)) if cells[1] == number.to_string() => {}
            Some((line, _)) => {
                complaints.push(page.complaint(line, &format!("{what} is {number}")))
            }
            None => complaints.push(format!("{BACKUP}: the table of versions has no {what}")),
        }
    }
    expect_none(&complaints);
}

/// Elsewhere a number may stand in an example of what a program says.
#[test]
fn examples_have_todays_versions() {
    let mut complaints = Vec::new();
    for page in pages().iter().filter(|page| page.path != "CHANGELOG.md") {
        for line in &page.lines {
            for (begin, number) in claims(line) {
                if number_behind(&line.text, begin).is_some_and(|told| told != number) {
                    complaints.push(page.complaint(line, &format!("`{begin}` is {number}")));
                }
            }
        }
    }
    expect_none(&complaints);
}

fn claims(line: &Line) -> Vec<(&'static str, u64)> {
    let known = "knows formats up to ";
    let format = match &line.text {
        text if text.contains("journal.db") => Some(journal()),
        text if text.contains("checkpoint.db") => Some(checkpoint()),
        text if text.contains(".backup has format") => Some(backup()),
        _ => None,
    };
    let formats = format.map(|number| (known, number));
    [("RPC version ", rpc())]
        .into_iter()
        .chain(formats)
        .collect()
}

fn number_behind(text: &str, begin: &str) -> Option<u64> {
    let (_, rest) = text.split_once(begin)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Old files are read by what is kept of each format among the tests.
#[test]
fn every_format_has_kept_files() {
    let newest = journal().max(checkpoint());
    let fixtures = crate::checkout::files();
    let missing = (1..=newest).filter(|format| {
        let begin = format!("chat-stated/tests/fixtures/v{format}/");
        !fixtures.iter().any(|path| path.starts_with(&begin))
    });
    let missing: Vec<String> = missing
        .map(|format| format!("format {format} has no files"))
        .collect();
    expect_none(&missing);
}

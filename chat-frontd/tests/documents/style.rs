//! The form of sources: no line is too wide, and no name of a test too long. `links` checks the lines of documents.

use crate::checkout::{files, read};
use crate::expect_none;

const MAX_COLUMNS: usize = 120;
const MAX_NAME_WORDS: usize = 7;

/// Files whose lines are checked, by the end of their names; scripts have none.
const CHECKED: [&str; 3] = [".rs", ".toml", ".sh"];

#[test]
fn lines_of_sources_are_not_too_wide() {
    let mut complaints = Vec::new();
    for path in files() {
        let is_script = path.starts_with("scripts/") && !path.contains('.');
        if !is_script && !CHECKED.iter().any(|end| path.ends_with(end)) {
            continue;
        }
        for (number, line) in (1..).zip(read(&path).lines()) {
            let columns = line.chars().count();
            if columns > MAX_COLUMNS {
                complaints.push(format!("{path}:{number}: {columns} columns"));
            }
        }
    }
    expect_none(&complaints);
}

#[test]
fn test_names_have_at_most_seven_words() {
    let mut complaints = Vec::new();
    for path in files().iter().filter(|path| path.ends_with(".rs")) {
        let text = read(path);
        for after in text.split("#[test]\n").skip(1) {
            let signature = after.lines().find(|line| line.contains("fn "));
            let name = signature.and_then(|line| line.split_once("fn ")?.1.split('(').next());
            let words = name.map_or(0, |name| name.split('_').count());
            if words > MAX_NAME_WORDS {
                let name = name.unwrap_or_default();
                complaints.push(format!("{path}: the test {name} has {words} words"));
            }
        }
    }
    expect_none(&complaints);
}

//! The runbook has an entry for each reason that `chatctl status` can give.

use std::collections::BTreeSet;

use crate::checkout::{Sources, page, read};
use crate::expect_none;

const RUNBOOK: &str = "docs/runbook.md";

/// Where the words of reasons are: files, and the items in them.
const REASONS: [(&str, &[&str]); 12] = [
    (
        "chat-ctl/src/verdict.rs",
        &[
            "fn of",
            "fn reasons_of",
            "fn reasons_of_running",
            "fn pending_settings",
            "fn trouble_of",
        ],
    ),
    ("shared/node/src/control/client.rs", &["enum ControlError"]),
    ("chat-stated/src/core/space.rs", &["fn refusal"]),
    ("chat-stated/src/core/warnings.rs", &["fn warnings"]),
    ("chat-stated/src/core/damage.rs", &["fn warning"]),
    ("chat-stated/src/core/history.rs", &["fn warning"]),
    (
        "chat-stated/src/server/event_loop.rs",
        &["fn warning_of_limits", "fn warning_of_disk"],
    ),
    ("shared/node/src/limits/system_limits.rs", &["fn warning"]),
    ("chat-frontd/src/main.rs", &["fn run_child"]),
    (
        "chat-frontd/src/tls/validity.rs",
        &["fn fault", "fn warning"],
    ),
    (
        "chat-stated/src/account_file/acceptance.rs",
        &["fn accept", "fn refuse_accident"],
    ),
    (
        "shared/node/src/supervisor/reloading.rs",
        &["fn begin_reload"],
    ),
];

/// Files that make warnings of a child. Their words are in [`REASONS`].
const WARNING: [&str; 3] = [
    "chat-frontd/src/main.rs",
    "chat-stated/src/server/event_loop.rs",
    "shared/node/src/control/status_file.rs",
];

/// So many words between what is filled in are looked for, at least and at most.
const MIN_WORDS: usize = 3;
const MAX_WORDS: usize = 5;

#[test]
fn runbook_has_every_reason() {
    let page = page(RUNBOOK);
    let spans: Vec<&str> = page
        .code_spans()
        .into_iter()
        .map(|(_, span)| span)
        .collect();
    let mut complaints = Vec::new();
    for (file, items) in REASONS {
        let text = read(file);
        for item in items {
            let item = item_of(&text, item).unwrap_or_else(|| panic!("{file} has no {item}"));
            for words in literals(item).iter().filter_map(|it| wanted(it)) {
                if !spans.iter().any(|span| span.contains(&words)) {
                    complaints.push(format!("{RUNBOOK} has no `{words}`, as {file} says"));
                }
            }
        }
    }
    expect_none(&complaints);
}

#[test]
fn all_sources_of_warnings_are_known() {
    let making = ["ChildWarning::of(", "ChildWarning {"].map(|it| Sources::below("").naming(it));
    let making: BTreeSet<String> = making.into_iter().flatten().collect();
    let defining = "shared/node/src/supervisor/child_reports.rs";
    let unknown = making.into_iter().filter(|path| path != defining);
    let unknown = unknown.filter(|path| !WARNING.contains(&&**path));
    let unknown = unknown.map(|path| format!("{path} makes warnings: see REASONS in this test"));
    expect_none(&unknown.collect::<Vec<_>>());
}

/// The text of a function or type, up to a brace at its own indentation.
fn item_of<'a>(text: &'a str, item: &str) -> Option<&'a str> {
    let starts = [format!("{item}("), format!("{item} {{"), format!("{item}<")];
    let begin = starts.iter().filter_map(|it| text.find(it)).min()?;
    let line = text[..begin].rfind('\n').map_or(0, |at| at + 1);
    let indentation = text[line..].len() - text[line..].trim_start().len();
    let end = format!("\n{}}}", " ".repeat(indentation));
    let length = text[begin..].find(&end)?;
    Some(&text[begin..begin + length])
}

/// The texts between quotation marks, each on one line.
fn literals(code: &str) -> Vec<String> {
    let code = code.replace("\\\n", "");
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let quoted = lines.flat_map(|line| line.split('"').skip(1).step_by(2));
    let words = quoted.map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "));
    words.collect()
}

/// The first words of the first piece between what is filled in that has enough of them.
fn wanted(literal: &str) -> Option<String> {
    let pieces = literal.split(['{', '}']).step_by(2);
    let words = pieces.map(|piece| piece.split_whitespace().collect::<Vec<_>>());
    let first = words.into_iter().find(|it| it.len() >= MIN_WORDS)?;
    Some(first[..first.len().min(MAX_WORDS)].join(" "))
}

#[test]
fn words_of_reasons_are_found() {
    let code = concat!(
        "impl X {\n    fn why(&self) -> String {\n        // \"no\"\n",
        "        format!(\"at most {n} clients \\\n            per worker and day\")\n    }\n}"
    );
    let item = item_of(code, "fn why").unwrap();
    let literals = literals(item);
    assert_eq!(literals, ["at most {n} clients per worker and day"]);
    assert_eq!(
        wanted(&literals[0]).as_deref(),
        Some("clients per worker and day")
    );
    assert_eq!(wanted("{role} {number}: {reason}"), None);
}

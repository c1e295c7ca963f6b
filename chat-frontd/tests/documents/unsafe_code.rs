//! Every place of `unsafe` is in the list of docs/security.md, and the other way round.

use std::collections::BTreeSet;

use crate::checkout::{files, page, read};
use crate::expect_none;
use crate::page::spans;

const SECURITY: &str = "docs/security.md";
const SECTION: &str = "Where `unsafe` stands";

#[test]
fn security_page_lists_every_unsafe_file() {
    let in_code: BTreeSet<String> = files()
        .into_iter()
        .filter(|path| path.ends_with(".rs") && !path.starts_with("chat-frontd/tests/documents/"))
        .filter(|path| has_unsafe(&read(path)))
        .collect();
    let page = page(SECURITY);
    let rows = page
        .section(SECTION)
        .into_iter()
        .filter(|line| line.is_row());
    let listed: BTreeSet<String> = rows
        .flat_map(|line| spans(line.text.split(" | ").next().unwrap_or_default()))
        .map(str::to_owned)
        .collect();
    let missing = in_code.difference(&listed);
    let missing = missing.map(|path| format!("{SECURITY}: {path} is not in the list"));
    let gone = listed.difference(&in_code);
    let gone = gone.map(|path| format!("{SECURITY}: there is no unsafe in {path}"));
    expect_none(&missing.chain(gone).collect::<Vec<_>>());
}

/// `unsafe_code` is denied, so a file that has it says so.
fn has_unsafe(text: &str) -> bool {
    text.contains("allow(unsafe_code)")
        || text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            ["unsafe {", "unsafe fn ", "unsafe impl ", "unsafe extern "]
                .iter()
                .any(|unsafe_code| code.contains(unsafe_code))
        })
}

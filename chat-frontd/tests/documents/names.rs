//! Files, tests and types that documents name are there.

use std::collections::BTreeSet;

use crate::checkout::{files, pages, words};
use crate::expect_none;

/// Documents whose code spans are names of this code, and not what somebody types or sees.
const ABOUT_CODE: [&str; 2] = ["ARCHITECTURE.md", "docs/dependencies.md"];

/// Documents that name tests.
const ABOUT_TESTS: [&str; 3] = ["ARCHITECTURE.md", "docs/reliability.md", "docs/security.md"];

#[test]
fn files_that_documents_name_exist() {
    let files = files();
    let mut complaints = Vec::new();
    for page in pages().iter().filter(|page| page.path != "CHANGELOG.md") {
        for (line, span) in page.code_spans() {
            if is_path(span, &page.path) && !exists(span, &files) {
                complaints.push(page.complaint(line, &format!("there is no {span}")));
            }
        }
    }
    expect_none(&complaints);
}

/// Paths below the root, or the last parts of one. Elsewhere only what ends as a source does is surely meant as one.
fn is_path(span: &str, page: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-*{},".contains(letter);
    if !span.chars().all(is_plain) || span.starts_with('/') || span.starts_with("--") {
        return false;
    }
    let is_source = span.ends_with(".rs") || span.ends_with(".chat");
    let is_from_root = [
        "chat-stated/",
        "chat-frontd/",
        "chat-client/",
        "chat-ctl/",
        "shared/",
        "tools/",
    ];
    let is_below =
        is_from_root.iter().any(|begin| span.starts_with(begin)) || span.starts_with("scripts/");
    is_source || is_below || (ABOUT_CODE.contains(&page) && span.ends_with('/') && span != "run/")
}

/// `*` stands for any part of a name.
fn exists(span: &str, files: &[String]) -> bool {
    files.iter().any(|file| {
        let begins = std::iter::once(0).chain(file.match_indices('/').map(|(at, _)| at + 1));
        begins
            .into_iter()
            .any(|begin| is_match(span, &file[begin..]))
    })
}

/// A directory matches every file below it.
fn is_match(span: &str, path: &str) -> bool {
    let wanted: Vec<&str> = span.trim_end_matches('/').split('/').collect();
    let parts: Vec<&str> = path.split('/').collect();
    let is_directory = parts.len() > wanted.len();
    wanted.len() <= parts.len()
        && (is_directory || !span.ends_with('/'))
        && wanted
            .iter()
            .zip(&parts)
            .all(|(wanted, part)| match wanted.split_once('*') {
                Some((begin, end)) => {
                    part.len() >= begin.len() + end.len()
                        && part.starts_with(begin)
                        && part.ends_with(end)
                }
                None => wanted == part,
            })
}

/// Names of tests are long: three parts at least.
#[test]
fn tests_that_documents_name_exist() {
    expect_words(&ABOUT_TESTS, |span| {
        let is_snake = span
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter == '_' || letter.is_ascii_digit());
        is_snake && span.matches('_').count() >= 2
    });
}

#[test]
fn types_that_architecture_names_exist() {
    expect_words(&ABOUT_CODE[..1], |span| {
        span.chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':')
    });
}

fn expect_words(documents: &[&str], is_meant: impl Fn(&str) -> bool) {
    let words = words();
    let mut complaints = Vec::new();
    for page in pages()
        .iter()
        .filter(|page| documents.contains(&&*page.path))
    {
        for (line, span) in page
            .code_spans()
            .into_iter()
            .filter(|(_, span)| is_meant(span))
        {
            if let Some(missing) = missing(span, words) {
                complaints.push(page.complaint(line, &format!("no source has the word {missing}")));
            }
        }
    }
    expect_none(&complaints);
}

fn missing<'a>(span: &'a str, words: &BTreeSet<String>) -> Option<&'a str> {
    let parts = span.split(':').filter(|part| !part.is_empty());
    parts.into_iter().find(|part| !words.contains(*part))
}

#[test]
fn parts_of_paths_match() {
    assert!(is_match("core/session/", "core/session/mod.rs"));
    assert!(is_match(
        "chat-*/tests/sandbox/",
        "chat-stated/tests/sandbox/main.rs"
    ));
    assert!(!is_match("state/mod.rs", "estate/mod.rs"));
    assert!(!is_match("session/", "session"));
}

//! The files of the checkout.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::page::Page;

/// Directories of the checkout that hold no sources.
const SKIPPED: [&str; 3] = [".git", "target", "run"];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The directory of the programs that were built with this test.
pub(crate) fn bin_dir() -> PathBuf {
    let frontd = Path::new(env!("CARGO_BIN_EXE_chat-frontd"));
    frontd.parent().unwrap().to_owned()
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Paths of all files, relative to the root.
pub(crate) fn files() -> Vec<String> {
    let mut found = Vec::new();
    collect(&root(), "", &mut found);
    found.sort();
    found
}

fn collect(dir: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if !entry.file_type().unwrap().is_dir() {
            found.push(path);
        } else if !SKIPPED.contains(&name.as_str()) {
            collect(&entry.path(), &format!("{path}/"), found);
        }
    }
}

/// Source files of programs and crates, without their tests.
pub(crate) struct Sources(Vec<(String, String)>);

impl Sources {
    /// Those whose paths begin so.
    pub(crate) fn below(begin: &str) -> Self {
        let is_wanted = |path: &String| {
            path.ends_with(".rs")
                && path.starts_with(begin)
                && path.contains("src/")
                && !is_test(path)
        };
        let paths = files().into_iter().filter(is_wanted);
        Self(
            paths
                .map(|path| (path.clone(), without_tests(&read(&path))))
                .collect(),
        )
    }

    /// Paths of those that have this text in their code.
    pub(crate) fn naming(&self, wanted: &str) -> Vec<String> {
        let has = |text: &str| {
            text.lines()
                .any(|line| !is_comment(line) && line.contains(wanted))
        };
        let naming = self.0.iter().filter(|(_, text)| has(text));
        naming.map(|(path, _)| path.clone()).collect()
    }

    /// The values of all numbers `const NAME: TYPE = VALUE`.
    pub(crate) fn numbers(&self, name: &str) -> Vec<u64> {
        let lines = self.0.iter().flat_map(|(_, text)| text.lines());
        let values = lines.filter_map(|line| {
            let (_, rest) = line.split_once(&format!("const {name}: "))?;
            let (_, value) = rest.split_once(" = ")?;
            value.trim_end_matches(';').parse().ok()
        });
        values.collect()
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// Whether a file holds tests only.
fn is_test(path: &str) -> bool {
    [
        "/tests/",
        "/tests.rs",
        "_tests.rs",
        "/examples/",
        "tools/",
        "/testing.rs",
    ]
    .iter()
    .any(|part| path.contains(part))
}

/// A source file up to its tests.
fn without_tests(text: &str) -> String {
    let end = text
        .find("\n#[cfg(test)]\nmod tests {")
        .unwrap_or(text.len());
    text[..end].to_owned()
}

/// All documents for people.
pub(crate) fn pages() -> Vec<Page> {
    let is_page = |path: &&String| {
        path.ends_with(".md") && (!path.contains('/') || path.starts_with("docs/"))
    };
    let files = files();
    files
        .iter()
        .filter(is_page)
        .map(|path| page(path))
        .collect()
}

pub(crate) fn page(path: &str) -> Page {
    Page::new(path, &read(path))
}

/// Everything that is a word in any source file, in the name of a file, or in the name of a directory.
pub(crate) fn words() -> &'static BTreeSet<String> {
    static WORDS: OnceLock<BTreeSet<String>> = OnceLock::new();
    WORDS.get_or_init(find_words)
}

fn find_words() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for path in files() {
        add_words(&path, &mut words);
        let is_read = [".rs", ".toml", ".sh", ".chat", ".sql"]
            .iter()
            .any(|end| path.ends_with(end))
            || path.starts_with("scripts/");
        if is_read && !path.starts_with("chat-frontd/tests/documents/") {
            add_words(&read(&path), &mut words);
        }
    }
    words
}

fn add_words(text: &str, words: &mut BTreeSet<String>) {
    let is_end = |character: char| !character.is_ascii_alphanumeric() && character != '_';
    for word in text.split(is_end).filter(|word| !word.is_empty()) {
        if !words.contains(word) {
            words.insert(word.to_owned());
        }
    }
}

//! What documents quote of programs and scripts is what these say: each run of words of a quotation must stand in a
//! source. Numbers, paths, names and words that the source fills in may differ.

use std::collections::HashSet;
use std::sync::OnceLock;

use crate::checkout::{files, pages, read};
use crate::expect_none;
use crate::page::{Line, Page};

/// Documents that quote.
const QUOTING: [&str; 8] = [
    "README.md",
    "docs/backup.md",
    "docs/client.md",
    "docs/containers.md",
    "docs/operations.md",
    "docs/reference.md",
    "docs/runbook.md",
    "docs/security.md",
];

/// A quotation has so many words at least; so has a part of what a source says at one place.
const MIN_WORDS: usize = 4;
const MIN_RUN: usize = 3;

/// So many words in a row may be filled in.
const MAX_FILLED_IN: usize = 2;

/// Words of libraries and of the system, which no source of ours has.
const FROM_ELSEWHERE: [&str; 5] = [
    "error: invalid value",
    "No space left on device",
    "Resource temporarily unavailable",
    "invalid digit found in string",
    "received corrupt message of type InvalidContentType",
];

#[test]
fn quoted_words_are_said() {
    let mut complaints = Vec::new();
    for page in pages().iter().filter(|page| QUOTING.contains(&&*page.path)) {
        for (line, quotation) in quotations(page) {
            if let Some(run) = unsaid(&quotation) {
                complaints.push(page.complaint(line, &format!("nothing says: {run}")));
            }
        }
    }
    expect_none(&complaints);
}

/// Code spans that are sentences, and lines of boxes that programs wrote.
fn quotations(page: &Page) -> Vec<(&Line, String)> {
    let spans = page.code_spans().into_iter();
    let spans = spans.filter(|(_, span)| is_sentence(span));
    let boxes = page.boxes();
    let shown = boxes.iter().filter(|lines| is_session(lines)).flatten();
    let said = shown.copied().filter(|line| is_said(&line.text));
    let said = said.map(|line| (line, &*line.text));
    spans
        .chain(said)
        .map(|(line, text)| (line, text.trim().to_owned()))
        .collect()
}

/// Not a command, a setting, or a line of the protocol.
fn is_sentence(span: &str) -> bool {
    let is_command = [
        "scripts/",
        "chat-",
        "chatctl ",
        "printf ",
        "systemctl ",
        "server ",
    ]
    .iter()
    .any(|begin| span.starts_with(begin));
    let is_message = span.starts_with("chat-") && span.contains(": ");
    (is_message || !is_command && !span.contains(" -"))
        && span.split(' ').count() >= MIN_WORDS
        && !span.contains('=')
}

/// What somebody types and sees, or lines of a log; not a file.
fn is_session(lines: &[&Line]) -> bool {
    lines.iter().any(|line| {
        let text = line.text.trim_start();
        text.starts_with("$ ") || text.starts_with("User name:") || is_log(text)
    })
}

fn is_log(line: &str) -> bool {
    line.starts_with("20") && line.contains("Z ") || line.starts_with("chat-stated: ")
}

/// Lines that programs write, but for messages, lists, and data as scripts read it.
fn is_said(line: &str) -> bool {
    let line = line.trim_start();
    let is_other = ["→", "$ ", "> ", "[", "sandbox: "]
        .iter()
        .any(|begin| line.starts_with(begin));
    !is_other && !line.contains('=') && !line.contains(" security: ")
}

/// The first words in a row that no source has, if they are too many to be filled in.
fn unsaid(quotation: &str) -> Option<String> {
    // A log begins with the time, the level and the process.
    let begin = quotation.find("]: ").map_or(0, |at| at + 3);
    let pieces = quotation[begin..].split("...");
    let mut pieces = pieces.map(|piece| piece.split_whitespace().collect::<Vec<_>>());
    pieces.find_map(|words| unsaid_words(&words))
}

fn unsaid_words(words: &[&str]) -> Option<String> {
    let mut unsaid: Vec<&str> = Vec::new();
    let mut begin = 0;
    while begin < words.len() {
        let end = (begin + 1..=words.len())
            .rev()
            .find(|end| is_said_by_one(words, begin, *end));
        match end {
            Some(end) => {
                begin = end;
                unsaid.clear();
            }
            None if is_filled_in(words[begin]) => {
                begin += 1;
                unsaid.clear();
            }
            None => {
                unsaid.push(words[begin]);
                begin += 1;
                if unsaid.len() > MAX_FILLED_IN {
                    return Some(unsaid.join(" "));
                }
            }
        }
    }
    None
}

/// Whether these words are all that a source says at one place. At the beginning and at the end a quotation may have a
/// part of that.
fn is_said_by_one(words: &[&str], begin: usize, end: usize) -> bool {
    let run = words[begin..end].join(" ");
    let run = trimmed(&run);
    let said = said();
    let is_at_edge = begin == 0 || end == words.len();
    said.fragments.contains(run)
        || (end - begin >= MIN_RUN && is_at_edge && said.text.contains(run))
        || FROM_ELSEWHERE.contains(&run)
}

/// Words that a source surely does not have as they are.
fn is_filled_in(word: &str) -> bool {
    let is_quoted = word.starts_with('\'') || word.starts_with("--");
    let word = trimmed(word);
    is_quoted
        || word.is_empty()
        || word.starts_with("chat-")
        || word.contains(|letter: char| letter.is_ascii_digit() || "/.".contains(letter))
        || word
            .chars()
            .all(|letter| letter.is_ascii_uppercase() || letter == '_')
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(|letter: char| !letter.is_alphanumeric())
}

/// What sources say.
struct Said {
    /// Line by line, with one space between words.
    text: String,
    /// Between quotation marks and what is filled in.
    fragments: HashSet<String>,
}

fn said() -> &'static Said {
    static SAID: OnceLock<Said> = OnceLock::new();
    SAID.get_or_init(|| {
        let text = everything_said();
        let pieces = text.split(['"', '{', '}', '$', '\n', '\\']);
        let fragments = pieces.map(|piece| trimmed(piece).to_owned());
        let fragments = fragments.filter(|piece| piece.contains(' ')).collect();
        Said { text, fragments }
    })
}

/// All sources, with the lines of texts that go on in one.
fn everything_said() -> String {
    let is_source = |path: &&String| {
        (path.ends_with(".rs") && path.contains("src/")) || path.starts_with("scripts/")
    };
    let files = files();
    let sources = files.iter().filter(is_source).map(|path| read(path));
    let mut said = String::new();
    for source in sources {
        for line in source.lines() {
            match line.strip_suffix('\\') {
                // What follows is indented, which is no part of the text.
                Some(begin) => said.push_str(if said.ends_with('\n') {
                    begin
                } else {
                    begin.trim_start()
                }),
                None if said.ends_with('\n') || said.is_empty() => said.push_str(line),
                None => said.push_str(line.trim_start()),
            }
            if !line.ends_with('\\') {
                said.push('\n');
            }
        }
    }
    let said = said.replace("\\\"", "\"");
    let lines = said
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn other_words_are_noticed() {
    assert_eq!(
        unsaid("this is said by nobody at all").as_deref(),
        Some("this is said")
    );
    assert_eq!(unsaid("17 of 4 /x"), None);
}

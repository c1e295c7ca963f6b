//! Scripts and programs that documents call exist, and have the flags that they are called with.

use std::collections::BTreeMap;

use crate::checkout::{files, pages, read};
use crate::expect_none;
use crate::help;
use crate::page::Page;

/// Programs whose help is asked.
const PROGRAMS: [&str; 6] = [
    "chat-stated",
    "chat-frontd",
    "chat-client",
    "chatctl",
    "chat-bench",
    "chat-simulation",
];

/// Scripts that pass flags on, and to which command of which program.
const PASSED_ON: [(&str, &str, &[&str]); 2] = [
    ("scripts/storm", "chat-bench", &["crash"]),
    ("scripts/simulate", "chat-simulation", &[]),
];

/// What can be said of a program or script.
struct Known {
    texts: BTreeMap<String, String>,
    scripts: Vec<String>,
}

impl Known {
    /// Everything in which a flag of this call must stand.
    fn text(&mut self, called: &str, rest: &str) -> &str {
        let command = rest.split_whitespace().next().unwrap_or_default();
        let is_command = !command.is_empty()
            && command
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '-')
            && !command.starts_with('-');
        let key = if is_command {
            format!("{called} {command}")
        } else {
            called.to_owned()
        };
        self.texts.entry(key).or_insert_with(|| {
            if called.starts_with("scripts/") {
                return script_text(called);
            }
            let whole = help::text(called, &[]);
            if is_command && whole.contains(&format!("\n  {command} ")) {
                whole + &help::text(called, &[command])
            } else {
                whole
            }
        })
    }
}

fn script_text(script: &str) -> String {
    let passed_on = PASSED_ON.iter().find(|(name, ..)| *name == script);
    let passed_on = passed_on.map(|(_, program, commands)| help::text(program, commands));
    read(script) + &passed_on.unwrap_or_default()
}

#[test]
fn commands_in_documents_exist_with_their_flags() {
    let scripts = files()
        .into_iter()
        .filter(|path| path.starts_with("scripts/"))
        .collect();
    let mut known = Known {
        texts: BTreeMap::new(),
        scripts,
    };
    let mut complaints = Vec::new();
    for page in pages().iter().filter(|page| page.path != "CHANGELOG.md") {
        check(page, &mut known, &mut complaints);
    }
    expect_none(&complaints);
}

fn check(page: &Page, known: &mut Known, complaints: &mut Vec<String>) {
    let boxed = page
        .lines
        .iter()
        .filter(|line| line.is_boxed)
        .map(|line| (line, &*line.text));
    for (line, text) in boxed.chain(page.code_spans()) {
        // A line may have several commands.
        for call in text.split(['|', ';', '&', '(', ')', '`']) {
            let Some((called, rest)) = called(call) else {
                continue;
            };
            if called.starts_with("scripts/") && !known.scripts.contains(&called) {
                complaints.push(page.complaint(line, &format!("there is no {called}")));
                continue;
            }
            let text = known.text(&called, rest).to_owned();
            for flag in help::flags_in(rest)
                .into_iter()
                .filter(|flag| !text.contains(flag))
            {
                complaints.push(page.complaint(line, &format!("{called} has no flag {flag}")));
            }
        }
    }
}

/// The script or program at the beginning of a command, behind variables, a prompt, and what runs others.
fn called(call: &str) -> Option<(String, &str)> {
    let mut rest = call.trim_start();
    loop {
        let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
        let is_before = matches!(word, "$" | "sudo" | "exec" | "then" | "do" | "!")
            || word.split_once('=').is_some_and(|(name, _)| {
                name.chars()
                    .all(|letter| letter.is_ascii_uppercase() || letter == '_')
            })
            || word.starts_with("ExecStart=");
        let word = word.strip_prefix("ExecStart=").unwrap_or(word);
        let last = word.rsplit('/').next().unwrap_or(word);
        let is_script = word.starts_with("scripts/") && !word.ends_with('/');
        if is_script
            && word[8..]
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '-')
        {
            return Some((word.to_owned(), behind));
        }
        if PROGRAMS.contains(&last) {
            return Some((last.to_owned(), behind));
        }
        if !is_before || behind.is_empty() {
            return None;
        }
        rest = behind.trim_start();
    }
}

#[test]
fn calls_are_found_behind_variables() {
    let call = called("$ CHAT_RUN_DIR=/x scripts/start --now").unwrap();
    assert_eq!(call, ("scripts/start".to_owned(), "--now"));
    assert_eq!(called("/opt/bin/chat-stated --x").unwrap().0, "chat-stated");
    assert_eq!(called("nc 127.0.0.1 4119"), None);
}

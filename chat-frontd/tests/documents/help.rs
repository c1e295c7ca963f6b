//! The flags and variables of the programs, from their own `--help`.

use std::collections::BTreeMap;
use std::process::Command;

use crate::checkout::bin_dir;

/// The largest indent of a line that begins a flag.
const MAX_FLAG_INDENT: usize = 6;

/// A flag, or an argument, of a program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setting {
    /// `--run-dir`, or `[HOST]`.
    pub(crate) flag: String,
    /// `CHAT_RUN_DIR`, if it has a variable.
    pub(crate) variable: Option<String>,
    /// As the help has it.
    pub(crate) default: Option<String>,
}

/// The help of a program, or of one of its commands, in one line.
pub(crate) fn text(program: &str, commands: &[&str]) -> String {
    let path = bin_dir().join(program);
    let output = Command::new(&path)
        .args(commands)
        .arg("--help")
        .env_clear()
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "{}: {error} (cargo build --workspace makes it)",
                path.display()
            )
        });
    assert!(
        output.status.success(),
        "{program} {commands:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The settings of a program by their flags.
pub(crate) fn settings(program: &str) -> BTreeMap<String, Setting> {
    let mut settings: Vec<(Setting, String)> = Vec::new();
    for line in text(program, &[]).lines() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        // What is indented more is a text, which may begin with the name of another flag.
        if let Some(flag) = flag_at_start(line).filter(|_| indent <= MAX_FLAG_INDENT) {
            let flag = flag.to_owned();
            let setting = Setting {
                flag,
                ..Setting::default()
            };
            settings.push((setting, String::new()));
        }
        if let Some((_, text)) = settings.last_mut() {
            text.push_str(line);
            text.push(' ');
        }
    }
    let finished = settings.into_iter().map(|(mut setting, text)| {
        setting.variable = between(&text, "[env: ", ['=', ']']);
        setting.default = between(&text, "[default: ", [']']);
        (setting.flag.clone(), setting)
    });
    finished.collect()
}

/// Lines of the help that begin a setting begin with its flag, behind a short one maybe.
fn flag_at_start(line: &str) -> Option<&str> {
    let line = match line.as_bytes() {
        [b'-', letter, b',', b' ', ..] if letter.is_ascii_alphabetic() => &line[4..],
        _ => line,
    };
    let word = line.split([' ', '=']).next()?;
    let is_argument = word.len() > 2
        && word.starts_with('[')
        && word.ends_with(']')
        && word[1..word.len() - 1]
            .chars()
            .all(|letter| letter.is_ascii_uppercase());
    (word.starts_with("--") || is_argument).then_some(word)
}

fn between<const N: usize>(text: &str, begin: &str, end: [char; N]) -> Option<String> {
    let (_, rest) = text.split_once(begin)?;
    rest.split(end).next().map(str::to_owned)
}

/// Everything that is a flag in a text.
pub(crate) fn flags_in(text: &str) -> Vec<&str> {
    let is_end = |letter: char| !letter.is_ascii_alphanumeric() && letter != '-';
    let words = text.split(is_end);
    words
        .filter(|word| word.len() > 3 && word.starts_with("--"))
        .collect()
}

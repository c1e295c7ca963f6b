//! Names and defaults of all settings: the programs' `--help`, docs/settings.md, docs/chatserv.toml,
//! docs/reference.md, docs/client.md, the scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::checkout::{bin_dir, page, pages, read, words};
use crate::expect_none;
use crate::help::{self, Setting};
use crate::page::spans;

const DAEMONS: [&str; 2] = ["chat-stated", "chat-frontd"];
/// Where the settings are, and where the flags that are no settings.
const PAGES: [&str; 2] = ["docs/settings.md", "docs/reference.md"];

/// Not settings of a daemon that somebody would look up: they do something, and stop.
const ACTIONS: [&str; 6] = [
    "--stop",
    "--reload",
    "--status",
    "--detach",
    "--help",
    "--version",
];

/// What the pages say of a setting in a row of their tables.
struct Row {
    place: String,
    programs: String,
    default: String,
}

/// Rows of the tables of settings by each variable and flag in them.
fn rows() -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for path in PAGES {
        for (line, cells) in page(path).rows() {
            let [variable, flag, programs, default] = match cells[..] {
                [_, variable, flag, programs, default, _] => [variable, flag, programs, default],
                // A flag that is no setting has no key.
                [variable, flag, programs, default, _] => [variable, flag, programs, default],
                _ => continue,
            };
            let place = format!("{path}:{}", line.number);
            for name in spans(variable).into_iter().chain(spans(flag)) {
                let name = name.split(' ').next().unwrap_or(name).to_owned();
                let row = Row {
                    place: place.clone(),
                    programs: programs.to_owned(),
                    default: default.to_owned(),
                };
                let before = rows.insert(name.clone(), row);
                assert!(before.is_none(), "{place}: {name} has another row");
            }
        }
    }
    rows
}

/// The settings of both daemons by flag, and which daemons have them.
fn daemon_settings() -> BTreeMap<String, (Setting, Vec<&'static str>)> {
    let mut all: BTreeMap<String, (Setting, Vec<&str>)> = BTreeMap::new();
    for program in DAEMONS {
        for (flag, setting) in help::settings(program) {
            all.entry(flag)
                .or_insert((setting, Vec::new()))
                .1
                .push(program);
        }
    }
    all
}

#[test]
fn pages_name_every_setting_with_its_default() {
    let rows = rows();
    let mut complaints = Vec::new();
    for (flag, (setting, programs)) in daemon_settings() {
        if ACTIONS.contains(&flag.as_str()) {
            continue;
        }
        let Some(row) = rows.get(&flag) else {
            complaints.push(format!("{PAGES:?}: no table has {flag}"));
            continue;
        };
        if let Some(variable) = &setting.variable
            && rows
                .get(variable)
                .is_none_or(|other| other.place != row.place)
        {
            complaints.push(format!("{}: {flag} has the variable {variable}", row.place));
        }
        let expected = match programs[..] {
            [one] => format!("`{one}`"),
            _ => "both daemons".to_owned(),
        };
        if row.programs != expected {
            complaints.push(format!("{}: {flag} is of {expected}", row.place));
        }
        if !is_same_default(&row.default, setting.default.as_deref()) {
            let default = setting.default.as_deref().unwrap_or("nothing");
            complaints.push(format!("{}: the default of {flag} is {default}", row.place));
        }
    }
    expect_none(&complaints);
}

/// Compares numbers by their value, and words as far as they are short.
fn is_same_default(document: &str, help: Option<&str>) -> bool {
    let document = plain(document);
    let Some(help) = help.map(plain) else {
        return !document.starts_with(|first: char| first.is_ascii_digit());
    };
    // A text about a default may be worded in another way than here.
    let is_text = help.contains(' ') && !help.starts_with(|first: char| first.is_ascii_digit());
    let begin = |text: &str| text.split([';', ' ']).next().unwrap_or_default().to_owned();
    is_text || begin(&document) == begin(&help)
}

/// Without backticks and the commas in numbers; MiB and GiB as bytes.
fn plain(text: &str) -> String {
    let text = text.replace('`', "");
    let mut plain = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_digit = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_digit());
        if letter == ',' && is_digit(plain.chars().last()) && is_digit(letters.peek().copied()) {
            continue;
        }
        plain.push(if letter == ',' && !is_digit(letters.peek().copied()) {
            ';'
        } else {
            letter
        });
    }
    let Some((number, rest)) = plain.split_once(" MiB") else {
        return plain;
    };
    match number.parse::<u64>() {
        Ok(number) if !rest.starts_with(|next: char| next.is_ascii_alphanumeric()) => {
            format!("{}{rest}", number * 1024 * 1024)
        }
        _ => plain,
    }
}

/// `chatctl settings` prints both pages.
#[test]
fn pages_of_settings_are_those_of_code() {
    for (path, flag) in [
        ("docs/chatserv.toml", "--example"),
        ("docs/settings.md", "--manual"),
    ] {
        let mut command = Command::new(bin_dir().join("chatctl"));
        let output = command.args(["settings", flag]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(read(path), text, "{path}: chatctl settings {flag} >{path}");
    }
}

#[test]
fn client_page_names_every_setting() {
    let page = page("docs/client.md");
    let text: String = page
        .lines
        .iter()
        .map(|line| format!("{}\n", line.text))
        .collect();
    let mut complaints = Vec::new();
    for (flag, setting) in help::settings("chat-client") {
        if ACTIONS.contains(&flag.as_str()) {
            continue;
        }
        let flag = flag.trim_matches(['[', ']']);
        for name in [Some(flag), setting.variable.as_deref()]
            .into_iter()
            .flatten()
        {
            if !text.contains(&format!("`{name}")) {
                complaints.push(format!("docs/client.md does not name {name}"));
            }
        }
        if let (Some(variable), Some(default)) = (&setting.variable, &setting.default)
            && let Some((_, row)) = page
                .rows()
                .iter()
                .find(|(_, row)| row[0].contains(&**variable))
            && !is_same_default(row[2], Some(default))
        {
            complaints.push(format!(
                "docs/client.md: the default of {variable} is {default}"
            ));
        }
    }
    expect_none(&complaints);
}

/// Every variable that a program reads is known to the scripts, which warn of any other. They keep the settings from
/// the commands that need none.
#[test]
fn scripts_know_every_variable() {
    let all = [DAEMONS[0], DAEMONS[1], "chat-client"];
    let variables = all
        .iter()
        .flat_map(|program| help::settings(program).into_values());
    let script = read("scripts/environment.sh");
    let others = words_of(&script, "other_variables");
    let settings = words_of(&script, "settings");
    let known = |name: &String| settings.contains(&**name) || others.contains(&**name);
    let unknown = variables.filter_map(|setting| setting.variable);
    let unknown: Vec<String> = unknown.filter(|name| !known(name)).collect();
    expect_none(&unknown);
    let tree = chat_settings::tree();
    let variables = tree.settings().iter().filter_map(|it| it.variable());
    let variables: BTreeSet<String> = variables.filter(|name| name != "CHAT_RUN_DIR").collect();
    let settings: BTreeSet<String> = settings.into_iter().map(str::to_owned).collect();
    assert_eq!(settings, variables);
}

/// The words of a list in a script.
fn words_of<'a>(script: &'a str, list: &str) -> BTreeSet<&'a str> {
    let begin = format!("\n{list}='");
    let (_, rest) = script.split_once(&begin).unwrap();
    rest.split('\'')
        .next()
        .unwrap()
        .split_whitespace()
        .collect()
}

/// Every variable that a document names is one.
#[test]
fn documents_name_no_unknown_variable() {
    let words = words();
    let mut complaints = Vec::new();
    for page in pages().iter().filter(|page| page.path != "CHANGELOG.md") {
        for line in &page.lines {
            let names = line.text.split(|letter: char| !is_name(letter));
            let ours = names.filter(|name| name.starts_with("CHAT_") || name.ends_with("_TIME"));
            for name in ours.filter(|name| !words.contains(*name) && *name != "CHAT_LOGIN_BRUST") {
                complaints.push(page.complaint(line, &format!("there is no variable {name}")));
            }
        }
    }
    expect_none(&complaints);
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[test]
fn defaults_are_compared_by_value() {
    assert!(is_same_default("100,000", Some("100000")));
    assert!(is_same_default("64 MiB", Some("67108864")));
    assert!(is_same_default(
        "512 MiB, or less",
        Some("512 MiB, or less: an eighth")
    ));
    assert!(is_same_default(
        "`127.0.0.0/8,::1`",
        Some("127.0.0.0/8,::1")
    ));
    assert!(!is_same_default("100", Some("1000")));
    assert!(!is_same_default("64 MiB", Some("64")));
    assert!(!is_same_default("5", None));
}

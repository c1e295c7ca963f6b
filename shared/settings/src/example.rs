//! The commented example of a settings file: every key with its help and its default.

use std::fmt::Write;

use chat_node::settings::tree::{Setting, ValueKind};

use crate::sections::{SECTIONS, settings_of};
use crate::tree;

/// Longest line, in characters.
const WIDTH: usize = 100;

const HEAD: &str = "\
# chatserv.toml: the settings of both daemons, each with its default.
#
# Put a copy into the run directory, or name one by --config or CHAT_CONFIG. Remove the # before a
# key to set it. A flag wins over an environment variable, a variable over this file, and this file
# over the default. `chatctl settings` prints each value, and where it comes from.
";

/// The example, as docs/chatserv.toml has it.
pub fn example() -> String {
    let tree = tree();
    let mut text = HEAD.to_owned();
    for (section, title) in SECTIONS {
        let _ = write!(text, "\n\n# {title}\n[{section}]\n");
        for setting in settings_of(&tree, section) {
            text.push('\n');
            comment(&describe(setting), &mut text);
            comment(&names(setting), &mut text);
            let _ = writeln!(text, "#{} = {}", setting.name(), value(setting));
        }
    }
    text
}

/// What the setting is for, and its default in words.
fn describe(setting: &Setting) -> String {
    let mut text = setting.help();
    if let Some(default) = setting.default_in_words() {
        let _ = write!(text, " Default: {default}.");
    }
    if let Some(more) = setting.details() {
        let _ = write!(text, " {more}");
    }
    text
}

/// The flag and the variable.
fn names(setting: &Setting) -> String {
    match setting.variable() {
        Some(variable) => format!("{}, {variable}", setting.flag()),
        None => setting.flag(),
    }
}

fn comment(description: &str, text: &mut String) {
    let mut line = "#".to_owned();
    for word in description.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = "#".to_owned();
        }
        let _ = write!(line, " {word}");
    }
    let _ = writeln!(text, "{line}");
}

/// The default as TOML has it; the kind of value, in capitals, if the default is no plain value.
fn value(setting: &Setting) -> String {
    let Some(default) = setting.default() else {
        return match setting.kind() {
            ValueKind::List => "[]".to_owned(),
            _ => setting.value_name(),
        };
    };
    match setting.kind() {
        ValueKind::Bool | ValueKind::Integer => default,
        ValueKind::Text | ValueKind::Path => format!("{default:?}"),
        ValueKind::Networks if default == "none" => "[]".to_owned(),
        ValueKind::List | ValueKind::Networks => {
            let parts = default.split(',').map(|part| format!("{part:?}"));
            format!("[{}]", parts.collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use chat_node::settings::settings_file::SettingsFile;

    use super::*;

    /// Every key, uncommented, has the value that it has without the file.
    #[test]
    fn example_changes_nothing() {
        let text = example();
        let tree = tree();
        let mut uncommented = String::new();
        for line in text.lines() {
            let is_key = line.starts_with('#') && !line.starts_with("# ") && line.contains(" = ");
            match line.rsplit(' ').next() {
                // A value to be chosen.
                Some(value) if is_key && value.chars().all(|it| it.is_ascii_uppercase()) => {}
                _ if is_key => uncommented += line.trim_start_matches('#'),
                _ => uncommented += line,
            }
            uncommented.push('\n');
        }
        let file = SettingsFile::of_text("chatserv.toml".into(), uncommented).unwrap();
        let assignments = tree.check(&file).unwrap();
        let missing = tree.settings().iter().filter(|setting| {
            let assigned = assignments.by_id.get(setting.id());
            let assigned = assigned.map(|it| it.values.join(","));
            assigned.as_ref() != setting.default().as_ref()
                && !matches!(assigned.as_deref(), Some("" | "none"))
        });
        let missing: Vec<String> = missing.map(Setting::key).collect();
        // A relative path in the file is relative to the file.
        assert_eq!(missing, ["process.run_dir"; 0]);
        assert_eq!(text.matches(" = ").count(), tree.settings().len());
    }
}

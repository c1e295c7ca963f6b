//! The reference of all settings, as docs/settings.md has it.

use std::fmt::Write;

use chat_node::settings::tree::{Setting, ValueKind};

use crate::reload::is_reloaded;
use crate::sections::{SECTIONS, settings_of};
use crate::tree;

const HEAD: &str = "\
# Settings

All settings of both daemons. `chatctl settings --manual` prints this page, and `chatctl settings --example` prints
[chatserv.toml](chatserv.toml), the same as a commented settings file. [reference.md](reference.md#settings) says how
to use them.

- A flag wins over an environment variable, a variable over the settings file, and the file over the default.
- `scripts/reload` changes the settings that are marked *Reload*. The others need `scripts/restart`.
- A *source* is an IPv4 address, or a /64 of IPv6, because one party has all its addresses. *Trusted* sources are
  those in `network.trusted`.
- In the file, numbers and `true` or `false` have no quotes, and texts have them. A list is
  `[\"127.0.0.1:4119\", \"[::1]:4119\"]`; flags and variables have commas instead. A relative path in the file is
  relative to the directory of the file.
";

/// The reference, in Markdown.
pub fn manual() -> String {
    let tree = tree();
    let mut text = HEAD.to_owned();
    for (section, title) in SECTIONS {
        let _ = write!(text, "\n## \\[{section}\\]\n\n{title}\n\n");
        text.push_str(
            "| key | variable | flag | of | default | meaning |\n|---|---|---|---|---|---|\n",
        );
        for setting in settings_of(&tree, section) {
            row(setting, &mut text);
        }
    }
    text
}

fn row(setting: &Setting, text: &mut String) {
    let code = |text: String| format!("`{text}`");
    let programs = match setting.programs() {
        [one] => code(one.clone()),
        _ => "both daemons".to_owned(),
    };
    let default = match (setting.default_in_words(), setting.default()) {
        (Some(words), _) => words,
        (None, Some(default)) if setting.kind() == ValueKind::Integer => grouped(&default),
        (None, Some(default)) => code(default),
        (None, None) => "none".to_owned(),
    };
    let mut meaning = setting.help();
    if let Some(details) = setting.details() {
        let _ = write!(meaning, " {details}");
    }
    if is_reloaded(setting.id()) {
        meaning += " *Reload.*";
    }
    let cells = [
        code(setting.name().to_owned()),
        setting.variable().map(code).unwrap_or_default(),
        code(setting.flag()),
        programs,
        default,
        meaning.replace('|', "\\|"),
    ];
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

/// A number with a comma before each three digits, from five digits on.
fn grouped(digits: &str) -> String {
    if digits.len() < 5 {
        return digits.to_owned();
    }
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_have_commas() {
        assert_eq!(grouped("4096"), "4096");
        assert_eq!(grouped("19456"), "19,456");
        assert_eq!(grouped("67108864"), "67,108,864");
    }
}

//! The tree of settings, as the flags of the programs have it. A flag with a help heading is a setting: the heading is
//! its section in the settings file, and the flag's name, with `_`, its name there.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::{Path, PathBuf};

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command, ValueHint};

use super::settings_file::{Entry, FileValue, SettingsFile, SettingsFileError};
use crate::limits::network::Networks;

/// Below this similarity, 0 to 1, a key is not proposed for a misspelt one.
const LEAST_SIMILARITY: f64 = 0.6;

/// What begins a default in words, at the end of a help text.
const DEFAULT: &str = " [default: ";

/// What the file can say of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// A string. A number may go without quotes.
    Text,
    /// The path of a file. A relative one is relative to the directory of the settings file.
    Path,
    /// A list of strings; a single one may be a string.
    List,
    /// A list of networks; `"none"` is an empty one.
    Networks,
}

/// One setting.
#[derive(Clone, Debug)]
pub struct Setting {
    section: String,
    name: String,
    kind: ValueKind,
    arg: Arg,
    programs: Vec<String>,
}

/// All settings of all programs.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    settings: Vec<Setting>,
}

/// A valid value in a settings file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The line, from 1.
    pub line: usize,
    /// As flags would have them. One, unless the flag can be repeated.
    pub values: Vec<String>,
}

/// The valid values in a settings file, by the ids of their flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignments {
    /// The file.
    pub path: PathBuf,
    /// By the ids of the flags.
    pub by_id: BTreeMap<String, Assignment>,
}

impl Tree {
    /// The settings of these programs. One that several programs have is in the tree once.
    pub fn of(commands: impl IntoIterator<Item = Command>) -> Self {
        let mut tree = Self::default();
        for mut command in commands {
            command.build();
            for arg in command.get_arguments() {
                tree.add(arg, command.get_name());
            }
        }
        tree
    }

    fn add(&mut self, arg: &Arg, program: &str) {
        let (Some(heading), Some(long)) = (arg.get_help_heading(), arg.get_long()) else {
            return;
        };
        let known = self.settings.iter_mut();
        if let Some(setting) = known.into_iter().find(|it| it.arg.get_id() == arg.get_id()) {
            setting.programs.push(program.to_owned());
            return;
        }
        self.settings.push(Setting {
            section: heading.trim_matches(['[', ']']).to_owned(),
            name: long.replace('-', "_"),
            kind: ValueKind::of(arg),
            arg: arg.clone(),
            programs: vec![program.to_owned()],
        });
    }

    /// All settings, in the order of the flags.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Checks every key and every value of a file. Returns all mistakes at once.
    pub fn check(&self, file: &SettingsFile) -> Result<Assignments, SettingsFileError> {
        let (mut by_id, mut problems) = (BTreeMap::new(), Vec::new());
        let path = file.path();
        for entry in file.entries() {
            let Entry { key, line, .. } = entry;
            match self.assign(entry, path) {
                Ok((id, values)) => {
                    let line = *line;
                    by_id.insert(id, Assignment { line, values });
                }
                Err(text) => problems.push(format!("{}:{line}: {key}{text}", path.display())),
            }
        }
        match problems.is_empty() {
            true => Ok(Assignments {
                path: path.to_owned(),
                by_id,
            }),
            false => Err(SettingsFileError(problems)),
        }
    }

    fn assign(&self, entry: &Entry, file: &Path) -> Result<(String, Vec<String>), String> {
        let known = self.settings.iter().find(|it| it.key() == entry.key);
        let Some(setting) = known else {
            let hint = self.nearest(&entry.key).map_or_else(
                || "docs/settings.md has all".to_owned(),
                |nearest| format!("did you mean {nearest}?"),
            );
            return Err(format!(" is no setting; {hint}"));
        };
        let base = file.parent().unwrap_or(Path::new(""));
        let values = setting.kind.values(&entry.value, base);
        let values = values.map_err(|expected| format!(" must be {expected}"))?;
        for value in &values {
            setting.validate(value)?;
        }
        Ok((setting.arg.get_id().to_string(), values))
    }

    /// The known key that is most like this one: as a whole, or its name in another section.
    fn nearest(&self, key: &str) -> Option<String> {
        let name = key.rsplit('.').next().unwrap_or(key);
        let likeness = |setting: &Setting| {
            let whole = strsim::normalized_damerau_levenshtein(key, &setting.key());
            whole.max(strsim::normalized_damerau_levenshtein(name, &setting.name))
        };
        let rated = self.settings.iter().map(|it| (likeness(it), it.key()));
        let best = rated.max_by(|(one, _), (other, _)| one.total_cmp(other));
        best.filter(|(likeness, _)| *likeness >= LEAST_SIMILARITY)
            .map(|(_, key)| key)
    }
}

impl Setting {
    /// Section and name: `messages.queue_messages`.
    pub fn key(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The section in the settings file.
    pub fn section(&self) -> &str {
        &self.section
    }

    /// The name in its section.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the file can say of it.
    pub fn kind(&self) -> ValueKind {
        self.kind
    }

    /// The id of the flag.
    pub fn id(&self) -> &str {
        self.arg.get_id().as_str()
    }

    /// The flag with its value, as in `--workers COUNT`.
    pub fn flag(&self) -> String {
        let name = format!("--{}", self.name.replace('_', "-"));
        let value = self.arg.get_value_names().unwrap_or_default().first();
        match (self.kind, value) {
            (ValueKind::Bool, _) | (_, None) => name,
            (_, Some(value)) => format!("{name} {value}"),
        }
    }

    /// The environment variable, if there is one.
    pub fn variable(&self) -> Option<String> {
        let variable = self.arg.get_env()?;
        Some(variable.to_string_lossy().into_owned())
    }

    /// The programs that use it.
    pub fn programs(&self) -> &[String] {
        &self.programs
    }

    /// The kind of the value, in capitals.
    pub fn value_name(&self) -> String {
        let names = self.arg.get_value_names().unwrap_or_default();
        names.first().map(ToString::to_string).unwrap_or_default()
    }

    /// What it is for, in a sentence.
    pub fn help(&self) -> String {
        let help = self.short_help();
        let help = help.split(DEFAULT).next().unwrap_or(&help);
        format!("{}.", help.trim_end_matches('.'))
    }

    /// What is to be known besides, in sentences.
    pub fn details(&self) -> Option<String> {
        let long = self.arg.get_long_help()?.to_string();
        let (_, details) = long.split_once("\n\n")?;
        Some(details.to_owned())
    }

    /// The default in words, if it is no plain value.
    pub fn default_in_words(&self) -> Option<String> {
        let help = self.short_help();
        let (_, words) = help.split_once(DEFAULT)?;
        Some(words.trim_end_matches(']').to_owned())
    }

    fn short_help(&self) -> String {
        let help = self.arg.get_help();
        help.map(ToString::to_string).unwrap_or_default()
    }

    /// The default, if it is a plain value.
    pub fn default(&self) -> Option<String> {
        if self.kind == ValueKind::Bool {
            return Some("false".to_owned());
        }
        if self.arg.is_hide_default_value_set() {
            return None;
        }
        let values = self.arg.get_default_values().iter();
        let values: Vec<_> = values.map(|it| it.to_string_lossy()).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// Checks a value by the flag's own parser.
    fn validate(&self, value: &str) -> Result<(), String> {
        if self.kind == ValueKind::Bool {
            return Ok(());
        }
        let flag = format!("--{}={value}", self.name.replace('_', "-"));
        let command = Command::new("settings").no_binary_name(true);
        let result = command.arg(self.arg.clone()).try_get_matches_from([flag]);
        result.map(drop).map_err(|error| {
            let reason = match error.source() {
                Some(source) => source.to_string(),
                None => first_line(&error.to_string()),
            };
            format!(" = {value}: {reason}")
        })
    }
}

fn first_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.take(2).collect();
    lines.join(" ").trim_start_matches("error: ").to_owned()
}

impl ValueKind {
    fn of(arg: &Arg) -> Self {
        let parser = arg.get_value_parser();
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            Self::Bool
        } else if is::<u32>(parser) || is::<u64>(parser) || is::<usize>(parser) {
            Self::Integer
        } else if is::<Networks>(parser) {
            Self::Networks
        } else if arg.get_value_hint() == ValueHint::AnyPath {
            Self::Path
        } else if arg.get_value_delimiter().is_some() {
            Self::List
        } else {
            Self::Text
        }
    }

    /// The value as flags have it; or what is expected instead.
    fn values(self, value: &FileValue, base: &Path) -> Result<Vec<String>, String> {
        let found = match value {
            FileValue::Bool(_) => "true or false",
            FileValue::Integer(_) => "a number",
            FileValue::Text(_) => "a string",
            FileValue::List(_) => "a list",
            FileValue::Other(what) => what,
        };
        let expected = match (self, value) {
            (Self::Bool, FileValue::Bool(value)) => return Ok(vec![value.to_string()]),
            (Self::Integer | Self::Text, FileValue::Integer(digits)) => {
                return Ok(vec![digits.clone()]);
            }
            (Self::Text | Self::List | Self::Networks, FileValue::Text(text)) => {
                return Ok(vec![text.clone()]);
            }
            (Self::Path, FileValue::Text(text)) => {
                return Ok(vec![base.join(text).to_string_lossy().into_owned()]);
            }
            (Self::List, FileValue::List(texts)) => return Ok(texts.clone()),
            (Self::Networks, FileValue::List(texts)) if texts.is_empty() => {
                return Ok(vec!["none".to_owned()]);
            }
            (Self::Networks, FileValue::List(texts)) => return Ok(vec![texts.join(",")]),
            (Self::Bool, _) => "true or false",
            (Self::Integer, FileValue::Text(_)) => "a whole number, without quotes",
            (Self::Integer, _) => "a whole number",
            (Self::Text | Self::Path, _) => "a string in quotes",
            (Self::List | Self::Networks, _) => "a list of strings, as in [\"one\", \"two\"]",
        };
        Err(format!("{expected}; here it is {found}"))
    }
}

fn is<T: 'static>(parser: &ValueParser) -> bool {
    parser.type_id() == TypeId::of::<T>()
}

impl Assignments {
    /// Puts the values in as defaults of the flags that this program has: below flags and environment.
    pub fn apply(&self, mut command: Command) -> Command {
        for (id, assignment) in &self.by_id {
            let is_known = command.get_arguments().any(|arg| arg.get_id() == id);
            if is_known {
                let values = assignment.values.clone();
                command = command.mut_arg(id, |arg| arg.default_values(values));
            }
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use clap::value_parser;

    use super::*;

    fn command() -> Command {
        let setting = |name: &'static str| Arg::new(name).long(name).help_heading("[clients]");
        let workers = setting("workers").value_parser(value_parser!(u32).range(1..));
        Command::new("x")
            .arg(workers.env("WORKERS_OF_TEST").default_value("2"))
            .arg(
                setting("listen")
                    .value_delimiter(',')
                    .action(ArgAction::Append),
            )
            .arg(setting("trusted").value_parser(value_parser!(Networks)))
            .arg(setting("key").value_parser(value_parser!(PathBuf)))
            .arg(setting("level").value_parser(["info", "debug"]))
            .arg(setting("strict").action(ArgAction::SetTrue))
            .arg(Arg::new("stop").long("stop").action(ArgAction::SetTrue))
    }

    fn check(text: &str) -> Result<Assignments, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.toml");
        std::fs::write(&path, text).unwrap();
        let file = SettingsFile::read(&path).unwrap().unwrap();
        let shown = format!("{}:", path.display());
        let mut assignments = Tree::of([command()])
            .check(&file)
            .map_err(|error| error.to_string().replace(&shown, ""))?;
        assignments.path = "x.toml".into();
        Ok(assignments)
    }

    #[test]
    fn file_wins_over_default_only() {
        let assignments = check("[clients]\nworkers = 7\nlisten = ['a', 'b']\nstrict = true\n");
        let matches = |arguments: &[&str]| {
            let command = assignments.clone().unwrap().apply(command());
            command.try_get_matches_from(arguments).unwrap()
        };
        let by_file = matches(&["x"]);
        assert_eq!(by_file.get_one::<u32>("workers"), Some(&7));
        let listen: Vec<&String> = by_file.get_many("listen").unwrap().collect();
        assert_eq!(listen, ["a", "b"]);
        assert!(by_file.get_flag("strict"));
        let by_flag = matches(&["x", "--workers=3", "--listen=c"]);
        assert_eq!(by_flag.get_one::<u32>("workers"), Some(&3));
        let listen: Vec<&String> = by_flag.get_many("listen").unwrap().collect();
        assert_eq!(listen, ["c"]);
    }

    #[test]
    fn values_have_types_of_flags() {
        let assignments =
            check("[clients]\ntrusted = ['::1', '10.0.0.0/8']\nlevel = 'debug'\n").unwrap();
        assert_eq!(assignments.by_id["trusted"].values, ["::1,10.0.0.0/8"]);
        let empty = check("[clients]\ntrusted = []\n").unwrap();
        assert_eq!(empty.by_id["trusted"].values, ["none"]);
        let path = check("[clients]\nkey = 'key.pem'\n").unwrap();
        assert!(path.by_id["key"].values[0].ends_with("/key.pem"));
    }

    #[test]
    fn mistakes_are_named_with_lines() {
        let error = |text: &str| check(text).unwrap_err();
        let text = "[clients]\nworkres = 3\n\n[other]\nlisten = 'a'\nnothing_like_it = 1\n";
        assert_eq!(
            error(text),
            "2: clients.workres is no setting; did you mean clients.workers?\n\
             5: other.listen is no setting; did you mean clients.listen?\n\
             6: other.nothing_like_it is no setting; docs/settings.md has all"
        );
        assert_eq!(
            error("[clients]\nworkers = '3'"),
            "2: clients.workers must be a whole number, without quotes; here it is a string"
        );
        assert_eq!(
            error("[clients]\nworkers = 0"),
            "2: clients.workers = 0: 0 is not in 1..=4294967295"
        );
        assert_eq!(
            error("[clients]\nlevel = 'x'"),
            "2: clients.level = x: invalid value 'x' for '--level <level>' [possible values: info, debug]"
        );
        let error = error("[clients]\ntrusted = ['10.0.0.1/8']\nstop = true");
        assert!(
            error.contains("2: clients.trusted = 10.0.0.1/8: "),
            "{error}"
        );
        assert!(error.contains("3: clients.stop is no setting"), "{error}");
    }
}

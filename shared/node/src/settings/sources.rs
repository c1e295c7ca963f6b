//! Where the values of settings come from.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::tree::{Assignments, Setting, Tree};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    /// This environment variable.
    Variable(String),
    /// This line of the settings file.
    File(PathBuf, usize),
    /// Nothing else said anything.
    Default,
}

/// A setting with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveSetting {
    /// The id of the flag.
    pub id: String,
    /// Section and name.
    pub key: String,
    /// As a flag has it; lists have commas. None if the program chooses the value.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: Source,
}

/// The settings that a program has after parsing `matches`.
pub fn effective(
    tree: &Tree,
    program: &str,
    matches: &ArgMatches,
    file: Option<&Assignments>,
) -> Vec<EffectiveSetting> {
    let settings = tree.settings().iter();
    let own = settings.filter(|it| it.programs().iter().any(|name| name == program));
    own.map(|setting| effective_of(setting, matches, file))
        .collect()
}

fn effective_of(
    setting: &Setting,
    matches: &ArgMatches,
    file: Option<&Assignments>,
) -> EffectiveSetting {
    let id = setting.id();
    let assignment = file.and_then(|file| Some((&file.path, file.by_id.get(id)?.line)));
    let source = match (matches.value_source(id), assignment) {
        (Some(ValueSource::CommandLine), _) => Source::Flag,
        (Some(ValueSource::EnvVariable), _) => {
            Source::Variable(setting.variable().unwrap_or_default())
        }
        (_, Some((path, line))) => Source::File(path.clone(), line),
        (_, None) => Source::Default,
    };
    let values = matches.get_raw(id).map(|values| {
        let values = values.map(|value| value.to_string_lossy());
        values.collect::<Vec<_>>().join(",")
    });
    EffectiveSetting {
        id: id.to_owned(),
        key: setting.key(),
        value: values,
        source,
    }
}

/// The settings that all programs would have with this file, and the variables of this process. `arguments` are flags
/// that all of them have.
pub fn effective_of_all(
    programs: Vec<Command>,
    arguments: &[OsString],
    file: Option<&Assignments>,
) -> Result<Vec<EffectiveSetting>, clap::Error> {
    let tree = Tree::of(programs.clone());
    let mut all: Vec<EffectiveSetting> = Vec::new();
    for command in programs {
        let name = command.get_name().to_owned();
        let command = match file {
            Some(file) => file.apply(command),
            None => command,
        };
        let own = [OsString::from(&name)];
        let matches = command.try_get_matches_from(own.iter().chain(arguments))?;
        for setting in effective(&tree, &name, &matches, file) {
            if !all.iter().any(|known| known.key == setting.key) {
                all.push(setting);
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction};

    use super::*;
    use crate::settings::settings_file::SettingsFile;

    #[test]
    fn sources_are_named() {
        let setting = |name: &'static str| Arg::new(name).long(name).help_heading("[a]");
        // PATH is set everywhere.
        let command = Command::new("x")
            .arg(setting("by-flag"))
            .arg(setting("by-variable").env("PATH"))
            .arg(
                setting("by-file")
                    .value_delimiter(',')
                    .action(ArgAction::Append),
            )
            .arg(setting("by-default").default_value("5"))
            .arg(setting("by-nothing"));
        let text = "[a]\nby_flag = 'no'\nby_file = ['one', 'two']\n".to_owned();
        let file = SettingsFile::of_text("f.toml".into(), text).unwrap();
        let file = Tree::of([command.clone()]).check(&file).unwrap();
        let flags = [OsString::from("--by-flag=yes")];
        let all = effective_of_all(vec![command], &flags, Some(&file)).unwrap();
        let of = |key: &str| all.iter().find(|it| it.key == key).unwrap().clone();
        let (flag, variable) = (of("a.by_flag"), of("a.by_variable"));
        assert_eq!(
            (flag.value.as_deref(), flag.source),
            (Some("yes"), Source::Flag)
        );
        assert_eq!(variable.source, Source::Variable("PATH".to_owned()));
        let by_file = of("a.by_file");
        assert_eq!(by_file.value.as_deref(), Some("one,two"));
        assert_eq!(by_file.source, Source::File("f.toml".into(), 3));
        assert_eq!(of("a.by_default").source, Source::Default);
        assert_eq!(of("a.by_nothing").value, None);
    }
}

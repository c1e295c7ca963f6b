//! `chatctl settings`: the value of each setting, and where it comes from.

use std::ffi::OsString;
use std::path::Path;

use chat_node::logs::output;
use chat_node::settings::settings_file::{SettingsFile, SettingsFileError};
use chat_node::settings::sources::{EffectiveSetting, Source, effective_of_all};
use chat_node::settings::tree::Assignments;
use serde::Serialize;

use crate::exit_status::ExitStatus;

/// A commented settings file.
pub(crate) fn example() -> (String, ExitStatus) {
    (chat_settings::example::example(), ExitStatus::Done)
}

/// The reference of all settings.
pub(crate) fn manual() -> (String, ExitStatus) {
    (chat_settings::manual::manual(), ExitStatus::Done)
}

/// What a server would be started with now.
pub(crate) fn run(config: Option<&Path>, run_dir: &Path, is_json: bool) -> (String, ExitStatus) {
    match settings(config, run_dir) {
        Ok(settings) => (render(&settings, is_json), ExitStatus::Done),
        Err(error) => {
            output::complain(format_args!("chatctl: {error}"));
            (String::new(), ExitStatus::NotDone)
        }
    }
}

fn settings(config: Option<&Path>, run_dir: &Path) -> Result<Vec<EffectiveSetting>, String> {
    let failed = |error: SettingsFileError| error.to_string();
    let file = SettingsFile::find(config, run_dir).map_err(failed)?;
    let assignments: Option<Assignments> = file
        .map(|file| chat_settings::tree().check(&file))
        .transpose()
        .map_err(failed)?;
    let flags = run_dir_flag(run_dir);
    let settings = effective_of_all(chat_settings::programs(), &flags, assignments.as_ref());
    settings.map_err(|error| error.to_string().trim_end().to_owned())
}

/// The flag of the run directory, if it was given to this program and comes neither from the environment nor from the
/// default.
fn run_dir_flag(run_dir: &Path) -> Vec<OsString> {
    let is_given = match std::env::var_os("CHAT_RUN_DIR") {
        Some(variable) => run_dir != Path::new(&variable),
        None => run_dir != Path::new("run"),
    };
    let mut flag = OsString::from("--run-dir=");
    flag.push(run_dir);
    is_given.then_some(flag).into_iter().collect()
}

#[derive(Serialize)]
struct Row<'a> {
    key: &'a str,
    value: Option<&'a str>,
    source: String,
}

fn render(settings: &[EffectiveSetting], is_json: bool) -> String {
    let rows: Vec<Row<'_>> = settings
        .iter()
        .map(|setting| Row {
            key: &setting.key,
            value: setting.value.as_deref(),
            source: source(setting),
        })
        .collect();
    if is_json {
        // Strings only: there is nothing that JSON cannot hold.
        return serde_json::to_string_pretty(&rows).unwrap_or_default() + "\n";
    }
    let width = |of: fn(&Row<'_>) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (keys, values) = (width(|it| it.key.len()), width(|it| shown(it).len()));
    let lines = rows.iter().map(|row| {
        let Row { key, source, .. } = row;
        format!("{key:keys$}  {:values$}  {source}\n", shown(row))
    });
    lines.collect()
}

fn shown<'a>(row: &'a Row<'_>) -> &'a str {
    row.value.unwrap_or("-")
}

fn source(setting: &EffectiveSetting) -> String {
    match &setting.source {
        Source::Flag => "flag".to_owned(),
        Source::Variable(name) => name.clone(),
        Source::File(path, line) => format!("{}:{line}", path.display()),
        Source::Default => "default".to_owned(),
    }
}

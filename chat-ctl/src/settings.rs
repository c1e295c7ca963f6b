//! `chatctl settings`: the value of each setting at a start, where it comes from, and what the running server uses.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use chat_node::control::client::{ControlClient, ControlError};
use chat_node::logs::output;
use chat_node::settings::reload::differing;
use chat_node::settings::settings_file::{SettingsFile, SettingsFileError};
use chat_node::settings::sources::{EffectiveSetting, Source, effective_of_all};
use chat_node::settings::tree::Assignments;
use serde::Serialize;

use crate::daemons::Daemons;
use crate::exit_status::ExitStatus;
use crate::table::{Table, yes};

/// The id of the flag that names the run directory. The daemons were found there, so it does not differ.
const RUN_DIR: &str = "run_dir";

/// A commented settings file.
pub(crate) fn example() -> (String, ExitStatus) {
    (chat_settings::example::example(), ExitStatus::Done)
}

/// The reference of all settings.
pub(crate) fn manual() -> (String, ExitStatus) {
    (chat_settings::manual::manual(), ExitStatus::Done)
}

/// What the settings are read from.
pub(crate) struct Place<'a> {
    /// The settings file that was named.
    pub(crate) config: Option<&'a Path>,
    pub(crate) run_dir: &'a Path,
    /// The run directory comes from a flag.
    pub(crate) is_flag: bool,
}

/// What a server would be started with now, beside what the running one uses.
pub(crate) fn run(
    daemons: &Daemons,
    place: &Place<'_>,
    is_json: bool,
    only_differing: bool,
) -> (String, ExitStatus) {
    let settings = match at_start(place) {
        Ok(settings) => settings,
        Err(error) => {
            output::complain(format_args!("chatctl: {error}"));
            return (String::new(), ExitStatus::NotDone);
        }
    };
    let (running, status) = running(daemons);
    let mut rows = rows(&settings, &running);
    rows.retain(|row| row.differs || !only_differing);
    let text = match is_json {
        true => crate::json(&rows),
        false if rows.is_empty() => String::new(),
        false => render(&rows),
    };
    (text, status)
}

fn at_start(place: &Place<'_>) -> Result<Vec<EffectiveSetting>, String> {
    let failed = |error: SettingsFileError| error.to_string();
    let mut file = SettingsFile::find(place.config, place.run_dir).map_err(failed)?;
    // As the daemons do, so that paths are the same.
    file.as_mut()
        .map_or(Ok(()), SettingsFile::make_absolute)
        .map_err(failed)?;
    let assignments: Option<Assignments> = file
        .map(|file| chat_settings::tree().check(&file))
        .transpose()
        .map_err(failed)?;
    let mut flag = OsString::from("--run-dir=");
    flag.push(place.run_dir);
    let flags: Vec<OsString> = place.is_flag.then_some(flag).into_iter().collect();
    let settings = effective_of_all(chat_settings::programs(), &flags, assignments.as_ref());
    settings.map_err(|error| error.to_string().trim_end().to_owned())
}

/// The settings of a running daemon, by section and name.
type Running = (&'static str, BTreeMap<String, Option<String>>);

fn running(daemons: &Daemons) -> (Vec<Running>, ExitStatus) {
    let (mut running, mut status) = (Vec::new(), ExitStatus::Done);
    for run_dir in [&daemons.state, &daemons.front_end] {
        match ControlClient::connect(run_dir).and_then(|mut client| client.settings()) {
            Ok(report) => running.push((run_dir.program(), report.running)),
            Err(ControlError::NotRunning(_)) => {}
            Err(error) => {
                output::complain(format_args!("chatctl: {error}"));
                status = ExitStatus::of(&error);
            }
        }
    }
    (running, status)
}

#[derive(Serialize)]
struct Row<'a> {
    key: &'a str,
    /// At a start.
    value: Option<&'a str>,
    source: String,
    /// By daemon.
    running: BTreeMap<&'static str, Option<&'a str>>,
    differs: bool,
}

fn rows<'a>(settings: &'a [EffectiveSetting], running: &'a [Running]) -> Vec<Row<'a>> {
    let differs = |setting: &EffectiveSetting| {
        let mut daemons = running.iter();
        let of_daemon = std::slice::from_ref(setting);
        setting.id != RUN_DIR && daemons.any(|(_, values)| !differing(values, of_daemon).is_empty())
    };
    let rows = settings.iter().map(|setting| Row {
        key: &setting.key,
        value: setting.value.as_deref(),
        source: source(setting),
        running: running
            .iter()
            .filter_map(|(program, values)| {
                let value = values.get(&setting.key)?;
                Some((*program, value.as_deref()))
            })
            .collect(),
        differs: differs(setting),
    });
    rows.collect()
}

fn render(rows: &[Row<'_>]) -> String {
    let mut table = Table::new(&["SETTING", "RUNNING", "DIFFERS", "AT A START", "FROM"]);
    for row in rows {
        table.add([
            row.key.to_owned(),
            shown_running(row),
            yes(row.differs),
            shown(row.value).to_owned(),
            row.source.clone(),
        ]);
    }
    table.render()
}

/// A program chooses a value that nobody has set.
fn shown(value: Option<&str>) -> &str {
    value.unwrap_or("-")
}

/// One value, or each with its daemon if they are not the same.
fn shown_running(row: &Row<'_>) -> String {
    let mut values: Vec<&str> = row.running.values().map(|value| shown(*value)).collect();
    values.dedup();
    match values.as_slice() {
        [] => String::new(),
        [value] => (*value).to_owned(),
        _ => {
            let named = row.running.iter();
            let named = named.map(|(program, value)| format!("{} ({program})", shown(*value)));
            named.collect::<Vec<_>>().join(", ")
        }
    }
}

fn source(setting: &EffectiveSetting) -> String {
    match &setting.source {
        Source::Flag => "flag".to_owned(),
        Source::Variable(name) => name.clone(),
        Source::File(path, line) => format!("{}:{line}", path.display()),
        Source::Default => "default".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_values_are_marked() {
        let setting = |id: &str, value: &str| EffectiveSetting {
            id: id.to_owned(),
            key: format!("a.{id}"),
            value: Some(value.to_owned()),
            source: Source::Default,
        };
        let values = |values: &[(&str, &str)]| {
            let values = values
                .iter()
                .map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())));
            values.collect::<BTreeMap<_, _>>()
        };
        let settings = [
            setting("one", "1"),
            setting("two", "2"),
            setting("run_dir", "run"),
        ];
        let running = [
            (
                "chat-frontd",
                values(&[("a.one", "1"), ("a.run_dir", "/run")]),
            ),
            (
                "chat-stated",
                values(&[("a.one", "7"), ("a.two", "2"), ("a.run_dir", "/run")]),
            ),
        ];
        let expected = "\
SETTING    RUNNING                           DIFFERS  AT A START  FROM
a.one      1 (chat-frontd), 7 (chat-stated)  yes      1           default
a.two      2                                          2           default
a.run_dir  /run                                       run         default
";
        assert_eq!(render(&rows(&settings, &running)), expected);
    }
}

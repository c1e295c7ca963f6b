//! The settings file of a running daemon: read again by the parent, and taken over by its children.

use std::collections::BTreeMap;

use clap::{Command, Parser};

use super::command_line;
use super::settings_file::SettingsFile;
use super::sources::EffectiveSetting;
use super::tree::Tree;
use crate::control::protocol::{PendingSetting, SettingsReport};

/// The settings of a parent, which it can read again.
pub trait ReloadableSettings {
    /// Reads the settings file again. An error is for people, and nothing has changed then.
    fn reload(&mut self) -> Result<ReloadedSettings, String>;

    /// The values in force, and what a reload or a restart would change. Changes nothing.
    fn inspect(&self) -> SettingsReport;

    /// An operator has set the level of the log.
    fn log_level_set(&mut self, level: &str);
}

/// What a reload of the settings brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadedSettings {
    /// The file for the children, as [`read_again`] takes it; none if there is no file.
    pub for_children: Option<String>,
    /// For people: what has changed, if anything has.
    pub summary: Option<String>,
}

/// The settings in a child when its parent has read the file again: `written` is what the parent sends. The parent has
/// checked it.
pub fn read_again<P: Parser>(programs: Vec<Command>, written: &str) -> anyhow::Result<P> {
    let file = SettingsFile::of_parent(written)?;
    let assignments = Tree::of(programs).check(&file)?;
    let (settings, _) = command_line::parse_again(|command| assignments.apply(command))?;
    Ok(settings)
}

/// The values that a daemon runs with, by section and name.
#[derive(Debug)]
pub struct RunningValues(BTreeMap<String, Option<String>>);

/// Those settings of a daemon whose value is not the one that it runs with.
pub fn differing<'a>(
    running: &BTreeMap<String, Option<String>>,
    settings: &'a [EffectiveSetting],
) -> Vec<&'a EffectiveSetting> {
    let differs = |it: &&EffectiveSetting| {
        let value = running.get(&it.key);
        value.is_some_and(|value| *value != it.value)
    };
    settings.iter().filter(differs).collect()
}

impl RunningValues {
    /// These values.
    pub fn new(settings: &[EffectiveSetting]) -> Self {
        let values = settings.iter().map(|it| (it.key.clone(), it.value.clone()));
        Self(values.collect())
    }

    /// The values.
    pub fn values(&self) -> &BTreeMap<String, Option<String>> {
        &self.0
    }

    /// A value has changed without a reload.
    pub fn set(&mut self, key: &str, value: &str) {
        self.0.insert(key.to_owned(), Some(value.to_owned()));
    }

    /// What a reload or a restart with these settings would change.
    pub fn pending(
        &self,
        settings: &[EffectiveSetting],
        is_reloaded: impl Fn(&str) -> bool,
    ) -> Vec<PendingSetting> {
        let differing = differing(&self.0, settings).into_iter();
        let pending = differing.map(|setting| PendingSetting {
            key: setting.key.clone(),
            value: setting.value.clone(),
            needs_restart: !is_reloaded(&setting.id),
        });
        pending.collect()
    }

    /// Takes over the values that change without a restart, and says what has changed. What needs a restart is said
    /// again each time, until there is one.
    pub fn update(
        &mut self,
        settings: &[EffectiveSetting],
        is_reloaded: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let (mut changed, mut needs_restart) = (Vec::new(), Vec::new());
        for pending in self.pending(settings, is_reloaded) {
            let PendingSetting { key, value, .. } = pending;
            if pending.needs_restart {
                needs_restart.push(key);
            } else {
                let shown = value.as_deref().unwrap_or("its default");
                changed.push(format!("{key} is {shown} now"));
                self.0.insert(key, value);
            }
        }
        let mut parts = Vec::new();
        if !changed.is_empty() {
            parts.push(format!("settings: {}", changed.join(", ")));
        }
        if !needs_restart.is_empty() {
            let keys = needs_restart.join(", ");
            parts.push(format!("scripts/restart is needed for {keys}"));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::sources::Source;

    fn settings(values: &[(&str, &str)]) -> Vec<EffectiveSetting> {
        let values = values.iter().map(|(key, value)| EffectiveSetting {
            id: (*key).to_owned(),
            key: format!("a.{key}"),
            value: Some((*value).to_owned()),
            source: Source::Default,
        });
        values.collect()
    }

    #[test]
    fn reload_says_what_needs_a_restart() {
        let mut running = RunningValues::new(&settings(&[("fast", "1"), ("slow", "1")]));
        let mut update = |fast, slow| {
            running.update(&settings(&[("fast", fast), ("slow", slow)]), |id| {
                id == "fast"
            })
        };
        assert_eq!(update("1", "1"), None);
        let said = update("2", "2").unwrap();
        assert_eq!(
            said,
            "settings: a.fast is 2 now; scripts/restart is needed for a.slow"
        );
        assert_eq!(
            update("2", "2").unwrap(),
            "scripts/restart is needed for a.slow"
        );
        assert_eq!(update("2", "1"), None);
    }
}

//! The settings file of a running daemon: read again by the parent, and taken over by its children.

use std::collections::BTreeMap;

use clap::{Command, Parser};

use super::command_line;
use super::settings_file::SettingsFile;
use super::sources::EffectiveSetting;
use super::tree::Tree;

/// The settings of a parent, which it can read again.
pub trait ReloadableSettings {
    /// Reads the settings file again. An error is for people, and nothing has changed then.
    fn reload(&mut self) -> Result<ReloadedSettings, String>;
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

/// The values that a daemon runs with, as far as a reload compares them.
#[derive(Debug)]
pub struct RunningValues(BTreeMap<String, Option<String>>);

impl RunningValues {
    /// These values.
    pub fn new(settings: &[EffectiveSetting]) -> Self {
        let values = settings.iter().map(|it| (it.key.clone(), it.value.clone()));
        Self(values.collect())
    }

    /// Takes over the values that change without a restart, and says what has changed. What needs a restart is said
    /// again each time, until there is one.
    pub fn update(
        &mut self,
        settings: &[EffectiveSetting],
        is_reloaded: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let (mut changed, mut needs_restart) = (Vec::new(), Vec::new());
        for EffectiveSetting { id, key, value, .. } in settings {
            let running = self.0.entry(key.clone()).or_default();
            if *running == *value {
                continue;
            }
            if is_reloaded(id) {
                let shown = value.as_deref().unwrap_or("its default");
                changed.push(format!("{key} is {shown} now"));
                running.clone_from(value);
            } else {
                needs_restart.push(key.clone());
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

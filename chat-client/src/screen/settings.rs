//! What the section `[screen]` of `client.toml` says.

use chat_node::settings::settings_file::FileValue;

use super::model::Notifying;
use crate::client_settings::ClientSettings;

const SECTION: &str = "screen.";

/// How the user wants the full screen. `docs/client.toml` explains each setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) plain: bool,
    pub(crate) colours: bool,
    pub(crate) keep_login: bool,
    pub(crate) log: bool,
    pub(crate) notify: Notifying,
    /// The command with its arguments; empty if there is none.
    pub(crate) notify_command: Vec<String>,
    pub(crate) mute: Vec<String>,
    pub(crate) ignore: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            plain: false,
            colours: true,
            keep_login: false,
            log: false,
            notify: Notifying::Bell,
            notify_command: Vec::new(),
            mute: Vec::new(),
            ignore: Vec::new(),
        }
    }
}

impl Settings {
    /// What this file says. An error names the file and the line.
    pub(crate) fn of(file: Option<&ClientSettings>) -> Result<Self, String> {
        let mut settings = Self::default();
        let Some(file) = file else {
            return Ok(settings);
        };
        let mut last = None;
        for (name, entry) in file.section(SECTION) {
            let set = settings.set(name, &entry.value);
            set.map_err(|reason| file.complaint(entry, reason))?;
            last = Some(entry);
        }
        match last {
            Some(entry) if !settings.has_command_if_wanted() => {
                let reason = "notify = \"command\" wants a notify_command";
                Err(file.complaint(entry, reason))
            }
            _ => Ok(settings),
        }
    }

    fn has_command_if_wanted(&self) -> bool {
        self.notify != Notifying::Command || !self.notify_command.is_empty()
    }

    fn set(&mut self, name: &str, value: &FileValue) -> Result<(), &'static str> {
        match (name, value) {
            ("plain", FileValue::Bool(is_on)) => self.plain = *is_on,
            ("colours", FileValue::Bool(is_on)) => self.colours = *is_on,
            ("keep_login", FileValue::Bool(is_on)) => self.keep_login = *is_on,
            ("log", FileValue::Bool(is_on)) => self.log = *is_on,
            ("notify", FileValue::Text(how)) => {
                let known = Notifying::named(how);
                self.notify = known.ok_or("it is bell, osc9, osc777, command or off")?;
            }
            ("notify_command", FileValue::List(words)) => self.notify_command.clone_from(words),
            ("mute", FileValue::List(names)) => self.mute.clone_from(names),
            ("ignore", FileValue::List(names)) => self.ignore.clone_from(names),
            (
                "plain" | "colours" | "keep_login" | "log" | "notify" | "notify_command" | "mute"
                | "ignore",
                _,
            ) => return Err("this setting has another kind of value"),
            _ => return Err("there is no such setting"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use chat_node::settings::settings_file::SettingsFile;

    use super::*;

    const EXAMPLE: &str = include_str!("../../../docs/client.toml");

    fn read(text: &str) -> Result<Settings, String> {
        let path = PathBuf::from("client.toml");
        let file = SettingsFile::of_text(path.clone(), text.to_owned());
        let entries = file.map_err(|error| error.to_string())?.entries().to_vec();
        Settings::of(Some(&ClientSettings { path, entries }))
    }

    #[test]
    fn example_has_every_setting() {
        let settings = read(EXAMPLE).expect("settings");
        // Every field differs from the default, or stands there with it.
        for name in [
            "plain",
            "colours",
            "keep_login",
            "log",
            "notify",
            "notify_command",
            "mute",
            "ignore",
        ] {
            let line = format!("\n{name} = ");
            assert_eq!(EXAMPLE.matches(&line).count(), 1, "{name}");
        }
        assert_eq!(
            settings.notify_command.first().map(String::as_str),
            Some("notify-send")
        );
        assert!(
            Settings::default()
                .set("unknown", &FileValue::Bool(true))
                .is_err()
        );
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, complaint) in [
            (
                "[screen]\nlog = 'yes'\n",
                "client.toml:2: screen.log: this setting has another kind",
            ),
            (
                "[screen]\nnotify = 'loud'\n",
                "client.toml:2: screen.notify: it is bell",
            ),
            ("[screen]\nnotify = 'command'\n", "wants a notify_command"),
            ("[screen]\ncolors = true\n", "there is no such setting"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(complaint), "{error}");
        }
    }
}

//! The user's settings file, `~/.config/chatserv/client.toml`: where it is, and whether it can be trusted.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chat_node::settings::settings_file::{Entry, SettingsFile};

/// Where the file is, below the directory of the user's settings.
const FILE: &str = "chatserv/client.toml";
const OTHERS: u32 = 0o077;

/// A settings file that was read. Its keys are not checked yet.
pub(crate) struct ClientSettings {
    pub(crate) path: PathBuf,
    pub(crate) entries: Vec<Entry>,
}

impl ClientSettings {
    /// Reads this file, which has to be there, or the user's, if there is one. An error names the file.
    pub(crate) fn read(file: Option<&Path>) -> Result<Option<Self>, String> {
        let Some(path) = file.map(Path::to_owned).or_else(default_file) else {
            return Ok(None);
        };
        let found = SettingsFile::read(&path).map_err(|error| error.to_string())?;
        let Some(settings) = found else {
            return match file {
                Some(_) => Err(format!("there is no settings file {}", path.display())),
                None => Ok(None),
            };
        };
        refuse_exposed(&path, settings.entries())?;
        Ok(Some(Self {
            path,
            entries: settings.entries().to_vec(),
        }))
    }

    /// The entries of the sections that begin so, with what stands behind that.
    pub(crate) fn section<'a>(
        &'a self,
        beginning: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Entry)> {
        let entries = self.entries.iter();
        entries.filter_map(move |entry| Some((entry.key.strip_prefix(beginning)?, entry)))
    }

    /// What is wrong with an entry, for people.
    pub(crate) fn complaint(&self, entry: &Entry, reason: &str) -> String {
        let path = self.path.display();
        format!("{path}:{}: {}: {reason}", entry.line, entry.key)
    }
}

/// Where the user's settings file is, if the environment says where settings are.
pub(crate) fn default_file() -> Option<PathBuf> {
    let variable = |name| env::var_os(name).map(PathBuf::from);
    let settings = variable("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let settings = settings.or_else(|| variable("HOME").map(|home| home.join(".config")))?;
    Some(settings.join(FILE))
}

/// Whoever can write to a file that says where passwords come from gets at the passwords.
fn refuse_exposed(path: &Path, entries: &[Entry]) -> Result<(), String> {
    let names_password = entries.iter().any(|entry| entry.key.contains(".password_"));
    if !names_password {
        return Ok(());
    }
    let shown = path.display();
    let found = fs::metadata(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let mode = found.permissions().mode() & 0o7777;
    match mode & OTHERS {
        0 => Ok(()),
        _ => Err(format!(
            "settings file {shown}: it says where a password is, and others can get at it (mode {mode:04o}): \
             chmod 600 it"
        )),
    }
}

//! Servers that the user has given names, in `~/.config/chatserv/client.toml`:
//!
//! ```toml
//! [servers.work]
//! host = "chat.example.org"
//! user = "cron"
//! password_file = "work.password"
//! ```

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use chat_node::settings::settings_file::FileValue;

use crate::client_settings::ClientSettings;
use crate::password_source::PasswordSource;

const SECTION: &str = "servers.";
/// Another section of the file.
const SCREEN: &str = "screen.";

/// What the file says of one server.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct NamedServer {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) tls: Option<bool>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) user: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) password_command: Option<String>,
}

/// The server of this name, if the file has one. A file that was named has to be there. An error names the file.
///
/// An address is no name: who gives one needs no file, and may run where the file cannot be looked for.
pub(crate) fn find(name: &str, file: Option<&Path>) -> Result<Option<NamedServer>, String> {
    if file.is_none() && name.parse::<IpAddr>().is_ok() {
        return Ok(None);
    }
    match ClientSettings::read(file)? {
        Some(settings) => server(name, &settings),
        None => Ok(None),
    }
}

/// The names of all servers of the file, and its mistakes. Files with passwords are looked at, too.
pub(crate) fn check(file: &ClientSettings) -> (Vec<String>, Vec<String>) {
    let mut mistakes = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (key, _) in file.section(SECTION) {
        let name = key.rsplit_once('.').map_or(key, |(name, _)| name);
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    for name in &names {
        match server(name, file) {
            Ok(found) => mistakes.extend(found.and_then(|found| found.unreadable_password(name))),
            Err(mistake) if mistakes.contains(&mistake) => {}
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if names.is_empty() {
        mistakes.extend(server("", file).err());
    }
    (names, mistakes)
}

fn server(name: &str, file: &ClientSettings) -> Result<Option<NamedServer>, String> {
    let mut server = None;
    for entry in &file.entries {
        if entry.key.starts_with(SCREEN) {
            continue;
        }
        let of_server = entry.key.strip_prefix(SECTION);
        let Some((named, field)) = of_server.and_then(|key| key.rsplit_once('.')) else {
            return Err(file.complaint(entry, "there is no such setting"));
        };
        // The others are looked at, too, so that a mistake is not found at the first use.
        let mut other = NamedServer::default();
        let found = match named == name {
            true => server.get_or_insert_with(NamedServer::default),
            false => &mut other,
        };
        found
            .set(field, &entry.value, &file.path)
            .map_err(|reason| file.complaint(entry, reason))?;
    }
    Ok(server)
}

impl NamedServer {
    /// Why the file with the password cannot be used.
    fn unreadable_password(&self, name: &str) -> Option<String> {
        let source = PasswordSource::of(None, None, self.password_file.as_deref())?;
        let error = source.read().err()?;
        Some(format!("servers.{name}.password_file: {error}"))
    }

    fn set(&mut self, field: &str, value: &FileValue, path: &Path) -> Result<(), &'static str> {
        // Relative to the file that names them.
        let beside = |text: &str| path.parent().unwrap_or(path).join(text);
        match (field, value) {
            ("host", FileValue::Text(text)) => self.host = Some(text.clone()),
            ("port", FileValue::Integer(digits)) => {
                let port = digits.parse().ok().filter(|port| *port > 0);
                self.port = Some(port.ok_or("a port is a number from 1 to 65535")?);
            }
            ("tls", FileValue::Bool(is_on)) => self.tls = Some(*is_on),
            ("ca", FileValue::Text(text)) => self.ca = Some(beside(text)),
            ("user", FileValue::Text(text)) => self.user = Some(text.clone()),
            ("password_file", FileValue::Text(text)) => self.password_file = Some(beside(text)),
            ("password_command", FileValue::Text(text)) => {
                self.password_command = Some(text.clone());
            }
            ("host" | "port" | "tls" | "ca" | "user" | "password_file" | "password_command", _) => {
                return Err("this setting has another kind of value");
            }
            ("password", _) => return Err("a password is not written here: use password_file"),
            _ => return Err("there is no such setting"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(text: &str, name: &str) -> Result<Option<NamedServer>, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("client.toml");
        fs::write(&path, text).expect("a file");
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&path, mode).expect("a mode");
        let root = directory.path().display().to_string() + "/";
        find(name, Some(&path))
            .map_err(|error| error.replace(&root, ""))
            .map(|server| {
                server.map(|server| NamedServer {
                    password_file: server
                        .password_file
                        .map(|path| path.strip_prefix(&root).unwrap_or(&path).to_owned()),
                    ..server
                })
            })
    }

    #[test]
    fn server_is_found_by_name() {
        let text = "[servers.work]\nhost = 'chat.example.org'\nport = 4120\ntls = true\nuser = 'cron'\n\
                    password_file = 'work.password'\n[servers.home]\npassword_command = 'pass chat'\n";
        let work = NamedServer {
            host: Some("chat.example.org".into()),
            port: Some(4120),
            tls: Some(true),
            user: Some("cron".into()),
            password_file: Some("work.password".into()),
            ..NamedServer::default()
        };
        assert_eq!(read(text, "work"), Ok(Some(work)));
        assert_eq!(read(text, "elsewhere"), Ok(None));
    }

    #[test]
    fn mistakes_name_line_and_key() {
        for (text, error) in [
            (
                "[servers.a]\nhots = 'x'\n",
                "client.toml:2: servers.a.hots: there is no such setting",
            ),
            (
                "[servers.a]\nport = 0\n",
                "client.toml:2: servers.a.port: a port is a number from 1 to 65535",
            ),
            (
                "[servers.a]\nport = '1'\n",
                "client.toml:2: servers.a.port: this setting has another kind of value",
            ),
            (
                "[servers.a]\npassword = 'x'\n",
                "client.toml:2: servers.a.password: a password is not written here: use password_file",
            ),
            ("x = 1\n", "client.toml:1: x: there is no such setting"),
        ] {
            assert_eq!(read(text, "b"), Err(error.to_owned()));
        }
    }

    #[test]
    fn file_with_passwords_is_private() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("client.toml");
        for (text, is_refused) in [
            ("[servers.a]\nhost = 'x'\n", false),
            ("[servers.a]\npassword_file = 'x'\n", true),
        ] {
            fs::write(&path, text).expect("a file");
            let mode = fs::Permissions::from_mode(0o644);
            fs::set_permissions(&path, mode).expect("a mode");
            let found = find("a", Some(&path));
            assert_eq!(found.is_err(), is_refused, "{found:?}");
        }
        assert!(find("a", Some(&directory.path().join("none"))).is_err());
    }
}

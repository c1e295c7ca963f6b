//! Looks for mistakes in the settings file, without connecting to a server.

use std::path::Path;

use crate::client_settings::{ClientSettings, default_file};
use crate::named_servers;
use crate::screen::Settings;

/// What there is to say of this file, or the user's; the mistakes as an error, a line each.
pub(crate) fn check(file: Option<&Path>) -> Result<String, String> {
    let Some(found) = ClientSettings::read(file)? else {
        let path = default_file().ok_or("neither XDG_CONFIG_HOME nor HOME is set")?;
        return Ok(format!(
            "There is no {}, and none is needed.",
            path.display()
        ));
    };
    let (servers, mut mistakes) = named_servers::check(&found);
    mistakes.extend(Settings::of(Some(&found)).err());
    if !mistakes.is_empty() {
        return Err(mistakes.join("\n"));
    }
    let path = found.path.display();
    Ok(match servers.is_empty() {
        true => format!("{path} has no mistakes, and no servers."),
        false => format!("{path} has no mistakes. Servers: {}.", servers.join(", ")),
    })
}

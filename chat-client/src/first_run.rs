//! Asks for the server at the first run: nobody has named one, and none answers where one is looked for. What was
//! answered is kept only if the user gives it a name.

use std::io::{self, BufRead, Write};
use std::path::Path;

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::arguments::Arguments;
use crate::client_settings::{ClientSettings, default_file};
use crate::private_file;

/// Whether nobody has said which server is meant.
pub(crate) fn is_server_unnamed(matches: &ArgMatches) -> bool {
    matches.value_source("host") == Some(ValueSource::DefaultValue)
}

/// Asks for the server after this error, and puts it among the arguments; whether the user has named one.
pub(crate) fn ask_for_server(arguments: &mut Arguments, error: &str) -> io::Result<bool> {
    let mut output = io::stdout();
    writeln!(output, "{error}")?;
    writeln!(
        output,
        "Which server do you want to use? Its name or address, then its port if it is not 4119,"
    )?;
    writeln!(
        output,
        "then `tls` if it uses TLS, as in: chat.example.org 4120 tls"
    )?;
    loop {
        let Some(line) = ask("Server: ")?.filter(|line| !line.trim().is_empty()) else {
            return Ok(false);
        };
        match server_of(&line) {
            Some((host, port, has_tls)) => {
                (arguments.host, arguments.port) = (host, port);
                arguments.connecting.tls |= has_tls;
                return Ok(true);
            }
            None => writeln!(output, "That is no server, or no port behind it.")?,
        }
    }
}

/// Offers to keep the server that was named, once it has answered.
pub(crate) fn offer_to_keep(arguments: &Arguments) -> io::Result<()> {
    let file = arguments.connecting.config.clone().or_else(default_file);
    let Some(path) = file else {
        return Ok(());
    };
    let question = "Keep this server? Then give it a short name (Enter alone: no): ";
    while let Some(name) = ask(question)?.filter(|name| !name.trim().is_empty()) {
        let name = name.trim();
        match keep(&path, name, arguments) {
            Ok(()) => {
                let path = path.display();
                writeln!(
                    io::stdout(),
                    "It is in {path}: next time, type `chat-client {name}`."
                )?;
                break;
            }
            Err(reason) => writeln!(io::stdout(), "Not kept: {reason}")?,
        }
    }
    Ok(())
}

/// A line of the user without its end; none at the end of the input.
fn ask(question: &str) -> io::Result<Option<String>> {
    let mut output = io::stdout();
    write!(output, "{question}")?;
    output.flush()?;
    let mut line = String::new();
    let length = io::stdin().lock().read_line(&mut line)?;
    Ok((length > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Host, port, and whether it uses TLS.
fn server_of(line: &str) -> Option<(String, u16, bool)> {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let last = words.last().filter(|_| words.len() > 1);
    let has_tls = last.is_some_and(|word| word.eq_ignore_ascii_case("tls"));
    if has_tls {
        words.pop();
    }
    let (host, port) = match words.as_slice() {
        [host] => (*host, 4119),
        [host, port] => (*host, port.parse().ok().filter(|port| *port > 0)?),
        _ => return None,
    };
    let is_plain = |character: char| {
        character.is_alphanumeric() || matches!(character, '.' | '-' | '_' | ':' | '%')
    };
    let is_host = !host.starts_with('-') && host.chars().all(is_plain);
    is_host.then(|| (host.to_owned(), port, has_tls))
}

/// Adds the server to the settings file.
fn keep(path: &Path, name: &str, arguments: &Arguments) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.starts_with('-') || !name.bytes().all(is_plain) {
        return Err("a name has letters, digits, - and _ only".to_owned());
    }
    if Arguments::is_command(name) {
        return Err(format!("`chat-client {name}` is a command"));
    }
    let found = match path.exists() {
        true => ClientSettings::read(Some(path))?,
        false => None,
    };
    let section = format!("servers.{name}.");
    if found.is_some_and(|file| file.section(&section).next().is_some()) {
        return Err(format!("there is a server {name} already"));
    }
    let Arguments { host, port, .. } = arguments;
    let tls = arguments.connecting.tls;
    let text = format!("\n[servers.{name}]\nhost = \"{host}\"\nport = {port}\ntls = {tls}\n");
    private_file::append(path, &text)
        .and_then(|file| file.sync_all())
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::named_servers;

    #[test]
    fn server_is_understood() {
        let server = |host: &str, port, tls| Some((host.to_owned(), port, tls));
        for (line, expected) in [
            ("chat.example.org", server("chat.example.org", 4119, false)),
            (" ::1 4120  TLS ", server("::1", 4120, true)),
            ("tls", server("tls", 4119, false)),
            ("a b", None),
            ("a 0", None),
            ("a 1 2", None),
            ("-x", None),
            ("a\"b", None),
            ("", None),
        ] {
            assert_eq!(server_of(line), expected, "{line}");
        }
    }

    #[test]
    fn kept_server_is_found_by_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("new/client.toml");
        let arguments = Arguments::parse_from(["chat-client", "--tls", "chat.example.org", "4120"]);
        for (name, is_kept) in [
            ("work", true),
            ("work", false),
            ("home", true),
            ("a b", false),
            ("who", false),
        ] {
            assert_eq!(keep(&path, name, &arguments).is_ok(), is_kept, "{name}");
        }
        let found = named_servers::find("work", Some(&path)).expect("a file");
        let found = found.expect("a server");
        let expected = (Some("chat.example.org".to_owned()), Some(4120), Some(true));
        assert_eq!((found.host, found.port, found.tls), expected);
    }
}

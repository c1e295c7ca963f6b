//! The formats of log lines on standard error.
//!
//! Text: `2026-11-22T11:18:31.123Z INFO chat-frontd[1234]: text`. In systemd's journal, which keeps time and priority
//! of its own: `<6>chat-frontd[1234]: text`. JSON: an object a line, with the fields of a security event beside `text`.

use std::borrow::Cow;
use std::io::Write;
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;

use clap::ValueEnum;
use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, LevelFilter, Record};
use nix::sys::stat::fstat;

use crate::logs::wall_clock;

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people; in systemd's journal without time, and with priority.
    #[default]
    Text,
    /// A JSON object a line: time, level, program, pid, text, and the fields of a security event.
    Json,
}

/// Starts logging to standard error, panics included. The level can be changed later, by `log::set_max_level`.
pub fn start(
    program: &'static str,
    level: LevelFilter,
    format: LogFormat,
) -> Result<(), log::SetLoggerError> {
    let (pid, is_journal) = (std::process::id(), stderr_is_journal());
    // What is not wanted is sorted out before it comes there.
    env_logger::Builder::new()
        .filter_level(LevelFilter::Trace)
        .format(move |out, record| {
            let line = match (format, is_journal) {
                (LogFormat::Json, _) => json_line(record, program, pid),
                (LogFormat::Text, true) => journal_line(record, program, pid),
                (LogFormat::Text, false) => text_line(record, program, pid),
            };
            writeln!(out, "{line}")
        })
        .try_init()?;
    log::set_max_level(level);
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Logs from this level on. Fails if there is no such level; the reason is for people.
pub fn set_level(level: &str) -> Result<(), String> {
    let unknown = "the levels are off, error, warn, info, debug and trace";
    log::set_max_level(level.parse().map_err(|_| unknown.to_owned())?);
    Ok(())
}

/// A panic in any thread ends the process, which its parent then replaces.
fn log_panic(info: &PanicHookInfo<'_>) {
    log::error!("internal error, this process ends: {info}");
    std::process::abort();
}

/// Whether standard error goes straight to systemd's journal: systemd names the device and inode of that socket.
fn stderr_is_journal() -> bool {
    let named = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    let found = fstat(std::io::stderr().as_fd());
    found.is_ok_and(|found| named == format!("{}:{}", found.st_dev, found.st_ino))
}

fn text_line(record: &Record<'_>, program: &str, pid: u32) -> String {
    let (time, level) = (wall_clock::now(), record.level());
    let text = record.args().to_string();
    format!("{time:.3} {level} {program}[{pid}]: {}", one_line(&text))
}

/// The parent's socket serves all its children, so the journal knows the parent's process only.
fn journal_line(record: &Record<'_>, program: &str, pid: u32) -> String {
    let priority = match record.level() {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    let text = record.args().to_string();
    format!("<{priority}>{program}[{pid}]: {}", one_line(&text))
}

fn json_line(record: &Record<'_>, program: &str, pid: u32) -> String {
    let mut fields = serde_json::Map::new();
    let text = record.args().to_string();
    for (name, value) in [
        ("time", format!("{:.3}", wall_clock::now())),
        ("level", record.level().as_str().to_ascii_lowercase()),
        ("program", program.to_owned()),
    ] {
        fields.insert(name.to_owned(), value.into());
    }
    fields.insert("pid".to_owned(), pid.into());
    fields.insert("text".to_owned(), text.into());
    // Our values are strings, whose visit cannot fail.
    let _ = record.key_values().visit(&mut JsonFields(&mut fields));
    serde_json::Value::Object(fields).to_string()
}

struct JsonFields<'a>(&'a mut serde_json::Map<String, serde_json::Value>);

impl<'kvs> VisitSource<'kvs> for JsonFields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.insert(key.to_string(), value.to_string().into());
        Ok(())
    }
}

/// Escapes the control characters of `text`, so that it cannot add a line.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(one_line("käse"), "käse");
        assert_eq!(one_line("a\nb\u{1b}[0m"), "a\\nb\\u{1b}[0m");
    }

    #[test]
    fn each_format_stays_on_one_line() {
        let pairs = [("event", "quota"), ("user", "bob")];
        let with = |line: fn(&Record<'_>, &str, u32) -> String| {
            line(
                &Record::builder()
                    .level(Level::Warn)
                    .args(format_args!("a\nb"))
                    .key_values(&pairs)
                    .build(),
                "chat-x",
                7,
            )
        };
        assert!(with(text_line).ends_with("Z WARN chat-x[7]: a\\nb"));
        assert_eq!(with(journal_line), "<4>chat-x[7]: a\\nb");
        let json = with(json_line);
        assert!(!json.contains('\n'), "{json}");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["text"], "a\nb");
        assert_eq!((&read["level"], &read["pid"]), (&"warn".into(), &7.into()));
        assert_eq!(
            (&read["event"], &read["user"]),
            (&"quota".into(), &"bob".into())
        );
        assert_eq!(
            read["time"].as_str().unwrap().len(),
            "2026-11-22T11:18:31.123Z".len()
        );
    }
}

//! The format of log lines: `2026-11-22T11:18:31.123Z INFO chat-frontd[1234]: text` on standard error.

use std::borrow::Cow;
use std::io::Write;
use std::panic::PanicHookInfo;

use log::LevelFilter;

use crate::logs::wall_clock;

/// Starts logging to standard error, panics included.
pub fn start(program: &'static str, level: LevelFilter) -> Result<(), log::SetLoggerError> {
    let pid = std::process::id();
    env_logger::Builder::new()
        .filter_level(level)
        .format(move |out, record| {
            let text = record.args().to_string();
            let (time, level) = (wall_clock::now(), record.level());
            writeln!(
                out,
                "{time:.3} {level} {program}[{pid}]: {}",
                one_line(&text)
            )
        })
        .try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A panic in any thread ends the process, which its parent then replaces.
fn log_panic(info: &PanicHookInfo<'_>) {
    log::error!("internal error, this process ends: {info}");
    std::process::abort();
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
}

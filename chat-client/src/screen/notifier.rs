//! Runs the user's command for new messages: one at a time, and none for ever.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// A command that has not ended by then is killed.
const LIMIT: Duration = Duration::from_secs(10);

/// A message that the user is told of. No part has a control character in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) from: String,
    /// What the conversation is called.
    pub(crate) place: String,
    pub(crate) text: String,
}

/// The user's command.
pub(crate) struct Notifier {
    command: Vec<String>,
    running: Option<(Child, Instant)>,
}

impl Notifier {
    /// The command with its arguments. No shell reads them.
    pub(crate) fn new(command: Vec<String>) -> Self {
        Self {
            command,
            running: None,
        }
    }

    /// Runs the command, unless it still runs for an earlier message.
    pub(crate) fn tell(&mut self, notice: &Notice) -> io::Result<()> {
        self.look();
        let Some((program, arguments)) = self.command.split_first() else {
            return Ok(());
        };
        if self.running.is_some() {
            return Ok(());
        }
        let mut command = Command::new(program);
        command
            .args(arguments.iter().map(|argument| filled_in(argument, notice)))
            .env("CHAT_MESSAGE_FROM", &notice.from)
            .env("CHAT_MESSAGE_IN", &notice.place)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // What the command starts is killed with it.
            .process_group(0);
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A pipe takes so little at once. The command need not read it.
            let _ = stdin.write_all(notice.text.as_bytes());
        }
        self.running = Some((child, Instant::now()));
        Ok(())
    }

    /// When [`Notifier::look`] has something to do, from now.
    pub(crate) fn due(&self) -> Option<Duration> {
        let (_, since) = self.running.as_ref()?;
        Some(LIMIT.saturating_sub(since.elapsed()))
    }

    /// Takes leave of a command that has ended, and kills one that takes too long.
    pub(crate) fn look(&mut self) {
        let Some((child, since)) = &mut self.running else {
            return;
        };
        if since.elapsed() >= LIMIT {
            kill(child);
            self.running = None;
        } else if !matches!(child.try_wait(), Ok(None)) {
            self.running = None;
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.look();
        if let Some((child, _)) = &mut self.running {
            kill(child);
        }
    }
}

fn kill(child: &mut Child) {
    let group = Pid::from_raw(child.id().cast_signed());
    // It may have ended meanwhile.
    let _ = killpg(group, Signal::SIGKILL);
    let _ = child.wait();
}

/// An argument with the parts of the message in it. What a part has in it is not looked at again.
fn filled_in(argument: &str, notice: &Notice) -> String {
    let mut filled = String::new();
    let mut rest = argument;
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let parts = [
            ("{from}", &notice.from),
            ("{in}", &notice.place),
            ("{text}", &notice.text),
        ];
        let found = parts.iter().find(|(name, _)| rest.starts_with(name));
        let (name, part) = found.map_or(("{", "{"), |(name, part)| (*name, part.as_str()));
        filled.push_str(part);
        rest = &rest[name.len()..];
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn notice(text: &str) -> Notice {
        Notice {
            from: "ann".to_owned(),
            place: "#tea".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn parts_are_filled_in_once() {
        let notice = notice("{from} $(reboot) {");
        for (argument, filled) in [
            ("{from} in {in}: {text}", "ann in #tea: {from} $(reboot) {"),
            ("{other} {", "{other} {"),
            ("--", "--"),
        ] {
            assert_eq!(filled_in(argument, &notice), filled);
        }
    }

    #[test]
    fn command_gets_text_as_argument_and_input() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("told");
        let script = format!(
            "printf '%s|%s|' \"$1\" \"$CHAT_MESSAGE_IN\" >{0}; cat >>{0}",
            path.display()
        );
        let words = ["sh", "-c", &script, "sh", "{text}"];
        let mut notifier = Notifier::new(words.map(str::to_owned).to_vec());
        notifier.tell(&notice("$(reboot); 'x")).expect("a command");
        let (mut child, _) = notifier.running.take().expect("a command");
        child.wait().expect("an end");
        let told = fs::read_to_string(path).expect("a text");
        assert_eq!(told, "$(reboot); 'x|#tea|$(reboot); 'x");
    }

    #[test]
    fn one_command_runs_at_a_time() {
        let mut notifier = Notifier::new(["sleep", "1000"].map(str::to_owned).to_vec());
        notifier.tell(&notice("a")).expect("a command");
        let first = notifier.running.as_ref().map(|(child, _)| child.id());
        notifier.tell(&notice("b")).expect("a command");
        let still = notifier.running.as_ref().map(|(child, _)| child.id());
        assert_eq!(first, still);
        assert!(notifier.due().is_some_and(|due| due <= LIMIT));
        if let Some((_, since)) = &mut notifier.running {
            *since = since.checked_sub(LIMIT).expect("an earlier time");
        }
        notifier.look();
        assert!(notifier.running.is_none() && notifier.due().is_none());
    }

    #[test]
    fn missing_command_is_error() {
        let mut notifier = Notifier::new(vec!["/nonexistent/command".to_owned()]);
        assert!(notifier.tell(&notice("a")).is_err());
    }
}

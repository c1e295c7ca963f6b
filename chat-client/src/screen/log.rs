//! What was said, on disk, if the user wants it: a file for each conversation, which grows until something rotates it.
//!
//! A line is written before the server is told that the message was shown. A message that was not confirmed before a
//! kill comes again, and then stands there twice.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::private_file;
use crate::safe_text::LINE_BREAK;
use crate::state_directory::{NO_DIRECTORY, file_name};

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogLine {
    /// What the conversation is called.
    pub(crate) conversation: String,
    pub(crate) time: Timestamp,
    /// Who said it.
    pub(crate) author: String,
    pub(crate) text: String,
}

/// The directory of one server, if the environment says where the state of programs is.
pub(crate) struct Log(pub(crate) Option<PathBuf>);

impl Log {
    /// Adds a line to the file of its conversation. The file is opened for each, so that it may be renamed meanwhile.
    pub(crate) fn add(&self, account: &str, line: &LogLine) -> Result<(), String> {
        let directory = self.0.as_ref();
        let directory = directory.ok_or(NO_DIRECTORY)?;
        let directory = directory.join(file_name(account));
        let path = directory.join(format!("{}.log", file_name(&line.conversation)));
        private_file::append(&path, &written(line))
            .map(drop)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))
    }
}

/// Only the first row of a message begins in the first column.
fn written(line: &LogLine) -> String {
    let LogLine { author, text, .. } = line;
    let time = line.time.strftime("%Y-%m-%dT%H:%M:%SZ");
    let text = text.replace(LINE_BREAK, "\n\t");
    format!("{time} {author}: {text}\n")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn line(conversation: &str, text: &str) -> LogLine {
        LogLine {
            conversation: conversation.to_owned(),
            time: "2026-11-22T11:18:31.5Z".parse().expect("a time"),
            author: "ann".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn each_conversation_has_its_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = Log(Some(directory.path().join("new")));
        for (conversation, text) in [
            ("#tea", "green"),
            ("#tea", "a\u{2028}2026-11-22T11:18:31Z eve: b"),
            ("../bob", "hi"),
        ] {
            log.add("bob/phone", &line(conversation, text))
                .expect("a line");
        }
        let directory = directory.path().join("new/bob%2fphone");
        let tea = directory.join("%23tea.log");
        assert_eq!(
            fs::read_to_string(&tea).expect("a text"),
            "2026-11-22T11:18:31Z ann: green\n2026-11-22T11:18:31Z ann: a\n\t2026-11-22T11:18:31Z eve: b\n"
        );
        let found = fs::metadata(&tea).expect("a file");
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
        assert!(directory.join("%2e.%2fbob.log").exists());
    }

    #[test]
    fn log_that_cannot_be_written_says_why() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        fs::write(&path, "").expect("a file");
        let error = Log(Some(path)).add("bob", &line("#tea", "x"));
        assert!(error.expect_err("an error").starts_with("cannot write "));
        assert!(Log(None).add("bob", &line("#tea", "x")).is_err());
    }
}

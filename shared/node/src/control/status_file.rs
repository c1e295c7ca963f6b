//! What a daemon says of itself and its children in its status file, for whoever looks from outside.
//!
//! The file has one `key=value` a line. It is replaced as a whole, so a reader sees either the old or the new one.
//! It may be out of date if its daemon was killed: whether that runs, its pid file's lock tells.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;

use crate::control::reload_result::FilesRead;
use crate::files::regular_file;
use crate::files::run_dir::is_operators;
use crate::logs::log_format::one_line;
use crate::metrics::refusals::Refusals;
use crate::process::identity::ProcessIdentity;
use crate::supervisor::child_link::ChildWarning;

/// More children than any daemon has; a bound for what is read from a file.
const MAX_CHILDREN: u32 = 1024;

/// How far a daemon or a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Phase {
    /// Cannot serve yet.
    #[default]
    Starting,
    /// Serves.
    Serving,
    /// Is about to end.
    Stopping,
    /// A child only: its last life failed, the next has not begun.
    Waiting,
}

impl Phase {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Starting, "starting"),
        (Self::Serving, "serving"),
        (Self::Stopping, "stopping"),
        (Self::Waiting, "waiting"),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        let entry = Self::ALL.iter().find(|(phase, _)| *phase == self);
        entry.map_or("starting", |(_, word)| word)
    }

    fn from_word(word: &str) -> Option<Self> {
        let entry = Self::ALL.iter().find(|(_, known)| *known == word)?;
        Some(entry.0)
    }
}

/// A daemon.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Status {
    /// Its process number.
    pub pid: i32,
    /// The boot of the host that all process numbers belong to.
    pub boot_id: String,
    /// The PID namespace that they belong to, if that is known: see [`crate::process::identity::pid_namespace`].
    pub pid_namespace: Option<u64>,
    /// When it was started.
    pub since: Timestamp,
    /// How far it is.
    pub phase: Phase,
    /// Where it listens, each as people write it.
    pub addresses: Vec<String>,
    /// In the order of their numbers, which count from 1.
    pub children: Vec<ChildStatus>,
    /// How often what was refused since it was started.
    pub refused: Refusals,
    /// What an operator should mend though all is served; empty if nothing.
    pub warning: String,
    /// How far it is with reading its files.
    pub files_read: FilesRead,
}

/// A child of a daemon.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ChildStatus {
    /// Its process, if it has one now.
    pub process: Option<ProcessIdentity>,
    /// How far it is.
    pub phase: Phase,
    /// Since when it is in this phase.
    pub since: Timestamp,
    /// Since when its parent has heard nothing of it, if it should have: it is stopped, or hangs.
    pub silent_since: Option<Timestamp>,
    /// Lives that it began after its first.
    pub restarts: u64,
    /// What it gave up before it serves, in its own words; empty if it has not said.
    pub sandbox: String,
    /// What it warns of; nothing is said if its text is empty.
    pub warning: ChildWarning,
    /// How its last life ended, if one did.
    pub last_end: Option<LifeEnd>,
    /// When its next life begins, in the phase [`Phase::Waiting`].
    pub next_start: Option<Timestamp>,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifeEnd {
    /// In words, such as `killed by signal 9 (SIGKILL)`.
    pub reason: String,
    /// When its end was noticed.
    pub at: Timestamp,
}

impl Status {
    /// The content of the file.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: &str| {
            text.push_str(&format!("{key}={}\n", one_line(value)));
        };
        line("pid", &self.pid.to_string());
        line("boot_id", &self.boot_id);
        if let Some(namespace) = self.pid_namespace {
            line("pid_namespace", &namespace.to_string());
        }
        line("since", &self.since.to_string());
        line("phase", self.phase.word());
        for (address, number) in self.addresses.iter().zip(1..) {
            line(&format!("address.{number}"), address);
        }
        for (child, number) in self.children.iter().zip(1..) {
            child.render(number, &mut line);
        }
        for (kind, count) in self.refused.iter() {
            line(&format!("refused.{kind}"), &count.to_string());
        }
        if !self.warning.is_empty() {
            line("warning", &self.warning);
        }
        line("files_read.asked", &self.files_read.asked.to_string());
        line("files_read.answered", &self.files_read.answered.to_string());
        match &self.files_read.outcome {
            Some(Ok(words)) => line("files_read.outcome", words),
            Some(Err(words)) => line("files_read.failure", words),
            None => {}
        }
        text
    }

    /// Reads the content of the file. Lines with unknown keys are passed over.
    pub fn parse(text: &str) -> Option<Self> {
        let values: BTreeMap<&str, &str> = text.lines().filter_map(|l| l.split_once('=')).collect();
        let numbered = |prefix: &'static str, suffix: &'static str| {
            let key = move |number| format!("{prefix}.{number}{suffix}");
            (1..MAX_CHILDREN).map_while({
                let values = &values;
                move |number| Some((number, *values.get(key(number).as_str())?))
            })
        };
        let refused = text.lines().filter_map(|l| l.strip_prefix("refused."));
        let refused: String = refused.flat_map(|line| [line, "\n"]).collect();
        Some(Self {
            pid: values.get("pid")?.parse().ok()?,
            boot_id: (*values.get("boot_id")?).to_owned(),
            pid_namespace: values.get("pid_namespace").and_then(|it| it.parse().ok()),
            since: values.get("since")?.parse().ok()?,
            phase: Phase::from_word(values.get("phase")?)?,
            addresses: numbered("address", "").map(|(_, a)| a.to_owned()).collect(),
            children: numbered("child", ".phase")
                .map(|(number, _)| ChildStatus::parse(number, &values))
                .collect::<Option<_>>()?,
            refused: Refusals::parse(&refused),
            warning: values.get("warning").copied().unwrap_or("").to_owned(),
            files_read: parse_files_read(&values)?,
        })
    }

    /// Puts this status in place of the file at `path`.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("status.new");
        // A child that was taken over may have put something there: a link, or a file of its own.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(self.render().as_bytes())?;
        fs::rename(&new, path)
    }

    /// The status in the file at `path`, if there is one that can be read as such.
    pub fn read(path: &Path) -> Option<Self> {
        let mut file = regular_file::open_unlinked(path, OpenOptions::new().read(true)).ok()?;
        if !is_operators(&file.metadata().ok()?, path).ok()? {
            return None;
        }
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        Self::parse(&text)
    }
}

fn parse_files_read(values: &BTreeMap<&str, &str>) -> Option<FilesRead> {
    let words = |key| values.get(key).map(|words: &&str| (*words).to_owned());
    let failure = words("files_read.failure").map(Err);
    // A daemon of an older version says nothing of it.
    let number = |key| {
        values
            .get(key)
            .map_or(Some(0), |number| number.parse().ok())
    };
    Some(FilesRead {
        asked: number("files_read.asked")?,
        answered: number("files_read.answered")?,
        outcome: failure.or_else(|| words("files_read.outcome").map(Ok)),
    })
}

impl ChildStatus {
    fn render(&self, number: u32, line: &mut impl FnMut(&str, &str)) {
        let mut field = |key: &str, value: &str| line(&format!("child.{number}.{key}"), value);
        field("phase", self.phase.word());
        field("since", &self.since.to_string());
        field("restarts", &self.restarts.to_string());
        if let Some(process) = self.process {
            field("pid", &process.pid.to_string());
            field("start_ticks", &process.start_ticks.to_string());
        }
        if let Some(since) = self.silent_since {
            field("silent_since", &since.to_string());
        }
        if !self.sandbox.is_empty() {
            field("sandbox", &self.sandbox);
        }
        if !self.warning.text.is_empty() {
            let key = match self.warning.is_refusing {
                true => "refusing",
                false => "warning",
            };
            field(key, &self.warning.text);
        }
        if let Some(end) = &self.last_end {
            field("last_end", &end.reason);
            field("last_end_at", &end.at.to_string());
        }
        if let Some(at) = self.next_start {
            field("next_start", &at.to_string());
        }
    }

    fn parse(number: u32, values: &BTreeMap<&str, &str>) -> Option<Self> {
        let field = |key: &str| values.get(format!("child.{number}.{key}").as_str());
        let process = field("pid")
            .zip(field("start_ticks"))
            .and_then(|(pid, ticks)| {
                Some(ProcessIdentity {
                    pid: pid.parse().ok()?,
                    start_ticks: ticks.parse().ok()?,
                })
            });
        let last_end = field("last_end")
            .zip(field("last_end_at"))
            .and_then(|(reason, at)| {
                Some(LifeEnd {
                    reason: (*reason).to_owned(),
                    at: at.parse().ok()?,
                })
            });
        let warning = |key, is_refusing| {
            field(key).map(|text| ChildWarning {
                text: (*text).to_owned(),
                is_refusing,
            })
        };
        Some(Self {
            process,
            warning: warning("refusing", true)
                .or_else(|| warning("warning", false))
                .unwrap_or_default(),
            phase: Phase::from_word(field("phase")?)?,
            since: field("since")?.parse().ok()?,
            silent_since: field("silent_since").and_then(|at| at.parse().ok()),
            restarts: field("restarts")?.parse().ok()?,
            sandbox: field("sandbox").map_or_else(String::new, |said| (*said).to_owned()),
            last_end,
            next_start: field("next_start").and_then(|at| at.parse().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Status {
        let at = |second| Timestamp::from_second(second).unwrap();
        let process = ProcessIdentity {
            pid: 12,
            start_ticks: 345,
        };
        let dead = ChildStatus {
            phase: Phase::Waiting,
            restarts: 3,
            last_end: Some(LifeEnd {
                reason: "exited with status 1".to_owned(),
                at: at(7),
            }),
            next_start: Some(at(9)),
            ..ChildStatus::default()
        };
        let living = ChildStatus {
            process: Some(process),
            phase: Phase::Serving,
            since: at(5),
            silent_since: Some(at(6)),
            sandbox: "no files".to_owned(),
            ..ChildStatus::default()
        };
        Status {
            pid: 11,
            boot_id: "b".to_owned(),
            pid_namespace: Some(4_026_531_836),
            since: at(1_700_000_000),
            phase: Phase::Serving,
            addresses: vec!["127.0.0.1:4119".to_owned(), "[::1]:4119".to_owned()],
            children: vec![living, dead],
            refused: Refusals::parse("login-failed=3\nquota=1"),
            warning: "the old certificate stays in use".to_owned(),
            files_read: FilesRead {
                asked: 3,
                answered: 2,
                outcome: Some(Err("cannot read the certificate".to_owned())),
            },
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.status");
        assert_eq!(Status::read(&path), None);
        example().write(&path).unwrap();
        assert_eq!(Status::read(&path), Some(example()));
        let mut read_again = example();
        read_again.files_read.outcome = Some(Ok("5 accounts".to_owned()));
        assert_eq!(Status::parse(&read_again.render()), Some(read_again));
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[test]
    fn a_link_that_somebody_put_there_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.status");
        let other = dir.path().join("other");
        fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, dir.path().join("x.status.new")).unwrap();
        example().write(&path).unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"precious");
        assert_eq!(Status::read(&path), Some(example()));
    }

    #[test]
    fn a_value_cannot_add_lines() {
        let mut status = example();
        status.addresses = vec!["a\npid=99".to_owned()];
        assert_eq!(Status::parse(&status.render()).unwrap().pid, 11);
    }

    #[test]
    fn a_damaged_file_is_no_status() {
        let text = example().render();
        for cut in 0..text.len() {
            // Whatever is left, reading it does not panic.
            let _ = Status::parse(&text[..cut]);
        }
        assert_eq!(Status::parse(&text.replace("serving", "dancing")), None);
        assert_eq!(Status::parse(""), None);
    }
}

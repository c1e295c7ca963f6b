//! The status file: the state of a daemon and of its children, for other processes.
//!
//! The file has one `key=value` a line. It is replaced as a whole, so a reader sees either the old or the new one.
//! It may be out of date if its daemon was killed; the lock on the pid file tells whether the daemon runs.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::control::reload_result::ReloadStatus;
use crate::files::regular_file;
use crate::files::run_dir::is_operators;
use crate::logs::log_format::one_line;
use crate::metrics::refusals::Refusals;
use crate::process::identity::ProcessIdentity;
use crate::supervisor::child_reports::ChildWarning;

/// A bound for what is read from a file: no daemon has so many children.
const MAX_CHILDREN: u32 = 1024;

/// The phase of a daemon or of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Does not serve yet.
    #[default]
    Starting,
    /// Serves clients or workers.
    Serving,
    /// Has been told to end.
    Stopping,
    /// Only of a child: its process has ended, and the next has not started.
    Waiting,
}

impl Phase {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Starting, "starting"),
        (Self::Serving, "serving"),
        (Self::Stopping, "stopping"),
        (Self::Waiting, "waiting"),
    ];

    /// The word in the status file and in the output of `--status`.
    pub fn word(self) -> &'static str {
        let entry = Self::ALL.iter().find(|(phase, _)| *phase == self);
        entry.map_or("starting", |(_, word)| word)
    }

    fn from_word(word: &str) -> Option<Self> {
        let entry = Self::ALL.iter().find(|(_, known)| *known == word)?;
        Some(entry.0)
    }
}

/// The state of a daemon.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Status {
    /// The process number of the parent.
    pub pid: i32,
    /// The boot of the host that all process numbers are valid for.
    pub boot_id: String,
    /// The PID namespace of the process numbers, if it is known: see [`crate::process::identity::pid_namespace`].
    pub pid_namespace: Option<u64>,
    /// When the daemon was started.
    pub since: Timestamp,
    /// The phase of all children together.
    pub phase: Phase,
    /// The addresses it listens on, for people.
    pub addresses: Vec<String>,
    /// In the order of their numbers, which count from 1.
    pub children: Vec<ChildStatus>,
    /// Counts of refusals since the start, by kind.
    pub refused: Refusals,
    /// A problem that an operator should fix although everything is served; empty if there is none.
    pub warning: String,
    /// When the certificate in use expires. Not in the file.
    #[serde(default)]
    pub certificate_end: Option<Timestamp>,
    /// The progress of reloads.
    pub reload: ReloadStatus,
    /// It takes no new connections.
    pub draining: Option<Draining>,
}

/// A front end takes no new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draining {
    /// Since when.
    pub since: Timestamp,
    /// When the clients that are left are disconnected, if ever.
    pub until: Option<Timestamp>,
}

/// The state of a child.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChildStatus {
    /// The process of the child, if it has one now.
    pub process: Option<ProcessIdentity>,
    /// The phase of this child.
    pub phase: Phase,
    /// When this phase began.
    pub since: Timestamp,
    /// When its signs of life stopped, if they are overdue: it is stopped, or hangs.
    pub silent_since: Option<Timestamp>,
    /// How often it was started again.
    pub restarts: u64,
    /// A summary of the sandbox that it runs in; empty until it has reported one.
    pub sandbox: String,
    /// Its current warning; the text is empty if there is none.
    pub warning: ChildWarning,
    /// How its previous process ended, if one did.
    pub last_end: Option<ProcessEnd>,
    /// When it is started again, in the phase [`Phase::Waiting`].
    pub next_start: Option<Timestamp>,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessEnd {
    /// For people, such as `killed by signal 9 (SIGKILL)`.
    pub reason: String,
    /// When the parent noticed the end.
    pub at: Timestamp,
}

impl Status {
    /// Returns the content of the file.
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
        if let Some(Draining { since, until }) = self.draining {
            line("draining.since", &since.to_string());
            if let Some(until) = until {
                line("draining.until", &until.to_string());
            }
        }
        line("files_read.asked", &self.reload.requested.to_string());
        line("files_read.answered", &self.reload.answered.to_string());
        match &self.reload.result {
            Some(Ok(words)) => line("files_read.outcome", words),
            Some(Err(words)) => line("files_read.failure", words),
            None => {}
        }
        text
    }

    /// Parses the content of the file. Lines with unknown keys are ignored.
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
            certificate_end: None,
            reload: parse_reload(&values)?,
            draining: parse_draining(&values),
        })
    }

    /// Replaces the file at `path` with this status.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("status.new");
        // A compromised child may have put a link or a file of its own there.
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

    /// Reads the status from the file at `path`. Returns nothing if it is missing, damaged or not the operator's.
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

fn parse_draining(values: &BTreeMap<&str, &str>) -> Option<Draining> {
    let time = |key| values.get(key).and_then(|at: &&str| at.parse().ok());
    Some(Draining {
        since: time("draining.since")?,
        until: time("draining.until"),
    })
}

fn parse_reload(values: &BTreeMap<&str, &str>) -> Option<ReloadStatus> {
    let words = |key| values.get(key).map(|words: &&str| (*words).to_owned());
    let failure = words("files_read.failure").map(Err);
    // Daemons of older versions do not write these keys.
    let number = |key| {
        values
            .get(key)
            .map_or(Some(0), |number| number.parse().ok())
    };
    Some(ReloadStatus {
        requested: number("files_read.asked")?,
        answered: number("files_read.answered")?,
        result: failure.or_else(|| words("files_read.outcome").map(Ok)),
    })
}

impl ChildStatus {
    /// Whether it serves, and gives signs of life.
    pub fn is_serving(&self) -> bool {
        self.phase == Phase::Serving && self.silent_since.is_none()
    }

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
                Some(ProcessEnd {
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
            last_end: Some(ProcessEnd {
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
            certificate_end: None,
            reload: ReloadStatus {
                requested: 3,
                answered: 2,
                result: Some(Err("cannot read the certificate".to_owned())),
            },
            draining: Some(Draining {
                since: at(3),
                until: Some(at(4)),
            }),
        }
    }

    #[test]
    fn status_round_trip() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.status");
        assert_eq!(Status::read(&path), None);
        example().write(&path).unwrap();
        assert_eq!(Status::read(&path), Some(example()));
        let mut reloaded = example();
        reloaded.reload.result = Some(Ok("5 accounts".to_owned()));
        assert_eq!(Status::parse(&reloaded.render()), Some(reloaded));
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[test]
    fn link_is_not_followed() {
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
    fn value_cannot_add_lines() {
        let mut status = example();
        status.addresses = vec!["a\npid=99".to_owned()];
        assert_eq!(Status::parse(&status.render()).unwrap().pid, 11);
    }

    #[test]
    fn damaged_file_is_no_status() {
        let text = example().render();
        for cut in 0..text.len() {
            // It must not panic.
            let _ = Status::parse(&text[..cut]);
        }
        assert_eq!(Status::parse(&text.replace("serving", "dancing")), None);
        assert_eq!(Status::parse(""), None);
    }
}

//! A tool's side of a control connection. It waits, but never for longer than a limit.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::unistd::geteuid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use zeroize::Zeroizing;

use super::protocol::{
    Answer, Greeting, Hello, Question, Report, Request, SettingsReport, VERSION, encode_line,
};
use super::socket::peer_of;
use crate::files::run_dir::RunDir;
use crate::process::pid_file::is_locked;

/// How long a daemon may take for an answer.
pub const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How long a reload may take. There may be a million accounts.
pub const RELOAD_TIME: Duration = Duration::from_secs(30);

/// Longest answer, in bytes.
const MAX_LINE_BYTES: u64 = 4 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ControlError {
    /// No daemon runs in this run directory.
    #[error("{0} does not run")]
    NotRunning(&'static str),
    /// It runs, but cannot be asked.
    #[error("{program} cannot be asked: {reason}")]
    Unreachable {
        /// The daemon.
        program: &'static str,
        /// Why.
        reason: String,
    },
    /// It runs, and gives no answer.
    #[error("{program} does not answer within {limit_s} s: it is stopped or hangs")]
    Silent {
        /// The daemon.
        program: &'static str,
        /// How long it had for the answer.
        limit_s: u64,
    },
    /// It has refused the request.
    #[error("{program}: {reason}")]
    Refused {
        /// The daemon.
        program: &'static str,
        /// Its reason.
        reason: String,
    },
}

/// A connection to a daemon that runs.
#[derive(Debug)]
pub struct ControlClient {
    program: &'static str,
    stream: BufReader<UnixStream>,
    limit: Duration,
    greeting: Greeting,
}

impl ControlClient {
    /// Connects to the daemon of this run directory.
    pub fn connect(run_dir: &RunDir) -> Result<Self, ControlError> {
        let program = run_dir.program();
        let unreachable = |reason: String| ControlError::Unreachable { program, reason };
        let path = run_dir.control_socket();
        let shown = path.display();
        let stream = match UnixStream::connect(&path) {
            Ok(stream) => stream,
            Err(error) if is_absent(&error) => {
                return Err(match is_locked(&run_dir.pid_file()) {
                    Ok(false) => ControlError::NotRunning(program),
                    Ok(true) => unreachable(format!(
                        "it runs, but there is no {shown}: it is of an older version, or has only just started"
                    )),
                    Err(error) => unreachable(error.to_string()),
                });
            }
            Err(error) => return Err(unreachable(format!("cannot connect to {shown}: {error}"))),
        };
        let peer = peer_of(&stream).map_err(|error| unreachable(error.to_string()))?;
        if !is_trusted(run_dir, peer.uid) {
            return Err(unreachable(format!(
                "{shown} is served by user {}, who does not own the run directory",
                peer.uid
            )));
        }
        let mut client = Self {
            program,
            stream: BufReader::new(stream),
            limit: ANSWER_TIME,
            greeting: Greeting {
                version: 0,
                program: String::new(),
                build: String::new(),
            },
        };
        client.set_limit(ANSWER_TIME)?;
        client.write(&Hello { version: VERSION })?;
        client.greeting = client.read()?;
        let (version, build) = (client.greeting.version, &client.greeting.build);
        if version != VERSION {
            return Err(unreachable(format!(
                "it is of version {build} and speaks control version {version}, this program {VERSION}"
            )));
        }
        Ok(client)
    }

    /// What the daemon says of itself.
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Asks for something, and waits for the report.
    pub fn ask(&mut self, request: &Request) -> Result<Report, ControlError> {
        self.write(request)?;
        match self.read()? {
            Report::Failed { reason } => Err(ControlError::Refused {
                program: self.program,
                reason,
            }),
            report => Ok(report),
        }
    }

    /// The settings of the parent, and what the settings file would change of them.
    pub fn settings(&mut self) -> Result<SettingsReport, ControlError> {
        match self.ask(&Request::Settings)? {
            Report::Settings(report) => Ok(report),
            _ => Err(self.unexpected()),
        }
    }

    /// Makes the daemon read its files again. Returns what came of it, for people.
    pub fn reload(&mut self, force: bool) -> Result<String, ControlError> {
        self.set_limit(RELOAD_TIME)?;
        let report = self.ask(&Request::Reload { force });
        self.set_limit(ANSWER_TIME)?;
        match report? {
            Report::Reloaded { summary } => Ok(summary),
            _ => Err(self.unexpected()),
        }
    }

    /// Asks a child, by its number from 1.
    pub fn ask_child(&mut self, child: u32, question: Question) -> Result<Answer, ControlError> {
        // The parent ends it sooner.
        let time = ANSWER_TIME.max(Duration::from_millis(question.answer_ms() + 5_000));
        let set = self.stream.get_ref().set_read_timeout(Some(time));
        set.map_err(|error| self.failed(&error))?;
        match self.ask(&Request::Ask { child, question })? {
            Report::Answer { answer } => Ok(answer),
            _ => Err(self.unexpected()),
        }
    }

    /// The daemon's report is none that belongs to the request.
    pub fn unexpected(&self) -> ControlError {
        ControlError::Unreachable {
            program: self.program,
            reason: "its report does not belong to the request".to_owned(),
        }
    }

    /// From now on the daemon has this much time for an answer.
    fn set_limit(&mut self, limit: Duration) -> Result<(), ControlError> {
        self.limit = limit;
        let stream = self.stream.get_ref();
        stream
            .set_read_timeout(Some(limit))
            .and_then(|()| stream.set_write_timeout(Some(limit)))
            .map_err(|error| self.failed(&error))
    }

    fn write(&mut self, message: &impl Serialize) -> Result<(), ControlError> {
        let line = Zeroizing::new(encode_line(message));
        match self.stream.get_mut().write_all(&line) {
            // Whoever refuses us has said why before it closed.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(self.failed(&error)),
            _ => Ok(()),
        }
    }

    fn read<T: DeserializeOwned>(&mut self) -> Result<T, ControlError> {
        let mut line = Vec::new();
        let mut limited = self.stream.by_ref().take(MAX_LINE_BYTES);
        let read = limited.read_until(b'\n', &mut line);
        read.map_err(|error| self.failed(&error))?;
        serde_json::from_slice(&line).map_err(|error| ControlError::Unreachable {
            program: self.program,
            reason: match line.is_empty() {
                true => "it has closed the connection".to_owned(),
                false => format!("its answer cannot be understood: {error}"),
            },
        })
    }

    fn failed(&self, error: &io::Error) -> ControlError {
        let program = self.program;
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ControlError::Silent {
                program,
                limit_s: self.limit.as_secs(),
            },
            _ => ControlError::Unreachable {
                program,
                reason: error.to_string(),
            },
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

/// Whether a process of this user may be the daemon. A compromised child can put a socket of its own there.
fn is_trusted(run_dir: &RunDir, uid: u32) -> bool {
    let owner = fs::metadata(run_dir.path()).map(|found| found.uid());
    uid == 0 || uid == geteuid().as_raw() || owner.is_ok_and(|owner| owner == uid)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// What a tool is told by a daemon that answers this to the first two lines, and closes.
    fn told(answers: &'static [&str]) -> ControlError {
        let directory = tempfile::tempdir().unwrap();
        let run_dir = RunDir::new(directory.path(), "chat-x");
        let listener = UnixListener::bind(run_dir.control_socket()).unwrap();
        let daemon = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for answer in answers {
                lines.next().unwrap().unwrap();
                (&stream).write_all(answer.as_bytes()).unwrap();
            }
            // So that what was asked is not left unread.
            lines.next();
        });
        let connected = ControlClient::connect(&run_dir);
        let error = connected.and_then(|mut client| client.ask(&Request::Status));
        daemon.join().unwrap();
        error.unwrap_err()
    }

    const GREETING: &str = "{\"version\":2,\"program\":\"chat-x\",\"build\":\"0\"}\n";

    #[test]
    fn end_without_answer_is_error() {
        let error = told(&[GREETING]).to_string();
        assert_eq!(
            error,
            "chat-x cannot be asked: it has closed the connection"
        );
    }

    #[test]
    fn other_version_names_both() {
        let error = told(&["{\"version\":1,\"program\":\"chat-x\",\"build\":\"0.1\"}\n"]);
        let expected = "chat-x cannot be asked: it is of version 0.1 and speaks control version 1, this program 2";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn refusal_has_reason_of_daemon() {
        let error = told(&[GREETING, "{\"report\":\"failed\",\"reason\":\"no\"}\n"]);
        assert_eq!(error.to_string(), "chat-x: no");
    }
}

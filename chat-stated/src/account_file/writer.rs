//! A thread for all that is done with the account file, so that the loop never waits for the disk.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use thiserror::Error;

use super::accepted;
use super::append::{AppendError, append};
use super::create::{CreateError, create_with};
use super::format::{ParsedAccounts, parse};
use super::names_in_file::{FileVersion, NamesInFile};
use super::read::{MAX_FILE_BYTES, ReadError, read};
use crate::exposure::{OnExposure, close_to_others};

/// Lines that may wait to be written, in bytes.
pub const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// What came of requests.
#[derive(Debug)]
pub enum FileOutcome {
    /// These lines are in the file and on disk.
    Appended {
        /// As submitted, in that order.
        tickets: Vec<u64>,
    },
    /// None of these lines is in the file, because there is no file.
    Missing {
        /// As submitted, in that order.
        tickets: Vec<u64>,
    },
    /// None of these lines is surely in the file.
    Failed {
        /// As submitted, in that order.
        tickets: Vec<u64>,
        /// Why.
        error: AppendError,
    },
    /// The end of looking for a name.
    Looked {
        /// As submitted.
        ticket: u64,
        /// Whether the file has a line of that name which nobody has taken in yet, or why that is not known.
        result: Result<bool, ReadError>,
    },
    /// The end of making a new file.
    Created {
        /// As submitted.
        ticket: u64,
        /// The file is there and on disk, or why not.
        result: Result<(), CreateError>,
    },
    /// The end of reading the file.
    Read {
        /// As submitted.
        ticket: u64,
        /// What it says, or why that is not known.
        result: Result<AccountFileContent, ReadError>,
    },
}

/// What an account file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFileContent {
    /// Its accounts.
    pub parsed: ParsedAccounts,
    /// An operator has said that it is meant as it is, whatever it takes away.
    pub is_accepted: bool,
}

/// As much waits to be written as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many lines wait to be written to the account file")]
pub struct WriterFull;

/// Takes outcomes. Called from the writer's thread; must not block.
pub type FileSink = Box<dyn FnMut(FileOutcome) + Send>;

/// Does what is asked of it in the order in which it was asked; lines that wait together are appended together.
/// Dropped, it finishes what was asked.
pub struct AccountFileWriter {
    requests: Option<Sender<Request>>,
    waiting_bytes: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

enum Request {
    Append {
        ticket: u64,
        lines: String,
    },
    Create {
        ticket: u64,
        lines: String,
    },
    Look {
        ticket: u64,
        name: String,
        was_taken_in: bool,
    },
    Read {
        ticket: u64,
    },
}

impl AccountFileWriter {
    /// Starts the thread. Fails where the system gives none. `on_exposure` is what becomes of a file that others can get at
    /// when it is to be read.
    pub fn start(path: PathBuf, on_exposure: OnExposure, sink: FileSink) -> io::Result<Self> {
        let (sender, requests) = mpsc::channel();
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let thread = Thread {
            path,
            on_exposure,
            requests,
            waiting_bytes: Arc::clone(&waiting_bytes),
            names: NamesInFile::default(),
            sink,
        };
        let builder = thread::Builder::new().name("account-file".to_owned());
        Ok(Self {
            requests: Some(sender),
            waiting_bytes,
            thread: Some(builder.spawn(move || thread.run())?),
        })
    }

    /// Appends whole lines. Answered by `Appended`, `Missing` or `Failed`.
    pub fn append(&self, ticket: u64, lines: String) -> Result<(), WriterFull> {
        // However much it is, it may go alone: a first start may have a million accounts to write.
        let bytes = lines.len();
        let reserve = |waiting: usize| {
            let sum = waiting.saturating_add(bytes);
            (waiting == 0 || sum <= MAX_WAITING_BYTES).then_some(sum)
        };
        self.waiting_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve)
            .map_err(|_| WriterFull)?;
        self.submit(Request::Append { ticket, lines });
        Ok(())
    }

    /// Makes a new file of whole lines where there is none. Answered by `Created`.
    pub fn create(&self, ticket: u64, lines: String) {
        self.submit(Request::Create { ticket, lines });
    }

    /// Looks whether a name stands in the file that is not in the state. `was_taken_in` says whether the state has all
    /// that was read last. Answered by `Looked`.
    pub fn look(&self, ticket: u64, name: String, was_taken_in: bool) {
        self.submit(Request::Look {
            ticket,
            name,
            was_taken_in,
        });
    }

    /// Reads the file, after everything asked before has been done. Answered by `Read`.
    pub fn read(&self, ticket: u64) {
        self.submit(Request::Read { ticket });
    }

    fn submit(&self, request: Request) {
        let sent = self
            .requests
            .as_ref()
            .is_some_and(|requests| requests.send(request).is_ok());
        assert!(
            sent,
            "the thread of the account file ends only when its writer is dropped"
        );
    }
}

impl Drop for AccountFileWriter {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread of the account file had panicked");
        }
    }
}

struct Thread {
    path: PathBuf,
    on_exposure: OnExposure,
    requests: Receiver<Request>,
    waiting_bytes: Arc<AtomicUsize>,
    names: NamesInFile,
    sink: FileSink,
}

impl Thread {
    fn run(mut self) {
        let mut next = None;
        while let Some(request) = next.take().or_else(|| self.requests.recv().ok()) {
            let outcome = match request {
                Request::Append { ticket, lines } => {
                    let tickets = vec![ticket];
                    let (tickets, lines, other) = self.batch(tickets, lines);
                    next = other;
                    let outcome = self.append_batch(tickets, &lines);
                    self.waiting_bytes.fetch_sub(lines.len(), Ordering::Relaxed);
                    outcome
                }
                Request::Create { ticket, lines } => {
                    let result = create_with(&self.path, lines.as_bytes());
                    if result.is_ok() {
                        self.names.was_read(FileVersion::of(&self.path));
                    }
                    FileOutcome::Created { ticket, result }
                }
                Request::Look {
                    ticket,
                    name,
                    was_taken_in,
                } => FileOutcome::Looked {
                    ticket,
                    result: self.names.has(&self.path, &name, was_taken_in),
                },
                Request::Read { ticket } => FileOutcome::Read {
                    ticket,
                    result: self.read_content(),
                },
            };
            (self.sink)(outcome);
        }
    }

    /// Adds what else waits, up to the first request of another kind.
    fn batch(
        &self,
        mut tickets: Vec<u64>,
        mut lines: String,
    ) -> (Vec<u64>, String, Option<Request>) {
        for request in self.requests.try_iter() {
            match request {
                Request::Append {
                    ticket,
                    lines: more,
                } => {
                    tickets.push(ticket);
                    lines.push_str(&more);
                }
                other => return (tickets, lines, Some(other)),
            }
        }
        (tickets, lines, None)
    }

    fn append_batch(&mut self, tickets: Vec<u64>, lines: &str) -> FileOutcome {
        match append(&self.path, lines.as_bytes()) {
            Ok(appended) => {
                self.names.appended(&appended);
                FileOutcome::Appended { tickets }
            }
            Err(AppendError::Missing(_)) => FileOutcome::Missing { tickets },
            Err(error) => FileOutcome::Failed { tickets, error },
        }
    }

    fn read_content(&mut self) -> Result<AccountFileContent, ReadError> {
        close_to_others(&self.path, self.on_exposure).map_err(ReadError::Exposed)?;
        let version = FileVersion::of(&self.path);
        let file = read(&self.path, MAX_FILE_BYTES)?;
        self.names.was_read(version);
        Ok(AccountFileContent {
            parsed: parse(&file.bytes),
            is_accepted: accepted::take(&self.path, &file.bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use tempfile::TempDir;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);
    const SHA1: &str = "53649f6e45138ef119c955d04bf042562f6e2946";

    struct Fixture {
        writer: AccountFileWriter,
        outcomes: Receiver<FileOutcome>,
        path: PathBuf,
        _directory: TempDir,
    }

    impl Fixture {
        /// Where `held` is given, the thread stops in its first outcome until the sender is dropped.
        fn start(content: Option<&str>, held: Option<Receiver<()>>) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("user_pass.txt");
            if let Some(content) = content {
                fs::write(&path, content).unwrap();
            }
            let (sender, outcomes) = mpsc::channel();
            let mut held = held;
            let sink = move |outcome| {
                sender.send(outcome).unwrap_or_default();
                if let Some(held) = held.take() {
                    assert!(held.recv().is_err());
                }
            };
            let writer =
                AccountFileWriter::start(path.clone(), OnExposure::Close, Box::new(sink)).unwrap();
            Self {
                writer,
                outcomes,
                path,
                _directory: directory,
            }
        }

        fn append(&self, ticket: u64) {
            self.writer
                .append(ticket, format!("u{ticket},{SHA1}\n"))
                .unwrap();
        }

        fn next(&self) -> FileOutcome {
            self.outcomes.recv_timeout(PATIENCE).unwrap()
        }
    }

    fn lines(tickets: impl IntoIterator<Item = u64>) -> String {
        tickets
            .into_iter()
            .map(|ticket| format!("u{ticket},{SHA1}\n"))
            .collect()
    }

    #[test]
    fn what_waits_is_written_together_and_in_order() {
        let (release, held) = mpsc::channel();
        let fixture = Fixture::start(Some(""), Some(held));
        fixture.append(1);
        let first = fixture.next();
        assert!(
            matches!(&first, FileOutcome::Appended { tickets } if *tickets == [1]),
            "{first:?}"
        );
        for ticket in 2..=100 {
            fixture.append(ticket);
        }
        fixture.writer.read(101);
        fixture.append(102);
        drop(release);
        let batch = fixture.next();
        let expected: Vec<u64> = (2..=100).collect();
        assert!(
            matches!(&batch, FileOutcome::Appended { tickets } if *tickets == expected),
            "{batch:?}"
        );
        // Read after what was asked before, and before what was asked later.
        let FileOutcome::Read {
            ticket: 101,
            result: Ok(content),
        } = fixture.next()
        else {
            panic!("not read");
        };
        assert_eq!(content.parsed.accounts.len(), 100);
        assert!(matches!(fixture.next(), FileOutcome::Appended { .. }));
        assert_eq!(
            fs::read_to_string(&fixture.path).unwrap(),
            lines(1..=100) + &lines([102])
        );
    }

    #[test]
    fn a_missing_file_is_told_and_can_be_made() {
        let fixture = Fixture::start(None, None);
        fixture.append(1);
        let outcome = fixture.next();
        assert!(
            matches!(&outcome, FileOutcome::Missing { tickets } if *tickets == [1]),
            "{outcome:?}"
        );
        fixture.writer.read(2);
        let outcome = fixture.next();
        let missing = FileOutcome::Read {
            ticket: 2,
            result: Err(ReadError::Missing(fixture.path.clone())),
        };
        assert_eq!(format!("{outcome:?}"), format!("{missing:?}"));
        for (ticket, made) in [(3, true), (4, false)] {
            fixture.writer.create(ticket, lines([ticket]));
            let outcome = fixture.next();
            let FileOutcome::Created { ticket: of, result } = outcome else {
                panic!("{outcome:?}");
            };
            assert_eq!((of, result.is_ok()), (ticket, made));
        }
        assert_eq!(fs::read_to_string(&fixture.path).unwrap(), lines([3]));
    }

    #[test]
    fn a_failure_says_whose_lines_are_not_there() {
        let fixture = Fixture::start(None, None);
        fs::create_dir(&fixture.path).unwrap();
        fixture.append(7);
        let outcome = fixture.next();
        assert!(
            matches!(&outcome, FileOutcome::Failed { tickets, .. } if *tickets == [7]),
            "{outcome:?}"
        );
    }

    #[test]
    fn a_pipe_in_its_place_is_refused_and_holds_nobody_up() {
        let fixture = Fixture::start(None, None);
        mkfifo(&fixture.path, Mode::S_IRWXU).unwrap();
        let others_may = Permissions::from_mode(0o644);
        fs::set_permissions(&fixture.path, others_may).unwrap();
        fixture.writer.read(1);
        fixture.append(2);
        let outcome = fixture.next();
        let refused = FileOutcome::Read {
            ticket: 1,
            result: Err(ReadError::NotAFile(fixture.path.clone())),
        };
        assert_eq!(format!("{outcome:?}"), format!("{refused:?}"));
        let outcome = fixture.next();
        assert!(
            matches!(&outcome, FileOutcome::Failed { tickets, .. } if *tickets == [2]),
            "{outcome:?}"
        );
        let mode = fixture.path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o644);
    }

    #[test]
    fn dropped_it_finishes_what_was_asked() {
        let (release, held) = mpsc::channel();
        let fixture = Fixture::start(Some(""), Some(held));
        for ticket in 1..=50 {
            fixture.append(ticket);
        }
        drop(release);
        drop(fixture.writer);
        assert_eq!(fs::read_to_string(&fixture.path).unwrap(), lines(1..=50));
    }

    #[test]
    fn what_may_wait_is_bounded() {
        let (release, held) = mpsc::channel();
        let fixture = Fixture::start(Some(""), Some(held));
        fixture.append(1);
        fixture.next();
        let comment = |bytes: usize| format!("#{}\n", "x".repeat(bytes - 2));
        // Alone, it may be of any length; it waits, for the thread is held.
        fixture
            .writer
            .append(2, comment(MAX_WAITING_BYTES + 10))
            .unwrap();
        assert_eq!(fixture.writer.append(3, comment(10)), Err(WriterFull));
        drop(release);
        assert!(matches!(fixture.next(), FileOutcome::Appended { .. }));
        fixture.append(4);
        assert!(matches!(fixture.next(), FileOutcome::Appended { .. }));
    }
}

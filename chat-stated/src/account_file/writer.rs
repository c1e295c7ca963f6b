//! The I/O thread of the account file.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;

use thiserror::Error;

use super::accepted;
use super::append::{AppendError, append};
use super::create::{CreateError, create_with};
use super::disable::{DisabledAccount, disable};
use super::format::{ParsedAccounts, parse};
use super::names_in_file::{FileVersion, NamesInFile};
use super::read::{MAX_FILE_BYTES, ReadError, read};
use crate::insecure_permissions::{OnInsecurePermissions, close_to_others};
use crate::io_thread::{CompletionSink, IoThread};

/// Lines that may wait to be written, in bytes.
pub const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// What is to be done with the account file. A ticket names the request in its outcome.
#[derive(Debug)]
pub enum FileRequest {
    /// Append whole lines. Answered by `Appended`, `Missing` or `Failed`.
    Append {
        /// Names the lines.
        ticket: u64,
        /// Each ends with a line feed.
        lines: String,
    },
    /// Make a new file of whole lines where there is none. Answered by `Created`.
    Create {
        /// Names the request.
        ticket: u64,
        /// Each ends with a line feed.
        lines: String,
    },
    /// Make comments of the lines of some accounts. Answered by `Disabled`.
    Disable {
        /// Names the request.
        ticket: u64,
        /// The accounts.
        accounts: Vec<DisabledAccount>,
    },
    /// Look whether a name stands in the file that is not in the state. Answered by `Looked`.
    Look {
        /// Names the request.
        ticket: u64,
        /// The account's name.
        name: String,
        /// The state has everything that the file said when it was last read.
        was_taken_in: bool,
    },
    /// Read the file. Answered by `Read`.
    Read {
        /// Names the request.
        ticket: u64,
    },
}

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
    /// The end of disabling accounts.
    Disabled {
        /// As submitted.
        ticket: u64,
        /// The file has no line of them, on disk, or why that is not sure.
        result: Result<(), AppendError>,
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

/// More lines would wait than [`MAX_WAITING_BYTES`]. Nothing is done with those of this ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many lines wait to be written to the account file")]
pub struct WriterFull {
    /// Of the request that was refused.
    pub ticket: u64,
}

/// Serves requests in their order. Lines that wait together are appended together. Drop waits until all requests are
/// served.
pub struct AccountFileWriter {
    waiting_bytes: Arc<AtomicUsize>,
    thread: IoThread<FileRequest>,
}

impl AccountFileWriter {
    /// Starts the I/O thread. `on_insecure_permissions` says what to do about permissions that let others at the file.
    pub fn start(
        path: PathBuf,
        on_insecure_permissions: OnInsecurePermissions,
        sink: CompletionSink<FileOutcome>,
    ) -> io::Result<Self> {
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let of_thread = Arc::clone(&waiting_bytes);
        let thread = IoThread::start("account-file", move |requests| {
            let thread = Thread {
                path,
                on_insecure_permissions,
                requests,
                waiting_bytes: of_thread,
                names: NamesInFile::default(),
                sink,
            };
            thread.run();
        })?;
        Ok(Self {
            waiting_bytes,
            thread,
        })
    }

    /// Queues a request. Only `Append` can be refused.
    pub fn submit(&self, request: FileRequest) -> Result<(), WriterFull> {
        if let FileRequest::Append { ticket, lines } = &request {
            self.reserve(lines.len())
                .ok_or(WriterFull { ticket: *ticket })?;
        }
        self.thread.send(request);
        Ok(())
    }

    /// However many bytes they are, lines may wait alone: a first start may have a million accounts to write.
    fn reserve(&self, bytes: usize) -> Option<usize> {
        let reserve = |waiting: usize| {
            let sum = waiting.saturating_add(bytes);
            (waiting == 0 || sum <= MAX_WAITING_BYTES).then_some(sum)
        };
        self.waiting_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve)
            .ok()
    }
}

struct Thread {
    path: PathBuf,
    on_insecure_permissions: OnInsecurePermissions,
    requests: Receiver<FileRequest>,
    waiting_bytes: Arc<AtomicUsize>,
    names: NamesInFile,
    sink: CompletionSink<FileOutcome>,
}

impl Thread {
    fn run(mut self) {
        let mut next = None;
        while let Some(request) = next.take().or_else(|| self.requests.recv().ok()) {
            let outcome = match request {
                FileRequest::Append { ticket, lines } => {
                    let tickets = vec![ticket];
                    let (tickets, lines, other) = self.batch(tickets, lines);
                    next = other;
                    let outcome = self.append_batch(tickets, &lines);
                    self.waiting_bytes.fetch_sub(lines.len(), Ordering::Relaxed);
                    outcome
                }
                FileRequest::Create { ticket, lines } => {
                    let result = create_with(&self.path, lines.as_bytes());
                    if result.is_ok() {
                        self.names.was_read(FileVersion::of(&self.path));
                    }
                    FileOutcome::Created { ticket, result }
                }
                FileRequest::Disable { ticket, accounts } => FileOutcome::Disabled {
                    ticket,
                    result: self.disable(&accounts),
                },
                FileRequest::Look {
                    ticket,
                    name,
                    was_taken_in,
                } => FileOutcome::Looked {
                    ticket,
                    result: self.names.has(&self.path, &name, was_taken_in),
                },
                FileRequest::Read { ticket } => FileOutcome::Read {
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
    ) -> (Vec<u64>, String, Option<FileRequest>) {
        for request in self.requests.try_iter() {
            match request {
                FileRequest::Append {
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

    fn disable(&mut self, accounts: &[DisabledAccount]) -> Result<(), AppendError> {
        let changed = disable(&self.path, accounts)?;
        self.names.appended(&changed);
        Ok(())
    }

    fn read_content(&mut self) -> Result<AccountFileContent, ReadError> {
        close_to_others(&self.path, self.on_insecure_permissions).map_err(ReadError::Exposed)?;
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
    use std::sync::mpsc;
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
            let writer = AccountFileWriter::start(
                path.clone(),
                OnInsecurePermissions::Close,
                Box::new(sink),
            )
            .unwrap();
            Self {
                writer,
                outcomes,
                path,
                _directory: directory,
            }
        }

        fn append(&self, ticket: u64) {
            self.append_lines(ticket, format!("u{ticket},{SHA1}\n"))
                .unwrap();
        }

        fn append_lines(&self, ticket: u64, lines: String) -> Result<(), WriterFull> {
            self.writer.submit(FileRequest::Append { ticket, lines })
        }

        fn read(&self, ticket: u64) {
            self.writer.submit(FileRequest::Read { ticket }).unwrap();
        }

        fn create(&self, ticket: u64, lines: String) {
            let request = FileRequest::Create { ticket, lines };
            self.writer.submit(request).unwrap();
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
    fn waiting_lines_are_written_together() {
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
        fixture.read(101);
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
    fn missing_file_is_reported_and_created() {
        let fixture = Fixture::start(None, None);
        fixture.append(1);
        let outcome = fixture.next();
        assert!(
            matches!(&outcome, FileOutcome::Missing { tickets } if *tickets == [1]),
            "{outcome:?}"
        );
        fixture.read(2);
        let outcome = fixture.next();
        let missing = FileOutcome::Read {
            ticket: 2,
            result: Err(ReadError::Missing(fixture.path.clone())),
        };
        assert_eq!(format!("{outcome:?}"), format!("{missing:?}"));
        for (ticket, made) in [(3, true), (4, false)] {
            fixture.create(ticket, lines([ticket]));
            let outcome = fixture.next();
            let FileOutcome::Created { ticket: of, result } = outcome else {
                panic!("{outcome:?}");
            };
            assert_eq!((of, result.is_ok()), (ticket, made));
        }
        assert_eq!(fs::read_to_string(&fixture.path).unwrap(), lines([3]));
    }

    #[test]
    fn failure_says_whose_lines_are_not_there() {
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
    fn pipe_is_refused_without_blocking() {
        let fixture = Fixture::start(None, None);
        mkfifo(&fixture.path, Mode::S_IRWXU).unwrap();
        let others_may = Permissions::from_mode(0o644);
        fs::set_permissions(&fixture.path, others_may).unwrap();
        fixture.read(1);
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
            .append_lines(2, comment(MAX_WAITING_BYTES + 10))
            .unwrap();
        let refused = WriterFull { ticket: 3 };
        assert_eq!(fixture.append_lines(3, comment(10)), Err(refused));
        drop(release);
        assert!(matches!(fixture.next(), FileOutcome::Appended { .. }));
        fixture.append(4);
        assert!(matches!(fixture.next(), FileOutcome::Appended { .. }));
    }
}

//! A fixed run of a few clients, what it was told, and whether the disk agrees with that.

use std::collections::HashSet;
use std::path::Path;

use chat_model::{MessageNumber, Outcome};

use chat_stated::account_file::difference::{FileStatus as InFile, KnownAccount, difference};
use chat_stated::account_file::format::parse;
use chat_stated::account_file::read::{MAX_FILE_BYTES, read};
use chat_stated::history::HistorySource;
use chat_stated::server::recovery::{Recovered, recover};
use chat_stated::state::{FileStatus, Reader, SliceLimits, State};
use chat_stated::text_page::Texts;

use crate::daemon::state_at_rest;
use crate::worker::{Ask, Gone, Reply, Worker};

/// Accounts that are there from the beginning.
pub(crate) const ACCOUNTS: [&str; 3] = ["alice", "bob", "dave"];
/// Registered in the run.
const NEW_ACCOUNT: &str = "carol";
const READER: &str = "bob";
const READER_AND_DAVE: &str = "bob dave";

const ALICE: u64 = 1;
const BOB: u64 = 2;
const CAROL: u64 = 3;
const DAVE: u64 = 4;

const ALL: SliceLimits = SliceLimits {
    messages: usize::MAX,
    text_bytes: usize::MAX,
    names_groups: false,
};

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing was answered: it may be there or not.
    Open,
    Accepted,
    Refused,
}

/// What the clients were told up to a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Messages to [`READER`], in the order in which they were sent.
    pub(crate) sent: Vec<(String, Fate)>,
    /// The reader has said that he has these.
    pub(crate) read: HashSet<String>,
    registered: bool,
}

/// Told of every answer, and of everything that is about to be asked.
pub(crate) type Observer<'a> = &'a mut dyn FnMut(&Told);

/// Logs in, registers, sends `rounds` times, reads some, logs out.
pub(crate) fn run(
    worker: &mut Worker<'_>,
    rounds: usize,
    told: &mut Told,
    observe: Observer<'_>,
) -> Result<(), Gone> {
    let reply = worker.ask(ALICE, Ask::LogIn("alice", "x"))?;
    expect(&reply, &[Outcome::LoggedIn, Outcome::DiskFull]);
    let reply = worker.ask(CAROL, Ask::Register(NEW_ACCOUNT))?;
    expect(&reply, &[Outcome::Registered, Outcome::DiskFull]);
    told.registered = reply.is(&Outcome::Registered);
    observe(told);
    log_in_at_last(worker, ALICE, "alice")?;
    log_in_at_last(worker, BOB, READER)?;
    for round in 0..rounds {
        if round % 5 == 4 {
            read_queue(worker, told, observe)?;
            let wrong = worker.ask(DAVE, Ask::LogIn("dave", "wrong"))?;
            let is_wrong = wrong.answer.starts_with("PasswordNeeded")
                || wrong.answer.starts_with("Locked")
                || wrong.is(&Outcome::DiskFull);
            assert!(is_wrong, "{}", wrong.answer);
        }
        send(worker, round, told, observe)?;
    }
    for (client, name) in [(ALICE, "alice"), (BOB, READER)] {
        let reply = worker.ask(client, Ask::LogOut)?;
        expect(&reply, &[Outcome::LoggedOut]);
        let _ = name;
    }
    Ok(())
}

fn expect(reply: &Reply, answers: &[Outcome<'_>]) {
    assert!(
        answers.iter().any(|answer| reply.is(answer)),
        "answered {}",
        reply.answer
    );
}

/// A disk that is full for a moment may refuse once.
fn log_in_at_last(worker: &mut Worker<'_>, client: u64, name: &'static str) -> Result<(), Gone> {
    let reply = worker.ask(client, Ask::LogIn(name, "x"))?;
    if reply.is(&Outcome::LoggedIn) || reply.is(&Outcome::Refused) && client == ALICE {
        return Ok(());
    }
    expect(&reply, &[Outcome::DiskFull]);
    let reply = worker.ask(client, Ask::LogIn(name, "x"))?;
    if reply.is(&Outcome::DiskFull) {
        Err(Gone)
    } else {
        Ok(())
    }
}

fn send(
    worker: &mut Worker<'_>,
    round: usize,
    told: &mut Told,
    observe: Observer<'_>,
) -> Result<(), Gone> {
    let text = |part: usize| format!("message {round}.{part} {}", "x".repeat(round * 37 % 600));
    let asks: Vec<Ask> = match round % 3 {
        0 => vec![Ask::Send(READER, text(0))],
        1 => vec![Ask::Broadcast(text(0))],
        _ => (0..4)
            .map(|part| Ask::Send(READER_AND_DAVE, text(part)))
            .collect(),
    };
    let first = told.sent.len();
    for ask in &asks {
        if let Ask::Send(_, text) | Ask::Broadcast(text) = ask {
            told.sent.push((text.clone(), Fate::Open));
        }
    }
    observe(told);
    let replies = worker.ask_all(ALICE, asks)?;
    for (index, reply) in replies.iter().enumerate() {
        told.sent[first + index].1 = if reply.is_sent() {
            Fate::Accepted
        } else {
            expect(reply, &[Outcome::DiskFull]);
            Fate::Refused
        };
    }
    observe(told);
    Ok(())
}

fn is_broadcast(text: &str) -> bool {
    let round = text.split([' ', '.']).nth(1);
    round
        .and_then(|round| round.parse::<usize>().ok())
        .is_some_and(|round| round % 3 == 1)
}

fn read_queue(worker: &mut Worker<'_>, told: &mut Told, observe: Observer<'_>) -> Result<(), Gone> {
    let reply = worker.ask(BOB, Ask::Fetch)?;
    expect(&reply, &[Outcome::Done]);
    told.check_queue(reply.messages.iter().map(|(_, text)| &text[..]));
    // Whatever was in front of the last is read, too.
    if let Some((number, last)) = reply.messages.last() {
        let end = told.sent.iter().position(|(text, _)| text == last).unwrap();
        let read: Vec<String> = told.sent[..=end]
            .iter()
            .map(|(text, _)| text.clone())
            .collect();
        told.read.extend(read);
        worker.has_read(BOB, *number);
        observe(told);
    }
    Ok(())
}

impl Told {
    /// Whether a queue has what it must have, once and in order.
    pub(crate) fn check_queue<'a>(&self, queue: impl Iterator<Item = &'a str>) {
        let mut next = 0;
        for found in queue {
            let place = self.sent.iter().position(|(text, _)| text == found);
            let place = place.unwrap_or_else(|| panic!("never sent: {found:?}"));
            assert!(place >= next, "twice, or out of order: {found:?}");
            assert_ne!(self.sent[place].1, Fate::Refused, "was refused: {found:?}");
            self.expect_no_loss(&self.sent[next..place]);
            next = place + 1;
        }
        self.expect_no_loss(&self.sent[next..]);
    }

    /// Texts to users and groups that were accepted.
    pub(crate) fn accepted_of_people(&self) -> impl Iterator<Item = &str> {
        let accepted = self.sent.iter().filter(|(_, fate)| *fate == Fate::Accepted);
        let texts = accepted.map(|(text, _)| text.as_str());
        texts.filter(|text| !is_broadcast(text))
    }

    fn expect_no_loss(&self, missing: &[(String, Fate)]) {
        for (text, fate) in missing {
            let may_be_missing = *fate != Fate::Accepted || self.read.contains(text);
            assert!(may_be_missing, "lost: {text:?}");
        }
    }

    /// Recovers what is in a run directory as the daemon would, and compares it with what was told.
    pub(crate) fn check_disk(&self, run_dir: &Path) {
        let state_dir = run_dir.join("state");
        let _lock = state_at_rest(&state_dir);
        let (state, texts) = recover_all(&state_dir, 0).unwrap_or_else(|error| panic!("{error:#}"));
        self.check_state(&state, &texts);
        self.check_accounts(run_dir, &state);
    }

    /// Recovers the history as the daemon would, and compares it with what was told.
    pub(crate) fn check_history(&self, run_dir: &Path) {
        let state_dir = run_dir.join("state");
        let _lock = state_at_rest(&state_dir);
        let Recovered { history, .. } =
            recover(&state_dir, 0).unwrap_or_else(|error| panic!("{error:#}"));
        let (store, start) = history.begin(true);
        assert_eq!((start.failure, start.gap), (None, None));
        // What the journal has and the history lacks is written first.
        store.unwrap().append(None, &start.kept).unwrap();
        let source = HistorySource::of_running(&state_dir).unwrap().unwrap();
        let mut texts = Vec::new();
        let read = source.read(|row| {
            texts.push(row.text.to_owned());
            Ok(())
        });
        assert_eq!(read.unwrap().1, None);
        self.check_kept(&texts);
    }

    /// Whether all that was accepted is there, once and in order.
    fn check_kept(&self, texts: &[String]) {
        let mut sent = self.sent.iter();
        for kept in texts {
            let found = sent.find(|(text, _)| text == kept);
            let (_, fate) = found.unwrap_or_else(|| panic!("never, twice, or late: {kept:?}"));
            assert_ne!(*fate, Fate::Refused, "was refused: {kept:?}");
            assert!(!is_broadcast(kept), "a broadcast was kept: {kept:?}");
        }
        let mut wanted = self.accepted_of_people();
        let lost = wanted.find(|wanted| !texts.iter().any(|text| text == wanted));
        assert_eq!(lost, None, "lost to the history");
    }

    /// Compares a state with what was told.
    pub(crate) fn check_state(&self, state: &State, texts: &Texts) {
        let Some((reader, _)) = state.account(READER) else {
            assert!(!self.registered && self.sent.is_empty(), "{READER} is gone");
            return;
        };
        let newest = state.last_message();
        let queue =
            state.read_queue_with(Reader::first(reader), MessageNumber(0), newest, ALL, texts);
        assert!(!queue.more, "a text is missing");
        self.check_queue(queue.messages.iter().map(|message| message.text));
        if self.registered {
            let (_, account) = state.account(NEW_ACCOUNT).expect("a registered account");
            assert!(account.secret.starts_with("$argon2id$") && !account.disabled);
        }
    }

    fn check_accounts(&self, run_dir: &Path, state: &State) {
        let file = read(&run_dir.join("user_pass.txt"), MAX_FILE_BYTES).unwrap();
        let in_file = parse(&file.bytes).accounts;
        let known: Vec<_> = state
            .records()
            .map(|(id, record)| KnownAccount {
                id,
                name: &record.name,
                secret: &record.secret,
                secret_version: record.secret_version,
                filed: match &record.filed {
                    FileStatus::Yes => InFile::Yes,
                    FileStatus::No { previous } => InFile::No {
                        previous: previous.as_deref(),
                    },
                },
                disabled: record.disabled,
                is_to_leave_file: record.is_to_leave_file(),
                gets_broadcasts: record.broadcasts_after.get().is_some(),
            })
            .collect();
        // Nobody but the daemon changed the file.
        if !known.is_empty() {
            assert_eq!(difference(&in_file, known).changes, []);
        }
        if self.registered {
            assert!(
                in_file.iter().any(|(name, _)| name == NEW_ACCOUNT),
                "not filed"
            );
        }
    }
}

/// The state in a directory, with no more than so many bytes of text in memory, and the other texts of the reader's
/// queue.
pub(crate) fn recover_all(
    state_dir: &Path,
    resident_text_bytes: u64,
) -> anyhow::Result<(State, Texts)> {
    let Recovered {
        state, checkpoint, ..
    } = recover(state_dir, resident_text_bytes)?;
    let Some((reader, _)) = state.account(READER) else {
        return Ok((state, Texts::new()));
    };
    let newest = state.last_message();
    let places = state.missing_texts(
        Reader::first(reader),
        MessageNumber(0),
        newest,
        ALL,
        usize::MAX,
    );
    let texts = checkpoint.reader()?.read_texts(&places)?;
    Ok((state, texts))
}

//! Keeping account file and state in step.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chat_model::Outcome;
use chat_node::control::protocol::Answer;
use chat_node::control::reload_result::{ReloadReport, ReloadResult};

use super::{Action, Core};
use crate::account_file::append::AppendError;
use crate::account_file::create::CreateError;
use crate::account_file::difference::{LineToRemove, MissingLine};
use crate::account_file::disable::DisabledAccount;
use crate::account_file::format;
use crate::account_file::read::ReadError;
use crate::account_file::writer::{AccountFileContent, FileRequest};
use crate::entry::{Entry, SecretInFile};
use crate::state::FileLine;
use chat_model::{AccountId, RequestName};

/// How often a line that could not be written is tried again, and how long in between.
const MAX_TRIES: u32 = 5;
const RETRY_MS: u64 = 1_000;

const NO_ROOM: &str =
    "the disk has no room for what the account file changes, which is taken in when there is some";

const NO_LINE: &str = "the account is changed, but its line could not be added to the account file (see the log): \
    the next scripts/reload or start adds it";

/// Lines on their way to the account file.
#[derive(Debug, Default)]
pub(super) struct AccountAppends {
    last_ticket: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// Accounts whose lines the file is to lose.
    removals: BTreeMap<u64, Removal>,
    /// The file is being made anew; these wait for that.
    creating: Option<(u64, Vec<u64>)>,
    /// The file was read once, and what followed from it is decided.
    was_read: bool,
    /// All that the file said then is in the state, or on its way there.
    was_taken_in: bool,
    /// The reading that an operator waits for.
    asked_for: Option<u64>,
    /// What is to be told of the last reading, and the batch that may have the last of what follows from it.
    report: Option<(u64, ReloadReport)>,
}

#[derive(Debug)]
struct Waiting {
    filed: Vec<SecretInFile>,
    /// To be told once the lines are on disk.
    then: Option<Then>,
    tries: u32,
    retry_at_ms: Option<u64>,
}

/// What lines that are on disk lead to.
#[derive(Debug)]
enum Then {
    /// A client's request has this outcome.
    Answer(RequestName, Outcome<'static>),
    /// The act that this question asked for is done.
    EndAct(u64),
}

#[derive(Debug)]
struct Removal {
    filed: Vec<SecretInFile>,
    /// The question that waits for it, and its answer.
    question: Option<(u64, Answer)>,
}

impl AccountAppends {
    /// Whether the file was taken in and lacks nothing.
    pub(super) fn is_settled(&self) -> bool {
        self.was_read && self.waiting.is_empty() && self.removals.is_empty()
    }

    /// Whether all that the file said last is in the state, or on its way there.
    pub(super) fn was_taken_in(&self) -> bool {
        self.was_taken_in
    }

    pub(super) fn next_retry_ms(&self) -> Option<u64> {
        self.waiting
            .values()
            .filter_map(|waiting| waiting.retry_at_ms)
            .min()
    }

    pub(super) fn on_their_way(&self) -> BTreeSet<(AccountId, u32)> {
        let removed = self.removals.values().flat_map(|removal| &removal.filed);
        let added = self.waiting.values().flat_map(|waiting| &waiting.filed);
        added
            .chain(removed)
            .map(|filed| (filed.account, filed.secret_version))
            .collect()
    }

    fn ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }
}

impl Core {
    /// Has the account file read, at the start and when there is room again for what it says.
    pub fn read_account_file(&mut self) -> u64 {
        let ticket = self.appends.ticket();
        self.actions
            .push(Action::File(FileRequest::Read { ticket }));
        ticket
    }

    /// Has the account file read because an operator wants it, who is told what came of it.
    pub fn reload_account_file(&mut self) {
        self.appends.asked_for = Some(self.read_account_file());
    }

    /// The account file was read, or could not be.
    pub fn account_file_read(
        &mut self,
        ticket: u64,
        result: Result<AccountFileContent, ReadError>,
    ) {
        self.appends.was_read = true;
        let (result, has_changes) = match self.take_account_file(result) {
            Ok(taken) => (taken.result(), true),
            Err(words) => (Err(words), false),
        };
        match &result {
            Ok(words) => log::info!("{words}"),
            Err(words) => log::error!("{words}"),
        }
        self.appends.was_taken_in = result.is_ok();
        let was_requested = self.appends.asked_for.take_if(|asked| *asked == ticket);
        self.report_reload(was_requested.is_some(), result, has_changes);
    }

    /// Tells it once all that waits now is decided; what has changed nothing waits for nothing.
    fn report_reload(&mut self, was_requested: bool, result: ReloadResult, has_changes: bool) {
        let untold = self.appends.report.take();
        let was_requested = was_requested || untold.is_some_and(|(_, it)| it.was_requested);
        let batch = match has_changes {
            true => self.batches.newest(),
            false => 0,
        };
        let report = ReloadReport {
            result,
            was_requested,
        };
        self.appends.report = Some((batch, report));
    }

    /// There was no room for what the account file has changed; it is read again when there is.
    pub(super) fn account_changes_found_no_room(&mut self) {
        self.report_reload(false, Err(NO_ROOM.to_owned()), false);
    }

    /// What came of the account file when it was last read, once what follows from it holds; told once. Where that
    /// waits for room on the disk, whoever asked is told so at once, and what came of it in the end is told as well.
    pub fn take_reload_report(&mut self) -> Option<ReloadReport> {
        let waits_for_room = self.batches.next_retry_ms().is_some();
        let (batch, report) = self.appends.report.as_mut()?;
        if !self.batches.is_undecided(*batch) {
            return self.appends.report.take().map(|(_, report)| report);
        }
        let was_requested = waits_for_room && std::mem::take(&mut report.was_requested);
        was_requested.then(|| ReloadReport {
            result: Err(NO_ROOM.to_owned()),
            was_requested,
        })
    }

    pub(super) fn append_missing(&mut self, missing: &[MissingLine]) {
        let lines = missing
            .iter()
            .map(|line| format::line(&line.name, &line.secret))
            .collect();
        let filed = missing.iter().map(|line| line.filed.clone()).collect();
        self.append(lines, filed, None);
    }

    /// Writes a line, and then tells a outcome.
    pub(super) fn file_line(
        &mut self,
        line: FileLine,
        request: RequestName,
        outcome: Outcome<'static>,
    ) {
        self.append_line(line, Then::Answer(request, outcome));
    }

    /// Writes a line, and then ends the act of an operator.
    pub(super) fn file_line_of_act(&mut self, line: FileLine, question: u64) {
        self.append_line(line, Then::EndAct(question));
    }

    fn append_line(&mut self, line: FileLine, then: Then) {
        let lines = format::line(&line.name, &line.secret);
        self.append(lines, vec![line.filed], Some(then));
    }

    fn append(&mut self, lines: String, filed: Vec<SecretInFile>, then: Option<Then>) {
        let ticket = self.appends.ticket();
        let waiting = Waiting {
            filed,
            then,
            tries: 0,
            retry_at_ms: None,
        };
        self.appends.waiting.insert(ticket, waiting);
        self.actions
            .push(Action::File(FileRequest::Append { ticket, lines }));
    }

    /// Takes accounts that are disabled out of the file.
    pub(super) fn remove_lines(
        &mut self,
        removals: Vec<LineToRemove>,
        question: Option<(u64, Answer)>,
    ) {
        let ticket = self.appends.ticket();
        let of_each = |it: LineToRemove| {
            let account = DisabledAccount {
                name: it.name,
                keeps_secret: it.keeps_secret,
            };
            (account, it.filed)
        };
        let (accounts, filed) = removals.into_iter().map(of_each).unzip();
        self.appends
            .removals
            .insert(ticket, Removal { filed, question });
        self.actions
            .push(Action::File(FileRequest::Disable { ticket, accounts }));
    }

    /// The lines of accounts are out of the file, or not.
    pub fn lines_removed(&mut self, ticket: u64, result: Result<(), AppendError>) {
        let Some(removal) = self.appends.removals.remove(&ticket) else {
            return;
        };
        let answer = match result {
            // A file that is not there has no line of them.
            Ok(()) | Err(AppendError::Missing(_)) => {
                self.batches.push(Entry::FileStatus(removal.filed));
                Ok(())
            }
            Err(error) => {
                log::error!("{error}");
                if let Some(cause) = error.no_room() {
                    self.disk_is_full(cause);
                }
                Err(format!(
                    "the account is disabled, but its line still stands in the account file: {error}; \
                     the next scripts/reload or start takes it out"
                ))
            }
        };
        if let Some((question, done)) = removal.question {
            self.end_act(question, answer.map(|()| done));
        }
    }

    /// These lines stand in the file.
    pub fn lines_appended(&mut self, tickets: &[u64]) {
        let mut filed = Vec::new();
        for ticket in tickets {
            let Some(waiting) = self.appends.waiting.remove(ticket) else {
                continue;
            };
            filed.extend(waiting.filed);
            match waiting.then {
                Some(Then::Answer(request, outcome)) => self.answer_request(request, outcome),
                Some(Then::EndAct(question)) => self.end_act(question, Ok(Answer::Done)),
                None => {}
            }
        }
        if !filed.is_empty() {
            self.batches.push(Entry::FileStatus(filed));
        }
    }

    /// These lines are not in the file: they are tried again, for a while.
    pub fn lines_not_appended(&mut self, tickets: &[u64], error: &AppendError) {
        log::error!("{error}");
        if let Some(cause) = error.no_room() {
            self.disk_is_full(cause);
        }
        for ticket in tickets {
            self.retry_line_later(*ticket);
        }
    }

    /// Too many lines wait for the file.
    pub fn lines_refused(&mut self, ticket: u64) {
        self.retry_line_later(ticket);
    }

    fn retry_line_later(&mut self, ticket: u64) {
        let Some(waiting) = self.appends.waiting.get_mut(&ticket) else {
            return;
        };
        waiting.tries += 1;
        let is_last_try = waiting.tries >= MAX_TRIES;
        if !is_last_try {
            waiting.retry_at_ms = Some(self.timestamp.boot_ms + RETRY_MS);
        }
        // A login does not hang on the file; who registers or changes a password is told that there was no room.
        let told = match &waiting.then {
            Some(Then::Answer(_, outcome)) if needs_line(outcome) && !is_last_try => None,
            Some(Then::EndAct(_)) if !is_last_try => None,
            _ => waiting.then.take(),
        };
        if is_last_try {
            log::error!(
                "gave up adding a line to the account file: the next scripts/reload or start adds it"
            );
            self.appends.waiting.remove(&ticket);
        }
        match told {
            Some(Then::Answer(request, outcome)) if needs_line(&outcome) => {
                self.answer_request(request, Outcome::DiskFull);
            }
            Some(Then::Answer(request, outcome)) => self.answer_request(request, outcome),
            Some(Then::EndAct(question)) => self.end_act(question, Err(NO_LINE.to_owned())),
            None => {}
        }
    }

    pub(super) fn retry_lines(&mut self) {
        let now_ms = self.timestamp.boot_ms;
        let is_due = |waiting: &Waiting| waiting.retry_at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        for (ticket, waiting) in &mut self.appends.waiting {
            if is_due(waiting) {
                waiting.retry_at_ms = None;
                // An older line must not come behind a newer one, or behind an end.
                let newest = waiting.filed.iter().filter_map(|it| self.state.line_of(it));
                self.actions.push(Action::File(FileRequest::Append {
                    ticket: *ticket,
                    lines: newest
                        .map(|(name, secret)| format::line(name, secret))
                        .collect(),
                }));
            }
        }
    }

    /// There is no account file: makes one of all accounts that are not disabled.
    pub fn account_file_missing(&mut self, tickets: Vec<u64>) {
        if let Some((_, waiting)) = &mut self.appends.creating {
            waiting.extend(tickets);
            return;
        }
        let is_first = self.state.account_count() <= tickets.len();
        if is_first {
            log::info!("making the account file");
        } else {
            log::error!("the account file is gone; writing a new one with every account");
        }
        let mut lines = String::new();
        for (_, record) in self.state.records().filter(|(_, record)| !record.disabled) {
            // Writing to a string cannot fail.
            let _ = write!(lines, "{}", format::line(&record.name, &record.secret));
        }
        let ticket = self.appends.ticket();
        self.appends.creating = Some((ticket, tickets));
        self.actions
            .push(Action::File(FileRequest::Create { ticket, lines }));
    }

    /// The end of making a new account file.
    pub fn account_file_created(&mut self, result: Result<(), CreateError>) {
        let Some((_, tickets)) = self.appends.creating.take() else {
            return;
        };
        if let Err(error) = result {
            log::error!("{error}");
            // At once would be again and again for as long as whatever is in the way stays there.
            for ticket in tickets {
                self.retry_line_later(ticket);
            }
            return;
        }
        // It need not be missed any more.
        let said = "account file: made anew, with every account".to_owned();
        self.appends.was_taken_in = true;
        self.report_reload(false, Ok(said), true);
        // Lines whose accounts came after the file was put together are not in it, so all are appended;
        // a line that stands there twice does no harm.
        for ticket in tickets {
            if let Some(waiting) = self.appends.waiting.get_mut(&ticket) {
                waiting.retry_at_ms = Some(self.timestamp.boot_ms);
            }
        }
        self.retry_lines();
    }
}

/// Whether an outcome says that the account file has the line.
fn needs_line(outcome: &Outcome<'_>) -> bool {
    matches!(outcome, Outcome::Registered | Outcome::Stored { .. })
}

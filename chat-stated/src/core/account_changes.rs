//! Taking in what the account file says.

use std::fmt::Write as _;

use chat_node::control::reload_result::ReloadResult;

use super::Core;
use crate::account_file::acceptance::{self, Known, accept};
use crate::account_file::difference::{self, KnownAccount, difference};
use crate::account_file::read::ReadError;
use crate::account_file::writer::AccountFileContent;
use crate::entry::{Entry, OperatorAct};
use crate::state::{AccountRecord, FileStatus};
use chat_model::AccountId;

/// Changes that go into one entry.
const CHANGES_PER_ENTRY: usize = 1_000;

/// What came of a file that was read, for people.
#[derive(Debug)]
pub(super) struct Taken {
    words: String,
    problems: Vec<String>,
}

impl Taken {
    /// A problem is no success, though the rest of the file was taken in.
    pub(super) fn result(&self) -> ReloadResult {
        match self.problems.is_empty() {
            true => Ok(self.words.clone()),
            false => Err(format!("{}; {}", self.words, self.problems.join("; "))),
        }
    }
}

impl Core {
    /// Makes changes of what the file says; fails if nothing of it may be taken, which changes nothing.
    pub(super) fn take_account_file(
        &mut self,
        result: Result<AccountFileContent, ReadError>,
    ) -> Result<Taken, String> {
        let content = match result {
            Ok(content) => content,
            Err(ReadError::Missing(path)) if self.state.account_count() == 0 => {
                let path = path.display();
                return Ok(Taken {
                    words: format!("there is no account and no {path}: the first one makes it"),
                    problems: Vec::new(),
                });
            }
            Err(error) => return Err(format!("{error}; the accounts stay as they are")),
        };
        let parsed = content.parsed;
        for unreadable in &parsed.unreadable {
            let (line, reason) = (unreadable.line, &unreadable.reason);
            log::warn!("account file: line {line} skipped: {reason}");
        }
        let further = parsed.unreadable_total - parsed.unreadable.len();
        if further > 0 {
            log::warn!("account file: {further} more lines skipped");
        }
        let known = self.state.records().map(|(id, record)| known(id, record));
        let mut difference = difference(&parsed.accounts, known);
        let enabled = self.state.records().filter(|(_, record)| !record.disabled);
        let known = Known {
            accounts: self.state.account_count(),
            enabled: enabled.count(),
            max_accounts: self.settings.limits.accounts as usize,
        };
        let is_known = |name: &str| self.state.account(name).is_some();
        let changes = std::mem::take(&mut difference.changes);
        let accepted = accept(&parsed, content.is_accepted, changes, known, is_known)?;
        // A line that is on its way already may have come too late for this reading.
        let on_their_way = self.appends.on_their_way();
        difference.appends.retain(|line| {
            !on_their_way.contains(&(line.filed.account, line.filed.secret_version))
        });
        difference.removals.retain(|line| {
            !on_their_way.contains(&(line.filed.account, line.filed.secret_version))
        });
        let mut words = format!(
            "account file: {} accounts, {} changes, {} lines to be added",
            parsed.accounts.len(),
            accepted.changes.len(),
            difference.appends.len()
        );
        let disabled = acceptance::disabled(&accepted.changes);
        // Writing to a string cannot fail.
        if !disabled.is_empty() {
            let _ = write!(words, ", {} disabled: {disabled}", disabled.count);
        }
        if parsed.unreadable_total > 0 {
            let lines = acceptance::unreadable(&parsed);
            let _ = write!(words, ", {} lines skipped: {lines}", lines.count);
        }
        // No accident: they are disabled already.
        let changes = [accepted.changes, difference.repeated].concat();
        for changes in changes.chunks(CHANGES_PER_ENTRY) {
            let act = OperatorAct::TakeAccountFile(changes.to_vec());
            self.batches.push(Entry::Operate { ticket: 0, act });
        }
        if !difference.filed.is_empty() {
            self.batches.push(Entry::FileStatus(difference.filed));
        }
        if !difference.appends.is_empty() {
            self.append_missing(&difference.appends);
        }
        if !difference.removals.is_empty() {
            self.remove_lines(difference.removals, None);
        }
        Ok(Taken {
            words,
            problems: accepted.problems,
        })
    }
}

fn known(id: AccountId, record: &AccountRecord) -> KnownAccount<'_> {
    KnownAccount {
        id,
        name: &record.name,
        secret: &record.secret,
        secret_version: record.secret_version,
        filed: match &record.filed {
            FileStatus::Yes => difference::FileStatus::Yes,
            FileStatus::No { previous } => difference::FileStatus::No {
                previous: previous.as_deref(),
            },
        },
        disabled: record.disabled,
        is_to_leave_file: record.is_to_leave_file(),
        gets_broadcasts: record.broadcasts_after.get().is_some(),
    }
}

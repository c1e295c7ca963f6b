//! The account file: any bytes are read; what it says and what the state has are brought together, whatever is lost on
//! the way; and an append loses nothing that was there.

use std::collections::BTreeSet;

use chat_model::AccountId;
use chat_stated::account_file::append::fuzzing::MemoryFile;
use chat_stated::account_file::difference::{
    Difference, FileStatus as Known, KnownAccount, difference,
};
use chat_stated::account_file::format::{line, parse};
use chat_stated::entry::{Entry, OperatorAct};
use chat_stated::state::{AccountRecord, Effects, FileStatus, State};

use crate::choices::Choices;

const SHA1: &str = "53649f6e45138ef119c955d04bf042562f6e2946";

/// What stands in such files.
pub const WORDS: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b"#",
    b",",
    b"foobar,",
    b"bob,",
    b"53649f6e45138ef119c955d04bf042562f6e2946\n",
    b"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc\n",
    b"$argon2id$v=19$m=",
    b"$argon2id$v=19$m=4294967295,t=4294967295,p=16777215$",
    b"\xef\xbb\xbf",
];

/// How the disk behaves, which accounts registered before; then the file, two times.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut file = MemoryFile {
        content: Vec::new(),
        bytes_a_write: 1 + choices.below(64),
        writes_left: usize::from(choices.byte()),
    };
    let registered = choices.below(4);
    let cut = choices.below(256) * 16;
    let (first, second) = {
        let rest = choices.rest();
        rest.split_at(cut.min(rest.len()))
    };
    let mut state = State::default();
    for name in ["foobar", "bob", "zoe"].into_iter().take(registered) {
        // As a registration whose line was never written.
        change(&mut state, |state| Difference {
            changes: difference(&[(name.to_owned(), SHA1.to_owned())], known(state)).changes,
            ..Difference::default()
        });
    }
    for content in [first, second] {
        file.content = content.to_vec();
        check_append(&file);
        bring_together(&mut state, &mut file);
    }
}

fn change(state: &mut State, made: impl FnOnce(&State) -> Difference) -> Difference {
    let difference = made(state);
    let mut effects = Effects::default();
    for entry in [
        Entry::Operate {
            ticket: 0,
            act: OperatorAct::TakeAccountFile(difference.changes.clone()),
        },
        Entry::FileStatus(difference.filed.clone()),
    ] {
        state.apply(entry, 0, &mut effects);
    }
    difference
}

fn known(state: &State) -> impl Iterator<Item = KnownAccount<'_>> {
    state
        .records()
        .map(|(id, record)| known_account(id, record))
}

fn known_account(id: AccountId, record: &AccountRecord) -> KnownAccount<'_> {
    KnownAccount {
        id,
        name: &record.name,
        secret: &record.secret,
        secret_version: record.secret_version,
        filed: match &record.filed {
            FileStatus::Yes => Known::Yes,
            FileStatus::No { previous } => Known::No {
                previous: previous.as_deref(),
            },
        },
        disabled: record.disabled,
        is_to_leave_file: record.is_to_leave_file(),
        gets_broadcasts: record.broadcasts_after.get().is_some(),
    }
}

/// Reads, changes and appends until there is nothing left to do, which must be soon.
fn bring_together(state: &mut State, file: &mut MemoryFile) {
    let parsed = parse(&file.content);
    let names: BTreeSet<&str> = parsed
        .accounts
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names.len(), parsed.accounts.len());
    for (name, secret) in &parsed.accounts {
        let written = line(name, secret);
        // Written again, an account is what it was.
        let again = parse(written.as_bytes()).accounts;
        assert!(name.starts_with('#') || again == [(name.clone(), secret.clone())]);
    }
    let made = change(state, |state| difference(&parsed.accounts, known(state)));
    let lines: String = made
        .appends
        .iter()
        .map(|missing| line(&missing.name, &missing.secret))
        .collect();
    file.writes_left = usize::MAX;
    assert!(file.append(lines.as_bytes()));
    let parsed = parse(&file.content);
    change(state, |state| difference(&parsed.accounts, known(state)));
    let left = difference(&parsed.accounts, known(state));
    assert!(left.is_empty(), "{left:?}");
}

/// An append that works adds what it should; one that fails adds nothing.
fn check_append(file: &MemoryFile) {
    let mut grown = file.clone();
    let added = line("added", SHA1);
    let is_in = grown.append(added.as_bytes());
    let before = parse(&file.content);
    if !is_in {
        assert_eq!(grown.content, file.content);
        return;
    }
    assert!(grown.content.starts_with(&file.content));
    let after = parse(&grown.content);
    assert_eq!(after.unreadable_total, before.unreadable_total);
    let others = |(name, _): &&(String, String)| name != "added";
    assert!(
        after
            .accounts
            .iter()
            .filter(others)
            .eq(before.accounts.iter().filter(others))
    );
    assert!(
        after
            .accounts
            .contains(&("added".to_owned(), SHA1.to_owned()))
    );
}

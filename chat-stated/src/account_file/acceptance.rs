//! Which changes of an account file are taken, and which only look like an operator's wish. Pure.

use std::fmt::Write as _;

use super::format::ParsedAccounts;
use crate::entry::AccountChange;

/// So many names or numbers of lines are shown.
const MAX_SHOWN: usize = 10;
/// So many characters of each name.
const MAX_NAME_CHARS: usize = 40;

/// What the state has, for comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Accounts, disabled ones too.
    pub accounts: usize,
    /// Those that are not disabled.
    pub enabled: usize,
    /// So many accounts there may be.
    pub max_accounts: usize,
}

/// The changes to be made, and what an operator has to mend in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acceptance {
    /// For the journal.
    pub changes: Vec<AccountChange>,
    /// In words; empty if all of the file was taken.
    pub problems: Vec<String>,
}

/// Sorts the changes that a file asks for. Fails, in words, if none of them may be made: most accounts would be
/// disabled, which is more often an accident than a wish; unless an operator has said that it is meant. `is_known` says
/// whether a name is that of an account.
pub fn accept(
    file: &ParsedAccounts,
    is_meant: bool,
    changes: Vec<AccountChange>,
    known: Known,
    is_known: impl Fn(&str) -> bool,
) -> Result<Acceptance, String> {
    let mut acceptance = Acceptance::default();
    let mut kept = Names::default();
    let mut not_taken = Names::default();
    let mut room = known.max_accounts.saturating_sub(known.accounts);
    for change in changes {
        let name = name_of(&change);
        let is_new = !is_known(name);
        if let Some(line) = file.doubtful.get(name) {
            kept.add(&format!("{} (line {line})", short(name)));
        } else if is_new && room == 0 {
            not_taken.add(&short(name));
        } else {
            room -= usize::from(is_new);
            acceptance.changes.push(change);
        }
    }
    if !is_meant {
        refuse_accident(file, &acceptance.changes, known)?;
    }
    if !kept.is_empty() {
        acceptance.problems.push(format!(
            "of these accounts a line cannot be read, so they stay as they were: {kept}"
        ));
    }
    if !not_taken.is_empty() {
        let most = known.max_accounts;
        acceptance.problems.push(format!(
            "these accounts are not taken, because there may be no more than {most} (CHAT_MAX_ACCOUNTS): {not_taken}"
        ));
    }
    Ok(acceptance)
}

fn refuse_accident(
    file: &ParsedAccounts,
    changes: &[AccountChange],
    known: Known,
) -> Result<(), String> {
    let disabled = disabled(changes);
    let count = disabled.count;
    let is_empty = count > 0 && file.accounts.is_empty();
    let are_most = count >= 2 && count * 2 > known.enabled;
    let are_unclear = count > 0 && file.unreadable_total > file.unreadable.len();
    if !(is_empty || are_most || are_unclear) {
        return Ok(());
    }
    Err(format!(
        "the account file would disable {count} of {} accounts: {disabled}{}. Nothing is changed. \
         If that is meant: scripts/reload --force",
        known.enabled,
        match file.unreadable_total {
            0 => String::new(),
            total => format!("; {total} lines cannot be read: {}", unreadable(file)),
        }
    ))
}

fn name_of(change: &AccountChange) -> &str {
    match change {
        AccountChange::Set { name, .. } | AccountChange::Disable { name } => name,
    }
}

/// Who is disabled by these changes.
pub fn disabled(changes: &[AccountChange]) -> Names {
    let mut names = Names::default();
    for change in changes {
        if let AccountChange::Disable { name } = change {
            names.add(&short(name));
        }
    }
    names
}

/// The numbers of the lines that cannot be read.
pub fn unreadable(file: &ParsedAccounts) -> Names {
    let mut lines = Names::default();
    for unreadable in file.unreadable.iter().take(MAX_SHOWN) {
        lines.add(&unreadable.line.to_string());
    }
    lines.count = file.unreadable_total;
    lines
}

fn short(name: &str) -> String {
    match name.char_indices().nth(MAX_NAME_CHARS) {
        Some((end, _)) => format!("{}...", &name[..end]),
        None => name.to_owned(),
    }
}

/// The first of some names, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// All of them.
    pub count: usize,
    first: String,
    shown: usize,
}

impl Names {
    fn add(&mut self, name: &str) {
        self.count += 1;
        if self.shown < MAX_SHOWN {
            let separator = if self.shown == 0 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(self.first, "{separator}{name}");
            self.shown += 1;
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.first)?;
        match self.count - self.shown {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account_file::format::parse;

    const SHA1: &str = "53649f6e45138ef119c955d04bf042562f6e2946";

    fn known(enabled: usize) -> Known {
        Known {
            accounts: enabled,
            enabled,
            max_accounts: 100,
        }
    }

    fn disable(names: &[&str]) -> Vec<AccountChange> {
        let change = |name: &&str| AccountChange::Disable {
            name: (*name).to_owned(),
        };
        names.iter().map(change).collect()
    }

    fn set(name: &str) -> AccountChange {
        AccountChange::Set {
            name: name.to_owned(),
            secret: SHA1.to_owned(),
        }
    }

    #[test]
    fn most_accounts_are_not_disabled_by_accident() {
        let one_line = parse(format!("zoe,{SHA1}\n").as_bytes());
        let try_with = |file: &ParsedAccounts, names: &[&str], of| {
            accept(file, false, disable(names), known(of), |_| true)
        };
        assert!(try_with(&one_line, &["a"], 1).is_ok(), "one is no mass");
        assert!(try_with(&one_line, &["a", "b"], 4).is_ok(), "half of them");
        let error = try_with(&one_line, &["a", "b"], 3).unwrap_err();
        assert!(error.starts_with("the account file would disable 2 of 3 accounts: a, b. "));
        assert!(error.ends_with("scripts/reload --force"), "{error}");
        let nothing = parse(b"# nobody\n");
        assert!(try_with(&nothing, &["a"], 50).is_err(), "nobody is left");
        assert!(try_with(&nothing, &[], 0).is_ok());
        let meant = accept(&nothing, true, disable(&["a"]), known(1), |_| true);
        assert_eq!(meant.unwrap().changes.len(), 1);
    }

    #[test]
    fn many_unreadable_lines_disable_nobody() {
        let rubbish = "rubbish\n".repeat(2_000) + &format!("zoe,{SHA1}\n");
        let file = parse(rubbish.as_bytes());
        let error = accept(&file, false, disable(&["a"]), known(50), |_| true).unwrap_err();
        let lines = "2000 lines cannot be read: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 1990 more. ";
        assert!(error.contains(lines), "{error}");
    }

    #[test]
    fn account_of_unreadable_line_stays() {
        let file = parse(format!("ann,{SHA1}\nbob:{SHA1}\n").as_bytes());
        let changes = disable(&["bob", "carol"]);
        let acceptance = accept(&file, false, changes, known(10), |_| true).unwrap();
        assert_eq!(acceptance.changes, disable(&["carol"]));
        let [problem] = &acceptance.problems[..] else {
            panic!("{acceptance:?}");
        };
        assert!(problem.ends_with("they stay as they were: bob (line 2)"));
    }

    #[test]
    fn accounts_beyond_limit_are_named() {
        let file = parse(format!("carol,{SHA1}\ndave,{SHA1}\n").as_bytes());
        let changes = vec![set("ann"), set("carol"), set("dave")];
        let known = Known {
            max_accounts: 3,
            ..known(2)
        };
        let acceptance = accept(&file, false, changes, known, |name| name == "ann").unwrap();
        assert_eq!(acceptance.changes, [set("ann"), set("carol")]);
        let [problem] = &acceptance.problems[..] else {
            panic!("{acceptance:?}");
        };
        assert!(problem.ends_with("no more than 3 (CHAT_MAX_ACCOUNTS): dave"));
    }

    #[test]
    fn lists_of_names_are_bounded() {
        let names: Vec<String> = (0..1_000)
            .map(|n| format!("{n}{}", "x".repeat(4_000)))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let shown = disabled(&disable(&names)).to_string();
        assert!(shown.ends_with("... and 990 more"), "{shown}");
        assert!(shown.len() < 600);
    }
}

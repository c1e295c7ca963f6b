//! What is to be done where the account file and the state say different things.
//!
//! A secret made by the daemon is in the state first and in the file a moment later. So a difference may be
//! the daemon's own, not yet written, or an operator's, not yet taken in: which of the two is told
//! by what the file is known to have held.

use std::collections::HashMap;

use crate::entry::{AccountChange, SecretInFile};
use chat_model::AccountId;

/// An account as the state has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownAccount<'a> {
    /// Its number.
    pub id: AccountId,
    /// Its name.
    pub name: &'a str,
    /// Its newest secret.
    pub secret: &'a str,
    /// The version of that.
    pub secret_version: u32,
    /// Whether that stands in the file.
    pub filed: FileStatus<'a>,
    /// The file had no line for it, or is to lose it.
    pub disabled: bool,
    /// The secret may still stand in the file, and is to go from there.
    pub is_to_leave_file: bool,
    /// Broadcasts wait for it, or will.
    pub gets_broadcasts: bool,
}

/// Whether the newest secret of an account stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileStatus<'a> {
    /// It did when we last knew.
    Yes,
    /// It was not confirmed yet.
    No {
        /// What the file is known to have had before; `None` for an account that never had a line.
        previous: Option<&'a str>,
    },
}

/// All that is to be done. Empty if file and state agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What the operator changed: for the journal.
    pub changes: Vec<AccountChange>,
    /// Accounts that earlier programs disabled, so that broadcasts still wait for them: to be disabled again.
    pub repeated: Vec<AccountChange>,
    /// What the file lacks: to be appended to it.
    pub appends: Vec<MissingLine>,
    /// What was found to stand in the file, or to be gone from it as it should: for the journal.
    pub filed: Vec<SecretInFile>,
    /// What an operator has disabled, and the file still has: to be taken out of it.
    pub removals: Vec<LineToRemove>,
}

/// A secret that the file lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingLine {
    /// Whose.
    pub name: String,
    /// The secret.
    pub secret: String,
    /// What is to be journalled once the line is in the file.
    pub filed: SecretInFile,
}

/// An account that the file is to lose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineToRemove {
    /// Its name.
    pub name: String,
    /// Its secret stays in a comment.
    pub keeps_secret: bool,
    /// What is to be journalled once no line of it is in the file.
    pub filed: SecretInFile,
}

/// Compares the accounts of a file, each name once, with those of the state, each name once. Names that are
/// only in the file come last, in its order.
pub fn difference<'a>(
    file: &[(String, String)],
    known: impl IntoIterator<Item = KnownAccount<'a>>,
) -> Difference {
    let places: HashMap<&str, usize> = (0..)
        .zip(file)
        .map(|(at, (name, _))| (name.as_str(), at))
        .collect();
    let mut is_known = vec![false; file.len()];
    let mut difference = Difference::default();
    for account in known {
        let place = places.get(account.name);
        if let Some(place) = place {
            is_known[*place] = true;
        }
        let secret_in_file = place.map(|place| file[*place].1.as_str());
        difference.add(account, secret_in_file);
    }
    let new = file.iter().zip(is_known).filter(|(_, known)| !known);
    for ((name, secret), _) in new {
        difference.changes.push(set(name, secret));
    }
    difference
}

impl Difference {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.repeated.is_empty()
            && self.appends.is_empty()
            && self.filed.is_empty()
            && self.removals.is_empty()
    }

    fn add(&mut self, account: KnownAccount<'_>, in_file: Option<&str>) {
        match in_file {
            None if account.is_to_leave_file => self.filed.push(account.secret_in_file()),
            None if account.disabled && account.gets_broadcasts => {
                self.repeated.push(disable(account.name));
            }
            None if account.disabled => {}
            Some(_) if account.is_to_leave_file && account.had(in_file) => {
                self.removals.push(LineToRemove {
                    name: account.name.to_owned(),
                    keeps_secret: !account.secret.is_empty(),
                    filed: account.secret_in_file(),
                });
            }
            Some(secret) if account.disabled => self.changes.push(set(account.name, secret)),
            Some(secret) if secret == account.secret => {
                if account.filed != FileStatus::Yes {
                    self.filed.push(account.secret_in_file());
                }
            }
            _ if account.awaits_its_line(in_file) => self.appends.push(MissingLine {
                name: account.name.to_owned(),
                secret: account.secret.to_owned(),
                filed: account.secret_in_file(),
            }),
            Some(secret) => self.changes.push(set(account.name, secret)),
            None => self.changes.push(disable(account.name)),
        }
    }
}

impl KnownAccount<'_> {
    fn secret_in_file(&self) -> SecretInFile {
        SecretInFile {
            account: self.id,
            secret_version: self.secret_version,
        }
    }

    /// The file is known to have had this before.
    fn had(&self, in_file: Option<&str>) -> bool {
        self.filed == FileStatus::No { previous: in_file }
    }

    /// The file is as it was before the newest secret, or has but the beginning of it: an append that a
    /// power cut tore may leave a shorter hash that looks whole.
    fn awaits_its_line(&self, in_file: Option<&str>) -> bool {
        let FileStatus::No { previous } = self.filed else {
            return false;
        };
        in_file == previous || in_file.is_some_and(|secret| self.secret.starts_with(secret))
    }
}

fn disable(name: &str) -> AccountChange {
    AccountChange::Disable {
        name: name.to_owned(),
    }
}

fn set(name: &str, secret: &str) -> AccountChange {
    AccountChange::Set {
        name: name.to_owned(),
        secret: secret.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    const BOB: KnownAccount<'static> = KnownAccount {
        id: AccountId(4),
        name: "bob",
        secret: "s2",
        secret_version: 2,
        filed: FileStatus::Yes,
        disabled: false,
        is_to_leave_file: false,
        gets_broadcasts: true,
    };
    const BOBS_SECRET: SecretInFile = SecretInFile {
        account: AccountId(4),
        secret_version: 2,
    };

    fn with(in_file: Option<&str>, account: KnownAccount<'_>) -> Difference {
        let line = in_file.map(|secret| (account.name.to_owned(), secret.to_owned()));
        difference(line.as_slice(), [account])
    }

    fn changes(change: AccountChange) -> Difference {
        Difference {
            changes: vec![change],
            ..Difference::default()
        }
    }

    fn appends() -> Difference {
        let missing = MissingLine {
            name: "bob".to_owned(),
            secret: "s2".to_owned(),
            filed: BOBS_SECRET,
        };
        Difference {
            appends: vec![missing],
            ..Difference::default()
        }
    }

    fn disable() -> AccountChange {
        super::disable("bob")
    }

    #[test]
    fn disabled_account_leaves_file() {
        let disabled = KnownAccount {
            filed: FileStatus::No {
                previous: Some("s2"),
            },
            disabled: true,
            is_to_leave_file: true,
            gets_broadcasts: false,
            ..BOB
        };
        let removal = LineToRemove {
            name: "bob".to_owned(),
            keeps_secret: true,
            filed: BOBS_SECRET,
        };
        assert_eq!(with(Some("s2"), disabled).removals, [removal]);
        assert_eq!(with(None, disabled).filed, [BOBS_SECRET]);
        // An operator has given it another secret since.
        assert_eq!(with(Some("s3"), disabled).changes, [set("bob", "s3")]);
    }

    #[test]
    fn disabled_account_with_broadcasts_is_disabled_again() {
        let disabled = KnownAccount {
            disabled: true,
            ..BOB
        };
        assert_eq!(with(None, disabled).repeated, [disable()]);
        let without = KnownAccount {
            gets_broadcasts: false,
            ..disabled
        };
        assert!(with(None, without).is_empty());
    }

    fn not_in_file(previous: Option<&'static str>) -> KnownAccount<'static> {
        KnownAccount {
            filed: FileStatus::No { previous },
            ..BOB
        }
    }

    #[test]
    fn nothing_where_they_agree() {
        assert!(with(Some("s2"), BOB).is_empty());
    }

    #[test]
    fn name_only_in_file_is_new_account() {
        let file = ["zoe", "ann"].map(|name| (name.to_owned(), "s".to_owned()));
        let expected = vec![set("zoe", "s"), set("ann", "s")];
        assert_eq!(difference(&file, []).changes, expected);
    }

    #[test]
    fn operator_changed_filed_secret() {
        assert_eq!(with(Some("s9"), BOB), changes(set("bob", "s9")));
        assert_eq!(with(Some("s"), BOB), changes(set("bob", "s")));
    }

    #[test]
    fn operator_removed_filed_account() {
        assert_eq!(with(None, BOB), changes(disable()));
    }

    #[test]
    fn death_before_append_is_mended() {
        assert_eq!(with(None, not_in_file(None)), appends());
        assert_eq!(with(Some("s1"), not_in_file(Some("s1"))), appends());
    }

    #[test]
    fn torn_append_is_mended() {
        assert_eq!(with(Some("s"), not_in_file(None)), appends());
        assert_eq!(with(Some("s"), not_in_file(Some("s1"))), appends());
    }

    #[test]
    fn death_after_append_is_noted() {
        let expected = Difference {
            filed: vec![BOBS_SECRET],
            ..Difference::default()
        };
        assert_eq!(with(Some("s2"), not_in_file(None)), expected);
        assert_eq!(with(Some("s2"), not_in_file(Some("s1"))), expected);
    }

    #[test]
    fn operator_was_faster_than_append() {
        assert_eq!(
            with(Some("s9"), not_in_file(None)),
            changes(set("bob", "s9"))
        );
        assert_eq!(
            with(Some("s9"), not_in_file(Some("s1"))),
            changes(set("bob", "s9"))
        );
        assert_eq!(with(None, not_in_file(Some("s1"))), changes(disable()));
    }

    #[test]
    fn disabled_account_needs_its_line() {
        for filed in [
            FileStatus::Yes,
            FileStatus::No { previous: None },
            FileStatus::No {
                previous: Some("s1"),
            },
        ] {
            let disabled = KnownAccount {
                disabled: true,
                gets_broadcasts: false,
                filed,
                ..BOB
            };
            assert!(with(None, disabled).is_empty());
            for secret in ["s1", "s2", "s3"] {
                assert_eq!(with(Some(secret), disabled), changes(set("bob", secret)));
            }
        }
    }

    /// An account in the simplest state that could follow from the differences.
    #[derive(Clone, Debug)]
    struct ModelAccount {
        secret: String,
        secret_version: u32,
        not_in_file: Option<Option<String>>,
        disabled: bool,
    }

    impl ModelAccount {
        fn is_to_leave_file(&self) -> bool {
            self.disabled && self.not_in_file == Some(Some(self.secret.clone()))
        }
    }

    type Model = BTreeMap<String, ModelAccount>;

    fn compare(file: &BTreeMap<String, String>, model: &Model) -> Difference {
        let file: Vec<_> = file.clone().into_iter().collect();
        let known = (0..)
            .map(AccountId)
            .zip(model)
            .map(|(id, (name, account))| KnownAccount {
                id,
                name,
                secret: &account.secret,
                secret_version: account.secret_version,
                filed: account
                    .not_in_file
                    .as_ref()
                    .map_or(FileStatus::Yes, |previous| FileStatus::No {
                        previous: previous.as_deref(),
                    }),
                disabled: account.disabled,
                is_to_leave_file: account.is_to_leave_file(),
                gets_broadcasts: !account.disabled,
            });
        difference(&file, known)
    }

    fn note_in_file(model: &mut Model, names: &[String], filed: SecretInFile) {
        let name = &names[filed.account.0 as usize];
        let account = model.get_mut(name).unwrap();
        assert_eq!(account.secret_version, filed.secret_version);
        account.not_in_file = None;
    }

    fn carry_out(difference: Difference, file: &mut BTreeMap<String, String>, model: &mut Model) {
        let names: Vec<String> = model.keys().cloned().collect();
        for missing in difference.appends {
            file.insert(missing.name, missing.secret);
            note_in_file(model, &names, missing.filed);
        }
        for removal in difference.removals {
            file.remove(&removal.name);
            note_in_file(model, &names, removal.filed);
        }
        for filed in difference.filed {
            note_in_file(model, &names, filed);
        }
        for change in difference.changes {
            match change {
                AccountChange::Set { name, secret } => {
                    let version = model.get(&name).map_or(0, |account| account.secret_version);
                    let account = ModelAccount {
                        secret,
                        secret_version: version + 1,
                        not_in_file: None,
                        disabled: false,
                    };
                    model.insert(name, account);
                }
                AccountChange::Disable { name } => {
                    let account = model.get_mut(&name).unwrap();
                    (account.disabled, account.not_in_file) = (true, None);
                }
            }
        }
    }

    fn secret() -> impl Strategy<Value = String> {
        "s[12]?"
    }

    fn model() -> impl Strategy<Value = Model> {
        let not_in_file = proptest::option::of(proptest::option::of(secret()));
        let account = (secret(), 0..9_u32, not_in_file, any::<bool>()).prop_map(
            |(secret, secret_version, not_in_file, disabled)| ModelAccount {
                secret,
                secret_version,
                not_in_file,
                disabled,
            },
        );
        proptest::collection::btree_map("[a-f]", account, 0..6)
    }

    proptest! {
        #[test]
        fn carried_out_nothing_is_left(
            mut file in proptest::collection::btree_map("[a-f]", secret(), 0..6),
            mut model in model(),
        ) {
            let first = compare(&file, &model);
            carry_out(first, &mut file, &mut model);
            prop_assert!(compare(&file, &model).is_empty());
            // And who is in the file may log in with what stands there; nobody else may.
            let enabled: BTreeMap<_, _> = model.iter().filter(|(_, account)| !account.disabled)
                .map(|(name, account)| (name.clone(), account.secret.clone())).collect();
            prop_assert_eq!(enabled, file);
        }

        /// No account is done two things to, and none in which both agree is touched.
        #[test]
        fn each_account_once(
            file in proptest::collection::btree_map("[a-f]", secret(), 0..6),
            model in model(),
        ) {
            let difference = compare(&file, &model);
            let ids: Vec<&String> = model.keys().collect();
            let changed = difference.changes.iter().map(|change| match change {
                AccountChange::Set { name, .. } | AccountChange::Disable { name } => name,
            });
            let appended = difference.appends.iter().map(|missing| &missing.name);
            let filed = difference.filed.iter().map(|filed| ids[filed.account.0 as usize]);
            let removed = difference.removals.iter().map(|removal| &removal.name);
            let touched = changed.chain(appended).chain(filed).chain(removed);
            let touched: Vec<&String> = touched.collect();
            let distinct: BTreeSet<_> = touched.iter().collect();
            prop_assert_eq!(distinct.len(), touched.len());
            for name in touched {
                let agrees = model.get(name).is_some_and(|account| {
                    account.not_in_file.is_none() && !account.disabled && file.get(name) == Some(&account.secret)
                });
                prop_assert!(!agrees, "{}", name);
            }
        }
    }
}

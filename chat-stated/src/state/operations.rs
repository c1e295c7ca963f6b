//! What operators do to the running server.

use super::State;
use super::account_record::{AccountRecord, FileStatus};
use super::effects::{ActRefusal, Effects, Operated, OperatorOutcome};
use super::send::Draft;
use crate::entry::{AccountChange, OperatorAct, SecretInFile};
use chat_model::{AccountId, Audience, Outcome};

/// What an act comes to.
type Act = Result<OperatorOutcome, ActRefusal>;

impl State {
    pub(super) fn operate(
        &mut self,
        ticket: u64,
        act: OperatorAct,
        wall_ms: i64,
        effects: &mut Effects,
    ) {
        let outcome = match act {
            OperatorAct::LiftBlocks { account, address } => {
                let now = self.clock.now();
                Ok(OperatorOutcome::Lifted(
                    self.failures.lift(account, address, now),
                ))
            }
            OperatorAct::TakeAccountFile(changes) => {
                for change in changes {
                    self.take_over(change, effects);
                }
                Ok(OperatorOutcome::Taken)
            }
            OperatorAct::AddAccount { name, secret } => {
                self.add_by_operator(&name, &secret, effects)
            }
            OperatorAct::SetPassword { account, secret } => {
                self.set_password(account, &secret, effects)
            }
            OperatorAct::DisableAccount { account } => self.disable(account, effects),
            OperatorAct::EnableAccount { account } => self.enable(account),
            OperatorAct::ForgetAccount { account } => self.forget(account, effects),
            OperatorAct::Announce { sender, text } => self.announce(sender, text, wall_ms, effects),
            OperatorAct::DropRoom { room } => self.drop_room_by_operator(room, wall_ms, effects),
            OperatorAct::SetRoomRetention { room, days } => {
                self.set_retention_by_operator(room, days, wall_ms, effects)
            }
            OperatorAct::DropToken { account, name } => self.drop_token_by_operator(account, &name),
        };
        let outcome = outcome.unwrap_or_else(OperatorOutcome::Refused);
        effects.operated.push(Operated { ticket, outcome });
    }

    /// What the account file says of one account.
    fn take_over(&mut self, change: AccountChange, effects: &mut Effects) {
        match change {
            AccountChange::Set { name, secret } => {
                if let Some(changed) = self.set_account(&name, &secret) {
                    self.cut_off(changed, effects);
                }
            }
            AccountChange::Disable { name } => {
                if let Some(id) = self.accounts.id_of(&name) {
                    let record = &mut self.accounts.change(id).record;
                    record.disabled = true;
                    record.filed = FileStatus::Yes;
                    self.drop_tokens_of(id);
                    self.cut_off(id, effects);
                    self.miss_broadcasts(id);
                }
            }
        }
    }

    fn add_by_operator(&mut self, name: &str, secret: &str, effects: &mut Effects) -> Act {
        if let Some(id) = self.accounts.id_of(name) {
            return match self.record(id).is_some_and(AccountRecord::is_forgotten) {
                true => self.set_password(id, secret, effects),
                false => Err(ActRefusal::NameTaken),
            };
        }
        if self.accounts.len() >= self.limits.accounts as usize {
            return Err(ActRefusal::TooManyAccounts);
        }
        let id = self.add_account(name, secret, FileStatus::No { previous: None });
        self.added(id)
    }

    fn set_password(&mut self, id: AccountId, secret: &str, effects: &mut Effects) -> Act {
        let record = self.record(id).ok_or(ActRefusal::NoAccount)?;
        match record.disabled {
            true => self.enable_with_line(id),
            false => self.cut_off(id, effects),
        }
        self.give_password(id, secret);
        self.added(id)
    }

    fn disable(&mut self, id: AccountId, effects: &mut Effects) -> Act {
        let record = self.record(id).ok_or(ActRefusal::NoAccount)?;
        if record.disabled && (record.is_forgotten() || !record.is_to_leave_file()) {
            return Err(ActRefusal::AlreadySo);
        }
        if !record.disabled && record.filed != FileStatus::Yes {
            return Err(ActRefusal::LineOnItsWay);
        }
        let record = &mut self.accounts.change(id).record;
        record.disabled = true;
        record.filed = FileStatus::No {
            previous: Some(record.secret.clone()),
        };
        let (secret_version, name) = (record.secret_version, record.name.clone());
        self.drop_tokens_of(id);
        self.cut_off(id, effects);
        self.miss_broadcasts(id);
        let filed = SecretInFile {
            account: id,
            secret_version,
        };
        Ok(OperatorOutcome::Disabled { filed, name })
    }

    fn enable(&mut self, id: AccountId) -> Act {
        let record = self.record(id).ok_or(ActRefusal::NoAccount)?;
        if !record.disabled {
            return Err(ActRefusal::AlreadySo);
        }
        if record.is_forgotten() {
            return Err(ActRefusal::NoSecret);
        }
        self.enable_with_line(id);
        self.added(id)
    }

    fn forget(&mut self, id: AccountId, effects: &mut Effects) -> Act {
        let record = self.record(id).ok_or(ActRefusal::NoAccount)?;
        if !record.disabled && record.filed != FileStatus::Yes {
            return Err(ActRefusal::LineOnItsWay);
        }
        self.cut_off(id, effects);
        let account = self.accounts.get(id).ok_or(ActRefusal::NoAccount)?;
        let given_up = self.queue_state(account);
        self.miss_broadcasts(id);
        self.leave_all_rooms(id, effects);
        self.progress_of_all(id, self.last_message.number);
        self.forget_sends_of(id);
        self.drop_tokens_of(id);
        let record = &mut self.accounts.change(id).record;
        record.disabled = true;
        if !record.secret.is_empty() {
            let previous = Some(std::mem::replace(&mut record.secret, "".into()));
            record.filed = FileStatus::No { previous };
            record.secret_version += 1;
            record.password_version += 1;
        }
        let filed = SecretInFile {
            account: id,
            secret_version: record.secret_version,
        };
        let name = record.name.clone();
        Ok(OperatorOutcome::Forgotten {
            filed,
            name,
            given_up,
        })
    }

    fn drop_token_by_operator(&mut self, id: AccountId, name: &str) -> Act {
        self.record(id).ok_or(ActRefusal::NoAccount)?;
        match self.drop_token(id, name).is_stored_for_all() {
            true => Ok(OperatorOutcome::Done),
            false => Err(ActRefusal::NoToken),
        }
    }

    fn announce(
        &mut self,
        sender: AccountId,
        text: String,
        wall_ms: i64,
        effects: &mut Effects,
    ) -> Act {
        self.record(sender).ok_or(ActRefusal::NoAccount)?;
        let draft = Draft {
            sender,
            text: text.into(),
            wall_ms,
        };
        let outcome = self.send(&Audience::Everyone, draft, effects);
        match (outcome, effects.exceeded.take()) {
            (Outcome::Stored { .. }, _) => Ok(OperatorOutcome::Announced),
            (_, Some(exceeded)) => Err(ActRefusal::Quota(exceeded.limit)),
            _ => Err(ActRefusal::TooMuchWaits),
        }
    }

    /// Enables an account whose line the account file is to get.
    fn enable_with_line(&mut self, id: AccountId) {
        let record = &mut self.accounts.change(id).record;
        record.disabled = false;
        if record.filed == FileStatus::Yes {
            record.filed = FileStatus::No { previous: None };
        }
        self.take_broadcasts(id);
    }

    fn added(&self, id: AccountId) -> Act {
        let line = self.file_line(id).ok_or(ActRefusal::NoAccount)?;
        Ok(OperatorOutcome::Added(line))
    }

    /// Broadcasts from now on are for this account again, if they were not.
    pub(super) fn take_broadcasts(&mut self, id: AccountId) {
        let is_without = |record: &AccountRecord| record.broadcasts_after.get().is_none();
        if self.record(id).is_some_and(is_without) {
            let after = Some(self.last_message.number);
            self.accounts.set_broadcasts_after(id, after);
        }
    }

    /// No broadcast waits for this account any more.
    fn miss_broadcasts(&mut self, id: AccountId) {
        let cursor = self.record(id).and_then(|it| it.broadcast_cursor());
        if let Some(cursor) = cursor {
            self.accounts.set_broadcasts_after(id, None);
            let newest = self.last_message.number;
            self.messages.broadcasts_read_by(id, cursor, newest);
        }
    }
}

//! What operators do.

use chat_model::RoomId;

use super::*;
use chat_stated::entry::{OperatorAct, SecretInFile};
use chat_stated::state::{ActRefusal, FileLine, QueueState, QuotaLimit};

/// Who did it, in what members of a room are told.
const SERVER_OPERATOR: &str = "an operator of the server";

/// Stands for each limit of broadcasts.
pub(crate) const ANY_LIMIT: QuotaLimit = QuotaLimit::BroadcastMessages;

impl Model {
    pub(super) fn operate(
        &mut self,
        act: &OperatorAct,
        wall_ms: i64,
        outcome: &mut Applied,
    ) -> OperatorOutcome {
        match act {
            OperatorAct::LiftBlocks { account, address } => {
                let account = account.map(|account| account.0 as usize);
                OperatorOutcome::Lifted(self.lift_blocks(account, *address))
            }
            OperatorAct::TakeAccountFile(changes) => {
                for change in changes {
                    self.take_over(change, outcome);
                }
                OperatorOutcome::Taken
            }
            OperatorAct::AddAccount { name, secret } => self.add_by_operator(name, secret, outcome),
            OperatorAct::SetPassword { account, secret } => self
                .on_account(*account, |model, id| {
                    model.set_password(id, secret, outcome)
                }),
            OperatorAct::DisableAccount { account } => {
                self.on_account(*account, |model, id| model.disable(id, outcome))
            }
            OperatorAct::EnableAccount { account } => self.on_account(*account, |model, id| {
                if !model.accounts[id].disabled {
                    return OperatorOutcome::Refused(ActRefusal::AlreadySo);
                }
                if model.accounts[id].secret.is_empty() {
                    return OperatorOutcome::Refused(ActRefusal::NoSecret);
                }
                model.enable_with_line(id);
                OperatorOutcome::Added(model.line_of(id))
            }),
            OperatorAct::ForgetAccount { account } => {
                self.on_account(*account, |model, id| model.forget(id, outcome))
            }
            OperatorAct::Announce { sender, text } => self.on_account(*sender, |model, id| {
                match model.broadcast(id, text, wall_ms, outcome) {
                    Outcome::Stored { .. } => OperatorOutcome::Announced,
                    Outcome::QueueFull => OperatorOutcome::Refused(ActRefusal::Quota(ANY_LIMIT)),
                    _ => OperatorOutcome::Refused(ActRefusal::TooMuchWaits),
                }
            }),
            OperatorAct::DropRoom { room } => self.on_room(*room, |model, id| {
                let owner = model.rooms[id].owner;
                model.drop_room_of((owner, id), (SERVER_OPERATOR, None), wall_ms, outcome);
                OperatorOutcome::Done
            }),
            OperatorAct::SetRoomRetention { room, days } => self.on_room(*room, |model, id| {
                let room = &mut model.rooms[id];
                if room.retention_days.replace(*days) == Some(*days) {
                    return OperatorOutcome::Refused(ActRefusal::AlreadySo);
                }
                let owner = room.owner;
                let text = format!("{SERVER_OPERATOR} set the retention to {days} days");
                let _ = model.tell(owner, (id, true), &[owner], &text, wall_ms, outcome);
                OperatorOutcome::Done
            }),
            OperatorAct::DropToken { account, name } => self.on_account(*account, |model, id| {
                match model.accounts[id].tokens.remove(name) {
                    Some(_) => OperatorOutcome::Done,
                    None => OperatorOutcome::Refused(ActRefusal::NoToken),
                }
            }),
        }
    }

    fn set_password(&mut self, id: usize, secret: &str, outcome: &mut Applied) -> OperatorOutcome {
        if self.accounts[id].disabled {
            self.enable_with_line(id);
        } else {
            self.cut_off(id, outcome);
        }
        self.give_password(id, secret);
        OperatorOutcome::Added(self.line_of(id))
    }

    fn forget(&mut self, id: usize, outcome: &mut Applied) -> OperatorOutcome {
        let account = &self.accounts[id];
        if !account.disabled && account.filed != FileStatus::Yes {
            return OperatorOutcome::Refused(ActRefusal::LineOnItsWay);
        }
        self.cut_off(id, outcome);
        self.sent_once.forget(id);
        let account = &mut self.accounts[id];
        account.disabled = true;
        account.gets_broadcasts = false;
        account.retain(|_| false);
        self.leave_all_rooms(id);
        let account = &mut self.accounts[id];
        if !account.secret.is_empty() {
            let previous = Some(std::mem::take(&mut account.secret).as_str().into());
            account.filed = FileStatus::No { previous };
            account.version += 1;
            account.password_version += 1;
        }
        let FileLine { filed, name, .. } = self.line_of(id);
        OperatorOutcome::Forgotten {
            filed,
            name,
            given_up: QueueState::default(),
        }
    }

    fn on_room(
        &mut self,
        room: RoomId,
        act: impl FnOnce(&mut Self, usize) -> OperatorOutcome,
    ) -> OperatorOutcome {
        let id = room.0 as usize - 1;
        match self.rooms.get(id) {
            Some(room) if !room.members.is_empty() => act(self, id),
            _ => OperatorOutcome::Refused(ActRefusal::NoSuchRoom),
        }
    }

    fn on_account(
        &mut self,
        account: AccountId,
        act: impl FnOnce(&mut Self, usize) -> OperatorOutcome,
    ) -> OperatorOutcome {
        let id = account.0 as usize;
        match id < self.accounts.len() {
            true => act(self, id),
            false => OperatorOutcome::Refused(ActRefusal::NoAccount),
        }
    }

    fn lift_blocks(&mut self, account: Option<usize>, address: Option<IpAddr>) -> u64 {
        let now_ms = self.now_ms;
        let lifted = self.blocked_until_ms.extract_if(.., |block, until_ms| {
            *until_ms > now_ms
                && account.is_none_or(|account| account == block.0)
                && address.is_none_or(|address| address == block.1)
        });
        lifted.count() as u64
    }

    fn take_over(&mut self, change: &AccountChange, outcome: &mut Applied) {
        let (AccountChange::Set { name, .. } | AccountChange::Disable { name }) = change;
        let id = self.id_of(name);
        let password_version = |model: &Self| id.map(|id| model.accounts[id].password_version);
        let before = password_version(self);
        self.change_account(change, outcome);
        let Some(id) = id else { return };
        if password_version(self) != before {
            self.cut_off(id, outcome);
        }
        if self.accounts[id].disabled {
            self.accounts[id].filed = FileStatus::Yes;
            self.miss_broadcasts(id);
        }
    }

    fn add_by_operator(
        &mut self,
        name: &str,
        secret: &str,
        outcome: &mut Applied,
    ) -> OperatorOutcome {
        if let Some(id) = self.id_of(name) {
            let account = &self.accounts[id];
            return match account.disabled && account.secret.is_empty() {
                true => self.set_password(id, secret, outcome),
                false => OperatorOutcome::Refused(ActRefusal::NameTaken),
            };
        }
        if self.accounts.len() >= self.limits.accounts as usize {
            return OperatorOutcome::Refused(ActRefusal::TooManyAccounts);
        }
        self.add_account(name, secret, FileStatus::No { previous: None });
        OperatorOutcome::Added(self.line_of(self.accounts.len() - 1))
    }

    fn disable(&mut self, id: usize, outcome: &mut Applied) -> OperatorOutcome {
        let account = &mut self.accounts[id];
        let to_leave = FileStatus::No {
            previous: Some(account.secret.as_str().into()),
        };
        let was_forgotten = account.disabled && account.secret.is_empty();
        if was_forgotten || account.disabled && account.filed != to_leave {
            return OperatorOutcome::Refused(ActRefusal::AlreadySo);
        }
        if !account.disabled && account.filed != FileStatus::Yes {
            return OperatorOutcome::Refused(ActRefusal::LineOnItsWay);
        }
        (account.disabled, account.filed) = (true, to_leave);
        self.cut_off(id, outcome);
        self.miss_broadcasts(id);
        let FileLine { filed, name, .. } = self.line_of(id);
        OperatorOutcome::Disabled { filed, name }
    }

    fn enable_with_line(&mut self, id: usize) {
        let account = &mut self.accounts[id];
        account.disabled = false;
        if account.filed == FileStatus::Yes {
            account.filed = FileStatus::No { previous: None };
        }
        account.gets_broadcasts = true;
    }

    fn miss_broadcasts(&mut self, id: usize) {
        let account = &mut self.accounts[id];
        account.gets_broadcasts = false;
        account.retain(|message| !message.broadcast);
    }

    fn line_of(&self, id: usize) -> FileLine {
        let account = &self.accounts[id];
        FileLine {
            filed: SecretInFile {
                account: AccountId(id as u32),
                secret_version: account.version,
            },
            name: account.name.as_str().into(),
            secret: account.secret.as_str().into(),
        }
    }
}
